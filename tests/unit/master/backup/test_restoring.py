"""Restoring as root into a directory of a user who wants more than is his."""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from limpet.common.errors import HostError
from limpet.common.service.paths import Roots
from limpet.master.backup import archive, restoring, sealing
from limpet.master.store.schema import MIGRATIONS

USER = (65534, 65534)
PASSPHRASE = "correct horse battery"
KEYS = {"master.secret": b"s" * 50, "master.public": b"p" * 50}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a directory that everybody can get through, unlike `tmp_path`."""
    found = Path(tempfile.mkdtemp(prefix="limpet-restore-"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found)


@pytest.fixture
def roots(place: Path, monkeypatch: pytest.MonkeyPatch) -> Roots:
    monkeypatch.setattr(restoring, "_owner", lambda _: USER)
    found = Roots.locate("master", str(place / "host"))
    found.state_dir.mkdir(parents=True, mode=0o755)
    os.chown(found.state_dir, *USER)
    return found


@pytest.fixture
def backup(place: Path) -> Path:
    store = place / "source.db"
    with contextlib.closing(sqlite3.connect(store)) as database:
        for text in MIGRATIONS:
            database.executescript(text)
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        database.commit()
    sealed = sealing.seal(msgspec.msgpack.encode(KEYS), PASSPHRASE)
    parts = {archive.KEYS: sealed, "configuration/master.yaml": b"port: 4506\n"}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    digests[archive.STORE] = hashlib.sha256(store.read_bytes()).hexdigest()
    contents = archive.Contents(archive.FORMAT, "1", len(MIGRATIONS), 1e9, "host", "", digests)
    path = place / "backup"
    path.touch(0o600)  # root's
    with path.open("wb") as file:
        archive.write_archive(file, contents, parts, store)
    return path


def restore(roots: Roots, backup: Path) -> restoring.Restored:
    """Restore as root; the passphrase is in a file that only root can read."""
    secret = backup.with_name("passphrase")
    secret.touch(0o600)
    secret.write_text(PASSPHRASE)
    try:
        return restoring.restore_backup(
            roots, backup, passphrase=secret.read_text, is_replaced=False, is_new_key=False
        )
    finally:
        assert (os.geteuid(), os.getegid()) == (0, 0)


def test_all_that_is_restored_belongs_to_the_master(roots: Roots, backup: Path) -> None:
    done = restore(roots, backup)

    assert done.keys == "restored"
    assert (roots.keys_dir / "master.secret").read_bytes() == KEYS["master.secret"]
    made = [roots.state_dir, *roots.state_dir.rglob("*")]
    assert {(each.lstat().st_uid, each.lstat().st_gid) for each in made} == {USER}
    assert (roots.state_dir / "store/master.db").stat().st_mode & 0o777 == 0o600
    assert (roots.config_dir / "master.yaml").read_bytes() == b"port: 4506\n"
    assert (roots.config_dir / "master.yaml").stat().st_uid == 0


@pytest.mark.parametrize("name", ["keys", "lock", ".restoring"])
def test_a_link_in_the_state_directory_leads_to_nothing_of_others(
    roots: Roots, backup: Path, place: Path, name: str
) -> None:
    victim = place / "victim"
    victim.mkdir()
    (victim / "master.secret.new").write_text("another's")
    link = roots.state_dir / name
    link.symlink_to(victim if name != "lock" else victim / "lock")
    os.chown(link, *USER, follow_symlinks=False)

    with contextlib.suppress(HostError):
        restore(roots, backup)

    assert [each.name for each in victim.iterdir()] == ["master.secret.new"]
    assert {each.stat().st_uid for each in (victim, *victim.iterdir())} == {0}


def test_a_directory_that_is_swapped_meanwhile_gives_nothing_away(
    roots: Roots, backup: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = place / "victim"
    (victim / "store").mkdir(parents=True)
    (victim / "keys").mkdir()
    (victim / "keys/passwd").write_text("root's")
    unpack = restoring._unpack_keys

    def swapped(data: bytes, target: Path) -> None:
        unpack(data, target)
        target.parent.rename(roots.state_dir / "moved")
        target.parent.symlink_to(victim)

    monkeypatch.setattr(restoring, "_unpack_keys", swapped)
    with pytest.raises((HostError, OSError)):
        restore(roots, backup)

    assert {each.stat().st_uid for each in (victim, *victim.rglob("*"))} == {0}
    assert (victim / "keys/passwd").exists()
