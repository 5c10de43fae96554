"""What leaves for one minion: bound first, at most so many unanswered, again until answered.

created --READY, the batch has room--> bound --in flight, no answer for 5 s--> sent again
running --an hour, READY--> asked after (the same Deliver; the minion answers from its journal)
cancel wanted --5 s, READY--> Cancel again
"""

from typing import TYPE_CHECKING

from limpet.common.clock import FOREVER, Instant, Moment, to_micros
from limpet.common.messages.jobs import Cancel, Deliver
from limpet.master.core.step import Step
from limpet.master.jobs.delivery import RUNNING, Delivery
from limpet.master.jobs.job import Job, Lane
from limpet.master.sessions.minion import Minion, Session

if TYPE_CHECKING:
    from limpet.master.jobs.job_table import JobTable


class Sending:
    """Sends deliveries and cancels."""

    def __init__(self, job_table: "JobTable") -> None:
        self._job_table = job_table
        self._settings = job_table.settings
        self._timers = job_table.timers

    def bind(self, now: Moment, delivery: Delivery, session: Session) -> None:
        """Bind to the journal of the session; the caller persists before anything is sent."""
        if not delivery.expires_s:  # a batch: its time begins now
            ttl_s = self._settings.default_ttl(len(self._job_table.minions))
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
            self._timers.set(name, when)
        else:  # created, in a batch: its turn comes when another one's deadline does
            self._timers.clear(name)

    def put(
        self,
        step: Step,
        job: Job,
        delivery: Delivery,
        minion: Minion,
        session: Session,
        lane: Lane,
    ) -> None:
        """Send what was bound just now, or let it wait behind all that is unanswered."""
        if lane.backlog or lane.flight >= self._settings.in_flight_max:
            self.arm(step.now, delivery)
            lane.backlog.append(delivery)
            self.pump(step, minion, session, lane)
        else:
            delivery.is_in_flight = True
            lane.flight += 1
            self._send(step, job, delivery, session)

    def pump(self, step: Step, minion: Minion, session: Session, lane: Lane) -> None:
        """Send from the backlog as long as not too many are unanswered."""
        while lane.backlog and lane.flight < self._settings.in_flight_max:
            delivery = lane.backlog.popleft()
            job = self._job_table.jobs.get(delivery.jid)
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
            self._send(step, job, delivery, session)

    def _send(self, step: Step, job: Job, delivery: Delivery, session: Session) -> None:
        delivery.resend_at = step.now.after(self._settings.resend_s)
        self.arm(step.now, delivery)
        row = job.row
        step.send(
            session.peer,
            delivery.key,
            Deliver(
                session.number,
                row.jid,
                row.function,
                row.arguments,
                max(0, to_micros(min(delivery.expires_at, step.now.after(4e6)))),
                to_micros(row.job_timeout_s),
                row.is_streamed,
                row.user[:200],
            ),
            max(delivery.commit, session.answered_after),
        )

    def on_changed(self, step: Step, delivery: Delivery, lane: Lane) -> None:
        """Make room for the next one when a delivery in flight is answered."""
        if delivery.state == "bound":
            return
        if delivery.is_open:
            self.arm(step.now, delivery)
        if delivery.is_in_flight:
            delivery.is_in_flight = False
            lane.flight -= 1
            if lane.backlog:
                self._pump_lane(step, delivery, lane)

    def _pump_lane(self, step: Step, delivery: Delivery, lane: Lane) -> None:
        """Send from the backlog of the delivery's minion if that is READY."""
        minion = self._job_table.minions.get(delivery.minion)
        session = None if minion is None else minion.ready_session
        if minion is not None and session is not None:
            self.pump(step, minion, session, lane)

    def next_in_batch(self, step: Step, job: Job) -> None:
        """Let the next of a batch go, if there is room and its minion is READY."""
        while job.waiting and job.has_room:
            name = next(iter(job.waiting))
            self.try_bind(step, job, job.waiting.pop(name))

    def try_bind(self, step: Step, job: Job, delivery: Delivery) -> None:
        """Bind and send a created delivery, or let it wait for its batch."""
        minion = self._job_table.minions.get(delivery.minion)
        session = None if minion is None else minion.ready_session
        if minion is None or session is None or minion.key != delivery.key:
            return  # looked at again when the minion is READY
        if not job.has_room:
            job.waiting[delivery.minion] = delivery
            return
        bound_to = session
        self._job_table.change(step, job, delivery, lambda: self.bind(step.now, delivery, bound_to))
        self.put(step, job, delivery, minion, session, self._job_table.lane(delivery.minion))

    def send_cancel(self, step: Step, delivery: Delivery) -> None:
        """Send a Cancel, and again in five seconds, while the minion is READY."""
        minion = self._job_table.minions.get(delivery.minion)
        session = None if minion is None else minion.ready_session
        if session is None or delivery.cancel != "wanted":
            return
        name = ("cancel", delivery.jid, delivery.minion)
        self._timers.set(name, step.now.after(self._settings.resend_s))
        after = max(delivery.commit, session.answered_after)
        step.send(session.peer, delivery.key, Cancel(session.number, delivery.jid), after)

    def on_due(self, step: Step, job: Job, delivery: Delivery) -> None:
        """Send again what is unanswered; ask after what has run for very long."""
        minion = self._job_table.minions.get(delivery.minion)
        session = None if minion is None else minion.ready_session
        is_here = session is not None and delivery.journal_id == session.journal_id
        is_wanted = delivery.is_in_flight or delivery.state in RUNNING
        if session is None or not is_here or not is_wanted:
            delivery.resend_at = FOREVER
            self.arm(step.now, delivery)
        elif delivery.commit > step.durable:  # the disk is slow; the first one still waits for it
            delivery.resend_at = step.now.after(self._settings.resend_s)
            self.arm(step.now, delivery)
        else:
            self._send(step, job, delivery, session)
