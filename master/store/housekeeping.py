"""What the writer's thread does besides committing, in small pieces.

Jobs over the limits leave the history; what they held is dropped; free pages go back to the file
system; the log is moved into the file, and cut when it has become too long. Done when nothing waits
to be committed, and a few pieces a second when something always does.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final

from limpet.common.clock import Clock
from limpet.common.storage import sqlite
from limpet.master.store.dropping import drop_piece
from limpet.master.store.figures import WriterFigures
from limpet.master.store.operations import PruneHistory
from limpet.master.store.writing import Transaction

CHECKPOINT_PAGES: Final = 1_000
"""Pages in the log at which it is moved into the file: 4 MiB."""
PAGE_BYTES: Final = 4096
VACUUM_PAGES: Final = 256
"""Free pages given back to the file system in one go, when nothing else is to do."""
KEPT_FREE_PAGES: Final = 2_048
"""Free pages that stay in the file for reuse."""
REST_S: Final = 1.0
"""Pause before a look at what is not urgent, and after a piece that found no room or no lock."""
PIECE_S: Final = 0.1
"""Pause between two pieces, when nothing waits to be committed."""
BUSY_PIECE_S: Final = 0.25
"""The same when something always does: a piece takes some ten milliseconds."""
SLACK_PART: Final = 32
"""The history is pruned at once when it is over its limit of bytes by this part of it."""
LOG_BYTES_MAX: Final = 64 * 1024 * 1024
"""A log that has become longer, since readers never let it begin anew, is cut in their pauses."""
CUT_S: Final = 1.0
"""Between two tries to cut the log; twice as long after each that failed, for a backup may hold it
for many minutes."""
CUT_S_MAX: Final = 16.0
CUT_WAIT_MS: Final = 50
"""How long such a try waits for readers, and with it all commits."""


class Housekeeper:
    """Works on the writer's connection, in the writer's thread, between its transactions."""

    def __init__(
        self, database: sqlite3.Connection, path: Path, *, clock: Clock, figures: WriterFigures
    ) -> None:
        self._database = database
        self._path = path
        self._clock = clock
        self._figures = figures
        self._limits: PruneHistory | None = None
        self._wants_prune = False
        self._wants_drop = True
        self._wants_vacuum = True
        self._piece_s = PIECE_S
        self._last_piece_s = 0.0
        self._cut_at_s = 0.0
        self._cuts_apart_s = CUT_S
        self._operations = 0
        self._pages = 0
        self._pages_each = 2.0

    def begin(self, limits: PruneHistory) -> None:
        """Keep the history within limits from the start on."""
        self._limits = limits
        self._wants_prune = True

    def pause_s(self) -> float | None:
        """Give how long to wait for something to commit before `keep`; None: for ever."""
        if self._wants_prune or self._wants_drop:
            return self._piece_s
        return REST_S if self._wants_vacuum or self._figures.is_log_long else None

    def on_committed(self, transaction: Transaction) -> None:
        """Take what a transaction leaves to be done. Raises `sqlite3.Error`."""
        self._limits = transaction.limits or self._limits
        self._wants_drop |= transaction.is_pruned
        self._wants_prune |= transaction.is_more_to_prune
        if transaction.has_ended_more and self._limits is not None:
            (size,) = self._database.execute("SELECT ended_bytes FROM meta").fetchone()
            bytes_max = self._limits.bytes_max
            self._wants_prune |= size > bytes_max + bytes_max // SLACK_PART

    def on_written(self, operations: int, weight: int) -> None:
        """Move the log into the file if it has grown by enough. `weight`: bytes handed over."""
        self._operations += operations
        self._pages += weight // PAGE_BYTES
        self._checkpoint()

    def keep_busy(self, *, is_in_trouble: bool) -> None:
        """Do what should not wait for a quiet moment. Raises `sqlite3.Error`."""
        self._cut_log()
        since_s = self._clock.now().boot - self._last_piece_s
        if not is_in_trouble and since_s >= max(BUSY_PIECE_S, self._piece_s):
            self._do_piece()

    def keep(self, *, is_in_trouble: bool) -> None:
        """Do a piece of what there is. Raises `sqlite3.Error`."""
        self._cut_log()
        if not is_in_trouble:
            self._do_piece()
            self._vacuum()

    def _do_piece(self) -> None:
        """Prune or drop one piece, in a transaction of its own."""
        if not (self._wants_prune or self._wants_drop):
            return
        self._last_piece_s = self._clock.now().boot
        wanted_prune = self._wants_prune
        try:
            self._database.execute("BEGIN IMMEDIATE")
            if wanted_prune and self._limits is not None:
                self._prune(self._limits)
            else:
                gone = drop_piece(self._database)
                self._figures.dropped_rows += gone
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
            self._wants_prune = wanted_prune
            self._wants_drop = True
            self._piece_s = REST_S  # it can wait; whether writing works at all, a commit finds out
        self._checkpoint()

    def _prune(self, limits: PruneHistory) -> None:
        transaction = Transaction(self._database)
        transaction.apply(limits)
        transaction.finish(None)
        self._wants_prune = transaction.is_more_to_prune
        self._wants_drop = True

    def _vacuum(self) -> None:
        """Give some free pages back."""
        if not self._wants_vacuum or self._wants_drop:
            return
        (free,) = self._database.execute("PRAGMA freelist_count").fetchone()
        if free <= KEPT_FREE_PAGES:
            self._wants_vacuum = False
            return
        try:
            # `execute` would stop after the first page: the pragma has a step for each.
            self._database.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
            self._figures.vacuumed_pages += VACUUM_PAGES
        except sqlite3.Error as error:
            if not sqlite.is_passing(error, self._path):
                raise
            self._wants_vacuum = False  # asked again after the next pruning
        self._pages += VACUUM_PAGES
        self._checkpoint()

    def _checkpoint(self) -> None:
        """Move the log into the file if it has grown enough, by an estimate that learns.

        SQLite tells its length only then, and each checkpoint costs two fsyncs.
        """
        if self._pages + self._operations * self._pages_each < CHECKPOINT_PAGES:
            return
        operations, pages = self._operations, self._pages
        self._operations = self._pages = 0
        try:
            found = sqlite.checkpoint(self._database) - pages
            if operations:
                each = found / operations
                self._pages_each = min(2.0, max(0.1, (self._pages_each + each) / 2))
        except sqlite3.Error as error:
            # What is committed is safe in the log, which grows until there is room again; then
            # the writing of a transaction finds that out and says so.
            if not sqlite.is_passing(error, self._path):
                raise
        self._figures.is_log_long = _log_bytes(self._path) > LOG_BYTES_MAX

    def _cut_log(self) -> None:
        """Have a log that is too long begin anew, if the readers let it."""
        now_s = self._clock.now().boot
        if not self._figures.is_log_long or now_s < self._cut_at_s:
            return
        self._figures.is_cut_tried = True
        try:
            sqlite.cut_log(self._database, wait_ms=CUT_WAIT_MS)
        except sqlite3.Error as error:
            if not sqlite.is_passing(error, self._path):
                raise
        finally:
            self._figures.is_cut_tried = False
        self._figures.is_log_long = _log_bytes(self._path) > LOG_BYTES_MAX
        is_failed = self._figures.is_log_long
        self._cuts_apart_s = min(2 * self._cuts_apart_s, CUT_S_MAX) if is_failed else CUT_S
        self._cut_at_s = now_s + self._cuts_apart_s


def _log_bytes(path: Path) -> int:
    """Give the size of the log; 0: there is none."""
    try:
        return os.stat(f"{path}-wal").st_size
    except OSError:
        return 0
