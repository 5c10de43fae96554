"""Large bodies on their way to the master: one piece outstanding, so that beats pass.

    OFFERED --BulkAck(offset)--> READING --body read--> CHUNK_SENT --BulkAck(more)--> READING …
    READING the whole, if it fits one piece, or the last CHUNK_SENT --> RETURN_SENT
    any of them --10 s without an answer--> to the end of the queue, and offered anew

A piece starts at 16 KiB and doubles while its transit stays under a quarter of a beat.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import Final

from limpet.common.clock import Instant, Moment, to_micros
from limpet.common.identifiers import JobId
from limpet.common.messages.fields import CHUNK_BYTES_MAX
from limpet.common.messages.jobs import BulkAck, BulkChunk, BulkOffer, Return
from limpet.minion.core.effects import ReadBody, Send
from limpet.minion.core.outbox import Outbox
from limpet.minion.jobs.ending import without_body
from limpet.minion.jobs.job import Job
from limpet.minion.journal.records import JobFinished
from limpet.minion.sessions.greeting import Line

CHUNK_START_BYTES: Final = 16 * 1024
ANSWER_S: Final = 10.0
"""An answer that takes longer is asked for again."""
UNREADABLE: Final = "the body of the result can't be read from this minion's spool"


class Pace:
    """The size of a piece that the line carries within a quarter of a beat."""

    def __init__(self, bytes_most: int = CHUNK_BYTES_MAX) -> None:
        self._bytes_most = bytes_most
        self.bytes_max = CHUNK_START_BYTES

    def restart(self) -> None:
        """Begin small again: another line."""
        self.bytes_max = CHUNK_START_BYTES

    def on_transit(self, size: int, transit_s: float, beat_interval_s: float) -> None:
        """Learn from a piece that has arrived."""
        quarter = beat_interval_s / 4
        if transit_s < quarter and size * 2 > self.bytes_max:
            self.bytes_max = min(self.bytes_max * 2, self._bytes_most)
        elif transit_s > 2 * quarter:
            self.bytes_max = max(self.bytes_max // 2, CHUNK_START_BYTES)


class Step(Enum):
    """What a transfer waits for."""

    OFFERED = "offered"
    READING = "reading"
    CHUNK_SENT = "chunk_sent"
    RETURN_SENT = "return_sent"


@dataclass(slots=True)
class Transfer:
    """The one body that is on its way."""

    job: Job
    step: Step
    deadline: Instant
    offset: int = 0
    """Where the piece that is read or under way begins."""
    size: int = 0
    sent: float = 0.0
    is_whole: bool = False
    """The body fits one piece and travels inside the Return."""


def make_return(line: Line, ending: JobFinished, *, body: bytes, is_bulk: bool) -> Return:
    """Make the Return of a job from the record of its end."""
    return Return(
        session=line.session,
        jid=ending.jid,
        outcome=ending.outcome,  # type: ignore[arg-type]  # the journal holds what a Return held
        retcode=ending.retcode,
        error=ending.error[:4096],
        started_at=max(0, to_micros(ending.started_wall_s)),
        duration=max(0, to_micros(ending.duration_s)),
        body=body,
        bulk_digest=ending.body_digest if is_bulk else "",
        bulk_bytes=ending.body_bytes if is_bulk else 0,
        is_cut=ending.is_cut,
    )


class BulkLane:
    """The queue of finished jobs whose body is in the spool, and the transfer of the first."""

    __slots__ = ("_line", "_outbox", "_queue", "_transfer", "pace")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._queue: OrderedDict[JobId, Job] = OrderedDict()
        self._transfer: Transfer | None = None
        self._line: Line | None = None
        self.pace = Pace()

    @property
    def next_deadline(self) -> Instant | None:
        """Give when the present transfer is asked about again."""
        return None if self._transfer is None else self._transfer.deadline

    def on_ready(self, now: Moment, line: Line) -> None:
        """Begin anew on another line; the master says how much it has."""
        self._line = line
        self._transfer = None
        self.pace.restart()
        self._begin_next(now)

    def on_line_lost(self) -> None:
        """Stop; what is not acknowledged stays in the queue."""
        self._line = None
        self._transfer = None

    def add(self, now: Moment, job: Job) -> None:
        """Send this one's return when its turn comes. Its end is on disk."""
        self._queue[job.jid] = job
        self._begin_next(now)

    def on_acknowledged(self, now: Moment, jid: JobId) -> None:
        """Take it out: the master has the return."""
        self._queue.pop(jid, None)
        transfer = self._transfer
        if transfer is not None and transfer.job.jid == jid:
            self._learn(now, transfer)
            self._transfer = None
            self._begin_next(now)

    def on_deadline(self, now: Moment) -> None:
        """Let the others go first if the master, or the disk, does not answer."""
        transfer = self._transfer
        if transfer is None or now.boot < transfer.deadline:
            return
        self._transfer = None
        self._queue.pop(transfer.job.jid, None)
        self._queue[transfer.job.jid] = transfer.job
        self._begin_next(now)

    def on_bulk_ack(self, now: Moment, ack: BulkAck) -> None:
        """Go on from where the master stands. An answer to anything else is ignored."""
        transfer = self._transfer
        if transfer is None or transfer.job.jid != ack.jid or self._line is None:
            return
        ending = transfer.job.ending
        assert ending is not None
        if ack.digest != ending.body_digest or ack.offset > ending.body_bytes:
            return
        if transfer.step is Step.CHUNK_SENT:
            if ack.offset <= transfer.offset:
                return  # answers an earlier piece or a repeated offer
            self._learn(now, transfer)
        elif (
            transfer.step is Step.READING
            or transfer.is_whole
            or (transfer.step is Step.RETURN_SENT and ack.offset >= ending.body_bytes)
        ):
            return
        if ack.offset >= ending.body_bytes:
            self._send_return(now, transfer, b"")
        else:
            self._read(now, transfer, ack.offset)

    def on_body(self, now: Moment, jid: JobId, offset: int, data: bytes) -> None:
        """Send the piece that was read."""
        transfer = self._transfer
        if (
            transfer is None
            or transfer.job.jid != jid
            or transfer.step is not Step.READING
            or transfer.offset != offset
        ):
            return
        if len(data) != transfer.size:
            self._give_body_up(now, transfer)
        elif transfer.is_whole:
            self._send_return(now, transfer, data)
        else:
            self._send_chunk(now, transfer, data)

    def _begin_next(self, now: Moment) -> None:
        if self._transfer is not None or self._line is None or not self._queue:
            return
        job = next(iter(self._queue.values()))
        ending = job.ending
        assert ending is not None
        transfer = Transfer(job, Step.OFFERED, now.after(ANSWER_S))
        self._transfer = transfer
        if not ending.body_digest:
            self._give_body_up(now, transfer)
        elif ending.body_bytes <= self.pace.bytes_max:
            transfer.is_whole = True
            self._read(now, transfer, 0)
        else:
            offer = BulkOffer(self._line.session, job.jid, ending.body_digest, ending.body_bytes)
            self._outbox.add(Send(self._line.attempt, offer, job.finished))

    def _read(self, now: Moment, transfer: Transfer, offset: int) -> None:
        assert transfer.job.ending is not None
        transfer.step = Step.READING
        transfer.deadline = now.after(ANSWER_S)
        transfer.offset = offset
        transfer.size = min(self.pace.bytes_max, transfer.job.ending.body_bytes - offset)
        self._outbox.add(ReadBody(transfer.job.jid, offset, transfer.size))

    def _send_chunk(self, now: Moment, transfer: Transfer, data: bytes) -> None:
        assert self._line is not None
        assert transfer.job.ending is not None
        transfer.step = Step.CHUNK_SENT
        transfer.sent = now.boot
        # A slow line may need long for one piece; that it lives at all is for the beats to judge.
        transfer.deadline = now.after(max(ANSWER_S, 3 * self._line.beat_interval_s))
        digest = transfer.job.ending.body_digest
        chunk = BulkChunk(self._line.session, transfer.job.jid, digest, transfer.offset, data)
        self._outbox.add(Send(self._line.attempt, chunk, transfer.job.finished))

    def _send_return(self, now: Moment, transfer: Transfer, body: bytes) -> None:
        assert self._line is not None
        assert transfer.job.ending is not None
        transfer.step = Step.RETURN_SENT
        transfer.sent = now.boot
        transfer.size = len(body)
        transfer.deadline = now.after(ANSWER_S)
        is_bulk = not transfer.is_whole and transfer.job.ending.body_bytes > 0
        message = make_return(self._line, transfer.job.ending, body=body, is_bulk=is_bulk)
        self._outbox.add(Send(self._line.attempt, message, transfer.job.finished))

    def _give_body_up(self, now: Moment, transfer: Transfer) -> None:
        """Return without the body: it is gone from the disk, and the outcome is still known."""
        ending = transfer.job.ending
        assert ending is not None
        transfer.job.ending = without_body(ending, UNREADABLE)
        transfer.is_whole = True
        self._outbox.warning("spool", f"job {transfer.job.jid}: {UNREADABLE}")
        self._send_return(now, transfer, b"")

    def _learn(self, now: Moment, transfer: Transfer) -> None:
        if self._line is not None and transfer.step in (Step.CHUNK_SENT, Step.RETURN_SENT):
            transit_s = now.boot - transfer.sent
            self.pace.on_transit(transfer.size, transit_s, self._line.beat_interval_s)
