"""What leaves for one minion: bound first, at most so many unanswered, again until answered.

created --READY, the batch has room--> bound --in flight, no answer for 5 s--> sent again
running --an hour, READY--> asked after (the same Deliver; the minion answers from its journal)
cancel wanted --5 s, READY--> Cancel again
"""

from typing import TYPE_CHECKING

from limpet.common.clock import FOREVER, Instant, Moment, to_micros
from limpet.common.messages.jobs import Cancel, Deliver
from limpet.master.jobs.delivery import RUNNING, Delivery
from limpet.master.jobs.job import Job, Lane
from limpet.master.sessions.minion import Minion, Session
from limpet.master.turn import Turn

if TYPE_CHECKING:
    from limpet.master.jobs.book import Book


class Sending:
    """Sends deliveries and cancels."""

    def __init__(self, book: "Book") -> None:
        self._book = book
        self._settings = book.settings
        self._timetable = book.timetable

    def bind(self, now: Moment, delivery: Delivery, session: Session) -> None:
        """Bind to the journal of the session; the caller persists before anything is sent."""
        if not delivery.expires_s:  # a batch: its time begins now
            ttl_s = self._settings.default_ttl(len(self._book.minions))
            delivery.expires_s = now.wall + ttl_s
            delivery.expires_at = now.after(ttl_s)
        delivery.bind(session.journal_id, now.wall)

    def given_up_at(self, delivery: Delivery) -> Instant:
        """Give the time at which one that is not accepted expires at the master."""
        if delivery.state == "created":
            return delivery.expires_at
        return Instant(delivery.expires_at + self._settings.stay_away_s)

    def arm(self, now: Moment, delivery: Delivery) -> None:
        """Set the delivery's one deadline."""
        if delivery.state in RUNNING:
            when = now.after(self._settings.inquire_s)
        else:
            when = min(self.given_up_at(delivery), delivery.resend_at)
        name = ("delivery", delivery.jid, delivery.minion)
        if when < FOREVER:
            self._timetable.set(name, when)
        else:  # created, in a batch: its turn comes when another one's deadline does
            self._timetable.clear(name)

    def put(
        self,
        turn: Turn,
        job: Job,
        delivery: Delivery,
        minion: Minion,
        session: Session,
        lane: Lane,
    ) -> None:
        """Send what was bound just now, or let it wait behind all that is unanswered."""
        if lane.backlog or lane.flight >= self._settings.in_flight_max:
            self.arm(turn.now, delivery)
            lane.backlog.append(delivery)
            self.pump(turn, minion, session, lane)
        else:
            delivery.is_in_flight = True
            lane.flight += 1
            self._send(turn, job, delivery, session)

    def pump(self, turn: Turn, minion: Minion, session: Session, lane: Lane) -> None:
        """Send from the backlog as long as not too many are unanswered."""
        while lane.backlog and lane.flight < self._settings.in_flight_max:
            delivery = lane.backlog.popleft()
            job = self._book.jobs.get(delivery.jid)
            if (
                job is None
                or delivery.state != "bound"
                or delivery.is_in_flight
                or delivery.journal_id != session.journal_id
                or delivery.key != minion.key
            ):
                continue
            delivery.is_in_flight = True
            lane.flight += 1
            self._send(turn, job, delivery, session)

    def _send(self, turn: Turn, job: Job, delivery: Delivery, session: Session) -> None:
        delivery.resend_at = turn.now.after(self._settings.resend_s)
        self.arm(turn.now, delivery)
        row = job.row
        turn.send(
            session.peer,
            delivery.key,
            Deliver(
                session.number,
                row.jid,
                row.function,
                row.arguments,
                max(0, to_micros(min(delivery.expires_at, turn.now.after(4e6)))),
                to_micros(row.job_timeout_s),
                row.is_streamed,
                row.user[:200],
            ),
            max(delivery.commit, session.answered_after),
        )

    def on_changed(self, turn: Turn, delivery: Delivery, lane: Lane) -> None:
        """Make room for the next one when a delivery in flight is answered."""
        if delivery.state == "bound":
            return
        if delivery.is_open:
            self.arm(turn.now, delivery)
        if delivery.is_in_flight:
            delivery.is_in_flight = False
            lane.flight -= 1
            if lane.backlog:
                self._pump_lane(turn, delivery, lane)

    def _pump_lane(self, turn: Turn, delivery: Delivery, lane: Lane) -> None:
        """Send from the backlog of the delivery's minion if that is READY."""
        minion = self._book.minions.get(delivery.minion)
        session = None if minion is None else minion.ready_session
        if minion is not None and session is not None:
            self.pump(turn, minion, session, lane)

    def next_in_batch(self, turn: Turn, job: Job) -> None:
        """Let the next of a batch go, if there is room and its minion is READY."""
        while job.waiting and job.has_room:
            name = next(iter(job.waiting))
            self.try_bind(turn, job, job.waiting.pop(name))

    def try_bind(self, turn: Turn, job: Job, delivery: Delivery) -> None:
        """Bind and send a created delivery, or let it wait for its batch."""
        minion = self._book.minions.get(delivery.minion)
        session = None if minion is None else minion.ready_session
        if minion is None or session is None or minion.key != delivery.key:
            return  # looked at again when the minion is READY
        if not job.has_room:
            job.waiting[delivery.minion] = delivery
            return
        bound_to = session
        self._book.change(turn, job, delivery, lambda: self.bind(turn.now, delivery, bound_to))
        self.put(turn, job, delivery, minion, session, self._book.lane(delivery.minion))

    def send_cancel(self, turn: Turn, delivery: Delivery) -> None:
        """Send a Cancel, and again in five seconds, while the minion is READY."""
        minion = self._book.minions.get(delivery.minion)
        session = None if minion is None else minion.ready_session
        if session is None or delivery.cancel != "wanted":
            return
        name = ("cancel", delivery.jid, delivery.minion)
        self._timetable.set(name, turn.now.after(self._settings.resend_s))
        after = max(delivery.commit, session.answered_after)
        turn.send(session.peer, delivery.key, Cancel(session.number, delivery.jid), after)

    def on_due(self, turn: Turn, job: Job, delivery: Delivery) -> None:
        """Send again what is unanswered; ask after what has run for very long."""
        minion = self._book.minions.get(delivery.minion)
        session = None if minion is None else minion.ready_session
        is_here = session is not None and delivery.journal_id == session.journal_id
        is_wanted = delivery.is_in_flight or delivery.state in RUNNING
        if session is None or not is_here or not is_wanted:
            delivery.resend_at = FOREVER
            self.arm(turn.now, delivery)
        elif delivery.commit > turn.durable:  # the disk is slow; the first one still waits for it
            delivery.resend_at = turn.now.after(self._settings.resend_s)
            self.arm(turn.now, delivery)
        else:
            self._send(turn, job, delivery, session)
