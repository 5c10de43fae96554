"""What minions say of jobs: accepted, started, returned, cancelled, output, what they hold.

The first durable word wins; a later one is acknowledged and dropped. Nobody may speak of a job
that was not sent to their key. What is told back waits for the commit that makes it true.
"""

from functools import partial

from limpet.common.clock import to_seconds
from limpet.common.identifiers import Commit, JobId
from limpet.common.messages.fields import Message
from limpet.common.messages.jobs import (
    Accepted,
    BulkAck,
    BulkChunk,
    BulkOffer,
    CancelAnswer,
    Output,
    Return,
    ReturnAck,
    Started,
)
from limpet.common.messages.session import SyncEntry, SyncVerdict, SyncVerdictName
from limpet.master.core.effects import Peer
from limpet.master.core.step import Step
from limpet.master.events.tags import job_event
from limpet.master.jobs.bulk_transfer import Body
from limpet.master.jobs.delivery import Delivery
from limpet.master.jobs.job import Job
from limpet.master.jobs.job_table import JobTable
from limpet.master.sessions.minion import Minion
from limpet.master.store.operations import JoinChunks

OVERHEAD_BYTES = 256
"""What a return costs besides its body, for the limit on bytes."""


class JobReports:
    """Hears minions speak of jobs."""

    def __init__(self, job_table: JobTable) -> None:
        self._job_table = job_table

    def _find(self, step: Step, minion: Minion, jid: str) -> tuple[Job, Delivery] | None:
        """Find the delivery that the minion speaks of; counts why there is none."""
        found = self._job_table.find(jid, minion.minion)
        if found is not None and found[1].key == minion.key:
            return found
        step.count(self._why_not(jid))
        return None

    def _why_not(self, jid: str) -> str:
        if JobId(jid) in self._job_table.jobs:
            return "not_my_job"
        return "late_return" if self._job_table.was_here(JobId(jid)) else "unknown_job"

    # -- in a session -------------------------------------------------------------------------

    def on_accepted(self, step: Step, minion: Minion, said: Accepted) -> None:
        """Take note that a job is on the minion's disk."""
        found = self._find(step, minion, said.jid)
        if found is not None and found[1].journal_id:
            job, delivery = found
            self._job_table.change(
                step, job, delivery, partial(delivery.on_accepted, step.now.wall)
            )

    def on_started(self, step: Step, minion: Minion, said: Started) -> None:
        """Take note that a job runs."""
        found = self._find(step, minion, said.jid)
        if found is not None and found[1].journal_id:
            job, delivery = found
            started_s = to_seconds(said.at)
            self._job_table.change(
                step, job, delivery, partial(delivery.on_started, started_s, step.now.wall)
            )

    def on_cancel_answer(self, step: Step, minion: Minion, said: CancelAnswer) -> None:
        """Take note that a cancel is in the minion's journal."""
        found = self._find(step, minion, said.jid)
        if found is None or found[1].cancel != "wanted":
            return
        job, delivery = found
        if said.verdict != "cancelled" or not self._job_table.change(
            step, job, delivery, partial(delivery.on_cancelled, step.now.wall)
        ):
            self._job_table.change(step, job, delivery, delivery.on_cancel_answered)

    def on_output(self, step: Step, minion: Minion, said: Output) -> None:
        """Pass live output on; it is nobody's proof of anything."""
        found = self._find(step, minion, said.jid)
        if found is not None and found[1].is_open:
            self._job_table.followers.output(
                step, found[0].jid, minion.minion, said.data, said.dropped_bytes
            )

    # -- in any session of the key ------------------------------------------------------------

    def on_return(self, step: Step, peer: Peer, minion: Minion, said: Return) -> None:
        """Take a job's end: keep it if it is the first word, acknowledge it once it is durable.

        Where nothing waits for the acknowledgement, none is sent: in a fleet's ping these would be
        a third of all messages.
        """
        found = self._job_table.find(said.jid, minion.minion)
        if found is None or found[1].key != minion.key:
            self._unexpected(step, peer, minion, said)
            return
        job, delivery = found
        if not delivery.is_open and not delivery.is_correctable:
            step.count("late_return")
            self._acknowledge(step, peer, minion, said, delivery.commit)
            return
        if said.bulk_digest and not self._is_whole(step, peer, minion, said):
            return
        awaits_ack = delivery.awaits_ack(said)
        self._job_table.change(
            step,
            job,
            delivery,
            partial(delivery.on_return, said, step.now.wall),
            body=None if said.bulk_digest or not said.body else said.body,
            is_bulk=bool(said.bulk_digest),
        )
        if awaits_ack:
            self._acknowledge(step, peer, minion, said, delivery.commit)

    def _is_whole(self, step: Step, peer: Peer, minion: Minion, said: Return) -> bool:
        """Join a bulk body that is all here; else ask for the rest."""
        jid = JobId(said.jid)
        have = self._job_table.bodies.have(minion.minion, jid, said.bulk_digest)
        if said.bulk_bytes > self._job_table.settings.return_bytes_max:
            step.count("oversize")
            return False
        if have != said.bulk_bytes:
            answer = BulkAck(said.session, jid, said.bulk_digest, min(have, said.bulk_bytes))
            step.send(peer, minion.key, answer, step.commit if step.operations else Commit(0))
            return False
        self._job_table.bodies.on_joined(minion.minion, jid)
        self._job_table.timers.clear(("partial", jid, minion.minion))
        step.keep(JoinChunks(jid, minion.minion, said.bulk_digest))
        return True

    def _unexpected(self, step: Step, peer: Peer, minion: Minion, said: Return) -> None:
        """Answer a return that no delivery waits for."""
        why = self._why_not(said.jid)
        step.count(why)
        if why == "not_my_job":
            return
        if why == "unknown_job":
            if not minion.rates.take("orphan", step.now.boot):
                step.count("rate")
                return
            step.publish(
                job_event(
                    JobId(said.jid),
                    "orphan",
                    step.now.wall,
                    minion=minion.minion,
                    outcome=said.outcome,
                    error=said.error[:200],
                )
            )
        self._acknowledge(step, peer, minion, said, Commit(0))

    def _acknowledge(
        self, step: Step, peer: Peer, minion: Minion, said: Return, after: Commit
    ) -> None:
        step.send(peer, minion.key, ReturnAck(said.session, said.jid), after)

    def on_bulk(self, step: Step, peer: Peer, minion: Minion, said: BulkOffer | BulkChunk) -> None:
        """Take a piece of a large body, or say from where it is wanted."""
        job_table, jid = self._job_table, JobId(said.jid)
        found = job_table.find(jid, minion.minion)
        if found is None or found[1].key != minion.key:
            why = self._why_not(jid)
            step.count(why)
            if why != "not_my_job" and isinstance(said, BulkOffer):
                self._skip_body(step, peer, minion, said)
            return
        if not found[1].is_open and not found[1].is_correctable:
            step.count("late_return")
            if isinstance(said, BulkOffer):
                self._skip_body(step, peer, minion, said)
            return
        body: Body | None
        if isinstance(said, BulkOffer):
            body = job_table.bodies.on_offer(step, minion.minion, jid, said.digest, said.total)
        else:
            body = job_table.bodies.on_chunk(
                step, minion.minion, jid, said.digest, said.offset, said.data
            )
        if body is None:
            step.count("quota")
            return
        job_table.timers.set(
            ("partial", jid, minion.minion), step.now.after(job_table.settings.partial_idle_s)
        )
        step.send(peer, minion.key, BulkAck(said.session, jid, said.digest, body.have), body.commit)

    def _skip_body(self, step: Step, peer: Peer, minion: Minion, said: BulkOffer) -> None:
        """Spare a minion the body of a return that is here already, or that nobody knows."""
        message: Message = BulkAck(said.session, said.jid, said.digest, said.total)
        step.send(peer, minion.key, message)

    # -- SYNC ---------------------------------------------------------------------------------

    def verdict(
        self, step: Step, minion: Minion, journal_id: str, entry: SyncEntry
    ) -> tuple[SyncVerdict, Commit]:
        """Judge one job that the minion holds; what is told waits for the commit given."""
        found = self._job_table.find(entry.jid, minion.minion)
        if found is None or found[1].key != minion.key:
            return SyncVerdict(entry.jid, self._verdict_of_stranger(entry)), Commit(0)
        job, delivery = found
        delivery.is_listed = True
        is_over = not delivery.is_open and not delivery.is_correctable
        if is_over:
            name: SyncVerdictName = "acknowledge"
            if entry.state != "finished":
                name = "cancel" if delivery.state == "cancelled" else "adopt"
            return SyncVerdict(entry.jid, name), delivery.commit
        if entry.state == "finished":
            return SyncVerdict(entry.jid, "resend"), Commit(0)
        if delivery.journal_id == journal_id:
            act = (
                partial(delivery.on_started, delivery.started_s, step.now.wall)
                if entry.state == "running" and delivery.state != "started"
                else partial(delivery.on_accepted, step.now.wall)
            )
            self._job_table.change(step, job, delivery, act)
        is_cancelled = bool(delivery.cancel)
        return SyncVerdict(entry.jid, "cancel" if is_cancelled else "adopt"), delivery.commit

    def _verdict_of_stranger(self, entry: SyncEntry) -> SyncVerdictName:
        """Judge a job of which there is no delivery to this key."""
        if entry.state != "finished":
            return "unknown"
        # A job that was sent to an earlier key of this host: its return will never be taken.
        return "acknowledge" if JobId(entry.jid) in self._job_table.jobs else "resend"
