"""What `file.managed` does beyond the laws that hold for all file states."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from support.states.state_bench import FakeTree, StateBench, chunk

HELLO = hashlib.sha256(b"hello\n").hexdigest()


@pytest.fixture
def bench(tmp_path: Path) -> StateBench:
    return StateBench(tmp_path, FakeTree({"hello": b"hello\n", "tpl": b"{greeting} {name}\n"}))


def place(bench: StateBench, name: str = "f") -> str:
    return str(bench.place / name)


@pytest.mark.parametrize(
    "contents, written",
    [
        ("no newline", "no newline\n"),
        ("a\r\nb\r\n", "a\nb\n"),
        (["one", "two"], "one\ntwo\n"),
        ([1, "two", None], "1\ntwo\nNone\n"),
        (True, "True\n"),
        (1.5, "1.5\n"),
        ("", ""),
        ("a\tb  \n\n", "a\tb  \n\n"),
    ],
)
def test_contents_end_with_one_line_end(bench: StateBench, contents: object, written: str) -> None:
    bench.call("file.managed", name=place(bench), contents=contents)

    assert Path(place(bench)).read_text() == written


def test_contents_may_stand_in_pillar_or_grains(bench: StateBench) -> None:
    bench.pillar = {"a": {"b": "from pillar"}, "l": ["x", "y"]}

    bench.call("file.managed", name=place(bench), contents_pillar="a:b")
    assert Path(place(bench)).read_text() == "from pillar\n"
    bench.call("file.managed", name=place(bench), contents_pillar=["a:b", "l"])
    assert Path(place(bench)).read_text() == "from pillar\nx\ny\n"
    bench.call("file.managed", name=place(bench), contents_grains="os")
    assert Path(place(bench)).read_text() == "Debian\n"
    missing = bench.call("file.managed", name=place(bench), contents_pillar="gone")
    assert (missing.result, missing.comment) == (False, "Pillar gone does not exist")


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ({"contents": "x", "source": "salt://hello"}, "'source' cannot be used in combination"),
        ({"contents": "x", "contents_pillar": "y"}, "Only one of 'contents'"),
        ({"name": "relative"}, "is not an absolute path"),
        ({"contents": "x", "user": "nobody-of-that-name"}, "User nobody-of-that-name is not"),
        ({"contents": "x", "mode": "rw-r--r--"}, "is no octal number"),
        ({"source": "salt://gone"}, "Source file salt://gone not found in saltenv 'base'"),
        ({"source": ["salt://gone", "salt://lost"]}, "none of the specified sources were found"),
        ({"source": "/no/such/file"}, "Local file source /no/such/file does not exist"),
        ({"contents": "", "allow_empty": False}, "would result in empty contents"),
        ({"contents": "x", "context": "text"}, "Context must be formed as a dict"),
        ({"contents": "é", "encoding": "ascii"}, "can't be written with encoding 'ascii'"),
        ({"contents": "x", "name": "/"}, "is a directory"),
        ({"source": "/etc/passwd", "source_hash": "md5=12"}, "format is invalid"),
        ({"source": "/etc/passwd", "source_hash": "0" * 64}, "does not match actual checksum"),
        ({"source": "/etc/passwd", "source_hash": "salt://gone"}, "Source hash file salt://gone"),
        ({"source": "salt://hello", "signature": "salt://hello.asc"}, "verifies a signature"),
        ({"source": "http://127.0.0.1:1/x"}, "Unable to verify upstream hash"),
    ],
)
def test_what_cannot_be_is_told(
    bench: StateBench, arguments: dict[str, Any], complaint: str
) -> None:
    outcome = bench.call("file.managed", **{"name": place(bench), **arguments})

    assert outcome.result is False
    assert complaint in str(outcome.comment)
    assert not Path(place(bench)).exists()


def test_the_parent_is_made_only_if_asked_for_and_can_be_entered(bench: StateBench) -> None:
    name = place(bench, "x/y/f")

    refused = bench.call("file.managed", name=name, contents="x")
    made = bench.call("file.managed", name=name, contents="x", makedirs=True, mode="0640")

    assert refused.comment == "Parent directory not present"
    assert made.changes == {"diff": "New file", "mode": "0640"}
    assert (bench.place / "x").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("mode", ["0600", 600, "0o600", "'0600'"])
def test_a_mode_may_be_written_in_many_ways(bench: StateBench, mode: object) -> None:
    bench.call("file.managed", name=place(bench), contents="x", mode=mode)

    assert Path(place(bench)).stat().st_mode & 0o7777 == 0o600


def test_mode_keep_takes_the_mode_of_the_source(bench: StateBench) -> None:
    bench.call("file.managed", name=place(bench), source="salt://hello", mode="keep")

    assert Path(place(bench)).stat().st_mode & 0o7777 == 0o640


def test_a_file_keeps_mode_and_place_when_its_content_changes(bench: StateBench) -> None:
    path = Path(place(bench))
    path.write_text("old\n")
    path.chmod(0o600)
    (bench.place / "link").symlink_to("f")

    outcome = bench.call("file.managed", name=place(bench, "link"), contents="new")

    assert outcome.changes == {"diff": "--- \n+++ \n@@ -1 +1 @@\n-old\n+new\n"}
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (bench.place / "link").is_symlink()


def test_changes_may_be_kept_to_themselves(bench: StateBench) -> None:
    Path(place(bench)).write_text("secret\n")

    outcome = bench.call("file.managed", name=place(bench), contents="x", show_changes=False)

    assert outcome.changes == {"diff": "<show_changes=False>"}


def test_binary_content_is_not_shown(bench: StateBench) -> None:
    Path(place(bench)).write_bytes(b"\0\1")

    outcome = bench.call("file.managed", name=place(bench), contents="x")

    assert outcome.changes == {"diff": "Replace binary file with text file"}


def test_replace_false_leaves_content_but_not_permissions(bench: StateBench) -> None:
    Path(place(bench)).write_text("own\n")
    os.chmod(place(bench), 0o644)

    outcome = bench.call(
        "file.managed", name=place(bench), contents="x", replace=False, mode="0600"
    )

    assert outcome.changes == {"mode": "0600"}
    assert Path(place(bench)).read_text() == "own\n"


def test_check_cmd_keeps_a_bad_file_away(bench: StateBench) -> None:
    Path(place(bench)).write_text("good\n")

    check = "sh -c 'echo looking; grep -q good $0 || { echo none good >&2; exit 1; }'"
    outcome = bench.call("file.managed", name=place(bench), contents="evil", check_cmd=check)

    assert (outcome.result, outcome.changes) == (False, {})
    assert outcome.comment == "check_cmd execution failed\nlooking\nnone good"
    assert outcome.is_skipping_watch
    assert Path(place(bench)).read_text() == "good\n"


def test_a_backup_is_kept_in_the_minions_own_directory(bench: StateBench) -> None:
    Path(place(bench)).write_text("old\n")

    bench.call("file.managed", name=place(bench), contents="new", backup="minion")

    (kept,) = (bench.place / ".state/file_backup").rglob("f_*")
    assert kept.read_text() == "old\n"


@pytest.mark.parametrize("source_hash", [f"sha256={HELLO}", HELLO, f"sha256:{HELLO}"])
def test_a_source_is_held_against_its_checksum(bench: StateBench, source_hash: str) -> None:
    source = bench.place / "source"
    source.write_bytes(b"hello\n")
    arguments: dict[str, Any] = {
        "name": place(bench),
        "source": str(source),
        "source_hash": source_hash,
    }

    assert bench.call("file.managed", **arguments).result is True
    source.write_bytes(b"evil\n")
    Path(place(bench)).write_bytes(b"old\n")
    assert "does not match actual" in str(bench.call("file.managed", **arguments).comment)
    assert Path(place(bench)).read_bytes() == b"old\n"


def test_a_source_of_the_tree_needs_no_checksum_and_is_not_held_against_one(
    bench: StateBench,
) -> None:
    arguments: dict[str, Any] = {
        "name": place(bench),
        "source": "salt://hello",
        "source_hash": "0" * 64,
    }

    assert bench.call("file.managed", **arguments).result is True


@pytest.mark.parametrize(
    "listed",
    [
        f"{'0' * 64}  other\n{HELLO} *source\n",
        f"{'0' * 64}  other\n{HELLO}  ./dist/source\n",
        f"SHA256 (other) = {'0' * 64}\nSHA256 (source) = {HELLO}\n",
        HELLO.upper(),
        f"# made today\n{HELLO}\n",
    ],
)
def test_the_checksum_may_stand_in_a_list(bench: StateBench, listed: str) -> None:
    source = bench.place / "source"
    source.write_bytes(b"hello\n")
    bench.tree.files["sums"] = listed.encode()

    outcome = bench.call(
        "file.managed", name=place(bench), source=str(source), source_hash="salt://sums"
    )

    assert outcome.result is True, outcome.comment


def test_the_name_in_the_list_may_be_another_one(bench: StateBench) -> None:
    source = bench.place / "source"
    source.write_bytes(b"hello\n")
    bench.tree.files["sums"] = f"{'0' * 64}  source\n{HELLO}  release-1.tgz\n".encode()
    arguments: dict[str, Any] = {
        "name": place(bench),
        "source": str(source),
        "source_hash": "salt://sums",
    }

    assert bench.call("file.managed", **arguments).result is False
    assert bench.call("file.managed", **arguments, source_hash_name="release-1.tgz").result is True


def test_a_file_that_is_right_already_is_not_fetched(bench: StateBench) -> None:
    bench.call("file.managed", name=place(bench), source="salt://hello")
    again = bench.call("file.managed", name=place(bench), source="salt://hello")

    assert (again.result, again.changes) == (True, {})
    assert bench.tree.fetched == ["salt://hello"]


def test_too_large_a_file_is_put_in_place_without_showing_what_differs(bench: StateBench) -> None:
    bench.tree.files["big"] = b"a\n" * (3 * 1024 * 1024)
    Path(place(bench)).write_bytes(b"b\n")

    outcome = bench.call("file.managed", name=place(bench), source="salt://big")

    assert outcome.changes == {"diff": "Replace file of 2 bytes, too large to show what differs"}
    assert Path(place(bench)).read_bytes() == bench.tree.files["big"]


def test_a_new_file_may_be_shown_whole(bench: StateBench) -> None:
    outcome = bench.call(
        "file.managed", name=place(bench), source="salt://hello", new_file_diff=True, mode="0600"
    )

    assert outcome.changes == {"diff": "--- \n+++ \n@@ -0,0 +1 @@\n+hello\n"}


def test_selinux_where_there_is_none_is_a_failure_though_the_file_is_there(
    bench: StateBench,
) -> None:
    outcome = bench.call(
        "file.managed", name=place(bench), contents="x", selinux={"setype": "etc_t"}
    )

    assert (outcome.result, outcome.changes) == (False, {"diff": "New file"})
    assert outcome.comment == "Failed to get selinux attributes"


def test_the_first_source_that_is_there_is_taken(bench: StateBench) -> None:
    bench.call("file.managed", name=place(bench), source=["salt://gone", "salt://hello"])

    assert Path(place(bench)).read_text() == "hello\n"


def test_a_template_sees_context_over_defaults_and_its_own_place(bench: StateBench) -> None:
    bench.call(
        "file.managed",
        name=place(bench),
        source="salt://tpl",
        template="jinja",
        defaults={"greeting": "bye"},
        context={"greeting": "hi"},
    )

    assert Path(place(bench)).read_text() == f"hi {place(bench)}\n"


def test_accumulated_text_reaches_the_template(bench: StateBench) -> None:
    bench.tree.files["acc"] = b"{accumulator[words]}"
    gathering = {"filename": place(bench), "name": "words", "require_in": [{"file": "f"}]}

    bench.run(
        chunk("file.accumulated", "a", **gathering, text=["one"]),
        chunk("file.accumulated", "b", **gathering, text="two"),
        chunk("file.managed", "f", name=place(bench), source="salt://acc", template="jinja"),
    )

    assert Path(place(bench)).read_text() == "['one', 'two']"


def test_an_accumulator_that_nothing_waits_for_is_an_orphan(bench: StateBench) -> None:
    outcome = bench.call("file.accumulated", name="words", filename="/x", text="y")

    assert outcome.comment == "Orphaned accumulator words in main:it"


def test_a_file_that_cannot_be_written_is_a_failure_with_its_reason(bench: StateBench) -> None:
    outcome = bench.call("file.managed", name="/proc/no-such-file", contents="x")

    assert outcome.result is False
    assert "cannot write /proc/no-such-file" in str(outcome.comment)
