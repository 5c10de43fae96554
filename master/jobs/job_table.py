"""The table of all jobs that are not over: made, changed, ended, and let go of.

Every change of a delivery goes through `change`, which keeps the row, the counts, the lanes, the
followers and the batch in step. A job is on disk before anyone is told its id; it leaves memory
when it has ended, its end is durable, and no late word of a minion can change it any more.
"""

import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.identifiers import Commit, JobId, MinionId, make_job_id
from limpet.master.core.effects import DeliveryEnded
from limpet.master.core.settings import MasterSettings
from limpet.master.core.step import Step
from limpet.master.core.timers import Timers
from limpet.master.events.tags import job_event
from limpet.master.jobs.bulk_transfer import Bodies
from limpet.master.jobs.delivery import RUNNING, Delivery, shown_status
from limpet.master.jobs.followers import JobFollowers
from limpet.master.jobs.job import Job, Lane
from limpet.master.jobs.redaction import without_secrets
from limpet.master.jobs.sending import Sending
from limpet.master.sessions.minion import Minion
from limpet.master.sessions.registry import Due
from limpet.master.store.operations import (
    ChangeJob,
    JobRow,
    PutDelivery,
    PutJob,
    Snapshot,
)

PRUNE_AFTER_JOBS: Final = 250
"""Ended jobs after which history is pruned: one pruning drops up to 500."""


class JobTable:
    """All jobs in memory."""

    def __init__(
        self,
        settings: MasterSettings,
        snapshot: Snapshot,
        timers: Timers[Due],
        minions: dict[MinionId, Minion],
        *,
        now: Moment,
        chance: random.Random,
    ) -> None:
        self.settings = settings
        self.timers = timers
        self.minions = minions
        self.jobs: dict[JobId, Job] = {}
        self.lanes: dict[MinionId, Lane] = {}
        self.followers = JobFollowers(settings)
        self.bodies = Bodies(settings.return_bytes_max, settings.partials_max)
        self.sending = Sending(self)
        self._made: Timers[JobId] = Timers()
        """When each job that is not over was made (wall time): the oldest is looked at often."""
        self.open_deliveries = 0
        self._chance = chance
        self._requests: dict[tuple[int, str], JobId] = {}
        self._request_of: OrderedDict[JobId, tuple[int, str]] = OrderedDict()
        self._leaving: deque[tuple[Commit, JobId]] = deque()
        self._kept: OrderedDict[JobId, int] = OrderedDict()
        self._kept_deliveries = 0
        self._ended_since_prune = 0
        self._restore(snapshot, now)

    def _restore(self, snapshot: Snapshot, now: Moment) -> None:
        for request, jid in sorted(snapshot.recent_requests.items(), key=lambda each: each[1]):
            self._remember(request, jid)
        deliveries: dict[JobId, list[Delivery]] = {}
        for row in snapshot.deliveries:
            deliveries.setdefault(row.jid, []).append(Delivery.from_row(row))
        for job_row in snapshot.jobs:
            job = Job(job_row, deliveries.get(job_row.jid, ()))
            job.is_old = True
            self.jobs[job.jid] = job
            self._remember((job_row.uid, job_row.request_id), job.jid)
            for each in job.deliveries.values():
                self._restore_delivery(each, now)
            if job_row.ended_s > 0:
                self._keep(job)
            else:
                self._note_open(job)
        for piece in snapshot.partials:
            self.bodies.restore(piece)
            self.timers.set(
                ("partial", piece.jid, piece.minion), now.after(self.settings.partial_idle_s)
            )

    def _restore_delivery(self, delivery: Delivery, now: Moment) -> None:
        if delivery.expires_s:
            left_s = min(delivery.expires_s - now.wall, self.settings.ttl_max_s)
            delivery.expires_at = now.after(left_s)
        if delivery.is_open:
            self.open_deliveries += 1
            self.lane(delivery.minion).open[delivery.jid] = delivery
            self.sending.arm(now, delivery)
        if delivery.cancel == "wanted":
            self.lane(delivery.minion).cancels[delivery.jid] = delivery

    # -- finding ------------------------------------------------------------------------------

    def lane(self, minion: MinionId) -> Lane:
        """Give the lane of a minion, made if need be."""
        lane = self.lanes.get(minion)
        if lane is None:
            lane = self.lanes[minion] = Lane()
        return lane

    def find(self, jid: str, minion: str) -> tuple[Job, Delivery] | None:
        """Find one delivery that is in memory."""
        job = self.jobs.get(JobId(jid))
        delivery = None if job is None else job.deliveries.get(MinionId(minion))
        return None if job is None or delivery is None else (job, delivery)

    @property
    def open_jobs(self) -> int:
        """Say how many jobs are not over."""
        return len(self._made)

    def _note_open(self, job: Job) -> None:
        self._made.set(job.jid, Instant(job.row.created_s))

    def oldest_s(self, wall_s: float) -> float:
        """Say for how long the oldest job that is not over has been there; 0: all are over."""
        return max(0.0, wall_s - min(wall_s, self._made.next_deadline))

    def asked_before(self, uid: int, request_id: str) -> JobId | None:
        """Give the job that this request made when it was first asked."""
        return self._requests.get((uid, request_id))

    def was_here(self, jid: JobId) -> bool:
        """Say whether a job that is not in memory is known to have existed."""
        return jid in self._request_of

    def _remember(self, request: tuple[int, str], jid: JobId) -> None:
        self._requests[request] = jid
        self._request_of[jid] = request
        while len(self._request_of) > self.settings.requests_max + len(self.jobs):
            oldest, its_request = self._request_of.popitem(last=False)
            if oldest in self.jobs:
                self._request_of[oldest] = its_request
            else:
                del self._requests[its_request]

    # -- making -------------------------------------------------------------------------------

    def create(
        self, step: Step, make_row: Callable[[JobId], JobRow], targets: Iterable[Minion]
    ) -> Job:
        """Make a job with its deliveries in this turn's commit; first sends wait for it."""
        row = make_row(make_job_id(step.now.wall, self._chance))
        wall_s, ttl_s = step.now.wall, row.ttl_s
        waits_s = self.settings.default_ttl(len(self.minions)) if ttl_s is None else ttl_s
        has_clock = ttl_s is not None or not row.batch_size
        expires_s = wall_s + waits_s if has_clock else 0.0
        expires_at = step.now.after(waits_s) if has_clock else FOREVER
        job = Job(row)
        job.commit = step.keep(PutJob(row))
        self.jobs[job.jid] = job
        self._note_open(job)
        self._remember((row.uid, row.request_id), job.jid)
        for minion in targets:
            delivery = Delivery(
                row.jid,
                minion.minion,
                minion.key,
                expires_s,
                wall_s,
                expires_at,
                commit=job.commit,
            )
            self._begin(step, job, delivery, minion)
            job.add(delivery)
        step.publish(
            job_event(job.jid, "new", wall_s, function=row.function, user=row.user), job.commit
        )
        return job

    def _begin(self, step: Step, job: Job, delivery: Delivery, minion: Minion) -> None:
        session = minion.ready_session
        is_away = session is None and minion.presence in ("offline", "never seen")
        if is_away and job.row.ttl_s is None:
            if minion.seen_s:
                delivery.settle("offline", "the minion was offline", minion.seen_s)
            else:
                delivery.settle("offline", "the minion has never connected", 0.0)
            step.keep(PutDelivery(delivery.row()))
            return
        self.open_deliveries += 1
        lane = self.lane(delivery.minion)
        lane.open[job.jid] = delivery
        is_bound = session is not None and job.has_room
        if session is not None and is_bound:
            self.sending.bind(step.now, delivery, session)
        step.keep(PutDelivery(delivery.row()))
        if session is None or not is_bound:
            if session is not None:
                job.waiting[delivery.minion] = delivery
            self.sending.arm(step.now, delivery)
            return
        self.sending.put(step, job, delivery, minion, session, lane)

    # -- changing -----------------------------------------------------------------------------

    def change(
        self,
        step: Step,
        job: Job,
        delivery: Delivery,
        act: Callable[[], bool | None],
        *,
        body: bytes | None = None,
        is_bulk: bool = False,
    ) -> bool:
        """Let one delivery change, and all that hangs on it. `act` gives False: no news."""
        jid, stored, was_open = delivery.jid, delivery.state, delivery.is_open
        job.count(delivery, -1)
        is_news = act()
        job.count(delivery, 1)
        if is_news is False:
            return False
        is_closed = was_open and not delivery.is_open
        is_shown = shown_status(stored) != delivery.status
        delivery.commit = job.commit = step.keep(PutDelivery(delivery.row(), stored, body))
        lane = self.lane(delivery.minion)
        if delivery.cancel == "wanted":
            lane.cancels[jid] = delivery
        elif lane.cancels and lane.cancels.pop(jid, None) is not None:
            self.timers.clear(("cancel", jid, delivery.minion))
        if is_closed:
            self._close(step, job, delivery, lane)
        elif not was_open and delivery.is_open:
            self._reopen(step, job, delivery, lane)
        if is_bulk:
            self.followers.fetch(step, jid, delivery.minion, job.commit)
        elif is_shown or body is not None:
            self.followers.tell(step, delivery, body, job.commit)
        if is_closed or (is_shown and not delivery.is_open):
            step.effects.append(
                DeliveryEnded(
                    jid,
                    delivery.minion,
                    delivery.status,
                    job.row.function,
                    job.row.created_s,
                    step.now.wall,
                    job.commit,
                )
            )
        self.sending.on_changed(step, delivery, lane)
        if is_closed and job.waiting:
            self.sending.next_in_batch(step, job)
        if job.open == 0:
            self._end(step, job)
        if lane.is_empty:
            self.lanes.pop(delivery.minion, None)
        return True

    def _close(self, step: Step, job: Job, delivery: Delivery, lane: Lane) -> None:
        del lane.open[job.jid]
        if job.waiting:
            job.waiting.pop(delivery.minion, None)
        self.open_deliveries -= 1
        self.timers.clear(("delivery", job.jid, delivery.minion))
        if delivery.is_returned and self.bodies:
            self.drop_body(step, delivery)

    def _reopen(self, step: Step, job: Job, delivery: Delivery, lane: Lane) -> None:
        lane.open[job.jid] = delivery
        self.open_deliveries += 1
        if job.row.ended_s > 0:
            step.keep(ChangeJob(job.mark(ended_s=0.0)))
            self._note_open(job)
            self._unkeep(job.jid)

    def drop_body(self, step: Step, delivery: Delivery) -> None:
        """Drop what came of a bulk body, if any did and it was not joined."""
        self.timers.clear(("partial", delivery.jid, delivery.minion))
        self.bodies.drop(step, delivery.minion, delivery.jid)

    def cancel(self, step: Step, job: Job, minions: Iterable[MinionId], *, is_all: bool) -> None:
        """Ask for the end of deliveries: at once where nothing was sent, else at the minion."""
        if is_all and not job.row.is_cancelled:
            job.commit = step.keep(ChangeJob(job.mark(is_cancelled=True)))
        step.publish(job_event(job.jid, "cancel", step.now.wall), step.commit)
        for name in list(minions):
            delivery = job.deliveries[name]
            if delivery.state == "created":
                self.change(step, job, delivery, partial(delivery.on_cancelled, step.now.wall))
            elif self.change(step, job, delivery, delivery.want_cancel):
                self.sending.send_cancel(step, delivery)

    # -- ending -------------------------------------------------------------------------------

    def _end(self, step: Step, job: Job) -> None:
        if job.row.ended_s == 0:
            kept = without_secrets(job.row.arguments, self.settings.secret_keys)
            job.commit = step.keep(ChangeJob(job.mark(ended_s=step.now.wall, arguments=kept)))
            self._made.clear(job.jid)
            step.publish(job_event(job.jid, "ended", step.now.wall), job.commit)
            self._ended_since_prune += 1
            if self._ended_since_prune >= PRUNE_AFTER_JOBS:
                self.prune(step)
        self.followers.end(step, job.jid, job.commit)
        self._leaving.append((job.commit, job.jid))

    def end_if_over(self, step: Step, job: Job) -> None:
        """End a job that was over when it was made: all its minions are offline."""
        if job.open == 0:
            self._end(step, job)

    def prune(self, step: Step) -> None:
        """Let the store drop history that is too old or too much."""
        self._ended_since_prune = 0
        step.keep(self.settings.history_limits(step.now.wall))
        while self._kept:
            job = self.jobs[next(iter(self._kept))]
            if job.row.ended_s >= step.now.wall - self.settings.history_age_s:
                break
            self._release(job)

    def on_committed(self, durable: Commit) -> None:
        """Let go of jobs whose end is durable."""
        while self._leaving and self._leaving[0][0] <= durable:
            _commit, jid = self._leaving.popleft()
            job = self.jobs.get(jid)
            if job is None or job.row.ended_s == 0:
                continue
            if job.commit > durable:  # something was said of it after its end: a cancel too late
                self._leaving.append((job.commit, jid))
            elif job.held:
                self._keep(job)
            else:
                self._release(job)

    def _keep(self, job: Job) -> None:
        """Keep an ended job for late words, and let go of the oldest if these are too many."""
        self._unkeep(job.jid)
        self._kept[job.jid] = len(job.deliveries)
        self._kept_deliveries += len(job.deliveries)
        while len(self._kept) > 1 and (
            len(self._kept) > self.settings.jobs_ended_max
            or self._kept_deliveries > self.settings.deliveries_ended_max
        ):
            self._release(self.jobs[next(iter(self._kept))])

    def _unkeep(self, jid: JobId) -> None:
        self._kept_deliveries -= self._kept.pop(jid, 0)

    def _release(self, job: Job) -> None:
        self._unkeep(job.jid)
        del self.jobs[job.jid]
        for minion in job.deliveries:
            lane = self.lanes.get(minion)
            if lane is not None and lane.cancels.pop(job.jid, None) is not None:
                self.timers.clear(("cancel", job.jid, minion))
                if lane.is_empty:
                    del self.lanes[minion]

    # -- time ---------------------------------------------------------------------------------

    def on_due(self, step: Step, due: Due) -> None:
        """Act on a deadline of a delivery."""
        what, jid, name = due
        if what == "partial":
            self.bodies.drop(step, MinionId(name), JobId(jid))
            return
        found = self.find(jid, name)
        if found is None:
            return
        job, delivery = found
        if what == "cancel":
            self.sending.send_cancel(step, delivery)
        elif self._is_over_time(step.now.boot, delivery):
            wall_s = step.now.wall
            text = (
                "not sent before its time to live had passed"
                if delivery.state == "created"
                else "no answer came before its time to live had passed"
            )
            self.change(step, job, delivery, partial(delivery.settle, "expired", text, wall_s))
        else:
            self.sending.on_due(step, job, delivery)

    def _is_over_time(self, now: Instant, delivery: Delivery) -> bool:
        return delivery.state not in RUNNING and now >= self.sending.given_up_at(delivery)
