"""Which host the minion's key was made for."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from limpet.common.errors import HostError
from limpet.minion.process import host_identity
from limpet.minion.process.host_identity import Places, machine_hash, set_aside_if_copied

FIRST = "0123456789abcdef0123456789abcdef\n"
SECOND = "fedcba9876543210fedcba9876543210\n"


class Host:
    """A host's files, and a minion's state on it."""

    def __init__(self, folder: Path) -> None:
        self.etc = folder / "etc"
        self.etc.mkdir()
        self.state = folder / "state"
        self.keys = self.state / "keys"
        self.keys.mkdir(parents=True)
        self.places = Places(
            machine_id=self.etc / "machine-id",
            mounts=folder / "mountinfo",
            container_marks=(folder / "dockerenv",),
        )

    def name(self, machine_id: str) -> None:
        self.places.machine_id.write_text(machine_id)

    def start(self, *, is_followed: bool = True) -> tuple[str, ...]:
        """Do what a start does: look, then make what is missing."""
        notices = set_aside_if_copied(self.state, is_followed=is_followed, places=self.places)
        for path in (self.keys / "minion.secret", self.keys / "minion.secret.copy"):
            if not path.exists():
                path.write_text(f"secret of {self.places.machine_id.read_text()}")
        (self.keys / "trusted.public").touch()
        (self.state / "journal").mkdir(exist_ok=True)
        (self.state / "journal" / "1").touch()
        (self.state / "minion_id").touch()
        return notices

    @property
    def secret(self) -> str:
        return (self.keys / "minion.secret").read_text()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.covers("H2")
def test_a_copy_of_a_host_sets_its_key_and_journal_aside(host: Host) -> None:
    host.name(FIRST)
    assert host.start() == ()
    assert host.start() == ()
    first = host.secret
    host.name(SECOND)
    (notice,) = host.start()
    (former,) = (host.state / "former").iterdir()
    assert str(former) in notice
    assert "the master has to accept the new key" in notice
    assert (former / "minion.secret").read_text() == first != host.secret
    names = {path.name for path in former.iterdir()}
    assert names == {"minion.secret", "minion.secret.copy", "journal", "minion_id"}
    assert (former / "journal" / "1").exists()
    assert (host.keys / "trusted.public").exists()
    assert host.start() == ()


def test_every_copy_is_set_aside_in_a_directory_of_its_own(host: Host) -> None:
    host.name(FIRST)
    for machine_id in (FIRST, SECOND, FIRST, SECOND, FIRST):
        host.name(machine_id)
        host.start()
    assert len(list((host.state / "former").iterdir())) == 4


@pytest.mark.parametrize(
    "text", ["", "uninitialized\n", "0" * 32 + "\n", "short\n", FIRST.upper(), None]
)
def test_without_an_id_to_go_by_the_key_stays(host: Host, text: str | None) -> None:
    host.name(FIRST)
    host.start()
    first = host.secret
    host.places.machine_id.unlink()
    if text is not None:
        host.name(text)
    assert set_aside_if_copied(host.state, places=host.places) == ()
    assert host.secret == first
    host.name(FIRST)
    assert host.start() == ()


def test_a_key_of_an_earlier_release_is_kept_and_its_host_noted(host: Host) -> None:
    host.name(FIRST)
    (host.keys / "minion.secret").write_text("old")
    assert host.start() == ()
    assert host.secret == "old"
    host.name(SECOND)
    assert len(host.start()) == 1


def test_an_id_that_is_mounted_over_the_file_is_not_gone_by(host: Host) -> None:
    host.name(FIRST)
    host.start()
    mounted = f"36 35 98:0 / {host.places.machine_id} ro,noatime - tmpfs tmpfs ro\n"
    host.places.mounts.write_text(mounted)
    host.name(SECOND)
    assert machine_hash(host.state, host.places) == ""
    assert host.start() == ()


def test_a_container_whose_state_is_on_a_volume_keeps_its_key(host: Host, tmp_path: Path) -> None:
    volume = Path("/dev/shm")
    if volume.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is no file system of its own here")
    host.name(FIRST)
    assert machine_hash(volume, host.places)
    host.places.container_marks[0].touch()
    assert not machine_hash(volume, host.places)
    assert machine_hash(host.state, host.places)


def test_it_can_be_switched_off(host: Host) -> None:
    host.name(FIRST)
    host.start()
    host.name(SECOND)
    first = host.secret
    assert host.start(is_followed=False) == ()
    assert host.secret == first


@pytest.mark.parametrize("moved", range(4))
def test_a_start_that_was_cut_off_is_gone_on_with(
    host: Host, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.name(FIRST)
    host.start()
    first = host.secret
    host.name(SECOND)
    rename, left = os.rename, [moved]

    def cut_off(source: Path, target: Path) -> None:
        if source.exists():
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", cut_off)
        with pytest.raises(KeyboardInterrupt):
            host.start()
    assert len(host.start()) == 1
    assert host.secret != first
    asides = {path.name for path in (host.state / "former").glob("*/*")}
    assert asides == {"minion.secret", "minion.secret.copy", "journal", "minion_id"}


def test_what_can_not_be_moved_stops_the_start(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.name(FIRST)
    host.start()
    host.name(SECOND)

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(HostError, match="belongs to another host"):
        host.start()


def flipped(data: bytes) -> bytes:
    return (b"1" if data[:1] != b"1" else b"2") + data[1:]


@pytest.mark.covers("D6")
@pytest.mark.parametrize("damage", [lambda _: b"\xff\0", flipped, lambda data: data[:40]])
def test_a_damaged_note_is_written_anew(host: Host, damage: Callable[[bytes], bytes]) -> None:
    host.name(FIRST)
    host.start()
    note = host.keys / "machine"
    note.write_bytes(damage(note.read_bytes()))
    assert host.start() == ()
    assert host_identity.kept_hash(host.keys) == machine_hash(host.state, host.places)
    shutil.rmtree(host.state / "journal")
