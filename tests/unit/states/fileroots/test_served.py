"""File roots that a master serves: what is asked, what moves, what is believed."""

import errno
import hashlib
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from limpet.common.errors import HostError, SourceError
from limpet.states.fileroots.served.cache import FileCache
from limpet.states.fileroots.served.partial import Incoming, Partial
from limpet.states.fileroots.served.roots import ServedRoots
from support.fakes.sources import FakeSources

SMALL = b"small\n"
BIG = bytes(range(256))
"""Eight pieces of the fake."""


@pytest.fixture
def sources() -> FakeSources:
    return FakeSources({"base": {"web/init.sls": SMALL, "big": BIG}, "dev": {"only": b"dev\n"}})


@pytest.fixture
def new(sources: FakeSources, tmp_path: Path) -> Callable[[], ServedRoots]:
    """Make the roots of another job on the same cache."""
    return lambda: ServedRoots(sources, FileCache(tmp_path / "cache"))


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_a_file_is_read_with_its_place_in_the_cache(
    new: Callable[[], ServedRoots], tmp_path: Path
) -> None:
    found = new().read("web/init.sls", "base")

    assert found is not None
    assert found.content == SMALL
    assert found.real_path == f"{tmp_path}/cache/files/base/web/init.sls"
    assert Path(found.real_path).read_bytes() == SMALL
    assert os.stat(found.real_path).st_mode & 0o777 == 0o600


def test_each_thing_is_asked_for_once_in_a_run(
    new: Callable[[], ServedRoots], sources: FakeSources
) -> None:
    roots = new()

    for _ in range(3):
        assert roots.exists("web/init.sls", "base")
        assert not roots.exists("gone", "base")
        assert roots.read("web/init.sls", "base") is not None
        assert roots.read("gone", "base") is None
        assert roots.local_copy("big", "base") is not None
        assert roots.environments() == ["base", "dev"]
        assert roots.files("base") == ["big", "web/init.sls"]

    assert sorted(sources.asked) == [
        ("environments", "base", ""),
        ("file", "base", "big"),
        ("file", "base", "web/init.sls"),
        ("listing", "base", ""),
    ]


def test_one_file_needs_one_question_and_no_list(
    new: Callable[[], ServedRoots], sources: FakeSources
) -> None:
    roots = new()

    assert roots.content("web/init.sls", "base", bytes_max=100) == SMALL
    assert roots.content("gone", "base", bytes_max=100) is None
    assert roots.content("gone", "base", bytes_max=100) is None

    assert sources.questions("file") == ["web/init.sls", "gone"]
    assert sources.questions("listing") == []


@pytest.mark.parametrize("lists_digests", [True, False])
def test_the_next_run_moves_only_what_has_changed(
    new: Callable[[], ServedRoots], sources: FakeSources, lists_digests: bool
) -> None:
    sources.lists_digests = lists_digests
    sources.inline_bytes_max = 1024
    first = new()
    first.files("base")
    for path in ("web/init.sls", "big"):
        assert first.local_copy(path, "base")
    sources.bytes_moved = 0

    second = new()
    second.files("base")
    assert second.content("big", "base", bytes_max=1000) == BIG
    assert second.content("web/init.sls", "base", bytes_max=1000) == SMALL
    assert sources.bytes_moved == 0

    sources.files["base"]["web/init.sls"] = b"changed\n"
    third = new()
    assert third.content("web/init.sls", "base", bytes_max=1000) == b"changed\n"
    assert third.content("big", "base", bytes_max=1000) == BIG
    assert sources.bytes_moved == len(b"changed\n")


def test_with_digests_in_the_list_an_unchanged_tree_costs_one_question(
    new: Callable[[], ServedRoots], sources: FakeSources
) -> None:
    first = new()
    first.files("base")
    first.local_copy("big", "base")
    first.local_copy("web/init.sls", "base")
    sources.asked.clear()

    second = new()
    second.files("base")
    assert second.local_copy("big", "base")
    assert second.read("web/init.sls", "base")

    assert sources.asked == [("listing", "base", "")]


def test_what_is_known_of_a_file_needs_no_body(
    new: Callable[[], ServedRoots], sources: FakeSources
) -> None:
    sources.modes["big"] = 0o750

    facts = new().look("big", "base")

    assert facts is not None
    assert (facts.size, facts.mode, facts.digest) == (256, 0o750, digest_of(BIG))
    assert sources.bytes_moved == 0


def test_folders_and_links_come_out_of_the_list(
    new: Callable[[], ServedRoots], sources: FakeSources
) -> None:
    sources.folders = ["web", "web/empty", "other"]
    sources.links = {"web/link": "init.sls", "web/out": "/etc/hostname"}
    sources.files["base"]["web/link"] = SMALL
    roots = new()

    assert roots.folders("base") == ["other", "web", "web/empty"]
    assert roots.folders("base", "web/") == ["empty"]
    assert roots.links("base", "web") == {"link": "init.sls", "out": "/etc/hostname"}
    assert roots.files("base") == ["big", "web/init.sls", "web/link"]
    assert roots.files("nosuch") == []


def test_asking_anew_sees_what_has_changed(
    new: Callable[[], ServedRoots], sources: FakeSources
) -> None:
    roots = new()
    assert not roots.exists("new", "base")
    sources.files["base"]["new"] = b"new\n"

    assert not roots.exists("new", "base")
    roots.forget()
    assert roots.content("new", "base", bytes_max=10) == b"new\n"


# Breaks


@pytest.mark.parametrize("pieces", range(8))
def test_a_transfer_that_was_cut_goes_on_at_the_byte_where_it_stopped(
    new: Callable[[], ServedRoots], sources: FakeSources, pieces: int
) -> None:
    sources.cut_after = pieces
    with pytest.raises(HostError, match="no answer from the master"):
        new().local_copy("big", "base")
    assert sources.pulled == [32 * each for each in range(pieces)]

    sources.is_away, sources.cut_after = False, None
    path = new().local_copy("big", "base")

    assert path is not None
    assert Path(path).read_bytes() == BIG
    assert sources.bytes_moved == len(BIG)


@pytest.mark.covers("B-44")
@pytest.mark.parametrize("at", range(0, 256, 32))
def test_a_file_that_changes_in_mid_transfer_is_fetched_anew(
    new: Callable[[], ServedRoots], sources: FakeSources, at: int
) -> None:
    other = BIG[::-1]

    def change(offset: int) -> None:
        if offset == at:
            sources.files["base"]["big"] = other

    sources.before_piece = change
    path = new().local_copy("big", "base")

    assert path is not None
    assert Path(path).read_bytes() == other


@pytest.mark.covers("B-44")
def test_a_file_that_never_rests_is_an_error(
    new: Callable[[], ServedRoots], sources: FakeSources
) -> None:
    def change(_offset: int) -> None:
        sources.files["base"]["big"] = os.urandom(256)

    sources.before_piece = change

    with pytest.raises(HostError, match="was another file each of the 4 times"):
        new().local_copy("big", "base")


def test_a_file_that_goes_in_mid_transfer_is_gone(
    new: Callable[[], ServedRoots], sources: FakeSources
) -> None:
    def remove(offset: int) -> None:
        if offset == 64:
            del sources.files["base"]["big"]

    sources.before_piece = remove

    assert new().local_copy("big", "base") is None


@pytest.mark.parametrize("path", ["web/init.sls", "big"])
def test_a_body_without_its_digest_is_not_used(
    new: Callable[[], ServedRoots], sources: FakeSources, path: str, tmp_path: Path
) -> None:
    sources.spoil = lambda body: body[:-1] + b"!"

    with pytest.raises(HostError, match="is not what it said it would be"):
        new().local_copy(path, "base")
    assert list((tmp_path / "cache").rglob("objects/*/*")) == []
    assert list((tmp_path / "cache").rglob("partial/*")) == []


def test_a_part_that_was_damaged_on_disk_is_fetched_from_its_beginning(
    new: Callable[[], ServedRoots], sources: FakeSources, tmp_path: Path
) -> None:
    sources.cut_after = 4
    with pytest.raises(HostError):
        new().local_copy("big", "base")
    sources.is_away, sources.cut_after = False, None
    (partial,) = (tmp_path / "cache/partial").iterdir()
    partial.write_bytes(b"\0" * 128)

    path = new().local_copy("big", "base")

    assert path is not None
    assert Path(path).read_bytes() == BIG


@pytest.mark.parametrize("damage", [b"\0" * 256, b"", b"longer" * 100])
def test_a_damaged_body_in_the_cache_is_noticed_and_fetched_again(
    new: Callable[[], ServedRoots], sources: FakeSources, tmp_path: Path, damage: bytes
) -> None:
    assert new().local_copy("big", "base")
    (body,) = (tmp_path / "cache").rglob(f"objects/*/{digest_of(BIG)}")
    body.write_bytes(damage)

    assert new().content("big", "base", bytes_max=1000) == BIG
    body.write_bytes(damage)
    path = new().local_copy("big", "base")

    assert path is not None
    assert Path(path).read_bytes() == BIG


@pytest.mark.parametrize(
    "row",
    [
        ["../etc/passwd", "file", 0o644, 1, ""],
        ["/etc/passwd", "file", 0o644, 1, ""],
        ["a/../b", "file", 0o644, 1, ""],
        ["a//b", "file", 0o644, 1, ""],
        ["a\0b", "file", 0o644, 1, ""],
        ["", "file", 0o644, 1, ""],
        ["a", "device", 0o644, 1, ""],
        ["a", "file", 0o644, -1, ""],
        ["a", "file", "0644", 1, ""],
        ["a", "link", 0o777, 0, ""],
        ["a", "file"],
        "a",
    ],
)
def test_a_list_that_names_what_cannot_be_is_refused(
    new: Callable[[], ServedRoots], sources: FakeSources, row: object
) -> None:
    sources.rows = [["fine", "file", 0o644, 1, ""], row]

    with pytest.raises(HostError, match="in the list of files in the environment 'base'"):
        new().files("base")


def test_an_odd_name_on_the_masters_disk_is_left_out(
    new: Callable[[], ServedRoots], sources: FakeSources
) -> None:
    sources.rows = [["a\nb", "file", 0o644, 1, ""], ["fine", "file", 0o644, 1, ""]]

    assert new().files("base") == ["fine"]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../b", "", "a\0b"])
@pytest.mark.parametrize("environment", ["base", "../dev", "a/b", ""])
def test_nothing_outside_is_asked_for(
    new: Callable[[], ServedRoots], sources: FakeSources, path: str, environment: str
) -> None:
    roots = new()

    assert roots.look(path, environment) is None
    assert roots.local_copy(path, environment) is None
    assert not [each for each in sources.asked if each[0] == "file"]


def test_an_sls_that_is_too_large_is_not_fetched(sources: FakeSources, tmp_path: Path) -> None:
    roots = ServedRoots(sources, FileCache(tmp_path / "cache"), bytes_max=100)

    with pytest.raises(SourceError, match="larger than the 100 bytes"):
        roots.read("big", "base")
    assert sources.pulled == []


# The cache


def test_a_path_may_become_a_folder_and_a_folder_a_file(
    new: Callable[[], ServedRoots], sources: FakeSources
) -> None:
    sources.files["base"] = {"a": b"file\n", "b/c": b"inner\n"}
    roots = new()
    roots.local_copy("a", "base")
    roots.local_copy("b/c", "base")

    sources.files["base"] = {"a/x": b"inner\n", "b": b"file\n"}
    roots = new()
    paths = [roots.local_copy(each, "base") for each in ("a/x", "b")]

    assert [Path(str(each)).read_bytes() for each in paths] == [b"inner\n", b"file\n"]


@pytest.mark.covers("B-48")
def test_a_cache_that_others_may_write_to_is_not_used(
    new: Callable[[], ServedRoots], tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)

    with pytest.raises(HostError, match="others may write to it"):
        new().read("web/init.sls", "base")


@pytest.mark.covers("B-48")
def test_a_cache_that_is_a_link_is_not_used(new: Callable[[], ServedRoots], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to("elsewhere")

    with pytest.raises(HostError, match="is no directory"):
        new().read("web/init.sls", "base")


def test_a_full_disk_is_told_and_leaves_nothing(
    new: Callable[[], ServedRoots], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("limpet.states.fileroots.served.partial.write_all", full)

    with pytest.raises(HostError, match="No space left on device; make room"):
        new().local_copy("big", "base")
    assert list((tmp_path / "cache/partial").iterdir()) == []


def test_a_body_that_would_fill_the_disk_is_not_begun(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache")

    with pytest.raises(HostError, match="the disk would be full"):
        cache.partial("0" * 64, 2**60)
    assert list((tmp_path / "cache/partial").iterdir()) == []


def test_what_was_used_longest_ago_gives_way_with_all_its_names(tmp_path: Path) -> None:
    now = time.time()
    clock = [now - 7200.0]
    cache = FileCache(tmp_path / "cache", bytes_max=40_000, clock=lambda: clock[0])
    for number in range(10):
        body = bytes([number]) * 8192
        cache.put(digest_of(body), body, "x")
        cache.publish("files", f"base/{number}", digest_of(body))
        for path in (tmp_path / "cache").rglob(f"objects/*/{digest_of(body)}"):
            os.utime(path, (clock[0], clock[0]))
        clock[0] += 700.0
    clock[0] = now

    left = cache.pruner.prune()

    kept = sorted(path.name for path in (tmp_path / "cache/files/base").iterdir())
    assert left <= 40_000
    assert kept == ["6", "7", "8", "9"]
    assert len(list((tmp_path / "cache").rglob("objects/*/*"))) == len(kept)


def test_what_is_in_use_stays_however_large(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache", bytes_max=1)
    for number in range(3):
        body = bytes([number]) * 8192
        cache.put(digest_of(body), body, "x")

    cache.pruner.prune()
    cache.pruner.prune(is_pressed=True)

    assert len(list((tmp_path / "cache").rglob("objects/*/*"))) == 3


def test_a_body_that_somebody_is_bringing_is_not_pruned(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache", clock=lambda: time.time() + 10 * 365 * 86400)
    partial = cache.partial("0" * 64, 10)
    assert partial is not None
    with partial:
        partial.add(b"12345")
        cache.pruner.prune(is_pressed=True)
        assert os.path.exists(partial.path)
    cache.pruner.prune(is_pressed=True)
    assert not os.path.exists(partial.path)


def test_who_waits_in_vain_for_another_begins_a_file_of_its_own(tmp_path: Path) -> None:
    waits: list[float] = []
    folder = str(tmp_path)
    first = Partial.of(folder, "0" * 64, 5, is_there=lambda: False, wait=waits.append)
    assert first is not None
    with first:
        first.add(b"12")
        second = Partial.of(folder, "0" * 64, 5, is_there=lambda: False, wait=waits.append)
        assert second is not None
        with second:
            assert second.path != first.path
            assert second.offset == 0
        third = Partial.of(folder, "0" * 64, 5, is_there=lambda: True, wait=waits.append)
        assert third is None
    assert 10.0 < sum(waits) < 30.0


def _bring(folder: str, number: int) -> None:
    sources = FakeSources({"base": {f"f{each}": bytes([each]) * 3000 for each in range(20)}})
    roots = ServedRoots(sources, FileCache(folder))
    order = list(range(20)) if number % 2 else list(reversed(range(20)))
    for each in order:
        assert roots.content(f"f{each}", "base", bytes_max=5000) == bytes([each]) * 3000
        path = roots.local_copy(f"f{each}", "base")
        assert path is not None
        assert Path(path).read_bytes() == bytes([each]) * 3000


def test_several_processes_use_the_cache_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_bring, args=(str(tmp_path / "cache"), number))
        for number in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert len(list((tmp_path / "cache").rglob("objects/*/*"))) == 20
    assert list((tmp_path / "cache/partial").iterdir()) == []


def test_on_a_disk_that_turned_read_only_the_first_error_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with (
        pytest.raises(HostError, match="more bytes came than the 3"),
        monkeypatch.context() as patch,
        Incoming(str(tmp_path)) as incoming,
    ):
        partial = Partial.of(
            str(tmp_path), "ab" * 32, 3, is_there=lambda: False, wait=lambda _: None
        )
        assert partial is not None
        incoming.add(b"x")
        patch.setattr(os, "unlink", refuse)
        partial.add(b"abcd")
