"""Returns on their way to the master: sent when their record is durable, again until acknowledged.

    waiting --room in the window--> sent --ReturnAck--> gone
                                    sent --5 s--> waiting (sent again)
    all sent --the line is lost--> waiting; the next line begins with the oldest

Small bodies travel here, large ones in `bulk_transfer.py`.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import JobId
from limpet.common.messages.jobs import BulkAck
from limpet.minion.core.effects import Send
from limpet.minion.core.outbox import Outbox
from limpet.minion.jobs.bulk_transfer import BulkLane, make_return
from limpet.minion.jobs.job import Job
from limpet.minion.sessions.greeting import Line

SEND_AGAIN_S: Final = 5.0
WINDOW_BYTES: Final = 16 * 1024
"""Returns under way; one more than this only if it is alone."""
ENVELOPE_BYTES: Final = 200
"""What a Return weighs without body and error, about."""


class Returns:
    """All returns that the master has not acknowledged."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._line: Line | None = None
        self._waiting: OrderedDict[JobId, Job] = OrderedDict()
        self._sent: dict[JobId, tuple[Instant, int, Job]] = {}
        self._bytes = 0
        self.bulk = BulkLane(outbox)

    @property
    def next_deadline(self) -> Instant | None:
        """Give when something is to be sent again."""
        bulk = self.bulk.next_deadline
        if not self._sent:
            return bulk
        first = min(deadline for deadline, _, _ in self._sent.values())
        return first if bulk is None else min(first, bulk)

    def on_ready(self, now: Moment, line: Line, finished: Iterable[Job]) -> None:
        """Send all that is finished on this line."""
        self.on_line_lost()
        self._line = line
        self.bulk.on_ready(now, line)
        for job in finished:
            self.add(now, job)

    def on_line_lost(self) -> None:
        """Send nothing more until the next line is ready."""
        self._line = None
        self._sent.clear()
        self._waiting.clear()
        self._bytes = 0
        self.bulk.on_line_lost()

    def add(self, now: Moment, job: Job) -> None:
        """Send the return of a job whose end is on disk, unless it is under way already."""
        assert job.ending is not None
        assert job.finished <= self._outbox.durable
        if self._line is None or job.jid in self._sent:
            return
        if job.ending.body_bytes > len(job.ending.body):
            self.bulk.add(now, job)
            return
        self._waiting[job.jid] = job
        self._pump(now)

    def on_acknowledged(self, now: Moment, jid: JobId) -> None:
        """Forget it: the master has it on its disk."""
        self._waiting.pop(jid, None)
        sent = self._sent.pop(jid, None)
        if sent is not None:
            self._bytes -= sent[1]
        self.bulk.on_acknowledged(now, jid)
        self._pump(now)

    def on_bulk_ack(self, now: Moment, ack: BulkAck) -> None:
        """Hear how much of a body the master has."""
        self.bulk.on_bulk_ack(now, ack)

    def on_body(self, now: Moment, jid: JobId, offset: int, data: bytes) -> None:
        """Hear a piece of a body from the spool."""
        self.bulk.on_body(now, jid, offset, data)

    def on_deadline(self, now: Moment) -> None:
        """Send again what was not acknowledged in time."""
        late = [jid for jid, (deadline, _, _) in self._sent.items() if deadline <= now.boot]
        for jid in late:
            _, size, job = self._sent.pop(jid)
            self._bytes -= size
            self._waiting[jid] = job
        if late:
            self._pump(now)
        self.bulk.on_deadline(now)

    def _pump(self, now: Moment) -> None:
        line = self._line
        while line is not None and self._waiting:
            jid, job = next(iter(self._waiting.items()))
            ending = job.ending
            assert ending is not None
            size = ENVELOPE_BYTES + len(ending.body) + len(ending.error)
            if self._sent and self._bytes + size > WINDOW_BYTES:
                return
            del self._waiting[jid]
            self._sent[jid] = (now.after(SEND_AGAIN_S), size, job)
            self._bytes += size
            message = make_return(line, ending, body=ending.body, is_bulk=False)
            self._outbox.add(Send(line.attempt, message, job.finished))
