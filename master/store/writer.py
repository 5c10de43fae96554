"""The thread that owns the only writing connection: one fsync for all that waits.

    submit ─▶ waiting ─▶ one transaction of all waiting batches ─▶ COMMIT (synced) ─▶ Committed
                 ▲                                       │
                 └── no room, locked, read-only ◀────────┤  rolled back, kept, tried each second
                                                         └─▶ anything else: Failed, the thread ends

Nothing is ever reported as committed before SQLite has synced it. Batches are committed in the
order in which they were submitted, without gaps. One that comes alone is committed at once; while
many come, commits are begun no more often than each `GATHER_S`.

What can wait (`housekeeping.py`) is done in between.
"""

import sqlite3
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from limpet.common.clock import Clock
from limpet.common.errors import HostError
from limpet.common.identifiers import Commit
from limpet.common.storage import sqlite
from limpet.common.storage.reserve import Reserve
from limpet.master.store.figures import WriterFigures
from limpet.master.store.housekeeping import Housekeeper
from limpet.master.store.operations import (
    ChangeJob,
    Operation,
    PruneHistory,
    PutChunk,
    PutDelivery,
    PutJob,
    PutKey,
)
from limpet.master.store.writing import Transaction

RETRY_S: Final = 1.0
"""Pause between two tries of a transaction that found no room or no lock."""
WAITING_BYTES_MAX: Final = 64 * 1024 * 1024
"""What may wait in memory while the disk takes nothing; more ends the process."""
GROUP_BATCHES_MAX: Final = 2_000
GROUP_BYTES_MAX: Final = 16 * 1024 * 1024
GATHER_S: Final = 0.004
"""From the beginning of one commit to that of the next, where the one before had as many operations
as `GATHERED`: a commit costs a fifth of a millisecond of CPU, whatever is in it. What a few clients
ask for never comes to so many, and is committed at once."""
GATHERED: Final = 24
_OPERATION_BYTES: Final = 300
"""What one operation without a body takes, roughly."""
_MORE_BYTES: Final[dict[type[Operation], Callable[[Any], int]]] = {
    PutChunk: lambda operation: len(operation.data),
    PutJob: lambda operation: len(operation.row.arguments),
    ChangeJob: lambda operation: len(operation.row.arguments),
    PutKey: lambda operation: len(operation.row.grains),
}
"""What some take besides."""


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


_Batch = tuple[Commit, tuple[Operation, ...], int]
"""Its number, what it does, and about the bytes of memory that it takes."""


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
        self._submitted_bytes = 0
        self._written_bytes = 0
        """Each is added to by one thread alone; what waits is the difference."""
        self._changed = threading.Condition()
        self._is_idle = False
        """The thread waits for something to commit, and has to be woken."""
        self._is_stopping = False
        self._trouble = ""
        self._house = Housekeeper(database, path, clock=clock, figures=self.figures)
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self, limits: PruneHistory | None = None) -> None:
        """Begin to write, and to keep the history within limits; None: none is known yet."""
        if limits is not None:
            self._house.begin(limits)
        self._thread.start()

    def submit(self, commit: Commit, operations: tuple[Operation, ...]) -> bool:
        """Queue a batch; False if more waits than may (the caller ends the process)."""
        weight = _weight(operations)
        self._submitted_bytes += weight
        self._waiting.append((commit, operations, weight))
        if self._is_idle:  # else the thread looks before it waits
            with self._changed:
                self._is_idle = False
                self._changed.notify()
        return self._submitted_bytes - self._written_bytes <= WAITING_BYTES_MAX

    @property
    def waiting(self) -> int:
        """How many batches wait."""
        return len(self._waiting)

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
                self._is_idle = True
                if not self._waiting and not self._is_stopping:
                    pause_s = RETRY_S if self._trouble else self._house.pause_s()
                    self._changed.wait(pause_s)
                self._is_idle = False
            if self._waiting or self._is_stopping:
                return self._pop_group()
            self._keep_reserve()
            self._house.keep(is_in_trouble=bool(self._trouble))

    def _pop_group(self) -> list[_Batch]:
        group: list[_Batch] = []
        weight = 0
        while self._waiting and len(group) < GROUP_BATCHES_MAX and weight < GROUP_BYTES_MAX:
            batch = self._waiting.popleft()
            weight += batch[2]
            group.append(batch)
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
        weight = sum(batch[2] for batch in group)
        self._written_bytes += weight
        self._report(Committed(group[-1][0]))
        operations = sum(len(batch[1]) for batch in group)
        self._house.on_written(operations, weight)
        self._keep_reserve()
        self._house.keep_busy(is_in_trouble=bool(self._trouble))
        left_s = GATHER_S - (self._clock.now().boot - started)
        if operations >= GATHERED and left_s > 0:
            with self._changed:
                if not self._is_stopping:
                    self._changed.wait(left_s)

    def _try(self, group: list[_Batch]) -> bool:
        """Try the transaction once; True: it is on disk."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            transaction = Transaction(self._database)
            for _commit, operations, _weight in group:
                for operation in operations:
                    transaction.apply(operation)
            transaction.finish(group[-1][0])
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if not sqlite.is_passing(error, self._path):
                raise
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._say_trouble(sqlite.explain(self._path, error))
            # What was promised to others (returns, cancels) still finds room once.
            return not sqlite.is_locked(error) and self._reserve.give_up() and self._try(group)
        self._house.on_committed(transaction)
        return True

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


def _weight(operations: tuple[Operation, ...]) -> int:
    """Estimate the bytes of memory that operations take."""
    weight = _OPERATION_BYTES * len(operations)
    for operation in operations:
        if isinstance(operation, PutDelivery):
            if operation.body:
                weight += len(operation.body)
        elif (more := _MORE_BYTES.get(type(operation))) is not None:
            weight += more(operation)
    return weight
