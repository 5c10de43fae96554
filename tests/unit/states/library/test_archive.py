"""`archive.extracted` on real archives; results and changes are Salt's own."""

import io
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from limpet.common.errors import HostError
from support.states.state_bench import FakeTree, StateBench


def packed(*members: tuple[str, str]) -> bytes:
    """Make a tar archive: `name/` is a directory, `name -> target` a link."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in members:
            path, arrow, target = name.partition(" -> ")
            info = tarfile.TarInfo(path.rstrip("/"))
            info.mtime = 1_000_000_000
            info.mode = 0o755 if path.endswith("/") else 0o640
            if arrow:
                info.type, info.linkname = tarfile.SYMTYPE, target
            elif path.endswith("/"):
                info.type = tarfile.DIRTYPE
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return stream.getvalue()


ONE = packed(("top/", ""), ("top/a", "A"), ("top/sub/", ""), ("top/sub/b", "B"), ("top/l -> a", ""))
LISTED = ["top", "top/a", "top/sub", "top/sub/b", "top/l"]


@pytest.fixture
def bench(tmp_path: Path) -> StateBench:
    (tmp_path / "one.tar.gz").write_bytes(ONE)
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.writestr("top/", "")
        archive.writestr("top/a", "A")
    return StateBench(tmp_path, FakeTree({"one.tar.gz": ONE}))


def call(bench: StateBench, *, is_test: bool = False, **more: Any) -> Any:  # noqa: ANN401
    place = bench.place
    asked = {"name": str(place / "out"), "source": str(place / "one.tar.gz"), **more}
    return bench.call("archive.extracted", is_test=is_test, **asked)


def law(bench: StateBench, **more: Any) -> Any:  # noqa: ANN401
    """Hold a run against its announcement and a second run; Salt announces by the result alone."""
    out = bench.place / "out"
    before = sorted(out.rglob("*"))
    announced = call(bench, is_test=True, **more)
    assert sorted(out.rglob("*")) == before
    done = call(bench, **more)
    again = call(bench, **more)
    assert done.result is True, done
    assert announced.result is (None if done.changes else True)
    assert (again.result, dict(again.changes)) == (True, {}), again
    assert again.comment == "All files in archive are already present"
    return done


@pytest.mark.parametrize("source", ["{place}/one.tar.gz", "salt://one.tar.gz"])
def test_an_archive_is_unpacked_once(bench: StateBench, source: str) -> None:
    address = source.format(place=bench.place)

    done = law(bench, source=address)

    out = f"{bench.place}/out/"
    assert done.changes == {"directories_created": [out], "extracted_files": LISTED}
    assert done.comment == (
        f"{address} extracted to {out}, due to absence of one or more files/dirs"
    )
    top = bench.place / "out/top"
    assert ((top / "a").read_text(), (top / "l").readlink()) == ("A", Path("a"))
    assert (top / "a").stat().st_mode & 0o777 == 0o640


def test_a_zip_archive_is_unpacked_once(bench: StateBench) -> None:
    done = law(bench, source=str(bench.place / "one.zip"))

    assert done.changes["extracted_files"] == ["top/", "top/a"]


@pytest.mark.skipif(shutil.which("tar") is None, reason="this machine has no tar")
def test_options_have_tar_do_it(bench: StateBench) -> None:
    done = law(bench, options="--strip-components=1", enforce_toplevel=False)

    assert (bench.place / "out/sub/b").read_text() == "B"
    assert done.changes["extracted_files"] == ["top/a", "top/sub/", "top/sub/b", "top/l"]


def test_what_is_missing_or_of_another_kind_is_seen(bench: StateBench) -> None:
    law(bench)
    (bench.place / "out/top/a").unlink()
    assert law(bench).changes == {"extracted_files": LISTED}
    (bench.place / "out/top/a").unlink()
    (bench.place / "out/top/a").mkdir()

    refused = call(bench)
    assert refused.result is False
    assert refused.comment.endswith("\n\n- top/a")
    announced = call(bench, is_test=True, force=True)
    assert announced.changes == {"removed": [f"{bench.place}/out/top/a"]}
    assert law(bench, force=True).changes == {"extracted_files": LISTED}


def test_what_was_there_goes_where_that_is_asked(bench: StateBench) -> None:
    out = bench.place / "out"
    (out / "top").mkdir(parents=True)
    (out / "top/old").write_text("")
    assert law(bench, clean=True).changes["removed"] == [f"{out}/top"]
    assert not (out / "top/old").exists()
    (out / "other").write_text("")
    (out / "top/a").unlink()
    done = law(bench, clean_parent=True)
    assert done.changes["removed"] == f"Directory {out}/ was removed prior to the extraction"
    assert not (out / "other").exists()


def test_an_existing_path_stands_for_the_whole(bench: StateBench) -> None:
    outcome = call(bench, if_missing=str(bench.place / "one.zip"))

    assert (outcome.result, outcome.changes) == (True, {})
    assert not (bench.place / "out").exists()


def test_another_archive_is_unpacked_by_its_hash(bench: StateBench) -> None:
    source = bench.place / "one.tar.gz"
    law(bench, source_hash_update=True)
    source.write_bytes(packed(("top/", ""), ("top/a", "new")))

    assert call(bench).changes == {}
    assert law(bench, source_hash_update=True).changes["extracted_files"] == ["top", "top/a"]
    assert (bench.place / "out/top/a").read_text() == "new"


def test_output_is_trimmed(bench: StateBench) -> None:
    done = call(bench, trim_output=1)

    assert done.changes["extracted_files"] == ["top"]
    assert done.comment.endswith(". Output was trimmed to 1 number of lines")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"name": "rel"}, "rel is not an absolute path"),
        ({"source": "/gone.tar.gz"}, "'/gone.tar.gz' does not exist"),
        ({"source": "/etc/hostname"}, "Could not guess archive_format"),
        ({"archive_format": "lha"}, "Invalid archive_format 'lha'"),
        ({"archive_format": "rar"}, "can't be extracted here"),
        ({"archive_format": "zip"}, "no archive of the format zip"),
        ({"source_hash": "sha256=" + "0" * 64}, "does not match"),
        ({"source": "salt://one.tar.gz", "source_hash": "md5=" + "0" * 32}, "does not match"),
        ({"user": "no-such-user"}, "User no-such-user does not exist"),
        ({"source": "http://127.0.0.1:1/x.tar"}, "Unable to verify upstream hash"),
        ({"enforce_ownership_on": "/etc"}, "must be a path within"),
    ],
)
def test_what_is_wrong_is_told(bench: StateBench, more: dict[str, Any], told: str) -> None:
    outcome = call(bench, **more)

    assert outcome.result is False
    assert told in str(outcome.comment)
    assert not (bench.place / "out").exists()


def test_a_second_top_is_refused_unless_allowed(bench: StateBench) -> None:
    (bench.place / "one.tar.gz").write_bytes(packed(("a", "1"), ("b", "2")))
    assert "single top-level directory" in call(bench).comment
    law(bench, enforce_toplevel=False)
    (bench.place / "one.tar.gz").write_bytes(packed(("./", ""), ("./c", "3")))
    law(bench)


@pytest.mark.covers("B-39")
@pytest.mark.parametrize(
    "members",
    [
        [("../evil", "x")],
        [("top/../../evil", "x")],
        [("top/l -> /etc", ""), ("top/l/passwd", "x")],
        [("top/l -> ../../..", "")],
    ],
)
def test_nothing_leaves_the_target(bench: StateBench, members: list[tuple[str, str]]) -> None:
    (bench.place / "one.tar.gz").write_bytes(packed(("top/", ""), ("top/ok", "y"), *members))

    asked: list[dict[str, Any]] = [{}, {"options": "--no-same-owner"}]
    for more in asked:
        outcome = call(bench, enforce_toplevel=False, **more)
        assert outcome.result is False
        assert "not extracted" in str(outcome.comment)
        assert not (bench.place / "out").exists()
        assert not (bench.place / "evil").exists()


@pytest.mark.parametrize("name", ["../evil", "/evil", "top/../../evil"])
def test_nothing_of_a_zip_leaves_the_target(bench: StateBench, name: str) -> None:
    with zipfile.ZipFile(bench.place / "one.zip", "w") as archive:
        archive.writestr(name, "x")

    outcome = call(bench, source=str(bench.place / "one.zip"), enforce_toplevel=False)

    assert outcome.result is False
    assert "would lie outside" in str(outcome.comment)
    assert not (bench.place / "evil").exists()


def zipped(place: Path, *members: tuple[str, str]) -> None:
    """Make a zip archive: `name -> target` is a link."""
    with zipfile.ZipFile(place, "w") as archive:
        for name, text in members:
            path, arrow, target = name.partition(" -> ")
            info = zipfile.ZipInfo(path)
            info.external_attr = (0o120777 if arrow else 0o100644) << 16
            archive.writestr(info, target or text)


@pytest.mark.covers("B-62")
@pytest.mark.parametrize(
    "members",
    [
        [("top/l -> sub", ""), ("top/l/x", "x")],
        [("top/l/x", "x"), ("top/l -> sub", "")],
        [("top/l/ -> sub", ""), ("./top//l/x", "x")],
    ],
)
def test_nothing_is_written_through_a_link_of_the_archive(
    bench: StateBench, members: list[tuple[str, str]]
) -> None:
    (bench.place / "one.tar.gz").write_bytes(packed(("top/", ""), *members))
    zipped(bench.place / "one.zip", *members)

    for name in ("one.tar.gz", "one.zip"):
        outcome = call(bench, source=str(bench.place / name), enforce_toplevel=False)

        assert outcome.result is False, name
        assert "lies behind the link" in str(outcome.comment)
        assert not (bench.place / "out").exists()


@pytest.mark.covers("B-62")
def test_no_hard_link_is_made_to_a_link_of_the_archive(bench: StateBench) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, kind, target in (("l", tarfile.SYMTYPE, "a"), ("h", tarfile.LNKTYPE, "l")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    (bench.place / "one.tar.gz").write_bytes(stream.getvalue())

    outcome = call(bench, enforce_toplevel=False)

    assert outcome.result is False
    assert "lies behind the link" in str(outcome.comment)


@pytest.mark.covers("B-62")
def test_links_of_a_zip_that_lead_out_together_are_refused(bench: StateBench) -> None:
    """`a/b/c` is the target itself, so `a/b/c/../..` is above it, whatever its letters say."""
    out = bench.place / "deep" / "out"
    zipped(bench.place / "one.zip", ("a/b/c -> ../..", ""), ("l -> a/b/c/../..", ""))

    outcome = call(
        bench, name=str(out), source=str(bench.place / "one.zip"), enforce_toplevel=False
    )

    assert outcome.result is False
    assert "would lie outside" in str(outcome.comment)
    assert not (out / "l").is_symlink()


@pytest.mark.covers("B-49")
def test_a_zip_is_not_unpacked_through_a_link_that_stood_there(bench: StateBench) -> None:
    elsewhere = bench.place / "elsewhere"
    elsewhere.mkdir()
    (bench.place / "out").mkdir()
    (bench.place / "out" / "top").symlink_to(elsewhere)

    outcome = call(bench, source=str(bench.place / "one.zip"))

    assert outcome.result is False
    assert "would lie outside" in str(outcome.comment)
    assert list(elsewhere.iterdir()) == []


def test_a_link_of_a_zip_is_as_long_as_a_path(bench: StateBench) -> None:
    zipped(bench.place / "one.zip", (f"l -> {'x' * 5000}", ""))

    outcome = call(bench, source=str(bench.place / "one.zip"), enforce_toplevel=False)

    assert outcome.result is False
    assert "target of the link" in str(outcome.comment)


def test_functions_pack_and_look(bench: StateBench) -> None:
    place = bench.place

    def run(name: str, *positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
        return bench.context().call(f"archive.{name}", *positional, **keyword)

    one = str(place / "one.tar.gz")
    assert run("list", one) == ["top/", "top/a", "top/l", "top/sub/", "top/sub/b"]
    found = run("list", one, verbose=True)
    assert (found["links"], found["top_level_dirs"]) == (["top/l"], ["top/"])
    assert run("list", one, strip_components=1) == ["a", "l", "sub/", "sub/b"]
    assert run("is_encrypted", str(place / "one.zip")) is False
    (place / "out").mkdir()
    assert run("unzip", str(place / "one.zip"), str(place / "out")) == ["top/", "top/a"]
    assert run("tar", "xzf", one, dest=str(place / "out")) == []
    assert (place / "out/top/sub/b").read_text() == "B"
    assert run("gzip", str(place / "out/top/a")) == []
    assert run("gunzip", str(place / "out/top/a.gz")) == []
    with pytest.raises(HostError, match="not a ZIP file"):
        run("is_encrypted", one)
    with pytest.raises(HostError, match="tar failed"):
        run("tar", "xf", str(place / "gone"))
