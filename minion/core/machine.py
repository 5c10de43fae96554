"""The whole minion as one machine: events in, effects out.

The shell hands time, chance and decoded messages in and carries out, in order, what comes back;
what an effect's `after` means is said in `effects.py`. No event raises; a late, repeated or
unexpected one changes nothing. The conversation is in `link/`, the jobs are in `jobs/`.
"""

import random
from collections.abc import Callable
from typing import Any, Final

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import Attempt, Commit, JobId, JournalId
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.messages.jobs import BulkAck, Cancel, Deliver, ReturnAck
from limpet.common.messages.sources import Offer, Piece
from limpet.common.messages.trust import Verdict
from limpet.common.transport.events import LinkEvent
from limpet.common.wire.codec import FromMaster
from limpet.minion.control.messages import AskSource, PullSource
from limpet.minion.core.effects import NOW, Effect
from limpet.minion.core.notes import Notes
from limpet.minion.core.outbox import Outbox
from limpet.minion.core.settings import LinkSettings
from limpet.minion.files.requests import FileRequests
from limpet.minion.grains.refresh import GrainsRefresh
from limpet.minion.jobs.instant import Instants
from limpet.minion.jobs.job_table import JobTable
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.journal.records import JournalOpened, JournalState
from limpet.minion.sessions.greeting import Line
from limpet.minion.sessions.link import Link
from limpet.minion.sessions.states import State
from limpet.minion.sessions.transitions import Transitions


class MinionCore:
    """One minion. Its methods are its events; each gives the effects to carry out."""

    # Here, and in what is looked at for each message: one process of a swarm holds thousands of
    # these, and spends a third of its time on fetching scattered objects from main memory.
    __slots__ = (
        "_journal",
        "_line",
        "_outbox",
        "_transitions",
        "files",
        "grains",
        "job_table",
        "link",
        "notes",
    )

    def __init__(
        self,
        settings: LinkSettings,
        journal: JournalState,
        *,
        now: Moment,
        boot_id: str,
        chance: random.Random,
        instant: Instants,
    ) -> None:
        self._journal: JournalState | None = journal
        self._outbox = Outbox()
        identity = NOW
        journal_id = journal.journal_id
        if journal_id is None:
            journal_id = JournalId(f"{chance.getrandbits(128):032x}")
            identity = self._outbox.persist(JournalOpened(journal_id))
        self.notes = Notes(journal.notes, settings.limits, self._outbox)
        self.job_table = JobTable(
            settings.limits,
            self.notes,
            self._outbox,
            instant,
            chance,
            now=now,
            boot_id=boot_id,
        )
        self._transitions = Transitions(
            settings,
            self.notes,
            self._outbox,
            self.job_table,
            chance,
            now=now,
            boot_id=boot_id,
            journal_id=journal_id,
            identity=identity,
        )
        self.link = Link(self._transitions, self._outbox, now)
        self.grains = GrainsRefresh(self._transitions, self.notes, self._outbox, now)
        self.files = FileRequests(self._outbox)
        self._line: Line | None = None
        """The line that was READY at the end of the last event."""

    @property
    def next_deadline(self) -> Instant:
        """Give the instant at which `on_deadline` is wanted; never infinite."""
        return min(
            self.link.next_deadline,
            self.job_table.next_deadline,
            self.grains.next_deadline,
            self.files.next_deadline,
        )

    @property
    def is_ready(self) -> bool:
        """Say whether the link is READY."""
        return self._transitions.ready is not None

    @property
    def state(self) -> State:
        """Give the state of the link."""
        return self._transitions.connection.state

    def start(self, now: Moment) -> list[Effect]:
        """Take up the jobs of before and begin to connect. Once, before anything else."""
        assert self._journal is not None
        self.job_table.start(now, self._journal)
        self._journal = None  # its memory is needed no more
        self.link.start(now)
        return self._outbox.take()

    def on_deadline(self, now: Moment) -> list[Effect]:
        """Do what is due; calling too early or twice is harmless."""
        self.link.on_event(now)
        self.link.on_deadline(now)
        self.job_table.on_deadline(now)
        self.grains.on_deadline(now)
        self.files.on_deadline(now)
        return self._done(now)

    def on_resolved(
        self, now: Moment, attempt: Attempt, addresses: tuple[str, ...]
    ) -> list[Effect]:
        """Hear which addresses the master's name has; none: it could not be resolved."""
        self.link.on_event(now)
        self.link.on_resolved(now, attempt, addresses)
        return self._done(now)

    def on_link(self, now: Moment, attempt: Attempt, what: LinkEvent) -> list[Effect]:
        """Hear the transport about one socket."""
        self.link.on_event(now)
        self.link.on_link(now, attempt, what)
        return self._done(now)

    def on_message(
        self, now: Moment, attempt: Attempt, message: FromMaster | EnrolAnswer
    ) -> list[Effect]:
        """Hear the master."""
        self.link.on_event(now)
        if attempt == self._transitions.connection.attempt:
            handle = _HANDLERS.get(type(message))
            if handle is None:
                self.link.on_message(now, message)  # type: ignore[arg-type]  # the others are below
            else:
                handle(self, now, message)
        return self._done(now)

    def on_bad_frame(self, now: Moment, attempt: Attempt, reason: str) -> list[Effect]:
        """Count a frame that could not be decoded."""
        self.link.on_event(now)
        self.link.on_bad_frame(now, attempt, reason)
        return self._done(now)

    def on_proof_failed(self, now: Moment, attempt: Attempt, reason: str) -> list[Effect]:
        """Hear that the enrolment request could not be signed."""
        self.link.on_event(now)
        self.link.on_proof_failed(now, attempt, reason)
        return self._done(now)

    def on_trust_kept(self, now: Moment, serial: int, verdict: Verdict, text: str) -> list[Effect]:
        """Hear what became of a `KeepTrust`."""
        self.link.on_event(now)
        self.link.keys.on_trust_kept(self.link.line, serial, verdict, text)
        return self._done(now)

    def on_committed(self, now: Moment, commit: Commit) -> list[Effect]:
        """Hear that this commit, and all before it, is on disk."""
        self.link.on_event(now)
        self._outbox.on_committed(commit)
        self.job_table.on_committed(now)
        return self._done(now)

    def on_journal_trouble(self, now: Moment, text: str) -> list[Effect]:
        """Hear what ails the disk; '' when it is over."""
        self.link.on_event(now)
        if text and text != self.job_table.condition:
            self._outbox.error("journal", f"{text}: new jobs are refused until it is over")
        self.job_table.condition = text
        return self._done(now)

    def on_job_spawned(self, now: Moment, jid: JobId, pid: int, process_start: int) -> list[Effect]:
        """Hear that a worker is there, held before its first step."""
        self.link.on_event(now)
        self.job_table.on_spawned(now, jid, pid, process_start)
        return self._done(now)

    def on_job_spawn_failed(self, now: Moment, jid: JobId, reason: str) -> list[Effect]:
        """Hear that no worker could be made."""
        self.link.on_event(now)
        self.job_table.on_spawn_failed(now, jid, reason)
        return self._done(now)

    def on_job_ended(self, now: Moment, jid: JobId, result: WorkerResult) -> list[Effect]:
        """Hear how a worker, adopted ones included, ended."""
        self.link.on_event(now)
        self.job_table.on_ended(now, jid, result)
        return self._done(now)

    def on_output(self, now: Moment, jid: JobId, data: bytes, dropped: int) -> list[Effect]:
        """Hear live output, and how much of it was passed over before this piece."""
        self.link.on_event(now)
        self.job_table.on_output(now, jid, data, dropped)
        if self.job_table.output.is_half_full:
            self.link.beat_early(now)
        return self._done(now)

    def on_body(self, now: Moment, jid: JobId, offset: int, data: bytes) -> list[Effect]:
        """Hear a piece of a body; shorter than asked for: it can't be read."""
        self.link.on_event(now)
        self.job_table.returns.on_body(now, jid, offset, data)
        return self._done(now)

    def on_grains(self, now: Moment, body: bytes, digest: str, problem: str) -> list[Effect]:
        """Hear the grains, or why there are none."""
        self.link.on_event(now)
        self.grains.on_grains(now, body, digest, problem)
        return self._done(now)

    def on_refresh_grains(self, now: Moment) -> list[Effect]:
        """Collect the grains anew: SIGHUP, or somebody on this host asks for it."""
        self.link.on_event(now)
        self.grains.on_refresh(now)
        return self._done(now)

    def on_local_run(
        self, now: Moment, client: int, function: str, arguments: bytes, job_timeout_s: float
    ) -> list[Effect]:
        """Run something for a client of the Unix socket (`limpet call`)."""
        self.link.on_event(now)
        self.job_table.local.on_run(
            now, client, function, arguments, job_timeout_s, self.job_table.condition
        )
        return self._done(now)

    def on_local_question(
        self, now: Moment, client: int, question: AskSource | PullSource
    ) -> list[Effect]:
        """Put a question of a job to the master."""
        self.link.on_event(now)
        self.files.on_question(now, client, question)
        return self._done(now)

    def on_local_gone(self, now: Moment, client: int) -> list[Effect]:
        """Hear that the client has left."""
        self.link.on_event(now)
        self.job_table.local.on_gone(client)
        self.files.on_gone(client)
        return self._done(now)

    def on_local_cancel(self, now: Moment, jid: JobId) -> list[Effect]:
        """End a job because somebody on this host says so."""
        self.link.on_event(now)
        self.job_table.local.on_cancel(now, jid)
        return self._done(now)

    def on_stop(self, now: Moment) -> list[Effect]:
        """Close the link and leave the jobs running: the process is about to end."""
        self.link.on_stop(now)
        self.job_table.local.on_stop()
        self.files.on_stop()
        return self._done(now)

    # --- each message that is not for the link alone --------------------------------------------

    def _on_deliver(self, now: Moment, deliver: Deliver) -> None:
        session = self.link.session_of(deliver.session)
        if session is None:
            self._on_stale()
        else:
            self.job_table.on_deliver(now, session.line, session.clock, deliver)

    def _on_cancel(self, now: Moment, cancel: Cancel) -> None:
        session = self.link.session_of(cancel.session)
        if session is None:
            self._on_stale()
        else:
            self.job_table.cancellation.on_cancel(now, session.line, JobId(cancel.jid))

    def _on_stale(self) -> None:
        self._outbox.debug("stale", "a frame of another session was ignored")

    def _on_return_ack(self, now: Moment, ack: ReturnAck) -> None:
        self.job_table.on_acknowledged(now, JobId(ack.jid))

    def _on_bulk_ack(self, now: Moment, ack: BulkAck) -> None:
        self.job_table.returns.on_bulk_ack(now, ack)

    def _on_served(self, now: Moment, message: Offer | Piece) -> None:
        self.files.on_message(now, message)

    def _done(self, now: Moment) -> list[Effect]:
        line = self._transitions.ready
        if line is not None:
            self.grains.on_event(now, line)
        if line is not self._line:
            self._line = line
            self.files.on_line(now, line)
        return self._outbox.take()


_HANDLERS: Final[dict[type, Callable[[MinionCore, Moment, Any], None]]] = {
    Deliver: MinionCore._on_deliver,
    Cancel: MinionCore._on_cancel,
    ReturnAck: MinionCore._on_return_ack,
    BulkAck: MinionCore._on_bulk_ack,
    Offer: MinionCore._on_served,
    Piece: MinionCore._on_served,
}
