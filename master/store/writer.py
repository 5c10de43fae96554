"""The thread that owns the only writing connection: one fsync for all that waits.

    submit ─▶ waiting ─▶ one transaction of all waiting batches ─▶ COMMIT (synced) ─▶ Committed
                 ▲                                       │
                 └── no room, locked, read-only ◀────────┤  rolled back, kept, tried each second
                                                         └─▶ anything else: Failed, the thread ends

Nothing is ever reported as committed before SQLite has synced it. Batches are committed in the
order in which they were submitted, without gaps.
"""

import sqlite3
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from limpet.common.clock import Clock
from limpet.common.errors import HostError
from limpet.common.identifiers import Commit
from limpet.common.storage import sqlite
from limpet.common.storage.reserve import Reserve
from limpet.master.store.operations import (
    Operation,
    PruneHistory,
    PutChunk,
    PutJob,
    PutKey,
    PutReturn,
)
from limpet.master.store.writing import apply

RETRY_S: Final = 1.0
"""Pause between two tries of a transaction that found no room or no lock."""
WAITING_BYTES_MAX: Final = 64 * 1024 * 1024
"""What may wait in memory while the disk takes nothing; more ends the process."""
GROUP_BATCHES_MAX: Final = 2_000
GROUP_BYTES_MAX: Final = 16 * 1024 * 1024
CHECKPOINT_PAGES: Final = 1_000
VACUUM_PAGES: Final = 256
"""Free pages given back to the file system in one go, when nothing else is to do."""
KEPT_FREE_PAGES: Final = 2_048
"""Free pages that stay in the file for reuse."""
_OPERATION_BYTES: Final = 300
"""What one operation without a body takes, roughly."""


@dataclass(frozen=True, slots=True)
class Committed:
    """All batches up to this one are on disk."""

    commit: Commit


@dataclass(frozen=True, slots=True)
class Trouble:
    """Writing does not work now and is tried again each second; empty text: it works again."""

    text: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Writing is over for this process; nothing after the last `Committed` is on disk."""

    text: str


@dataclass(slots=True)
class WriterFigures:
    """Gauges of the writer; read by another thread, each value by itself true."""

    commits: int = 0
    batches: int = 0
    all_commits_s: float = 0.0
    last_commit_s: float = 0.0
    slowest_commit_s: float = 0.0
    waiting_batches: int = 0
    vacuumed_pages: int = 0
    under_way_since_s: float | None = None
    """On CLOCK_BOOTTIME: when the present commit was begun; None: none is."""


@dataclass(frozen=True, slots=True)
class _Batch:
    commit: Commit
    operations: tuple[Operation, ...]
    weight: int


class Writer:
    """Takes batches from one thread and commits them in its own."""

    def __init__(
        self,
        database: sqlite3.Connection,
        path: Path,
        *,
        reserve: Reserve,
        clock: Clock,
        report: Callable[[Committed | Trouble | Failed], None],
    ) -> None:
        """Take the connection over. `report` is called in the writer's thread and must not wait."""
        self.figures = WriterFigures()
        self._database = database
        self._path = path
        self._reserve = reserve
        self._clock = clock
        self._report = report
        self._waiting: deque[_Batch] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._is_stopping = False
        self._trouble = ""
        self._wants_vacuum = True
        self._pages = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, commit: Commit, operations: tuple[Operation, ...]) -> bool:
        """Queue a batch; False if more waits than may (the caller ends the process)."""
        batch = _Batch(commit, operations, sum(map(_weight, operations)))
        with self._changed:
            self._waiting.append(batch)
            self._waiting_bytes += batch.weight
            self.figures.waiting_batches = len(self._waiting)
            self._changed.notify()
            return self._waiting_bytes <= WAITING_BYTES_MAX

    def stop(self, *, within_s: float) -> bool:
        """Write what waits, then end the thread; False if that took too long or failed."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        if self._thread.ident is None:
            self._database.close()
            return True
        self._thread.join(within_s)
        return not self._thread.is_alive() and not self._waiting

    def _run(self) -> None:
        try:
            self._keep_reserve()
            while group := self._take():
                self._write(group)
            sqlite.checkpoint(self._database)
        except sqlite3.Error as error:
            self._report(Failed(sqlite.explain(self._path, error)))
        except HostError as error:
            self._report(Failed(str(error)))
        except Exception as error:
            # A mistake of ours in an operation: never acknowledged, and the process must end.
            self._report(Failed(f"the store's writer broke: {error!r}\n{traceback.format_exc()}"))
            raise
        finally:
            self._database.close()

    def _take(self) -> list[_Batch]:
        """Wait for batches and take all of them, up to a bound; nothing when stopping."""
        while True:
            with self._changed:
                if not self._waiting and not self._is_stopping:
                    wants_housekeeping = self._wants_vacuum or bool(self._trouble)
                    self._changed.wait(RETRY_S if wants_housekeeping else None)
                if self._waiting or self._is_stopping:
                    return self._pop_group()
            self._keep_house()

    def _pop_group(self) -> list[_Batch]:
        group: list[_Batch] = []
        weight = 0
        while self._waiting and len(group) < GROUP_BATCHES_MAX and weight < GROUP_BYTES_MAX:
            batch = self._waiting.popleft()
            weight += batch.weight
            group.append(batch)
        self.figures.waiting_batches = len(self._waiting)
        return group

    def _write(self, group: list[_Batch]) -> None:
        """Commit the group, however often that has to be tried."""
        started = self.figures.under_way_since_s = self._clock.now().boot
        while not self._try(group):
            with self._changed:
                if self._is_stopping:
                    self._waiting.extendleft(reversed(group))
                    raise sqlite3.OperationalError(f"stopped while {self._trouble}")
                self._changed.wait(RETRY_S)
        took_s = self._clock.now().boot - started
        figures = self.figures
        figures.under_way_since_s = None
        figures.commits += 1
        figures.batches += len(group)
        figures.all_commits_s += took_s
        figures.last_commit_s = took_s
        figures.slowest_commit_s = max(figures.slowest_commit_s, took_s)
        with self._changed:
            self._waiting_bytes -= sum(batch.weight for batch in group)
        self._report(Committed(group[-1].commit))
        self._after_commit(group)

    def _try(self, group: list[_Batch]) -> bool:
        """Try the transaction once; True: it is on disk."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for batch in group:
                for operation in batch.operations:
                    apply(self._database, operation)
            self._database.execute("UPDATE meta SET commit_number = ?", (group[-1].commit,))
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if not sqlite.is_passing(error, self._path):
                raise
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._say_trouble(sqlite.explain(self._path, error))
            # What was promised to others (returns, cancels) still finds room once.
            return not sqlite.is_locked(error) and self._reserve.give_up() and self._try(group)
        return True

    def _after_commit(self, group: list[_Batch]) -> None:
        for batch in group:
            self._pages += 2 * len(batch.operations) + batch.weight // 4096
            self._wants_vacuum |= any(isinstance(o, PruneHistory) for o in batch.operations)
        self._keep_reserve()
        self._checkpoint()

    def _keep_house(self) -> None:
        """Do one small piece of what can wait until nothing else is to do."""
        self._keep_reserve()
        if not self._wants_vacuum or self._trouble:
            return
        (free,) = self._database.execute("PRAGMA freelist_count").fetchone()
        if free <= KEPT_FREE_PAGES:
            self._wants_vacuum = False
            return
        try:
            # `execute` would stop after the first page: the pragma has a step for each.
            self._database.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
            self.figures.vacuumed_pages += VACUUM_PAGES
        except sqlite3.Error as error:
            if not sqlite.is_passing(error, self._path):
                raise
            self._wants_vacuum = False  # asked again after the next pruning
        self._pages += VACUUM_PAGES
        self._checkpoint()

    def _checkpoint(self) -> None:
        """Move the log into the file if it has grown (by our estimate)."""
        if self._pages < CHECKPOINT_PAGES:
            return
        self._pages = 0
        try:
            sqlite.checkpoint(self._database)
        except sqlite3.Error as error:
            # What is committed is safe in the log, which grows until there is room again; then
            # the writing of a transaction finds that out and says so.
            if not sqlite.is_passing(error, self._path):
                raise

    def _keep_reserve(self) -> None:
        """Take the reserve back; when that works, trouble is over."""
        if self._reserve.hold():
            self._say_trouble("")
        elif not self._trouble:
            place = f"beside the database {self._path}"
            self._say_trouble(f"disk full: no room {place}: make room there")

    def _say_trouble(self, text: str) -> None:
        if text != self._trouble:
            self._trouble = text
            self._report(Trouble(text))


def _weight(operation: Operation) -> int:
    """Estimate the bytes of memory that an operation takes."""
    match operation:
        case PutReturn():
            return _OPERATION_BYTES + len(operation.body)
        case PutChunk():
            return _OPERATION_BYTES + len(operation.data)
        case PutJob():
            return _OPERATION_BYTES + len(operation.row.arguments)
        case PutKey():
            return _OPERATION_BYTES + len(operation.row.grains)
        case _:
            return _OPERATION_BYTES
