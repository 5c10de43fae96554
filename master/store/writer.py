"""The thread that owns the only writing connection: one fsync for all that waits.

    submit ─▶ waiting ─▶ one transaction of all waiting batches ─▶ COMMIT (synced) ─▶ Committed
                 ▲                                       │
                 └── no room, locked, read-only ◀────────┤  rolled back, kept, tried each second
                                                         └─▶ anything else: Failed, the thread ends

Nothing is ever reported as committed before SQLite has synced it. Batches are committed in the
order in which they were submitted, without gaps.

What can wait is done in small pieces, when nothing else is to do, and a few a second when there
always is: jobs over the limits leave the history, what they held is dropped, free pages go back to
the file system.
"""

import os
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
from limpet.master.store.dropping import drop_piece
from limpet.master.store.operations import (
    Operation,
    PruneHistory,
    PutChunk,
    PutJob,
    PutKey,
    PutReturn,
)
from limpet.master.store.writing import Transaction

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
PIECE_S: Final = 0.1
"""Pause between two pieces of what can wait, when nothing else is to do."""
BUSY_PIECE_S: Final = 0.25
"""The same when there is always something to commit: a piece takes some ten milliseconds."""
LOG_BYTES_MAX: Final = 64 * 1024 * 1024
"""A log that has become longer, since readers never let it begin anew, is cut in their pauses."""
CUT_S: Final = 1.0
"""Between two tries to cut the log."""
CUT_WAIT_MS: Final = 50
"""How long such a try waits for readers, and with it all commits."""
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
    dropped_rows: int = 0
    is_log_long: bool = False
    """Readers should pause for a moment, for the log to be cut."""
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
        self._limits: PruneHistory | None = None
        self._wants_prune = False
        self._wants_drop = True
        self._wants_vacuum = True
        self._piece_s = PIECE_S
        self._last_piece_s = 0.0
        self._last_cut_s = 0.0
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
                    self._changed.wait(self._pause_s())
                if self._waiting or self._is_stopping:
                    return self._pop_group()
            self._keep_reserve()
            self._cut_log()
            self._do_piece()
            self._vacuum()

    def _pause_s(self) -> float | None:
        """Give how long to wait for batches before something else is done; None: for ever."""
        if not self._trouble and (self._wants_prune or self._wants_drop):
            return self._piece_s
        wants_to = self._wants_vacuum or self.figures.is_log_long or bool(self._trouble)
        return RETRY_S if wants_to else None

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
            transaction = Transaction(self._database)
            for batch in group:
                for operation in batch.operations:
                    transaction.apply(operation)
            transaction.finish(group[-1].commit)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if not sqlite.is_passing(error, self._path):
                raise
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._say_trouble(sqlite.explain(self._path, error))
            # What was promised to others (returns, cancels) still finds room once.
            return not sqlite.is_locked(error) and self._reserve.give_up() and self._try(group)
        self._wants_drop |= transaction.is_pruned
        self._wants_prune |= transaction.is_more_to_prune
        return True

    def _after_commit(self, group: list[_Batch]) -> None:
        for batch in group:
            self._pages += 2 * len(batch.operations) + batch.weight // 4096
            for operation in batch.operations:
                if isinstance(operation, PruneHistory):
                    self._limits = operation
        self._keep_reserve()
        self._checkpoint()
        self._cut_log()
        if self._clock.now().boot - self._last_piece_s >= max(BUSY_PIECE_S, self._piece_s):
            self._do_piece()

    def _do_piece(self) -> None:
        """Prune or drop one piece, in a transaction of its own."""
        if self._trouble or not (self._wants_prune or self._wants_drop):
            return
        self._last_piece_s = self._clock.now().boot
        try:
            self._database.execute("BEGIN IMMEDIATE")
            if self._wants_prune and self._limits is not None:
                self._prune(self._limits)
            else:
                gone = drop_piece(self._database)
                self.figures.dropped_rows += gone
                self._wants_drop = gone > 0
                self._wants_vacuum |= gone > 0
                self._pages += CHECKPOINT_PAGES // 2 if gone else 0
            self._database.execute("COMMIT")
            self._piece_s = PIECE_S
        except sqlite3.Error as error:
            if not sqlite.is_passing(error, self._path):
                raise
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._wants_drop = True
            self._piece_s = RETRY_S  # it can wait; whether writing works at all, a commit finds out
        self._checkpoint()

    def _prune(self, limits: PruneHistory) -> None:
        transaction = Transaction(self._database)
        transaction.apply(limits)
        transaction.finish(None)
        self._wants_prune = transaction.is_more_to_prune
        self._wants_drop = True

    def _vacuum(self) -> None:
        """Give some free pages back."""
        if not self._wants_vacuum or self._wants_drop or self._trouble:
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
        self.figures.is_log_long = _log_bytes(self._path) > LOG_BYTES_MAX

    def _cut_log(self) -> None:
        """Have a log that is too long begin anew, if the readers let it."""
        now_s = self._clock.now().boot
        if not self.figures.is_log_long or now_s - self._last_cut_s < CUT_S:
            return
        self._last_cut_s = now_s
        try:
            sqlite.cut_log(self._database, wait_ms=CUT_WAIT_MS)
        except sqlite3.Error as error:
            if not sqlite.is_passing(error, self._path):
                raise
        self.figures.is_log_long = _log_bytes(self._path) > LOG_BYTES_MAX

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


def _log_bytes(path: Path) -> int:
    """Give the size of the log; 0: there is none."""
    try:
        return os.stat(f"{path}-wal").st_size
    except OSError:
        return 0


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
