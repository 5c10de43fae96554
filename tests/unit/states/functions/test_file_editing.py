"""Editing and looking by `file.*` functions, on real files; the answers are Salt's own."""

import os
from pathlib import Path
from typing import Any

import pytest

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.host.machine import ThisMachine
from support.fakes.host import make_context


@pytest.fixture
def context(tmp_path: Path) -> FunctionContext:
    context = make_context(root=tmp_path / "minion", configuration={"file_roots": {"base": []}})
    context.host = ThisMachine()
    (tmp_path / "minion/state").mkdir(parents=True)
    (tmp_path / "f").write_text("one\ntwo\n#three\n")
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/g").write_text("x")
    (tmp_path / "d/h.txt").write_text("yy")
    (tmp_path / "l").symlink_to("f")
    return context


def test_text_is_replaced_and_the_difference_given(
    context: FunctionContext, tmp_path: Path
) -> None:
    f = str(tmp_path / "f")

    def replace(*positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
        return context.call("file.replace", f, *positional, backup=False, **keyword)

    assert replace("one", "1", dry_run=True) == (
        "--- \n+++ \n@@ -1,3 +1,3 @@\n-one\n+1\n two\n #three\n"
    )
    assert (tmp_path / "f").read_text() == "one\ntwo\n#three\n"
    assert replace("one", "1", show_changes=False) is True
    assert replace("nope", "1") == ""
    assert replace("nope", "1", show_changes=False) is False
    assert replace("1", "x", search_only=True) is True
    assert replace("zz", "x", search_only=True) is False
    assert replace("TWO|2", "k", flags=["IGNORECASE"]).endswith("-two\n+k\n #three\n")
    assert (tmp_path / "f").read_text() == "1\nk\n#three\n"
    gone = str(tmp_path / "gone")
    assert context.call("file.replace", gone, "a", "b", ignore_if_missing=True) is False
    with pytest.raises(HostError, match=r"file\.replace"):
        context.call("file.replace", gone, "a", "b")


def test_one_line_is_put_in_its_place(context: FunctionContext, tmp_path: Path) -> None:
    f = str(tmp_path / "f")

    inserted = context.call("file.line", f, "new", mode="insert", location="start")
    assert inserted == "--- \n+++ \n@@ -1,3 +1,4 @@\n+new\n one\n two\n #three\n"
    assert context.call("file.line", f, "in", mode="ensure", after="one")
    assert context.call("file.line", f, "in", mode="ensure", after="one") is False
    assert context.call("file.line", f, match="two", mode="delete", show_changes=False) is True
    assert (tmp_path / "f").read_text() == "new\none\nin\n#three\n"


def test_a_block_without_a_last_newline_is_found_again(
    context: FunctionContext, tmp_path: Path
) -> None:
    f = str(tmp_path / "f")

    def replace(content: str) -> Any:  # noqa: ANN401
        return context.call(
            "file.blockreplace", f, "#a", "#z", content, append_if_not_found=True, backup=False
        )

    assert replace("x").endswith("+#a\n+x#z\n")
    assert replace("x") == ""
    assert replace("y").endswith("-x#z\n+y#z\n")
    assert (tmp_path / "f").read_text() == "one\ntwo\n#three\n#a\ny#z\n"


def test_lines_are_commented_out_and_in(context: FunctionContext, tmp_path: Path) -> None:
    f = str(tmp_path / "f")

    assert context.call("file.comment", f, "one") == "--- \n+++ \n@@ -1 +1 @@\n-one\n+#one\n"
    assert context.call("file.uncomment", f, "three").endswith("-#three\n+three\n")
    assert context.call("file.comment_line", f, "two", backup=False).endswith("-two\n+#two\n")
    assert context.call("file.comment_line", f, "two", cmnt=False).endswith("-#two\n+two\n")
    assert context.call("file.comment", f, "nope") is False
    assert (tmp_path / "f").read_text() == "#one\ntwo\nthree\n"
    with pytest.raises(UsageError, match="not found"):
        context.call("file.comment", str(tmp_path / "gone"), "x")


def test_sed_edits_in_place(context: FunctionContext, tmp_path: Path) -> None:
    f = str(tmp_path / "f")

    assert context.call("file.sed", f, "o(n)e", "1/2", backup="")["retcode"] == 0
    assert context.call("file.sed", f, ".", "x", escape_all=True, backup="")["retcode"] == 0
    assert (tmp_path / "f").read_text() == "1/2\ntwo\n#three\n"
    with pytest.raises(HostError, match="no such file"):
        context.call("file.sed", str(tmp_path / "gone"), "a", "b")


def test_everything_below_a_directory_is_found_in_order(
    context: FunctionContext, tmp_path: Path
) -> None:
    top = tmp_path / "d"

    def find(**conditions: Any) -> list[Any]:  # noqa: ANN401
        found: list[Any] = context.call("file.find", str(top), **conditions)
        return found

    assert find() == [str(top), *(str(top / each) for each in ("e", "g", "h.txt"))]
    assert find(name="*.txt") == find(iname="*.TXT") == find(regex="h\\.t") == [str(top / "h.txt")]
    assert find(type="d") == [str(top), str(top / "e")]
    assert find(size="1", type="f") == find(grep="x") == [str(top / "g")]
    assert find(size="+2", type="f") == [str(top / "h.txt")]
    assert find(mtime="+1d") == find(owner="nobody") == []
    assert find(mindepth=2) == []
    assert find(maxdepth=0) == [str(top)]
    assert find(name="g", print="size,name,type") == [[1, "g", "f"]]
    assert find(name="g", print="md5") == ["9dd4e461268c8034f5c8564e155c67a6"]
    assert find(name="g", exec="echo {}") == [f"echo {top}/g:\n{top}/g\n\n"]
    assert find(name="h.txt", delete="f") == [str(top / "h.txt")]
    assert find(name="h.txt") == []
    assert context.call("file.find", f"{tmp_path}/d*", name="g") == [str(top / "g")]
    assert context.call("file.find", str(tmp_path / "gone")) == []
    for wrong in ({"type": "z"}, {"size": "x"}, {"print": "y"}, {"regex": "("}):
        with pytest.raises(UsageError):
            find(**wrong)


def test_kinds_and_figures(context: FunctionContext, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")
    os.link(tmp_path / "f", tmp_path / "hard")

    assert context.call("file.is_fifo", str(tmp_path / "p")) is True
    assert context.call("file.is_fifo", str(tmp_path / "gone")) is False
    assert context.call("file.is_chrdev", "/dev/null") is True
    assert context.call("file.is_blkdev", "/dev/null") is False
    assert context.call("file.get_devmm", "/dev/null") == (1, 3)
    assert context.call("file.get_devmm", str(tmp_path / "f")) == (0, 0)
    assert context.call("file.is_hardlink", str(tmp_path / "hard")) is True
    assert context.call("file.is_hardlink", str(tmp_path / "d/g")) is False
    assert context.call("file.diskusage", str(tmp_path / "d")) == 3
    assert context.call("file.diskusage", str(tmp_path / "f")) == 15
    assert context.call("file.diskusage", str(tmp_path / "gone")) == 0
    assert context.call("file.lstat", str(tmp_path / "f"))["st_size"] == 15
    assert context.call("file.lstat", str(tmp_path / "gone")) == {}
    assert context.call("file.statvfs", str(tmp_path))["f_namemax"] == 255
    assert context.call("file.seek_read", str(tmp_path / "f"), 3, 1) == "ne\n"
    assert context.call("file.pardir") == ".."


def test_directories_are_made_and_only_empty_ones_removed(
    context: FunctionContext, tmp_path: Path
) -> None:
    assert context.call("file.makedirs_perms", str(tmp_path / "n/m"), mode="0750") is None
    assert (tmp_path / "n").stat().st_mode & 0o777 == 0o750
    below = str(tmp_path / "n/x")
    assert context.call("file.makedirs", below) == f"Directory '{tmp_path}/n' already exists"
    assert context.call("file.rmdir", str(tmp_path / "n")) is False
    assert context.call("file.rmdir", str(tmp_path / "d"), recurse=True) is False
    assert (tmp_path / "d/g").exists()
    assert context.call("file.rmdir", str(tmp_path / "n"), recurse=True, verbose=True) == {
        "deleted": [str(tmp_path / "n/m"), str(tmp_path / "n")],
        "errors": [],
        "result": True,
    }
    with pytest.raises(UsageError, match="valid directory"):
        context.call("file.rmdir", str(tmp_path / "gone"))


def test_two_files_are_compared(context: FunctionContext, tmp_path: Path) -> None:
    f, g = str(tmp_path / "f"), str(tmp_path / "d/g")

    assert context.call("file.get_diff", f, f) == ""
    assert context.call("file.get_diff", f, g).startswith(f"--- {f}\n+++ {g}\n@@ -1,3 +1 @@\n")
    assert context.call("file.get_diff", f, g, show_filenames=False).startswith("--- \n+++ \n")
    assert context.call("file.get_diff", f, g, show_changes=False) == "<show_changes=False>"
    assert context.call("file.get_diff", f, "/bin/true") == "Replace text file with binary file"
    with pytest.raises(HostError):
        context.call("file.get_diff", f, str(tmp_path / "gone"))


def test_a_backup_comes_back(context: FunctionContext, tmp_path: Path) -> None:
    f = str(tmp_path / "f")
    assert context.call("file.list_backups", f) == {}
    assert context.call("file.restore_backup", f, 0) == {
        "result": False,
        "comment": f"backup_id '0' does not exist for {f}",
    }
    folder = tmp_path / f"minion/state/file_backup{tmp_path}"
    folder.mkdir(parents=True)
    (folder / "f_Fri_Nov_24_10:00:00_000001_2023").write_text("old")
    (folder / "f_odd").write_text("none of ours")

    (kept,) = context.call("file.list_backups", f).values()
    assert (kept["Size"], kept["Backup Time"]) == (3, "Fri Nov 24 2023 10:00:00.000001")
    assert context.call("file.restore_backup", f, 0)["result"] is True
    assert (tmp_path / "f").read_text() == "old"
    newest_first = list(context.call("file.list_backup", f).values())
    assert [each["Size"] for each in newest_first] == [15, 3]
    assert context.call("file.delete_backup", f, 1)["result"] is True
    assert len(context.call("file.list_backups", f)) == 1


def test_lines_may_be_handed_in_as_args(context: FunctionContext, tmp_path: Path) -> None:
    path = str(tmp_path / "w")

    assert context.call("file.write", path, args=["a", "b"]) == f'Wrote 2 lines to "{path}"'
    assert context.call("file.append", path, args="c") == f'Wrote 1 lines to "{path}"'
    assert context.call("file.prepend", path, "0") == f'Prepended 1 lines to "{path}"'
    assert (tmp_path / "w").read_text() == "0\na\nb\nc\n"


def test_a_link_itself_gets_an_owner(context: FunctionContext, tmp_path: Path) -> None:
    link = str(tmp_path / "l")
    own = context.host.accounts.own()

    assert context.call("file.lchown", link, own[0], own[1]) is None
    assert context.call("file.lchown", link, "no-such-user", "") == "User does not exist"
