"""The master's memory on disk: one file, one writer thread, one reader thread, one descriptor.

    open ─▶ load ─▶ start ─▶ submit/ask … poll fileno() … collect … ─▶ close

`open` and `load` block and belong before the loop; everything after `start` does not wait. What
has been committed, what ails the disk and what was answered comes back through `collect`.
"""

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from limpet.common.clock import Clock, Moment
from limpet.common.errors import HostError
from limpet.common.identifiers import Commit
from limpet.common.storage import sqlite
from limpet.common.storage.files import make_directory
from limpet.common.storage.migration_backup import back_up_before_migration
from limpet.common.storage.reserve import Reserve
from limpet.master.core.effects import Fetch, Query
from limpet.master.store import reading
from limpet.master.store.operations import Operation, PruneHistory, Snapshot
from limpet.master.store.reader import Answered, Reader
from limpet.master.store.schema import MIGRATIONS
from limpet.master.store.writer import Committed, Failed, Trouble, Writer

RESERVE_BYTES: Final = 16 * 1024 * 1024
"""Set aside for what must still be written when the disk is full."""
CHECKED_BYTES_MAX: Final = 64 * 1024 * 1024
"""A file up to this size is checked for damage at each start (about a second for each GiB)."""
STALL_S: Final = 10.0
"""A write that takes longer than this is told in `limpet status`."""
LOCK_WAIT_MS: Final = 500
"""How long one try of a transaction waits for a lock of another process."""

Outcome = Committed | Trouble | Failed | Answered
"""What `collect` gives. After `Failed` the process must end: nothing more will be committed."""


class Store:
    """The store of one master process."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        busy: Callable[[str], None] | None = None,
        migrations: Sequence[str] = MIGRATIONS,
    ) -> None:
        """Open or make the database file and bring its schema up to date, a copy made before.

        `busy` is told, again and again, what goes on while that, or loading, takes long. Raises
        `HostError` if the file is damaged, newer than this release, or can't be written; nothing
        is changed then.
        """
        self._path = path
        self._busy = busy
        self._outcomes: deque[Outcome] = deque()
        self._lock = threading.Lock()
        self._wake = -1
        make_directory(path.parent)
        reserve = Reserve(path.with_name("reserve"), RESERVE_BYTES)
        database = _open(path, reserve, busy, migrations)
        self._writer = Writer(database, path, reserve=reserve, clock=clock, report=self._report)
        figures = self._writer.figures
        try:
            self._reader = Reader(
                path,
                clock=clock,
                report=self._report,
                is_asked_to_pause=lambda: figures.is_cut_tried,
            )
        except HostError:
            database.close()
            raise
        self._database = database
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def load(self, *, wall_s: float) -> Snapshot:
        """Read what the core begins with; only before `start`. Raises `HostError`."""
        sqlite.speak(self._database, self._busy, "the database is read")
        try:
            return reading.load(self._database, wall_s=wall_s)
        except sqlite3.Error as error:
            raise HostError(sqlite.explain(self._path, error)) from error
        finally:
            sqlite.speak(self._database, None)

    def start(self, limits: PruneHistory | None = None) -> None:
        """Begin to write and to answer; `limits`: those of the history until others are told."""
        self._writer.start(limits)
        self._reader.start()

    def submit(self, commit: Commit, operations: tuple[Operation, ...]) -> None:
        """Have the operations committed as one; `commit` is one more than the last."""
        if not self._writer.submit(commit, operations):
            self._report(
                Failed(
                    f"the database {self._path} has taken nothing for so long that what waits for "
                    "it fills the memory set aside: make room on its file system"
                )
            )

    def ask(self, question: Query | Fetch) -> bool:
        """Have a question answered by one `Answered`; False if too many wait already."""
        return self._reader.ask(question)

    def fileno(self) -> int:
        """Give the descriptor that is readable when `collect` has something."""
        return self._wake

    def collect(self) -> list[Outcome]:
        """Give what happened since the last call, in order."""
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return []
        with self._lock:
            outcomes = list(self._outcomes)
            self._outcomes.clear()
        return outcomes

    def figures(self) -> dict[str, float]:
        """Give gauges for people: counts, seconds, bytes."""
        figures = self._writer.figures
        return {
            "store_commits": figures.commits,
            "store_batches": figures.batches,
            "store_waiting": self._writer.waiting,
            "store_commit_s": figures.all_commits_s,
            "store_commit_last_s": figures.last_commit_s,
            "store_commit_slowest_s": figures.slowest_commit_s,
            "store_vacuumed_pages": figures.vacuumed_pages,
            "store_dropped_rows": figures.dropped_rows,
            "store_bytes": _size(self._path),
        }

    def problem(self, now: Moment) -> str:
        """Say for people that a write does not come back, if one does not; else nothing."""
        since_s = self._writer.figures.under_way_since_s
        if since_s is None or now.boot - since_s < STALL_S:
            return ""
        return f"the disk of {self._path} has not taken a write for {now.boot - since_s:.0f} s"

    def close(self, *, within_s: float = 5.0) -> bool:
        """Write what waits and close; False if not all of it could be written in time."""
        if self._wake < 0:
            return True
        self._reader.stop(within_s=within_s)
        is_done = self._writer.stop(within_s=within_s)
        with self._lock:
            os.close(self._wake)
            self._wake = -1
        return is_done

    def _report(self, outcome: Outcome) -> None:
        """Hand an outcome to the loop (called by the threads)."""
        with self._lock:
            self._outcomes.append(outcome)
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)


def _size(path: Path) -> int:
    """Give the size of a file for people; 0: it is gone, or can't be looked at."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _open(
    path: Path,
    reserve: Reserve,
    busy: Callable[[str], None] | None,
    migrations: Sequence[str],
) -> sqlite3.Connection:
    """Open the file, on a full disk with the space set aside for such moments."""
    try:
        return _open_once(path, busy, migrations)
    except HostError:
        if sqlite.has_room(path) or not reserve.give_up():
            raise
    return _open_once(path, busy, migrations)


def _open_once(
    path: Path, busy: Callable[[str], None] | None, migrations: Sequence[str]
) -> sqlite3.Connection:
    database = sqlite.connect(path)
    try:
        sqlite.speak(database, busy, "the database is checked")
        if path.stat().st_size <= CHECKED_BYTES_MAX:
            sqlite.check(database, path)
        back_up_before_migration(database, path, migrations)
        sqlite.migrate(database, path, migrations, busy=busy)
        sqlite.checkpoint(database)  # a migration's log may be as long as the file
        # The writer tries again each second, and must not stand in a lock for long.
        database.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_MS}")
    except HostError:
        database.close()
        raise
    except sqlite3.Error as error:
        database.close()
        raise HostError(sqlite.explain(path, error)) from error
    return database
