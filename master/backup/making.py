"""Making a backup of a master, running or not: `FILE` appears whole, or not at all.

    lock ─▶ room? ─▶ copy of the store, as of one moment ─▶ check ─▶ archive, synced ─▶ FILE

The copy and the unfinished archive are in `.FILE.new/` beside FILE. A backup that is killed leaves
that behind, and the next one to the same FILE clears it away.
"""

import fcntl
import hashlib
import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from limpet import __version__
from limpet.common.clock import SystemClock
from limpet.common.crypto.keys import decode_public_key, fingerprint
from limpet.common.errors import HostError, UsageError
from limpet.common.service.paths import Roots
from limpet.common.storage import sqlite
from limpet.common.storage.files import host_error, read_whole, sync_directory
from limpet.master.backup import archive, sealing
from limpet.master.store.schema import MIGRATIONS

PAGES_A_STEP: Final = 1024
SPARE_BYTES: Final = 64 * 1024 * 1024
"""What a backup leaves free: the store may be on the same disk."""
KEY_BYTES_MAX: Final = 64 * 1024
KEY_FILES_MAX: Final = 100
LOOKS_MAX: Final = 5
"""Keys that change between two looks are looked at again: a rotation takes milliseconds."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was made."""

    path: Path
    size_bytes: int
    has_keys: bool
    master_key: str


def make_backup(roots: Roots, path: Path, *, passphrase: str | None, is_replaced: bool) -> Made:
    """Make one; `passphrase`: with the keys, sealed by it. `is_replaced`: FILE may exist.

    Raises `UsageError` and `HostError`; FILE is then as it was.
    """
    source = roots.state_dir / "store" / "master.db"
    try:
        if not source.is_file():
            raise UsageError(f"there is no store of a master at {source}: nothing to back up")
        if path.exists() and not is_replaced:
            raise UsageError(f"{path} is there already: choose another name, or add --force")
    except OSError as error:
        raise host_error("look at", source, error) from error
    with _workplace(path) as place:
        store = place / "master.db"
        _copy(source, store)
        parts = _configuration(roots)
        if passphrase is not None:
            parts[archive.KEYS] = sealing.seal(_keys(roots.keys_dir), passphrase)
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
        with store.open("rb") as file:
            digests[archive.STORE] = hashlib.file_digest(file, "sha256").hexdigest()
        contents = archive.Contents(
            format=archive.FORMAT,
            version=__version__,
            schema=len(MIGRATIONS),
            made_s=SystemClock().now().wall,
            host=socket.gethostname(),
            master_key=master_key(roots),
            digests=digests,
        )
        new = place / "archive"
        try:
            with open(new, "xb") as file:
                os.fchmod(file.fileno(), 0o600)
                archive.write_archive(file, contents, parts, store)
                file.flush()
                os.fsync(file.fileno())
                size = os.fstat(file.fileno()).st_size
            if is_replaced:
                new.replace(path)
            else:
                os.link(new, path)  # never over a file that came in between
            sync_directory(path.parent)
        except OSError as error:
            raise host_error("write", path, error) from error
    return Made(path, size, passphrase is not None, contents.master_key)


def master_key(roots: Roots) -> str:
    """Give the fingerprint of the master's key that is there; empty: none is."""
    try:
        text = read_whole(roots.keys_dir / "master.public", bytes_max=KEY_BYTES_MAX)
    except FileNotFoundError:
        return ""
    return fingerprint(decode_public_key(text.decode("ascii", "replace").strip()))


@contextmanager
def _workplace(path: Path) -> Iterator[Path]:
    """Give an empty directory beside FILE that no other backup uses; it is removed at the end."""
    place = path.with_name(f".{path.name}.new")
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise host_error("make", place, error) from error
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise UsageError(f"{place} belongs to somebody else: choose another place")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another backup to {path} is under way") from None
        _clear(place)
        try:
            yield place
        finally:
            _clear(place)
            place.rmdir()
    finally:
        os.close(descriptor)


def _clear(place: Path) -> None:
    for each in place.iterdir():
        shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()


def _copy(source: Path, target: Path) -> None:
    """Copy the database as it is at this moment, while its master may go on writing."""
    with closing(sqlite.connect(source)) as connection:
        try:
            # One transaction over all steps: else each commit of the master begins it anew.
            connection.execute("BEGIN")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != len(MIGRATIONS):
                raise UsageError(
                    f"the store has schema {version}, this program {len(MIGRATIONS)}: use the "
                    "limpet of the master that runs"
                )
            connection.execute("SELECT 1 FROM meta").fetchone()
            _check_room(connection, target)
            os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            with closing(sqlite3.connect(target, isolation_level=None)) as copy:
                connection.backup(copy, pages=PAGES_A_STEP)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
                sqlite.check(copy, source)
        except sqlite3.Error as error:
            raise HostError(sqlite.explain(source, error)) from error
        except OSError as error:
            raise host_error("copy the store to", target, error) from error


def _check_room(connection: sqlite3.Connection, target: Path) -> None:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    needed = 2 * pages * page_bytes + SPARE_BYTES
    found = os.statvfs(target.parent)
    free = found.f_bavail * found.f_frsize
    if free < needed:
        raise HostError(
            f"no room for a backup: {needed // 2**20} MiB are needed for a while, "
            f"{free // 2**20} MiB are free; make room, or choose another disk"
        )


def _configuration(roots: Roots) -> dict[str, bytes]:
    """Give the configuration's files by their names in the archive."""
    found = {}
    more = sorted((roots.config_dir / "master.d").glob("*.yaml"))
    for each in (roots.config_file, *more):
        try:
            data = read_whole(each, bytes_max=archive.SMALL_BYTES_MAX)
        except FileNotFoundError:
            continue
        found[f"{archive.CONFIGURATION}{each.relative_to(roots.config_dir)}"] = data
    return found


def _keys(directory: Path) -> bytes:
    """Give all files of the keys' directory, as of one moment."""
    before: dict[str, bytes] = {}
    for _ in range(LOOKS_MAX):
        found = _look(directory)
        if found and found == before:
            return msgspec.msgpack.encode(found)
        before = found
    if not before:
        raise UsageError(f"there are no keys in {directory} yet: start the master first")
    raise HostError(f"the keys in {directory} are being changed: try again")


def _look(directory: Path) -> dict[str, bytes]:
    found = {}
    try:
        for each in sorted(directory.iterdir()):
            if each.name.startswith(".") or not each.is_file() or each.is_symlink():
                continue
            try:
                found[each.name] = read_whole(each, bytes_max=KEY_BYTES_MAX)
            except FileNotFoundError:
                continue
    except OSError as error:
        raise host_error("read", directory, error) from error
    if len(found) > KEY_FILES_MAX:
        raise HostError(f"{directory} holds more than {KEY_FILES_MAX} files: move what is no key")
    return found
