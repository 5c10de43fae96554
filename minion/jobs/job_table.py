"""The job table: every job of this minion, from its delivery to the acknowledgement of its return.

    Deliver --known--> answered from the table     --stale, full, disk--> Return at once
            --else--> JobAccepted on disk -> Accepted -> (slot) SpawnJob -> JobStarted on disk
            -> Started, ReleaseJob -> (ended) JobFinished on disk -> Return -> ReturnAck
            -> JobAcknowledged on disk -> the jid is remembered, the spool dropped

Rules: nothing is said before it is on disk; a jid is spawned once; whichever of the end and the
cancel was written first wins; every live job has a deadline. Runs asked for on this host
(`limpet call`) go the same way without journal and without master.
"""

import random
from collections import OrderedDict
from typing import Final

from limpet.common.clock import Instant, Moment, to_micros, to_seconds
from limpet.common.identifiers import JobId
from limpet.common.messages.jobs import (
    Accepted,
    Deliver,
    Outcome,
    Started,
)
from limpet.common.messages.session import SyncEntry, SyncVerdict
from limpet.minion.core.effects import NOW, AdoptJob, DropSpool, KillJob, ReleaseJob, Send
from limpet.minion.core.notes import Notes
from limpet.minion.core.outbox import Outbox
from limpet.minion.core.settings import JobLimits
from limpet.minion.jobs import instant
from limpet.minion.jobs.cancellation import Cancellation
from limpet.minion.jobs.ending import from_result, without_result
from limpet.minion.jobs.job import (
    QUEUED_S,
    RECOVERY_S,
    SPAWN_S,
    TIMEOUT_GRACE_S,
    Job,
    Phase,
)
from limpet.minion.jobs.job_registry import JobRegistry
from limpet.minion.jobs.local_runs import LocalRuns
from limpet.minion.jobs.output import OutputStreams
from limpet.minion.jobs.recovery import Fate, Restored, restore, why_seen
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.jobs.returns import Returns
from limpet.minion.jobs.seen_jids import Why
from limpet.minion.journal.records import (
    JobAccepted,
    JobAcknowledged,
    JobForgotten,
    JobStarted,
    JournalState,
)
from limpet.minion.sessions.greeting import Line
from limpet.minion.sessions.master_clock import MasterClock

TURNED_AWAY_MAX: Final = 1000


class JobTable:
    """All jobs of this minion."""

    __slots__ = (
        "_boot_id",
        "_instants",
        "_limits",
        "_line",
        "_notes",
        "_outbox",
        "_turned_away",
        "cancellation",
        "condition",
        "local",
        "output",
        "registry",
        "returns",
    )

    def __init__(
        self,
        limits: JobLimits,
        notes: Notes,
        outbox: Outbox,
        instants: instant.Instants,
        chance: random.Random,
        *,
        now: Moment,
        boot_id: str,
    ) -> None:
        self._limits = limits
        self._notes = notes
        self._outbox = outbox
        self._instants = instants
        self._boot_id = boot_id
        self.registry = JobRegistry(limits, outbox, now)
        self.cancellation = Cancellation(self.registry, outbox)
        self.local = LocalRuns(limits, self.registry, self.cancellation, outbox, chance)
        self._line: Line | None = None
        self.returns = Returns(outbox)
        self.output = OutputStreams(outbox)
        self._turned_away: OrderedDict[JobId, tuple[Outcome, str]] = OrderedDict()
        """What was refused, or came too late, in this life of the process, and why."""
        self.condition = ""
        """What ails the disk; while it is not empty no job is accepted."""

    @property
    def next_deadline(self) -> Instant:
        """Give the instant at which `on_deadline` has something to do."""
        first = self.registry.next_deadline
        again = self.returns.next_deadline
        return first if again is None else min(first, again)

    def counts(self) -> dict[str, int]:
        """Give the counts for people: how many jobs are where."""
        return self.registry.counts()

    def is_live(self, jid: JobId) -> bool:
        """Say whether the job waits or runs."""
        return jid in self.registry.live

    # --- start ----------------------------------------------------------------------------

    def start(self, now: Moment, journal: JournalState) -> None:
        """Take up what an earlier process of this minion left."""
        for entry in journal.jobs.values():
            why = why_seen(entry)
            if why is not None:
                self.registry.seen_jids.add(entry.jid, why, entry.touched_wall_s)
                continue
            self._take_up(now, restore(entry, now, self._boot_id, self._limits), entry.is_cancelled)
        self.registry.start_next(now)

    def _take_up(self, now: Moment, restored: Restored, is_cancelled: bool) -> None:
        job, fate = restored.job, restored.fate
        if fate is Fate.RETURN:
            self.registry.finished[job.jid] = job
            return
        self.registry.live[job.jid] = job
        if fate is Fate.ADOPT:
            self._outbox.add(AdoptJob(job.jid, job.pid, job.process_start, job.is_streamed))
            if is_cancelled:
                job.cancelled = NOW
                self.registry.kill(now, job, "cancelled", NOW)
        elif fate is Fate.INTERRUPT:
            # It may have ended before the host did: then its result is on the disk, and true. The
            # journal of a run of states says how far it came. There is nobody to adopt, which the
            # shell tells where it finds neither.
            job.deadline = now.after(RECOVERY_S)
            self._outbox.add(AdoptJob(job.jid, 0, 0, False))
        elif fate is Fate.CANCEL:
            self.registry.finish(now, job, without_result(now, job, "cancelled", "cancelled"))
        elif fate is Fate.EXPIRE:
            self.registry.expire(now, job)

    # --- the link tells -----------------------------------------------------------------------

    def sync_entries(self) -> list[SyncEntry]:
        """Give all that is unfinished or unacknowledged, as it stands on disk."""
        return self.registry.sync_entries()

    def running(self) -> tuple[JobId, ...]:
        """Name the jobs that run, the oldest first, at most 64."""
        return self.registry.running()

    def on_verdict(self, now: Moment, line: Line, verdict: SyncVerdict) -> None:
        """Do what the master says of one of them. What goes on by itself needs no doing."""
        if verdict.verdict == "acknowledge":
            self.on_acknowledged(now, JobId(verdict.jid))
        elif verdict.verdict == "cancel":
            self.cancellation.on_cancel(now, line, JobId(verdict.jid))

    def on_ready(self, now: Moment, line: Line) -> None:
        """Send the returns that wait."""
        self._line = line
        self.output.on_ready(line)
        durable = self._outbox.durable
        finished = [job for job in self.registry.finished.values() if job.finished <= durable]
        self.returns.on_ready(now, line, finished)

    def on_line_lost(self) -> None:
        """Send nothing until the next session is ready."""
        self._line = None
        self.returns.on_line_lost()
        self.output.on_line_lost()

    def on_echo(self, now: Moment, left_at: Instant) -> None:
        """All that was sent before this instant has arrived."""
        self.output.on_echo(now, left_at)

    # --- the master asks ----------------------------------------------------------------------

    def on_deliver(self, now: Moment, line: Line, clock: MasterClock, deliver: Deliver) -> None:
        """Answer from the table, refuse, answer at once, or accept."""
        jid = JobId(deliver.jid)
        known = self.registry.find(jid)
        if known is not None:
            self._answer_known(now, line, known)
            return
        why = self.registry.seen_jids.why(jid)
        if why is Why.TOMBSTONE:
            self._turn_away(now, line, deliver, "cancelled", "cancelled before it came")
            return
        if why is Why.ACKNOWLEDGED:
            text = "it ran before, and its return was acknowledged; it was not run again"
            self._turn_away(now, line, deliver, "interrupted", text)
            return
        said = self._turned_away.get(jid)
        if said is not None:  # the master may have heard it: what is told once stays so
            self._turn_away(now, line, deliver, *said)
            return
        left_s = clock.seconds_until(to_seconds(deliver.expires_at), now.boot)
        if left_s < 0:
            self._turn_away(now, line, deliver, "expired", f"expired {-left_s:.1f} s too soon")
        elif deliver.function in self._instants:
            self._outbox.add(Send(line.attempt, instant.answer(self._instants, now, deliver)))
        elif self.condition:
            self._turn_away(now, line, deliver, "refused", self.condition)
        elif self.registry.is_full():
            text = f"{self._limits.queued_max} jobs wait on this minion already"
            self._turn_away(now, line, deliver, "refused", f"queue full: {text}")
        else:
            self._accept(now, line, deliver, left_s)

    def _answer_known(self, now: Moment, line: Line, job: Job) -> None:
        if job.phase is Phase.FINISHED:
            if job.finished <= self._outbox.durable:
                self.returns.add(now, job)
        elif job.pid:
            at = max(0, to_micros(job.started_wall_s))
            message = Started(line.session, job.jid, at)
            self._outbox.add(Send(line.attempt, message, job.started))
        else:
            message_accepted = Accepted(line.session, job.jid)
            self._outbox.add(Send(line.attempt, message_accepted, job.accepted))

    def _turn_away(
        self, now: Moment, line: Line, deliver: Deliver, outcome: Outcome, error: str
    ) -> None:
        if outcome in ("refused", "expired"):
            self._turned_away[JobId(deliver.jid)] = (outcome, error)
            if len(self._turned_away) > TURNED_AWAY_MAX:
                del self._turned_away[next(iter(self._turned_away))]
        answer = instant.unjournaled(now, deliver, outcome, 1, error)
        self._outbox.add(Send(line.attempt, answer))

    def _accept(self, now: Moment, line: Line, deliver: Deliver, left_s: float) -> None:
        jid = JobId(deliver.jid)
        job = Job(
            jid=jid,
            function=deliver.function,
            arguments=deliver.arguments,
            job_timeout_s=self._limits.timeout_s(to_seconds(deliver.job_timeout)),
            is_streamed=deliver.is_streamed,
            user=deliver.user,
            return_bytes_max=self._notes.return_bytes_max,
            expires=now.after(left_s),
        )
        job.accepted = self._outbox.persist(
            JobAccepted(
                jid=jid,
                function=job.function,
                arguments=job.arguments,
                job_timeout_s=job.job_timeout_s,
                is_streamed=job.is_streamed,
                user=job.user,
                return_bytes_max=job.return_bytes_max,
                expires_boot_s=job.expires,
                expires_wall_s=now.wall + left_s,
                boot_id=self._boot_id,
                accepted_wall_s=now.wall,
            )
        )
        self.registry.live[jid] = job
        self._outbox.add(Send(line.attempt, Accepted(line.session, jid), job.accepted))
        self.registry.start_next(now)

    def on_acknowledged(self, now: Moment, jid: JobId) -> None:
        """Forget all but the jid: the master has the return on its disk."""
        job = self.registry.finished.get(jid)
        if job is None or job.finished > self._outbox.durable:
            return
        del self.registry.finished[jid]
        commit = self._outbox.persist(JobAcknowledged(jid, now.wall))
        self._outbox.add(DropSpool(jid, commit))
        self.registry.seen_jids.add(jid, Why.ACKNOWLEDGED, now.wall)
        self.returns.on_acknowledged(now, jid)

    # --- the shell tells ----------------------------------------------------------------------

    def on_committed(self, now: Moment) -> None:
        """Send the returns of jobs whose end is on disk now; keep what was accepted in time.

        The time to live is that of a delivery: accepted before it passed, the job waits for its
        slot, behind a long state run for instance.
        """
        durable = self._outbox.durable
        for job in self.registry.live.values():
            if job.is_delivered or job.accepted > durable or job.is_local:
                continue
            if job.phase in (Phase.QUEUED, Phase.SPAWNING) and now.boot <= job.expires:
                job.is_delivered = True
                job.expires = now.after(QUEUED_S)
        while self.registry.unsaved and self.registry.unsaved[0].finished <= durable:
            job = self.registry.unsaved.popleft()
            if job.jid in self.registry.finished and self._line is not None:
                self.returns.add(now, job)

    def on_spawned(self, now: Moment, jid: JobId, pid: int, process_start: int) -> None:
        """Write down that it starts, then let it go."""
        job = self.registry.live.get(jid)
        if job is None or job.phase is not Phase.SPAWNING:
            if job is None:
                self._outbox.add(KillJob(jid, "cancelled"))  # nobody waits for this worker
            return
        job.phase = Phase.RUNNING
        if job.is_ending:
            self._outbox.add(KillJob(jid, "cancelled"))
            return
        if now.boot > job.expires and not job.is_local:
            self._outbox.add(KillJob(jid, "cancelled"))
            self.registry.expire(now, job)
            return
        job.pid = pid
        job.process_start = process_start
        job.started_wall_s = now.wall
        job.deadline = now.after(job.job_timeout_s + TIMEOUT_GRACE_S)
        if job.is_local:
            self._outbox.add(ReleaseJob(jid, NOW))
            return
        job.started = self._outbox.persist(
            JobStarted(jid, pid, process_start, self._boot_id, now.wall, now.boot)
        )
        self._outbox.add(ReleaseJob(jid, job.started))
        if self._line is not None:
            message = Started(self._line.session, jid, max(0, to_micros(now.wall)))
            self._outbox.add(Send(self._line.attempt, message, job.started))

    def on_spawn_failed(self, now: Moment, jid: JobId, reason: str) -> None:
        """Nothing of the job ran."""
        job = self.registry.live.get(jid)
        if job is not None and job.phase is Phase.SPAWNING:
            outcome: Outcome = "refused" if job.cancelled is None else "cancelled"
            error = f"no worker could be started: {reason}"
            self.registry.finish(now, job, without_result(now, job, outcome, error))

    def on_ended(self, now: Moment, jid: JobId, result: WorkerResult) -> None:
        """Write down how it ended, unless that is known already."""
        self.output.on_ended(jid)
        job = self.registry.live.get(jid)
        if job is not None:
            self.registry.finish(now, job, from_result(now, job, result))

    def on_output(self, now: Moment, jid: JobId, data: bytes, dropped: int) -> None:
        """Pass live output on, if somebody asked for it."""
        job = self.registry.live.get(jid)
        if job is not None and job.is_streamed:
            self.output.on_output(now, jid, data, dropped)

    # --- time ---------------------------------------------------------------------------------

    def on_deadline(self, now: Moment) -> None:
        """Do what is due."""
        for job in list(self.registry.live.values()):
            if job.phase is Phase.QUEUED:
                if now.boot > job.expires:
                    self.registry.expire(now, job)
            elif job.deadline is not None and now.boot >= job.deadline:
                self._on_overdue(now, job)
        self.returns.on_deadline(now)
        if now.boot >= self.registry.seen_jids.next_deadline:
            old = self.registry.seen_jids.take_old(now, self._notes.remember_s)
            if old:
                self._outbox.persist(*(JobForgotten(jid) for jid in old))

    def _on_overdue(self, now: Moment, job: Job) -> None:
        durable = self._outbox.durable
        if job.is_ending:
            self.registry.kill_again(now, job)
        elif job.phase is Phase.SPAWNING:
            if job.accepted > durable:  # the disk stalls: nobody was asked to make a worker yet
                job.deadline = now.after(SPAWN_S)
                return
            self._outbox.add(KillJob(job.jid, "cancelled"))
            error = f"no worker was started within {SPAWN_S:.0f} s"
            self.registry.finish(now, job, without_result(now, job, "refused", error))
        elif job.started > durable:  # held until the disk has it: its time has not begun
            job.deadline = now.after(job.job_timeout_s + TIMEOUT_GRACE_S)
        else:
            self.registry.kill(now, job, "timeout", NOW)
