"""The minion's journal: records in one preallocated file, made durable by a thread of its own.

`persist` never blocks and never loses: what was handed in is written in order, many commits with
one sync, and `collect` says when. A disk that is full or fails is told (`trouble`) and tried again
every second; nothing is acknowledged meanwhile. Room for the ends of all accepted jobs is set
aside in the file, so that a full disk stops new jobs and never the report on an old one.
"""

import contextlib
import os
import threading
from collections import deque
from pathlib import Path
from typing import Final

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.identifiers import Commit, JobId
from limpet.common.storage.files import is_disk_full
from limpet.minion.jobs.events import Durable, JournalTrouble
from limpet.minion.journal.io.journal_file import JournalFile, LoadedJournal, load
from limpet.minion.journal.records import (
    JobAccepted,
    JobFinished,
    JobForgotten,
    JournalState,
    Note,
    Record,
)

FINAL_ROOM_BYTES: Final = 24 * 1024
"""Set aside for each open job: start, final record with a body of 16 KiB, acknowledgement."""
ACCEPT_ROOM_BYTES: Final = 256 * 1024
"""What must be free besides, for one more job with the largest arguments, and for notes."""
STALL_S: Final = 10.0
"""A write that takes longer than this is told as trouble: the disk neither takes nor refuses it."""
RETRY_S: Final = 1.0
"""Pause before a failed write is tried again."""
BATCH_BYTES_MAX: Final = 1024 * 1024
"""A batch takes what waits up to about this size."""


class Journal:
    """The journal of one minion; made by `open`, used by one thread (and its own)."""

    def __init__(self, loaded: LoadedJournal) -> None:
        self.state: JournalState = loaded.state
        """As replayed at the opening; it is the core's from then on."""
        self.findings: tuple[str, ...] = loaded.findings
        """What was cut or set aside at the opening, one sentence each, for the log."""
        self.next_deadline: Instant = FOREVER
        self._file: JournalFile = loaded.file
        self._open_jobs = {
            jid
            for jid, entry in loaded.state.jobs.items()
            if entry.accepted is not None and entry.finished is None
        }
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Condition()
        # All below is shared with the thread, under the lock.
        self._waiting: deque[tuple[Commit, tuple[Record, ...]]] = deque()
        self._waiting_bytes = 0
        self._asked = Commit(0)
        self._durable = Commit(0)
        self._told_durable = Commit(0)
        self._told_trouble = ""
        self._failure = loaded.problem
        self._crash: BaseException | None = None
        self._is_closing = False
        self._late_at: Instant = FOREVER
        self._is_stalled = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @staticmethod
    def open(directory: Path) -> "Journal":
        """Read what is there and begin; blocks on the disk, so do it before the loop.

        Never refuses: a torn end is cut off, a damaged file is set aside and its readable records
        go into a journal with a new id, and where nothing can be written `trouble` says so.
        """
        return Journal(load(directory))

    def persist(self, commit: Commit, records: tuple[Record, ...]) -> None:
        """Queue records; `Durable(commit)` follows when they, and all before them, are synced."""
        with self._lock:
            assert not self._is_closing, "the journal is closed"
            for record in records:
                if isinstance(record, JobAccepted):
                    self._open_jobs.add(JobId(record.jid))
                elif isinstance(record, JobFinished | JobForgotten):
                    self._open_jobs.discard(JobId(record.jid))
            self._asked = commit
            self._waiting.append((commit, records))
            self._waiting_bytes += _estimate(records)
            self._lock.notify()

    def has_room(self) -> bool:
        """Say whether one more job, with its end, fits for certain. Ask before each delivery."""
        with self._lock:
            return not self._failure and self._room() >= 0

    @property
    def trouble(self) -> str:
        """Say why no new job can be taken on, in one line for people; empty if it can.

        That a write does not come back is noticed by `collect`.
        """
        with self._lock:
            return self._trouble()

    def filenos(self) -> tuple[int, ...]:
        """Give what to poll for reading: it is ready when `collect` has something to say."""
        return (self._wake_fd,)

    def collect(self, now: Moment) -> list[Durable | JournalTrouble]:
        """Say what became durable and whether trouble began, changed or ended."""
        with contextlib.suppress(BlockingIOError):  # nothing new: room may change by `persist`
            os.eventfd_read(self._wake_fd)
        events: list[Durable | JournalTrouble] = []
        with self._lock:
            if self._crash is not None:
                raise self._crash  # a programmer's mistake in the thread ends the process
            if self._durable > self._told_durable or self._durable >= self._asked:
                self._late_at = FOREVER
            if self._durable > self._told_durable:
                self._told_durable = self._durable
                events.append(Durable(self._durable))
            if self._durable < self._asked and self._late_at == FOREVER:
                self._late_at = now.after(STALL_S)
            self._is_stalled = now.boot >= self._late_at
            trouble = self._trouble()
            if trouble != self._told_trouble:
                self._told_trouble = trouble
                events.append(JournalTrouble(trouble))
            # While there is trouble, room may come back without a write: look again.
            self.next_deadline = now.after(RETRY_S) if trouble else self._late_at
        return events

    def close(self, wait_s: float = 5.0) -> None:
        """Write what waits, for at most `wait_s`, and end the thread. A second call is harmless.

        What could not be written by then is as lost as in a crash; nobody was told of it.
        """
        with self._lock:
            self._is_closing = True
            self._lock.notify()
        self._thread.join(wait_s)
        if self._wake_fd >= 0 and not self._thread.is_alive():
            os.close(self._wake_fd)
            self._wake_fd = -1
            self._file.close()

    # --- under the lock -------------------------------------------------------------------

    def _room(self) -> int:
        """Give the bytes left when all that is promised has been written; negative: too few."""
        promised = len(self._open_jobs) * FINAL_ROOM_BYTES + self._waiting_bytes
        return self._file.free_bytes - promised - ACCEPT_ROOM_BYTES

    def _trouble(self) -> str:
        if self._failure:
            return self._failure
        if self._is_stalled:
            return f"disk stalls: a write to {self._file.path} does not come back"
        if self._room() < 0:
            return f"disk full: no room for another job in {self._file.path}"
        return ""

    # --- the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except BaseException as crash:  # noqa: BLE001 - handed to the loop, which ends the process
            with self._lock:
                self._crash = crash
            self._wake()

    def _turn(self) -> bool:
        """Write one batch, or wait for one; False when it is time to end."""
        with self._lock:
            if not self._waiting:
                if self._is_closing:
                    return False
                needs_care = bool(self._failure) or self._room() < 0
                self._lock.wait(RETRY_S if needs_care else None)
            batch, size = self._take()
            wanted = len(self._open_jobs) * FINAL_ROOM_BYTES + 2 * ACCEPT_ROOM_BYTES
        try:
            if batch:
                self._file.append([record for _, records in batch for record in records])
        except OSError as error:
            self._give_back(batch, size, f"{_reason(error)}: cannot write {self._file.path}")
            return not self._is_closing
        with self._lock:
            if batch:
                self._durable = batch[-1][0]
            self._waiting_bytes -= size
        if batch:
            self._wake()
        try:
            self._file.make_room(wanted)
        except OSError as error:
            # Only room for the future is missing; a full disk shows in `_room` by itself.
            failure = "" if self._file.is_usable else _reason(error)
        else:
            failure = ""
        with self._lock:
            is_changed = failure != self._failure or self._trouble() != self._told_trouble
            self._failure = failure
        if is_changed:
            self._wake()
        return True

    def _take(self) -> tuple[list[tuple[Commit, tuple[Record, ...]]], int]:
        batch: list[tuple[Commit, tuple[Record, ...]]] = []
        size = 0
        while self._waiting and size < BATCH_BYTES_MAX:
            batch.append(self._waiting.popleft())
            size += _estimate(batch[-1][1])
        return batch, size

    def _give_back(
        self, batch: list[tuple[Commit, tuple[Record, ...]]], size: int, failure: str
    ) -> None:
        """Keep what could not be written for the next try, which comes after a pause."""
        with self._lock:
            self._waiting.extendleft(reversed(batch))
            self._failure = failure
        self._wake()
        with self._lock:
            if not self._is_closing:
                self._lock.wait(RETRY_S)

    def _wake(self) -> None:
        os.eventfd_write(self._wake_fd, 1)


def _estimate(records: tuple[Record, ...]) -> int:
    """Give the bytes that the records need at most, without encoding them twice."""
    total = 0
    for record in records:
        total += 512
        if isinstance(record, JobAccepted):
            total += len(record.arguments) + 4 * len(record.user)
        elif isinstance(record, JobFinished):
            total += len(record.body) + 4 * len(record.error)
        elif isinstance(record, Note):
            total += 4 * (len(record.name) + len(record.value))
    return total


def _reason(error: OSError) -> str:
    if is_disk_full(error):
        return "disk full"
    return os.strerror(error.errno or 0)
