"""The package store keeps few packages, whole ones, and only such as minions can be upgraded to."""

import hashlib
import os
from pathlib import Path

import pytest

from limpet.common.control.packages import PackageInfo
from limpet.common.errors import HostError
from limpet.common.messages.sources import CHANGED
from limpet.master.files.io.digests import Digests
from limpet.master.files.io.reader import SourceReader
from limpet.master.files.reads import Found, Listed, LookUp, PieceRead, ReadPiece, WalkTree
from limpet.master.upgrading.io.package_files import PackageFiles
from limpet.master.upgrading.io.package_store import PARTS_MAX, PackageStore
from limpet.states.ports.upgrades import PACKAGES_ENVIRONMENT
from support.packaging.made_packages import package


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def put(store: PackageStore, data: bytes, *, piece: int = 1000) -> PackageInfo:
    """Hand a package over as a client does."""
    name, size = digest(data), len(data)
    answer = store.offer(name, size)
    for _ in range(size // piece + 2):
        if not isinstance(answer, int):
            os.utime(store.directory / f"{name}.deb", (store._wall(), store._wall()))
            return answer
        answer = store.add(name, size, answer, data[answer : answer + piece])
    raise AssertionError("it is never whole")


@pytest.fixture
def store(tmp_path: Path) -> PackageStore:
    return PackageStore(tmp_path / "packages", kept_max=3, wall=Clock())


def test_a_package_comes_in_pieces_and_is_kept(store: PackageStore) -> None:
    data = package(contents=os.urandom(5000))
    kept = put(store, data)
    assert (kept.version, kept.architecture, kept.size) == ("2.0", "amd64", len(data))
    assert (kept.protocol_min, kept.protocol_max) == (1, 2)
    assert (store.directory / f"{digest(data)}.deb").read_bytes() == data
    assert store.offer(digest(data), len(data)) == store.listing()[0]


def test_a_transfer_that_was_cut_off_goes_on_where_it_stopped(store: PackageStore) -> None:
    data = package(contents=os.urandom(5000))
    name, size = digest(data), len(data)
    assert store.offer(name, size) == 0
    assert store.add(name, size, 0, data[:1000]) == 1000
    assert store.add(name, size, 0, data[:1000]) == 1000, "asked twice, kept once"
    assert store.add(name, size, 2000, data[2000:3000]) == 1000, "a gap is not taken"
    again = PackageStore(store.directory)
    assert again.offer(name, size) == 1000
    assert put(again, data).sha256 == name


def test_a_package_that_was_whole_when_the_master_died_is_kept_at_the_next_offer(
    store: PackageStore,
) -> None:
    data = package()
    store.offer(digest(data), len(data))
    (store.directory / f".{digest(data)}.part").write_bytes(data)
    assert put(store, data).version == "2.0"


@pytest.mark.parametrize("is_cut", [False, True])
def test_what_a_power_cut_has_damaged_is_wanted_again(store: PackageStore, is_cut: bool) -> None:
    data = package(contents=os.urandom(5000))
    put(store, data)
    path = store.directory / f"{digest(data)}.deb"
    path.write_bytes(data[:3000] + (b"" if is_cut else bytes(len(data) - 3000)))

    for each in (store, PackageStore(store.directory)):
        assert each.offer(digest(data), len(data)) == 0
    assert not path.exists()
    assert put(store, data).version == "2.0"
    assert path.read_bytes() == data


def test_what_was_damaged_on_its_way_is_thrown_away(store: PackageStore) -> None:
    data = package()
    name = digest(data + b"!")
    store.offer(name, len(data))
    with pytest.raises(HostError, match="damaged on its way"):
        store.add(name, len(data), 0, data)
    assert store.offer(name, len(data)) == 0
    assert store.listing() == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (package(Package="nginx"), "the file is the package nginx"),
        (package(Limpet_Protocol=None), "does not say which protocols"),
        (package(Limpet_Protocol="90-91"), "upgrade the master first"),
        (b"no package at all", "does not begin as a .deb"),
    ],
)
def test_what_no_minion_can_be_upgraded_to_is_refused(
    store: PackageStore, data: bytes, said: str
) -> None:
    with pytest.raises(HostError, match=said):
        put(store, data)
    assert os.listdir(store.directory) == []


def test_the_packages_that_were_used_longest_ago_make_room(store: PackageStore) -> None:
    made = [package(Version=f"2.{number}") for number in range(4)]
    for data in made[:3]:
        put(store, data)
    put(store, made[0])  # used again
    put(store, made[3])
    assert [each.version for each in store.listing()] == ["2.3", "2.0", "2.2"]


def test_all_together_are_no_larger_than_the_bound(tmp_path: Path) -> None:
    store = PackageStore(tmp_path, bytes_max=12_000, wall=Clock())
    for number in range(5):
        put(store, package(Version=f"2.{number}", contents=os.urandom(4000)))
    assert [each.version for each in store.listing()] == ["2.4", "2.3"]


def test_packages_that_do_not_come_any_more_are_forgotten(store: PackageStore) -> None:
    for number in range(PARTS_MAX + 3):
        data = package(Version=f"3.{number}")
        store.offer(digest(data), len(data))
        store.add(digest(data), len(data), 0, data[:10])
    assert len(os.listdir(store.directory)) <= PARTS_MAX


@pytest.mark.parametrize("size", [0, 201 * 1024 * 1024])
def test_a_size_that_no_package_has_is_refused(store: PackageStore, size: int) -> None:
    with pytest.raises(HostError, match="is not taken"):
        store.offer("0" * 64, size)


def test_a_kept_package_that_was_damaged_is_not_listed(store: PackageStore) -> None:
    data = package()
    put(store, data)
    (store.directory / f"{digest(data)}.deb").write_bytes(b"rubbish")
    assert PackageStore(store.directory).listing() == []


# --- as minions see it -----------------------------------------------------------------------


def test_a_minion_is_served_a_package_by_its_digest_and_nothing_else(store: PackageStore) -> None:
    data = package(contents=os.urandom(3000))
    put(store, data)
    name = f"{digest(data)}.deb"
    (store.directory / "notes.txt").write_text("private")
    served = PackageFiles(store.directory, Digests())

    found = served.do(LookUp(PACKAGES_ENVIRONMENT, name, "", 0))
    assert isinstance(found, Found)
    assert (found.is_found, found.digest, found.size) == (True, digest(data), len(data))
    piece = served.do(ReadPiece(PACKAGES_ENVIRONMENT, name, digest(data), 100, 500))
    assert piece == PieceRead(data[100:600])
    for other in ("notes.txt", "../secret", f"../{name}", f".{digest(data)}.part", "", f"/{name}"):
        assert served.do(LookUp(PACKAGES_ENVIRONMENT, other, "", 1000)) == Found(False)
        work = ReadPiece(PACKAGES_ENVIRONMENT, other, digest(data), 0, 10)
        assert served.do(work) == PieceRead(b"", CHANGED)
    assert served.do(WalkTree(PACKAGES_ENVIRONMENT)) == Listed(is_found=False)


def test_no_tree_of_the_users_stands_before_the_package_store(tmp_path: Path) -> None:
    data = package()
    name = f"{digest(data)}.deb"
    users = tmp_path / "users"
    users.mkdir()
    (users / name).write_bytes(b"forged")
    store = PackageStore(tmp_path / "store")
    roots = {"base": [str(users)], PACKAGES_ENVIRONMENT: [str(users)], "__env__": [str(users)]}
    reader = SourceReader(roots, at_once=1, file_bytes_max=10, packages=store.directory)
    try:
        work = LookUp(PACKAGES_ENVIRONMENT, name, "", 10_000)
        assert reader._do(work) == Found(False), "what is not in the package store is nowhere"
        put(store, data)
        found = reader._do(work)
        assert isinstance(found, Found)
        assert found.body == data, "whatever file_bytes_max says"
    finally:
        reader.close()
