"""SQLite as limpet uses it: every connection opened the same way, every schema versioned.

One connection belongs to one thread at a time. A file that is damaged or newer than this release
is left as it is and refused with what to do; nothing here ever deletes or replaces one.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from limpet.common.errors import HostError

BUSY_TIMEOUT_MS: Final = 5_000
"""How long a statement waits for a lock of another process before it fails."""

INTEGER_MAX: Final = 2**63 - 1
"""The largest integer that SQLite keeps; larger ones must be turned away before."""

ROOM_BYTES_MIN: Final = 256 * 1024
"""With less free space than this a failed write is taken as a full disk."""

STEPS_BETWEEN_WORDS: Final = 100_000
"""Instructions of SQLite's machine, some ten milliseconds, after which a migration speaks."""

_INCREMENTAL: Final = 2
"""What SQLite answers where free pages are given back on demand."""

_WRITE_ERRORS: Final = (
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMMAP,
)

_LIMITS: Final = (
    (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
    (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 50),
    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
    (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 10),
    (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 5),
)


def connect(
    path: str | Path, *, is_read_only: bool = False, cache_kib: int = 4096
) -> sqlite3.Connection:
    """Open a database in WAL mode with every commit synced; a new file gets the mode 0600.

    Transactions are begun by hand (`BEGIN`). Raises `HostError`.
    """
    connection = _opened(path, is_read_only=is_read_only)
    try:
        for category, value in _LIMITS:
            connection.setlimit(category, value)
        if is_read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            _make_durable(connection, path)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{int(cache_kib)}")
        connection.execute("PRAGMA mmap_size = 0")
    except HostError:
        connection.close()
        raise
    except sqlite3.Error as error:
        connection.close()
        raise HostError(explain(path, error)) from error
    return connection


def _opened(path: str | Path, *, is_read_only: bool) -> sqlite3.Connection:
    """Open the file, made where there is none to write to. Raises `HostError`."""
    try:
        if not is_read_only:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            os.close(descriptor)
        return sqlite3.connect(
            f"file:{_quoted(path)}?mode={'ro' if is_read_only else 'rw'}",
            uri=True,
            timeout=BUSY_TIMEOUT_MS / 1000,
            isolation_level=None,
            check_same_thread=False,  # opened by one thread, then handed over to another
            cached_statements=64,
        )
    except OSError as error:
        raise HostError(f"cannot open the database {path}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise HostError(explain(path, error)) from error


def _make_durable(connection: sqlite3.Connection, path: str | Path) -> None:
    """Have a connection that writes log ahead, sync, and give free pages back.

    Raises `HostError` where the file system has no write-ahead log, and `sqlite3.Error`.
    """
    # Only takes effect on a file without tables, and must come before WAL. It writes, also where
    # it is set: on a full disk the file could not be opened.
    if connection.execute("PRAGMA auto_vacuum").fetchone() != (_INCREMENTAL,):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise HostError(
            f"the database {path} cannot use a write-ahead log here (mode {mode}): "
            "put it on a local file system"
        )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    # SQLite swallows the errors of its own checkpoints, a failed fsync among them; so the owner of
    # the connection calls `checkpoint` and sees them.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA journal_size_limit = 16777216")


def migrate(
    connection: sqlite3.Connection,
    path: str | Path,
    steps: Sequence[str],
    *,
    busy: Callable[[str], None] | None = None,
) -> int:
    """Bring the schema to version `len(steps)`, each step in a transaction; give the old version.

    `steps[n]` leads from version n to n + 1. `busy` is called again and again while a step goes
    on, with what is being done; it must not raise or touch the connection. Raises `HostError` if
    the file is newer than that, or damaged.
    """
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(steps):
            raise HostError(
                f"the database {path} was written by a newer release of limpet (schema {version}, "
                f"this release knows up to {len(steps)}): install that release again, or stop the "
                f"master and put the copy back that was made then, {path}.before-{version}, "
                "without the files -wal and -shm; what has happened since is lost with it"
            )
        for step in range(version, len(steps)):
            speak(connection, busy, f"the database goes from schema {step} to {step + 1}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                for statement in _statements(steps[step]):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {step + 1}")
                connection.execute("COMMIT")
            except sqlite3.Error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                speak(connection, None)
    except sqlite3.Error as error:
        raise HostError(explain(path, error)) from error
    return int(version)


def speak(
    connection: sqlite3.Connection, busy: Callable[[str], None] | None, text: str = ""
) -> None:
    """Have `busy` told this as long as statements of the connection really go on; None: no more."""
    if busy is None:
        connection.set_progress_handler(None, 0)
        return
    say = busy

    def go_on() -> int:
        say(text)
        return 0

    connection.set_progress_handler(go_on, STEPS_BETWEEN_WORDS)


def checkpoint(connection: sqlite3.Connection) -> int:
    """Move the log into the file as far as readers allow, synced. Raises `sqlite3.Error`.

    Gives the pages that were in the log.
    """
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages)


def cut_log(connection: sqlite3.Connection, *, wait_ms: int) -> bool:
    """Move all of the log into the file and have it begin anew, empty; False: readers are in it.

    They are waited for `wait_ms` milliseconds. Raises `sqlite3.Error`.
    """
    (usual_ms,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {wait_ms}")
    try:
        is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {usual_ms}")
    return not is_busy


def check(connection: sqlite3.Connection, path: str | Path) -> None:
    """Look for damage in the structure of the file. Raises `HostError` naming the first finding."""
    try:
        findings = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.Error as error:
        raise HostError(explain(path, error)) from error
    if findings != ["ok"]:
        raise HostError(_damaged(path, findings[0]))


def is_passing(error: sqlite3.Error, path: str | Path) -> bool:
    """Say whether trying the same transaction again later is right, and can help.

    It is where there was no room, the file system has become read-only, or another process holds
    the lock. It never is after a failed fsync: what the kernel dropped then is unknown.
    """
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if code in (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
    ):
        return True
    if extended not in _WRITE_ERRORS:
        return False
    return not has_room(path) or bool(os.statvfs(Path(path).parent).f_flag & os.ST_RDONLY)


def has_room(path: str | Path) -> bool:
    """Say whether the file system of a database has space to write."""
    found = os.statvfs(Path(path).parent)
    return found.f_bavail * found.f_frsize >= ROOM_BYTES_MIN


def is_locked(error: sqlite3.Error) -> bool:
    """Say whether another process holds the lock that was wanted."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def explain(path: str | Path, error: sqlite3.Error) -> str:
    """Say what an error of SQLite means for the file and what to do next."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(path, str(error))
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and is_passing(error, path)):
        return f"disk full: no room to write the database {path}: make room on its file system"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            f"the database {path} is locked by another process for more than "
            f"{BUSY_TIMEOUT_MS // 1000} s: find it with `fuser {path}` and end it"
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"the database {path} cannot be written ({name}): check owner, mode and the mount"
    return f"the database {path} failed ({name}): {error}"


def _damaged(path: str | Path, finding: str) -> str:
    return (
        f"the database {path} is damaged ({finding}): it was left untouched; restore it from a "
        "backup, or move it away (with its -wal and -shm files) to begin with an empty one"
    )


def _statements(script: str) -> list[str]:
    """Cut a script at its semicolons (the schemas have none inside texts)."""
    return [part.strip() for part in script.split(";") if part.strip()]


def _quoted(path: str | Path) -> str:
    """Give the path as part of a `file:` address."""
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
