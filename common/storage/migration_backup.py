"""A copy of a database before its schema is changed, so that the release before can be put back.

    master.db.before-3      what the file was before its schema became 3

Whole or not there, mode 0600, synced. Without room for it nothing is changed: an upgrade that can't
be taken back should not begin by itself.
"""

import os
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from limpet.common.errors import HostError
from limpet.common.storage.files import host_error, sync_directory
from limpet.common.storage.sqlite import explain

KEPT_MAX: Final = 2
"""Copies that stay; older ones go when a new one is made."""
SPARE_BYTES: Final = 32 * 1024 * 1024
"""What the copy leaves for the change itself."""
PAGES_A_STEP: Final = 1024

_NAME: Final = re.compile(r"before-([0-9]{1,6})")


def back_up_before_migration(
    connection: sqlite3.Connection, path: Path, steps: Sequence[str]
) -> Path | None:
    """Copy a database whose schema is older than `len(steps)`; gives the copy.

    None: it is new, or up to date. A copy that was made earlier of an older schema stays: a change
    of several steps was cut off in between. Raises `HostError`.
    """
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if not 0 < version < len(steps):
            return None
        copy = path.with_name(f"{path.name}.before-{len(steps)}")
        if copy.exists() and _version(copy) < version:
            return copy
        _check_room(connection, path)
        new = path.with_name(f".{copy.name}.new")
        new.unlink(missing_ok=True)
        os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            _copy(connection, new)
            new.rename(copy)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        _forget_older(path)
        sync_directory(path.parent)
    except sqlite3.Error as error:
        raise HostError(explain(path, error)) from error
    except OSError as error:
        raise host_error("copy before its schema is changed", path, error) from error
    return copy


def _copy(connection: sqlite3.Connection, new: Path) -> None:
    target = sqlite3.connect(new, isolation_level=None)
    try:
        connection.backup(target, pages=PAGES_A_STEP)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
    finally:
        target.close()
    descriptor = os.open(new, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_room(connection: sqlite3.Connection, path: Path) -> None:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    needed = pages * page_bytes + SPARE_BYTES
    found = os.statvfs(path.parent)
    free = found.f_bavail * found.f_frsize
    if free < needed:
        raise HostError(
            f"no room to copy {path} before its schema is changed: {needed // 2**20} MiB are "
            f"needed beside it, {free // 2**20} MiB are free; make room, or go on with the release "
            "before"
        )


def _version(path: Path) -> int:
    """Give the schema of a copy; one that can't be read is no copy."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError:
        return 1 << 30
    if len(head) < 64 or not head.startswith(b"SQLite format 3\0"):
        return 1 << 30
    return int.from_bytes(head[60:64], "big")


def _forget_older(path: Path) -> None:
    found = [
        (int(name[1]), each)
        for each in path.parent.iterdir()
        if each.name.startswith(f"{path.name}.")
        and (name := _NAME.fullmatch(each.name.removeprefix(f"{path.name}.")))
    ]
    for _, old in sorted(found)[:-KEPT_MAX]:
        old.unlink(missing_ok=True)
