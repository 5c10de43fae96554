"""Restoring a master from a backup, on its own host or on a new one: everything is looked at first.

    lock (no master runs) ─▶ unpack and check beside ─▶ keys ─▶ store ─▶ configuration

Nothing that is there is overwritten: keys of this host stay, an old store is moved aside, and a
configuration that differs gets the backup's beside it. Cut off at any step, the same command
again does the rest.

What lies in the state directory is done as the user whom it belongs to, and not as root: whatever
that user puts in the way there, links above all, leads nowhere where it could not go itself.

The store is marked as restored. The master then begins a new epoch at its start, and does not send
what it had not sent when the backup was made: it may have run since.
"""

import grp
import os
import pwd
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec

from limpet.common.clock import SystemClock
from limpet.common.errors import HostError, UsageError
from limpet.common.service.locks import InstanceLock
from limpet.common.service.paths import Roots
from limpet.common.storage import sqlite
from limpet.common.storage.files import (
    create_whole,
    host_error,
    make_directory,
    read_whole,
    sync_directory,
    write_whole,
)
from limpet.common.terminal.times import iso_utc
from limpet.master.backup import archive, sealing
from limpet.master.core.store_identity import RESTORED_NOTE
from limpet.master.store.schema import MIGRATIONS

USER: Final = "limpet"
GROUP: Final = "limpet"
KEY_NAME: Final = "master.secret"

ROOT: Final = (0, 0)

Owner = tuple[int, int]
"""A user and a group, by number."""
Passphrase = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done."""

    contents: archive.Contents
    keys: str
    """`restored`, `kept` (this host's) or `none` (the master will make new ones)."""
    store_aside: Path | None
    """Where the store is that was here before."""
    beside: tuple[Path, ...]
    """Configuration that differs from what is here, and was put beside it."""


def restore_backup(
    roots: Roots, path: Path, *, passphrase: Passphrase, is_replaced: bool, is_new_key: bool
) -> Restored:
    """Restore one. `passphrase` is asked only if keys are needed from the backup.

    `is_replaced`: a store that is here is moved aside. `is_new_key`: neither the backup nor this
    host needs to have keys. Raises `UsageError` and `HostError`.
    """
    owner = _owner(roots)
    make_directory(roots.state_dir)
    _give(roots.state_dir, owner)
    try:
        backup = path.open("rb")
    except OSError as error:
        raise host_error("read", path, error) from error
    try:
        with backup, _acting_as(owner):
            make_directory(roots.keys_dir)
            with InstanceLock(roots.lock_path, "a limpet master"), _staging(roots) as place:
                return _restore(
                    roots, path, backup, place, owner, passphrase, is_replaced, is_new_key
                )
    except OSError as error:
        raise host_error("restore to", roots.state_dir, error) from error


def _restore(
    roots: Roots,
    path: Path,
    backup: IO[bytes],
    place: Path,
    owner: Owner | None,
    passphrase: Passphrase,
    is_replaced: bool,
    is_new_key: bool,
) -> Restored:
    caller = None if owner is None else ROOT
    store = roots.state_dir / "store"
    has_store = (store / "master.db").exists()
    if has_store and not is_replaced:
        raise UsageError(
            f"there is a store at {store} already: with --replace it is moved aside, and the "
            "backup's takes its place"
        )
    staged = place / "store"
    staged.mkdir(mode=0o700)
    contents, parts = archive.read_archive(path, staged / "master.db", file=backup)
    _mark(staged / "master.db")
    sealed = parts.pop(archive.KEYS, None)
    keys = "kept" if (roots.keys_dir / KEY_NAME).exists() else "none"
    if keys == "none" and sealed is not None:
        with _acting_as(caller):
            asked = passphrase()
        _unpack_keys(sealing.unseal(sealed, asked), place / "keys")
        keys = "restored"
    if keys == "none" and not is_new_key:
        raise UsageError(
            f"neither {path} nor {roots.keys_dir} has the master's keys, and minions obey no "
            "other: put them there, or take a backup made --with-keys; with --new-key the master "
            "makes new ones, and every minion has to join anew"
        )
    if keys == "restored":
        for each in sorted((place / "keys").iterdir(), key=lambda it: it.name == KEY_NAME):
            each.replace(roots.keys_dir / each.name)  # the secret last: it says that all are there
        sync_directory(roots.keys_dir)
    aside = _move_aside(store) if store.exists() else None
    staged.rename(store)
    sync_directory(roots.state_dir)
    with _acting_as(caller):
        beside = tuple(_configure(roots, parts))
    return Restored(contents, keys, aside if has_store else None, beside)


def _owner(roots: Roots) -> Owner | None:
    """Give whom the files are for; None: whoever runs this."""
    if roots.base is not None:
        return None
    if os.geteuid() != 0:
        raise UsageError("restoring this host's master takes root: run it with sudo")
    try:
        found = pwd.getpwnam(USER)
    except KeyError:
        raise UsageError(
            f"there is no user {USER} on this host: install the package limpet-master first"
        ) from None
    return found.pw_uid, found.pw_gid


def _give(place: Path, owner: Owner | None) -> None:
    """Give away what lies in a directory of root's."""
    if owner is not None:
        os.chown(place, *owner, follow_symlinks=False)


@contextmanager
def _acting_as(owner: Owner | None) -> Iterator[None]:
    """Work with the rights of a user (all threads do); None: as now."""
    if owner is None:
        yield
        return
    before = (os.geteuid(), os.getegid())
    _become(*owner)
    try:
        yield
    finally:
        _become(*before)


def _become(user: int, group: int) -> None:
    os.seteuid(0)
    os.setgroups([group])
    os.setegid(group)
    os.seteuid(user)


@contextmanager
def _staging(roots: Roots) -> Iterator[Path]:
    """Give an empty directory on the state's file system; it is removed at the end."""
    place = roots.state_dir / ".restoring"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        shutil.rmtree(place)


def _mark(path: Path) -> None:
    """Look whether the database is whole and known here, and write into it that it was restored."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if not 0 < version <= len(MIGRATIONS):
                raise UsageError(
                    f"the backup's store has schema {version}, this release knows up to "
                    f"{len(MIGRATIONS)}: install the release that made it"
                )
            sqlite.check(database, path)
            now = repr(SystemClock().now().wall)
            database.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (RESTORED_NOTE, now))
    except sqlite3.Error as error:
        raise UsageError(f"the backup's store is damaged: {error}") from error


def _unpack_keys(data: bytes, place: Path) -> None:
    try:
        found = msgspec.msgpack.decode(data, type=dict[str, bytes])
    except msgspec.DecodeError as error:
        raise UsageError(f"the keys in the backup can't be read: {error}") from error
    place.mkdir(mode=0o700)
    for name, text in found.items():
        if "/" in name or name.startswith("."):
            raise UsageError(f"the backup holds a key of a strange name: {name[:100]!a}")
        create_whole(place / name, text, mode=0o600)


def _move_aside(store: Path) -> Path:
    """Move a store away under a name of its own, so that nothing is lost by a wrong backup."""
    stamp = (iso_utc(SystemClock().now().wall) or "").replace(":", "")
    aside = store.with_name(f"store.before-restore-{stamp}")
    if aside.exists():
        raise HostError(f"{aside} is there already: move it away, then try again")
    store.rename(aside)
    return aside


def _configure(roots: Roots, parts: dict[str, bytes]) -> Iterator[Path]:
    """Put the configuration in its place; gives the files that had to be put beside others."""
    owner = (0, grp.getgrnam(GROUP).gr_gid) if roots.base is None else None
    for name, data in sorted(parts.items()):
        target = roots.config_dir / name.removeprefix(archive.CONFIGURATION)
        if not target.parent.is_dir():
            make_directory(target.parent, 0o750)
            _give(target.parent, owner)
        try:
            there = read_whole(target, bytes_max=archive.SMALL_BYTES_MAX)
        except FileNotFoundError:
            there = b""
        if there == data:
            continue
        if _says_something(there):
            target = target.with_name(f"{target.name}.from-backup")
            yield target
        write_whole(target, data, mode=0o640)
        _give(target, owner)


def _says_something(text: bytes) -> bool:
    return any(line.strip() and not line.lstrip().startswith(b"#") for line in text.splitlines())
