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
from limpet.master.effects import Peer
from limpet.master.events.making import job_event
from limpet.master.jobs.book import Book
from limpet.master.jobs.bulk import Body
from limpet.master.jobs.delivery import Delivery
from limpet.master.jobs.job import Job
from limpet.master.sessions.minion import Minion
from limpet.master.store.operations import JoinChunks
from limpet.master.turn import Turn

OVERHEAD_BYTES = 256
"""What a return costs besides its body, for the limit on bytes."""


class Hearing:
    """Hears minions speak of jobs."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def _find(self, turn: Turn, minion: Minion, jid: str) -> tuple[Job, Delivery] | None:
        """Find the delivery that the minion speaks of; counts why there is none."""
        found = self._book.find(jid, minion.minion)
        if found is not None and found[1].key == minion.key:
            return found
        turn.count(self._why_not(jid))
        return None

    def _why_not(self, jid: str) -> str:
        if JobId(jid) in self._book.jobs:
            return "not_my_job"
        return "late_return" if self._book.was_here(JobId(jid)) else "unknown_job"

    # -- in a session -------------------------------------------------------------------------

    def on_accepted(self, turn: Turn, minion: Minion, said: Accepted) -> None:
        """Take note that a job is on the minion's disk."""
        found = self._find(turn, minion, said.jid)
        if found is not None and found[1].journal_id:
            job, delivery = found
            self._book.change(turn, job, delivery, partial(delivery.on_accepted, turn.now.wall))

    def on_started(self, turn: Turn, minion: Minion, said: Started) -> None:
        """Take note that a job runs."""
        found = self._find(turn, minion, said.jid)
        if found is not None and found[1].journal_id:
            job, delivery = found
            started_s = to_seconds(said.at)
            self._book.change(
                turn, job, delivery, partial(delivery.on_started, started_s, turn.now.wall)
            )

    def on_cancel_answer(self, turn: Turn, minion: Minion, said: CancelAnswer) -> None:
        """Take note that a cancel is in the minion's journal."""
        found = self._find(turn, minion, said.jid)
        if found is None or found[1].cancel != "wanted":
            return
        job, delivery = found
        if said.verdict != "cancelled" or not self._book.change(
            turn, job, delivery, partial(delivery.on_cancelled, turn.now.wall)
        ):
            self._book.change(turn, job, delivery, delivery.on_cancel_answered)

    def on_output(self, turn: Turn, minion: Minion, said: Output) -> None:
        """Pass live output on; it is nobody's proof of anything."""
        found = self._find(turn, minion, said.jid)
        if found is not None and found[1].is_open:
            self._book.gathering.output(
                turn, found[0].jid, minion.minion, said.data, said.dropped_bytes
            )

    # -- in any session of the key ------------------------------------------------------------

    def on_return(self, turn: Turn, peer: Peer, minion: Minion, said: Return) -> None:
        """Take a job's end: keep it if it is the first word, acknowledge it once it is durable.

        Where nothing waits for the acknowledgement, none is sent: in a fleet's ping these would be
        a third of all messages.
        """
        found = self._book.find(said.jid, minion.minion)
        if found is None or found[1].key != minion.key:
            self._unexpected(turn, peer, minion, said)
            return
        job, delivery = found
        if not delivery.is_open and not delivery.is_correctable:
            turn.count("late_return")
            self._acknowledge(turn, peer, minion, said, delivery.commit)
            return
        if said.bulk_digest and not self._is_whole(turn, peer, minion, said):
            return
        awaits_ack = delivery.awaits_ack(said)
        self._book.change(
            turn,
            job,
            delivery,
            partial(delivery.on_return, said, turn.now.wall),
            body=None if said.bulk_digest or not said.body else said.body,
            is_bulk=bool(said.bulk_digest),
        )
        if awaits_ack:
            self._acknowledge(turn, peer, minion, said, delivery.commit)

    def _is_whole(self, turn: Turn, peer: Peer, minion: Minion, said: Return) -> bool:
        """Join a bulk body that is all here; else ask for the rest."""
        jid = JobId(said.jid)
        have = self._book.bodies.have(minion.minion, jid, said.bulk_digest)
        if said.bulk_bytes > self._book.settings.return_bytes_max:
            turn.count("oversize")
            return False
        if have != said.bulk_bytes:
            answer = BulkAck(said.session, jid, said.bulk_digest, min(have, said.bulk_bytes))
            turn.send(peer, minion.key, answer, turn.commit if turn.operations else Commit(0))
            return False
        self._book.bodies.on_joined(minion.minion, jid)
        self._book.timetable.clear(("partial", jid, minion.minion))
        turn.keep(JoinChunks(jid, minion.minion, said.bulk_digest))
        return True

    def _unexpected(self, turn: Turn, peer: Peer, minion: Minion, said: Return) -> None:
        """Answer a return that no delivery waits for."""
        why = self._why_not(said.jid)
        turn.count(why)
        if why == "not_my_job":
            return
        if why == "unknown_job":
            if not minion.rates.take("orphan", turn.now.boot):
                turn.count("rate")
                return
            turn.publish(
                job_event(
                    JobId(said.jid),
                    "orphan",
                    turn.now.wall,
                    minion=minion.minion,
                    outcome=said.outcome,
                    error=said.error[:200],
                )
            )
        self._acknowledge(turn, peer, minion, said, Commit(0))

    def _acknowledge(
        self, turn: Turn, peer: Peer, minion: Minion, said: Return, after: Commit
    ) -> None:
        turn.send(peer, minion.key, ReturnAck(said.session, said.jid), after)

    def on_bulk(self, turn: Turn, peer: Peer, minion: Minion, said: BulkOffer | BulkChunk) -> None:
        """Take a piece of a large body, or say from where it is wanted."""
        book, jid = self._book, JobId(said.jid)
        found = book.find(jid, minion.minion)
        if found is None or found[1].key != minion.key:
            why = self._why_not(jid)
            turn.count(why)
            if why != "not_my_job" and isinstance(said, BulkOffer):
                self._skip_body(turn, peer, minion, said)
            return
        if not found[1].is_open and not found[1].is_correctable:
            turn.count("late_return")
            if isinstance(said, BulkOffer):
                self._skip_body(turn, peer, minion, said)
            return
        body: Body | None
        if isinstance(said, BulkOffer):
            body = book.bodies.on_offer(turn, minion.minion, jid, said.digest, said.total)
        else:
            body = book.bodies.on_chunk(
                turn, minion.minion, jid, said.digest, said.offset, said.data
            )
        if body is None:
            turn.count("quota")
            return
        book.timetable.set(
            ("partial", jid, minion.minion), turn.now.after(book.settings.partial_idle_s)
        )
        turn.send(peer, minion.key, BulkAck(said.session, jid, said.digest, body.have), body.commit)

    def _skip_body(self, turn: Turn, peer: Peer, minion: Minion, said: BulkOffer) -> None:
        """Spare a minion the body of a return that is here already, or that nobody knows."""
        message: Message = BulkAck(said.session, said.jid, said.digest, said.total)
        turn.send(peer, minion.key, message)

    # -- SYNC ---------------------------------------------------------------------------------

    def verdict(
        self, turn: Turn, minion: Minion, journal_id: str, entry: SyncEntry
    ) -> tuple[SyncVerdict, Commit]:
        """Judge one job that the minion holds; what is told waits for the commit given."""
        found = self._book.find(entry.jid, minion.minion)
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
                partial(delivery.on_started, delivery.started_s, turn.now.wall)
                if entry.state == "running" and delivery.state != "started"
                else partial(delivery.on_accepted, turn.now.wall)
            )
            self._book.change(turn, job, delivery, act)
        is_cancelled = bool(delivery.cancel)
        return SyncVerdict(entry.jid, "cancel" if is_cancelled else "adopt"), delivery.commit

    def _verdict_of_stranger(self, entry: SyncEntry) -> SyncVerdictName:
        """Judge a job of which there is no delivery to this key."""
        if entry.state != "finished":
            return "unknown"
        # A job that was sent to an earlier key of this host: its return will never be taken.
        return "acknowledge" if JobId(entry.jid) in self._book.jobs else "resend"
