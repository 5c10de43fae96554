"""Files and listings as the master's threads read them: right, and nothing from outside."""

import contextlib
import hashlib
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from limpet.common.messages.sources import CHANGED
from limpet.master.files.io import listing
from limpet.master.files.io.digests import Digests, Identity
from limpet.master.files.io.listing import Walker
from limpet.master.files.io.reader import SourceReader
from limpet.master.files.io.roots import Files
from limpet.master.files.reads import (
    Found,
    LookUp,
    NameEnvironments,
    PieceRead,
    ReadPiece,
    SourceRead,
    WalkTree,
    Work,
)
from limpet.states.fileroots.directories import DirectoryRoots

PACKAGES = Path("/nonexistent")
MIB = 1024 * 1024


class Place:
    """Two roots, one over the other, and what may be asked of them."""

    def __init__(self, folder: Path, bytes_max: int = 100 * MIB) -> None:
        self.folder = folder
        self.upper, self.lower = folder / "upper", folder / "lower"
        self.upper.mkdir()
        self.lower.mkdir()
        roots = DirectoryRoots({"base": [str(self.upper), str(self.lower)]})
        self.digests = Digests()
        self.files = Files(roots, self.digests, bytes_max=bytes_max)
        self.walker = Walker(roots, self.digests)

    def look_up(self, name: str, *, known: str = "", body_max: int = 4096) -> Found:
        return self.files.look_up(LookUp("base", name, known, body_max))

    def read(self, name: str, digest: str, offset: int = 0, size_max: int = 4096) -> PieceRead:
        return self.files.read(ReadPiece("base", name, digest, offset, size_max))

    def rows(self) -> list[list[object]]:
        rows: list[list[object]] = msgspec.msgpack.decode(self.walker.walk("base").body)
        return [row[:5] for row in rows]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_small_file_comes_whole_and_the_uppermost_wins(place: Place) -> None:
    (place.lower / "x").write_bytes(b"lower")
    assert place.look_up("x").body == b"lower"
    (place.upper / "x").write_bytes(b"upper")
    (place.upper / "x").chmod(0o640)
    found = place.look_up("x")
    assert (found.is_found, found.digest, found.size, found.body) == (
        True,
        sha(b"upper"),
        5,
        b"upper",
    )
    assert msgspec.msgpack.decode(found.attributes)["mode"] == 0o640
    assert place.look_up("x", known=sha(b"upper")).body is None


def test_a_larger_file_is_described_and_pulled(place: Place) -> None:
    data = os.urandom(10_000)
    (place.upper / "x").write_bytes(data)
    found = place.look_up("x")
    assert (found.body, found.digest, found.size) == (None, sha(data), 10_000)
    pieces = [place.read("x", found.digest, offset).data for offset in range(0, 10_000, 4096)]
    assert b"".join(pieces) == data


def test_a_digest_is_remembered_until_the_file_changes(place: Place) -> None:
    path = place.upper / "x"
    path.write_bytes(b"a" * 10_000)
    os.utime(path, (1, 1))
    time.sleep(0.15)  # longer than the moment in which a change may leave no trace
    digest = place.look_up("x").digest
    read = place.digests.hashed_bytes
    assert place.look_up("x").digest == digest
    assert place.read("x", digest).data == b"a" * 4096
    assert place.digests.hashed_bytes == read
    path.write_bytes(b"b" * 10_000)
    assert place.read("x", digest) == PieceRead(b"", CHANGED)
    assert place.look_up("x").digest == sha(b"b" * 10_000)


def test_a_change_within_the_same_tick_of_the_clock_is_seen(place: Place) -> None:
    path = place.upper / "x"
    for number in range(50):
        path.write_bytes(bytes([number]) * 10_000)
        assert place.look_up("x").digest == sha(bytes([number]) * 10_000)


def test_a_file_from_the_future_is_not_read_again_for_each_piece() -> None:
    digests = Digests()
    identity = Identity(1, 2, 3, 4, int((time.time() + 1e6) * 1e9))
    digests.note(identity, "ab" * 32, 10.0, time.time())
    assert digests.recall(identity) == ""
    digests.note(identity, "ab" * 32, 10.2, time.time())
    assert digests.recall(identity) == "ab" * 32


def test_no_more_digests_are_remembered_than_may() -> None:
    digests = Digests(kept_max=2)
    identities = [Identity(1, number, 0, 0, 0) for number in range(3)]
    for identity in identities:
        digests.note(identity, "ab" * 32, 0.0, 100.0)
    assert [bool(digests.recall(identity)) for identity in identities] == [False, True, True]


BAD_NAMES = (
    *("../secret", "../../etc/passwd", "..", ".", "", "/etc/passwd", "//x", "a/./b", "a//b"),
    *("x/", "..%2fsecret", "%252e%252e/x", "....//secret", "..\\secret", "C:\\x", "~/x"),
    *("x\0y", "x\n", "a/../x"),
)


@pytest.mark.covers("B-39")
@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_names_that_lead_elsewhere_are_not_found(place: Place, name: str) -> None:
    (place.folder / "secret").write_text("canary")
    (place.upper / "x").write_text("x")
    assert place.look_up(name) == Found(False)
    assert place.read(name, sha(b"canary")) == PieceRead(b"", CHANGED)


@pytest.mark.covers("B-40")
@pytest.mark.parametrize("name", ["a" * 5000, "a" * 300, "/".join("a" * 1000), "a/" * 64 + "b"])
def test_names_that_are_too_long_are_not_found(place: Place, name: str) -> None:
    assert place.look_up(name) == Found(False)


@pytest.mark.covers("B-41")
def test_links_are_followed_inside_a_root_and_nowhere_else(place: Place) -> None:
    secret = place.folder / "secret"
    secret.write_text("canary")
    (place.upper / "real").write_text("good")
    links = {
        "good": "real",
        "out": str(secret),
        "up": "../secret",
        "root": "/",
        "self": "self",
        "etc": "/etc",
        "proc": "/proc/self",
    }
    for name, target in links.items():
        (place.upper / name).symlink_to(target)
    previous = "real"
    for number in range(50):
        (place.upper / f"chain-{number}").symlink_to(previous)
        previous = f"chain-{number}"
    assert place.look_up("good").body == b"good"
    assert place.look_up("chain-3").body == b"good"
    for name in ("out", "up", "root", "self", "etc/passwd", "root/etc/passwd", "proc/environ"):
        found = place.look_up(name)
        assert not found.is_found, name
        assert found.body is None
        assert str(place.folder) not in found.problem
    assert "more than 8 symbolic links" in place.look_up("chain-49").problem
    shown = {row[0] for row in place.rows()}
    assert not any(str(path).startswith(("root/", "etc/", "proc/")) for path in shown)


SWAPPING = """
import os, sys
inside, spare, outside = sys.argv[1:]
while True:
    os.rename(inside, spare)
    os.symlink(outside, inside)
    os.unlink(inside)
    os.rename(spare, inside)
"""


@pytest.mark.covers("B-42")
def test_a_folder_that_is_swapped_for_a_link_leads_nowhere(place: Place) -> None:
    outside = place.folder / "outside"
    outside.mkdir()
    (outside / "x").write_text("canary")
    inside, spare = place.upper / "folder", place.upper / "spare"
    inside.mkdir()
    (inside / "x").write_text("good")
    command = [sys.executable, "-c", SWAPPING, str(inside), str(spare), str(outside)]
    swapping = subprocess.Popen(command)
    try:
        seen: set[bytes | None] = set()
        listed: set[str] = set()
        tries, end = 0, time.monotonic() + 30
        while (tries < 1000 or len(seen) < 2) and time.monotonic() < end:
            tries += 1
            seen.add(place.look_up("folder/x").body)
            listed |= {str(row[0]) for row in place.rows()}
    finally:
        swapping.kill()
        swapping.wait()
    assert seen == {b"good", None}
    assert listed <= {"folder", "folder/x", "spare", "spare/x"}


@pytest.mark.covers("B-43")
def test_what_is_no_regular_file_is_not_served_and_does_not_block(place: Place) -> None:
    import socket

    os.mkfifo(place.upper / "fifo")
    (place.upper / "folder").mkdir()
    (place.upper / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(place.upper):
        server.bind("socket")
        if os.geteuid() == 0:
            with contextlib.suppress(OSError):  # some containers forbid it
                os.mknod(place.upper / "device", 0o20666, os.makedev(1, 5))
        began = time.monotonic()
        for name in ("fifo", "folder", "zero", "socket", "device"):
            found = place.look_up(name)
            assert not found.is_found, name
            assert found.body is None
            assert place.read(name, sha(b"")).data == b""
        assert time.monotonic() - began < 2.0
        assert [row[:2] for row in place.rows()] == [["folder", "directory"], ["zero", "link"]]


class Restless(Digests):
    """Reads a file to which somebody writes all the time."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def _read(self, descriptor: int) -> str:
        digest = super()._read(descriptor)
        with self._path.open("ab") as file:
            file.write(b"more")
        return digest


@pytest.mark.covers("B-44")
def test_a_file_that_never_stands_still_is_refused(place: Place) -> None:
    path = place.upper / "log"
    path.write_bytes(b"x" * 10_000)
    restless = Files(DirectoryRoots({"base": [str(place.upper)]}), Restless(path), bytes_max=MIB)
    found = restless.look_up(LookUp("base", "log", "", 4096))
    assert not found.is_found
    assert "it changes faster than it can be read" in found.problem
    piece = restless.read(ReadPiece("base", "log", sha(b"x" * 10_000), 0, 4096))
    assert piece == PieceRead(b"", CHANGED)


@pytest.mark.covers("B-45")
def test_empty_huge_sparse_and_unreadable_files(place: Place) -> None:
    (place.upper / "empty").touch()
    found = place.look_up("empty", body_max=0)
    assert (found.is_found, found.body, found.digest) == (True, b"", sha(b""))
    with (place.upper / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    began = time.monotonic()
    assert "more than `file_bytes_max`" in place.look_up("sparse").problem
    assert time.monotonic() - began < 1.0, "nobody reads a terabyte of nothing"
    (place.upper / os.fsdecode(b"bad-\xff")).touch()
    assert ["empty", "file"] in [row[:2] for row in place.rows()]
    assert len(place.rows()) == 2, "names that are not UTF-8 are not listed"
    if os.geteuid() != 0:
        (place.upper / "secret").write_text("x")
        (place.upper / "secret").chmod(0)
        assert "Permission denied" in place.look_up("secret").problem


@pytest.mark.covers("B-45")
def test_a_large_file_is_served_without_being_held_in_memory(place: Place) -> None:
    path = place.upper / "big"
    with path.open("wb") as file:
        file.truncate(90 * MIB)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = place.look_up("big")
    for offset in range(0, 90 * MIB, 10 * MIB):
        assert len(place.read("big", found.digest, offset, 512 * 1024).data) == 512 * 1024
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 30 * 1024


@pytest.mark.covers("B-46")
def test_offsets_beyond_the_end_are_refused(place: Place) -> None:
    (place.upper / "x").write_bytes(b"0123456789")
    digest = sha(b"0123456789")
    for offset in (10, 11, 2**53):
        piece = place.read("x", digest, offset)
        assert piece.data == b""
        assert f"a piece at byte {offset} of 10 is asked for" in piece.problem
    assert place.read("x", digest, 9).data == b"9"


@pytest.mark.covers("B-47")
@pytest.mark.parametrize("environment", ["..", "../x", "/", "", "dev", "base/..", "__env__"])
def test_environments_that_nobody_configured_hold_nothing(place: Place, environment: str) -> None:
    (place.upper / "x").write_text("x")
    assert place.files.look_up(LookUp(environment, "x", "", 100)) == Found(False)
    assert not place.walker.walk(environment).is_found


def test_a_listing_names_files_folders_and_links_of_all_roots_once(place: Place) -> None:
    (place.upper / "both").write_text("upper")
    (place.lower / "both").write_text("lower is longer")
    (place.lower / "folder").mkdir()
    (place.lower / "folder" / "x").write_text("x")
    (place.lower / "way").symlink_to("folder")
    (place.lower / "loop").mkdir()
    (place.lower / "loop" / "back").symlink_to("../loop")
    (place.lower / "broken").symlink_to("nowhere")
    rows = [(path, kind, size, target) for path, kind, _, size, target in place.rows()]
    assert rows == [
        ("both", "file", 5, ""),
        ("broken", "link", 0, "nowhere"),
        ("folder", "directory", 0, ""),
        ("folder/x", "file", 1, ""),
        ("loop", "directory", 0, ""),
        ("loop/back", "link", 0, "../loop"),
        ("loop/back", "directory", 0, ""),
        ("way", "link", 0, "folder"),
        ("way", "directory", 0, ""),
        ("way/x", "file", 1, ""),
    ]


def test_a_listing_tells_digests_that_are_known(place: Place) -> None:
    path = place.upper / "x"
    path.write_bytes(b"abc")
    time.sleep(0.15)
    (row,) = msgspec.msgpack.decode(place.walker.walk("base").body)
    assert row[5] == ""
    place.look_up("x")
    (row,) = msgspec.msgpack.decode(place.walker.walk("base").body)
    assert row[5] == sha(b"abc")


def test_a_tree_that_is_too_large_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "FILES_MAX", 3)
    for number in range(4):
        (place.upper / str(number)).touch()
    assert "more than 3 files" in place.walker.walk("base").problem
    monkeypatch.setattr(listing, "WALK_S_MAX", -1.0)
    assert "took more than" in place.walker.walk("base").problem


# -- the threads ---------------------------------------------------------------------------------


@pytest.fixture
def reader(place: Place) -> Iterator[SourceReader]:
    roots = {"base": [str(place.upper)], "dev": [str(place.lower)]}
    made = SourceReader(roots, at_once=2, file_bytes_max=MIB, packages=PACKAGES)
    yield made
    made.close()


def results(reader: SourceReader, number: int) -> dict[int, SourceRead]:
    done: dict[int, SourceRead] = {}
    end = time.monotonic() + 10
    while len(done) < number and time.monotonic() < end:
        done.update({each.ticket: each for each in reader.collect()})
        time.sleep(0.001)
    assert len(done) == number
    return done


def test_each_piece_of_work_has_one_result(place: Place, reader: SourceReader) -> None:
    (place.upper / "x").write_bytes(b"abc")
    work: tuple[Work, ...] = (
        LookUp("base", "x", "", 100),
        ReadPiece("base", "x", sha(b"abc"), 1, 100),
        WalkTree("dev"),
        NameEnvironments(),
    )
    for ticket, each in enumerate(work * 20):
        reader.read(ticket, each)
    done = results(reader, 80)
    assert done[0].result.body == b"abc"  # type: ignore[union-attr]
    assert done[1].result == PieceRead(b"bc")
    assert msgspec.msgpack.decode(done[3].result.body) == ["base", "dev"]  # type: ignore[union-attr, arg-type]
    assert len([each for each in threading.enumerate() if "file-server" in each.name]) == 2


def test_roots_may_be_exchanged_and_whoever_pulls_a_file_of_the_old_ones_gets_its_end(
    place: Place, reader: SourceReader
) -> None:
    (place.upper / "x").write_bytes(b"old")
    (place.lower / "x").write_bytes(b"newer")
    (place.lower / "y").write_bytes(b"only there")
    reader.exchange({"base": [str(place.lower)]}, file_bytes_max=MIB)
    work: tuple[Work, ...] = (
        LookUp("base", "x", "", 100),
        ReadPiece("base", "x", sha(b"old"), 1, 100),
        ReadPiece("base", "x", sha(b"newer"), 1, 100),
        ReadPiece("base", "x", sha(b"never there"), 1, 100),
        LookUp("dev", "y", "", 100),
        NameEnvironments(),
    )
    for ticket, each in enumerate(work):
        reader.read(ticket, each)
    done = results(reader, 6)
    assert done[0].result.body == b"newer"  # type: ignore[union-attr]
    assert done[1].result == PieceRead(b"ld")
    assert done[2].result == PieceRead(b"ewer")
    assert done[3].result == PieceRead(b"", CHANGED)
    assert done[4].result == Found(False)
    assert msgspec.msgpack.decode(done[5].result.body) == ["base"]  # type: ignore[union-attr, arg-type]


def test_an_exchange_for_the_same_roots_forgets_none_of_before(
    place: Place, reader: SourceReader
) -> None:
    (place.upper / "x").write_bytes(b"old")
    for _ in range(20):
        reader.exchange({"base": [str(place.lower)]}, file_bytes_max=MIB)
    reader.read(1, ReadPiece("base", "x", sha(b"old"), 0, 100))
    assert results(reader, 1)[1].result == PieceRead(b"old")


def test_a_smaller_limit_of_size_is_in_force_at_once(place: Place, reader: SourceReader) -> None:
    (place.upper / "x").write_bytes(b"x" * 2000)
    reader.exchange({"base": [str(place.upper)]}, file_bytes_max=1000)
    reader.read(1, LookUp("base", "x", "", 100))
    assert "file_bytes_max" in results(reader, 1)[1].result.problem


def test_a_fault_of_ours_in_one_question_takes_nobody_elses_answer_away(
    place: Place, reader: SourceReader
) -> None:
    reader.read(1, LookUp("base", 7, "", 100))  # type: ignore[arg-type]
    reader.read(2, NameEnvironments())
    done = results(reader, 2)
    assert "the file server failed" in done[1].result.problem


def test_where_no_thread_can_be_started_the_question_is_answered_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    roots = {"base": [str(place.upper)]}
    made = SourceReader(roots, at_once=2, file_bytes_max=1000, packages=PACKAGES)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        made.read(1, NameEnvironments())
        assert "can't start new thread" in results(made, 1)[1].result.problem
    made.read(2, NameEnvironments())
    assert results(made, 1)[2].result.problem == ""
    made.close()


def test_the_end_waits_for_nobody_who_hashes(place: Place) -> None:
    with (place.upper / "big").open("wb") as file:
        file.truncate(50_000 * MIB)
    roots = {"base": [str(place.upper)]}
    made = SourceReader(roots, at_once=2, file_bytes_max=1 << 40, packages=PACKAGES)
    made.read(1, LookUp("base", "big", "", 0))
    time.sleep(0.1)
    began = time.monotonic()
    made.close()
    assert time.monotonic() - began < 2.0
