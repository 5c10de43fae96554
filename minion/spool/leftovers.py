"""What a job leaves in the spool, read and deleted by the disk thread: disks may be slow."""

from contextlib import suppress
from typing import Final

from limpet.common.errors import HostError
from limpet.common.identifiers import JobId
from limpet.common.messages.fields import OUTPUT_BYTES_MAX
from limpet.minion.jobs.events import BodyRead, OutputRead
from limpet.minion.jobs.recovery import HOST_RESTARTED
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.spool import capture, cut_off_runs
from limpet.minion.spool.spool import Spool

LAST_PIECES_MAX: Final = 16
"""Pieces that the last look at live output may give: all that a watcher can be behind."""
TAIL_LAG_BYTES_MAX: Final = LAST_PIECES_MAX * OUTPUT_BYTES_MAX
"""A watcher further behind the job than this misses what lies between."""


def drop(spool: Spool, jid: JobId) -> str:
    """Delete what a job left; gives what is in the way of that, else nothing."""
    try:
        spool.drop(jid)
    except OSError as error:
        return f"cannot clear {spool.directory}: {error.strerror}"
    return ""


def tidy(spool: Spool, known: set[str]) -> None:
    """Delete what other jobs than these left."""
    with suppress(OSError):  # the disk is full or read-only: the journal says so, files can wait
        spool.tidy(known)


def body(spool: Spool, jid: JobId, offset: int, size: int) -> BodyRead:
    """Read a piece of a body."""
    try:
        return BodyRead(jid, offset, spool.read_body(jid, offset, size))
    except OSError as error:
        return BodyRead(jid, offset, b"", f"cannot read {spool.body(jid)}: {error.strerror}")


def output(spool: Spool, jid: JobId, offset: int, pieces_max: int) -> tuple[list[OutputRead], int]:
    """Read live output from there on; gives the pieces, and how far it is read now."""
    pieces: list[OutputRead] = []
    path = spool.output(jid)
    with suppress(OSError):  # live output may be lost, the result has what matters
        for _ in range(pieces_max):
            piece = capture.read(path, offset, OUTPUT_BYTES_MAX, lag_bytes_max=TAIL_LAG_BYTES_MAX)
            offset = piece.offset
            if not piece.data and not piece.missed:
                break
            pieces.append(OutputRead(jid, piece.data, piece.missed))
    return pieces, offset


def result(
    spool: Spool, state_directory: str, jid: JobId, when: str, *, had_process: bool
) -> WorkerResult:
    """Read how a job ended; where nothing tells, say that it was interrupted, and `when`."""
    try:
        found = spool.read_result(jid)
    except HostError as error:
        found = WorkerResult("interrupted", 1, str(error)[:4000])
    if found is not None:
        return found
    text = f"the job's supervisor was ended from outside {when}; there is no result"
    short = "its processes were ended from outside" if had_process else HOST_RESTARTED
    found = _recovered(spool, state_directory, jid, short)
    return found or WorkerResult("interrupted", 1, text if had_process else HOST_RESTARTED)


def _recovered(spool: Spool, state_directory: str, jid: JobId, text: str) -> WorkerResult | None:
    """Learn how far a run of states came that left no result; None: it was no such run."""
    if not cut_off_runs.recover(spool.directory, state_directory, jid, text):
        return None
    try:
        return spool.read_result(jid)
    except HostError:
        return None
