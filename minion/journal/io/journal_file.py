"""The journal's file: reading what a crash left, appending a batch, making room, compacting.

Blocks on the disk and raises `OSError`; the only caller after `load` is `journal_thread.py`.
Everything is written so that a crash at any moment leaves the old journal or the new one.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from limpet.common.errors import HostError
from limpet.common.storage.files import is_disk_full, make_directory, sync_directory
from limpet.minion.journal.format import HEADER_BYTES, Scan, frames, header, scan
from limpet.minion.journal.records import (
    JobFinished,
    JournalOpened,
    JournalState,
    Record,
    compact,
    replay,
)

NAME: Final = "journal"
FILE_BYTES: Final = 4 * 1024 * 1024
"""Size that is set aside when a journal is made: with no byte free, work goes on."""
GROW_BYTES: Final = 1024 * 1024
COMPACT_BYTES_MIN: Final = 1024 * 1024
"""A journal that holds less is not worth compacting."""
SET_ASIDE_MAX: Final = 3
"""Damaged journals kept for a person to look at; the oldest goes first."""


class JournalFile:
    """An append-only file; `free_bytes` may be read by any thread."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / NAME
        self.free_bytes = 0
        """Preallocated and not yet written."""
        self._directory = directory
        self._fd = -1
        self._size = 0
        self._end = 0
        self._batch = 0
        self._live_bytes = 0
        self._first: Sequence[Record] = ()
        self._is_name_durable = False

    @property
    def is_usable(self) -> bool:
        """Say whether there is a file to append to."""
        return self._fd >= 0

    def begin(self, records: Sequence[Record]) -> None:
        """Make a new file with these records, replacing what is there; durable on return."""
        data = frames(records, 1)
        size = FILE_BYTES
        while size < HEADER_BYTES + 2 * len(data):
            size += GROW_BYTES
        new = self._directory / f"{NAME}.new"
        descriptor = os.open(
            new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            os.posix_fallocate(descriptor, 0, size)
            _write(descriptor, header(size) + data, 0)
            os.fsync(descriptor)
            new.rename(self.path)
        except OSError:
            os.close(descriptor)
            new.unlink(missing_ok=True)
            raise
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = descriptor
        self._adopt(size, HEADER_BYTES + len(data), 1)
        self._live_bytes = self._end
        self._first = ()
        self._is_name_durable = False
        self._sync_name()

    def resume(self, found: Scan) -> None:
        """Go on at the end of a clean file, or of a torn one after wiping its torn end."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            if found.verdict == "torn":
                _write(descriptor, bytes(size - found.end), found.end)
                os.fsync(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        self._fd = descriptor
        self._adopt(size, found.end, found.last_batch)
        self._live_bytes = 0  # unknown: the first compaction is due as soon as it pays

    def retry_with(self, records: Sequence[Record]) -> None:
        """Have the next `append` or `make_room` begin a new file with these records."""
        self._first = records

    def append(self, records: Sequence[Record]) -> None:
        """Write one batch and sync it. If it raises, calling again with more is fine."""
        self._begin_if_needed()
        self._sync_name()
        data = frames(records, self._batch + 1)
        if self._end + len(data) + HEADER_BYTES > self._size:
            self._grow(len(data) + HEADER_BYTES)
        # After a failed sync the kernel may call pages clean that never reached the disk: a
        # second try has to write them again, and does, since the end has not moved.
        _write(self._fd, data, self._end)
        os.fdatasync(self._fd)
        self._adopt(self._size, self._end + len(data), self._batch + 1)

    def make_room(self, wanted_bytes: int) -> None:
        """Have so many bytes free: by compacting if it pays, else by growing."""
        self._begin_if_needed()
        used = self._end - HEADER_BYTES
        if used > max(COMPACT_BYTES_MIN, 2 * self._live_bytes):
            self._compact()
        if self.free_bytes < wanted_bytes:
            self._grow(wanted_bytes)

    def close(self) -> None:
        """Close the file; a second call is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _sync_name(self) -> None:
        """See to it that a power cut does not bring the file of before back under this name."""
        if not self._is_name_durable:
            sync_directory(self._directory)
            self._is_name_durable = True

    def _begin_if_needed(self) -> None:
        if self._first or self._fd < 0:
            self.begin(self._first)

    def _adopt(self, size: int, end: int, batch: int) -> None:
        self._size, self._end, self._batch = size, end, batch
        self.free_bytes = max(0, size - end - HEADER_BYTES)

    def _grow(self, wanted_bytes: int) -> None:
        missing = wanted_bytes - (self._size - self._end)
        size = self._size + max(GROW_BYTES, missing + -missing % GROW_BYTES)
        os.posix_fallocate(self._fd, 0, size)
        os.fsync(self._fd)
        self._adopt(size, self._end, self._batch)

    def _compact(self) -> None:
        """Write a new file with what still matters, read back from the old one.

        Reading it back keeps a second copy of the state out of memory, and never carries on
        anything that is not on the disk.
        """
        state = JournalState()
        found = scan(os.pread(self._fd, self._size, 0))
        if found.end != self._end:
            return  # rotten since it was written: the next start will judge and set it aside
        for record in found.records:
            replay(state, record)
        try:
            self.begin(compact(state))
        except OSError as error:
            self._live_bytes = self._end  # not again before it has doubled
            if not is_disk_full(error):
                raise


class LoadedJournal(NamedTuple):
    """What `load` found or made."""

    file: JournalFile
    state: JournalState
    findings: tuple[str, ...]
    problem: str
    """Why nothing can be written yet; empty if all is well."""


def load(directory: Path) -> LoadedJournal:
    """Open the journal of the directory, whatever state it is in. Never raises `OSError`."""
    file = JournalFile(directory)
    findings: list[str] = []
    problem = ""
    found: Scan | None = None
    try:
        make_directory(directory)
        data = _read(file.path)
        found = None if data is None else scan(data)
    except (OSError, HostError) as error:
        found = Scan("damaged", f"it cannot be read ({error})", [], 0, 0)
    if found is not None and found.verdict != "damaged":
        state = _replayed(found.records)
        if state.journal_id is not None:
            if found.verdict == "torn":
                findings.append(f"{file.path}: {found.problem}; it was cut off there")
            try:
                file.resume(found)
                return LoadedJournal(file, state, tuple(findings), "")
            except OSError as error:
                # Readable and not writable: go on with its records, in a new file when it can be.
                problem = f"{error.strerror}: cannot write {file.path}"
                file.retry_with(compact(state))
                return LoadedJournal(file, state, tuple(findings), problem)
        found = Scan("damaged", "it does not begin with its identity", found.records, 0, 0)
    state = JournalState() if found is None else _salvaged(_replayed(found.records))
    records = [JournalOpened(os.urandom(16).hex()), *compact(state)]
    for record in records:
        replay(state, record)
    if found is not None:
        aside = _set_aside(file.path)
        findings.append(
            f"{file.path} was damaged: {found.problem}; {len(state.jobs)} jobs could be read and "
            f"stand in a new journal. {aside}"
        )
    try:
        file.begin(records)
    except OSError as error:
        problem = f"{error.strerror}: cannot write {file.path}"
        file.retry_with(records)
    return LoadedJournal(file, state, tuple(findings), problem)


def _read(path: Path) -> bytes | None:
    """Give the file's bytes; None if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        return file.read()


def _replayed(records: Sequence[Record]) -> JournalState:
    state = JournalState()
    for record in records:
        replay(state, record)
    return state


def _salvaged(state: JournalState) -> JournalState:
    """Make the state of a damaged journal safe to go on from.

    What was started may still run and is looked for as ever. What was accepted may have been
    started by a record that is gone: it must not run (again).
    """
    state.journal_id = None
    for entry in state.jobs.values():
        accepted = entry.accepted
        if accepted is None or entry.started or entry.finished or entry.is_acknowledged:
            continue
        entry.finished = JobFinished(
            jid=entry.jid,
            outcome="interrupted",
            retcode=1,
            error="the minion's journal was damaged: the job may have run, or not",
            started_wall_s=0.0,
            duration_s=0.0,
            body=b"",
            body_bytes=0,
            body_digest="",
            is_cut=False,
            finished_wall_s=accepted.accepted_wall_s,
        )
    return state


def _set_aside(path: Path) -> str:
    """Keep the damaged file under another name; say where, or why not."""
    try:
        kept = sorted(
            path.parent.glob(f"{NAME}.damaged-*"), key=lambda entry: entry.lstat().st_mtime
        )
        for old in kept[: len(kept) - SET_ASIDE_MAX + 1]:
            old.unlink()
        aside = path.with_name(f"{NAME}.damaged-{os.urandom(4).hex()}")
        if path.is_file() and not path.is_symlink():
            aside.hardlink_to(path)  # the name stays until the new journal replaces it
        else:
            path.rename(aside)
    except OSError as error:
        return f"It could not be set aside: {error.strerror}."
    return f"The damaged file is kept as {aside}."


def _write(descriptor: int, data: bytes, offset: int) -> None:
    """Write all bytes at the offset."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
