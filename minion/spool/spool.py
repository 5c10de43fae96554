"""The spool: what a job leaves on the disk for the link, whichever link that will be.

    JID.result     how it ended (`WorkerResult`); its name appears only when it is whole and synced
    JID.body       the value, where it has more than 16 KiB; synced before the result
    JID.out        output, bounded (`capture.py`)
    JID.NUMBER.*   what a supervisor (that pid) has not finished
    slot-N         room for one result, set aside for the day on which the disk is full

Used by supervisors to write and by the minion's disk thread to read and drop; everything blocks.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from limpet.common.identifiers import is_job_id
from limpet.common.storage.files import (
    is_disk_full,
    make_directory,
    read_whole,
    sync_directory,
    write_all,
)
from limpet.minion.jobs.results import (
    RESULT_FILE_BYTES_MAX,
    WorkerResult,
    decode_result,
    encode_result,
)

SLOT_BYTES: Final = 40 * 1024
"""Enough for any result with its body of 16 KiB and an error of 4,096 characters."""
SLOTS: Final = 8
"""Jobs that can end on a full disk before their returns are acknowledged."""


class Spool:
    """The spool directory of one minion."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def prepare(self) -> None:
        """Make the directory and its slots; a full disk leaves out slots. Raises `HostError`."""
        make_directory(self.directory)
        with suppress(OSError):
            for number in range(SLOTS):
                self._make_slot(number)

    def result(self, jid: str) -> Path:
        """Give the name of the job's result."""
        return self.directory / f"{jid}.result"

    def body(self, jid: str) -> Path:
        """Give the name of the job's large body."""
        return self.directory / f"{jid}.body"

    def output(self, jid: str) -> Path:
        """Give the name of the job's captured output."""
        return self.directory / f"{jid}.out"

    def unfinished(self, jid: str, supervisor: int, what: str) -> Path:
        """Give the name of something that a supervisor is making."""
        return self.directory / f"{jid}.{supervisor}.{what}"

    def take_slot(self, jid: str, supervisor: int) -> Path:
        """Set room for the result aside. Raises `OSError` (disk full, and no slot is left)."""
        path = self.unfinished(jid, supervisor, "result")
        try:
            self._make(path, os.O_EXCL)
        except OSError as error:
            if not is_disk_full(error):
                raise
            self._take_reserved(path, error)
        return path

    def write_result(self, jid: str, slot: Path, result: WorkerResult) -> None:
        """Write the result into its slot and give it its name, durably. Raises `OSError`."""
        data = encode_result(result)
        descriptor = os.open(slot, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            write_all(descriptor, data)
            os.ftruncate(descriptor, len(data))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        slot.rename(self.result(jid))
        sync_directory(self.directory)

    def write_body(self, path: Path, body: bytes) -> None:
        """Write a large body under an unfinished name, synced. Raises `OSError`."""
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            write_all(descriptor, body)
            os.fsync(descriptor)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def read_result(self, jid: str) -> WorkerResult | None:
        """Give the job's result, None if it has none. Raises `HostError` if it is damaged."""
        path = self.result(jid)
        try:
            data = read_whole(path, bytes_max=RESULT_FILE_BYTES_MAX)
        except FileNotFoundError:
            return None
        return decode_result(data, str(path))

    def read_body(self, jid: str, offset: int, size: int) -> bytes:
        """Read a piece of the large body. Raises `OSError`."""
        descriptor = os.open(self.body(jid), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, size, offset)
        finally:
            os.close(descriptor)

    def drop(self, jid: str) -> None:
        """Delete all that the job left. Raises `OSError`; what is not there is fine."""
        assert is_job_id(jid)
        for name in os.listdir(self.directory):
            if name.startswith(f"{jid}."):
                (self.directory / name).unlink(missing_ok=True)
        with suppress(OSError):  # the disk is full: what was freed may serve the next drop
            self.refill()

    def tidy(self, wanted: set[str]) -> None:
        """Delete what belongs to no wanted job, and make missing slots again. Raises `OSError`."""
        for path in list(self.directory.iterdir()):
            jid = path.name.partition(".")[0]
            if is_job_id(jid) and jid not in wanted:
                path.unlink(missing_ok=True)
        self.refill()

    def refill(self) -> None:
        """Make the slots that were used up. Raises `OSError` while the disk is full."""
        for number in range(SLOTS):
            self._make_slot(number)

    def _slot(self, number: int) -> Path:
        return self.directory / f"slot-{number}"

    def _make_slot(self, number: int) -> None:
        path = self._slot(number)
        try:
            if path.stat().st_size == SLOT_BYTES:
                return
        except FileNotFoundError:
            pass
        self._make(path, 0)

    def _make(self, path: Path, how: int) -> None:
        """Make a file with room for a result; none is left where there is no room (or inode)."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags | how, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SLOT_BYTES)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def _take_reserved(self, path: Path, full: OSError) -> None:
        for number in range(SLOTS):
            with suppress(FileNotFoundError):
                self._slot(number).rename(path)
                return
        raise full
