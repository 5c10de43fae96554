"""The job book: every job of this minion, from its delivery to the acknowledgement of its return.

    Deliver --known--> answered from the book      --stale, full, disk--> Return at once
            --else--> JobAccepted on disk -> Accepted -> (slot) SpawnJob -> JobStarted on disk
            -> Started, ReleaseJob -> (ended) JobFinished on disk -> Return -> ReturnAck
            -> JobAcknowledged on disk -> the jid is remembered, the spool dropped

Rules: nothing is said before it is on disk; a jid is spawned once; whichever of the end and the
cancel was written first wins; every live job has a deadline. Runs asked for on this host
(`limpet call`) go the same way without journal and without master.
"""

import random
from collections import deque
from typing import Final

from limpet.common.clock import Instant, Moment, to_micros, to_seconds
from limpet.common.identifiers import Commit, JobId, make_job_id
from limpet.common.messages.jobs import (
    Accepted,
    BulkAck,
    CancelAnswer,
    CancelVerdict,
    Deliver,
    Outcome,
    ReturnAck,
    Started,
)
from limpet.common.messages.session import SyncEntry, SyncVerdict
from limpet.minion.effects import (
    NOW,
    AdoptJob,
    DropSpool,
    KillJob,
    LocalAnswer,
    LocalRefused,
    LocalStored,
    ReleaseJob,
    Send,
    SpawnJob,
)
from limpet.minion.jobs import instant, lanes
from limpet.minion.jobs.ending import from_result, without_result
from limpet.minion.jobs.job import (
    KILL_AGAIN_S,
    KILLS_MAX,
    SPAWN_S,
    TIMEOUT_GRACE_S,
    Job,
    Phase,
)
from limpet.minion.jobs.output import OutputStreams
from limpet.minion.jobs.records import (
    JobAccepted,
    JobAcknowledged,
    JobFinished,
    JobForgotten,
    JobStarted,
    JobTombstone,
    JournalState,
)
from limpet.minion.jobs.recovery import HOST_RESTARTED, Fate, Restored, restore, why_remembered
from limpet.minion.jobs.remembered import Remembered, Why
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.jobs.returns import Returns
from limpet.minion.link.clockwork import MasterClock
from limpet.minion.link.greeting import Line
from limpet.minion.memory import Memory
from limpet.minion.outbox import Outbox
from limpet.minion.settings import JobLimits

RUNNING_TOLD_MAX: Final = 64
LOCAL_RUNS_MAX: Final = 16
LOCAL_WAIT_S: Final = 24 * 3600.0
"""How long a local run may wait for the state run before it."""
UNACKNOWLEDGED_MAX: Final = 10_000
"""Returns kept for a master that does not acknowledge them; then new jobs are refused."""


class JobBook:
    """All jobs of this minion."""

    def __init__(
        self,
        limits: JobLimits,
        memory: Memory,
        outbox: Outbox,
        instants: instant.Instants,
        chance: random.Random,
        *,
        now: Moment,
        boot_id: str,
    ) -> None:
        self._limits = limits
        self._memory = memory
        self._outbox = outbox
        self._instants = instants
        self._chance = chance
        self._boot_id = boot_id
        self._live: dict[JobId, Job] = {}
        self._finished: dict[JobId, Job] = {}
        self._unsaved: deque[Job] = deque()
        """Finished jobs whose end is not on disk yet, in the order of their commits."""
        self._remembered = Remembered(now)
        self._line: Line | None = None
        self._is_stopping = False
        self.returns = Returns(outbox)
        self.output = OutputStreams(outbox)
        self.condition = ""
        """What ails the disk; while it is not empty no job is accepted."""

    @property
    def next_deadline(self) -> Instant:
        """Give the instant at which `on_deadline` has something to do."""
        deadline = self._remembered.next_deadline
        for job in self._live.values():
            due = job.expires if job.phase is Phase.QUEUED else job.deadline
            if due is not None and due < deadline:
                deadline = due
        again = self.returns.next_deadline
        return deadline if again is None else min(deadline, again)

    def counts(self) -> dict[str, int]:
        """Give the figures for people: how many jobs are where."""
        phases = [job.phase for job in self._live.values()]
        return {
            "jobs_queued": phases.count(Phase.QUEUED),
            "jobs_running": len(phases) - phases.count(Phase.QUEUED),
            "returns_waiting": len(self._finished),
            "jids_remembered": len(self._remembered),
        }

    # --- start and stop ---------------------------------------------------------------------

    def start(self, now: Moment, journal: JournalState) -> None:
        """Take up what an earlier process of this minion left."""
        for entry in journal.jobs.values():
            why = why_remembered(entry)
            if why is not None:
                self._remembered.add(entry.jid, why, entry.touched_wall_s)
                continue
            self._take_up(now, restore(entry, now, self._boot_id, self._limits), entry.is_cancelled)
        self._start_next(now)

    def _take_up(self, now: Moment, restored: Restored, is_cancelled: bool) -> None:
        job, fate = restored.job, restored.fate
        if fate is Fate.RETURN:
            self._finished[job.jid] = job
            return
        self._live[job.jid] = job
        if fate is Fate.ADOPT:
            self._outbox.add(AdoptJob(job.jid, job.pid, job.process_start, job.is_streamed))
            if is_cancelled:
                job.cancelled = NOW
                self._kill(now, job, "cancelled", NOW)
        elif fate is Fate.INTERRUPT:
            self._finish(now, job, without_result(now, job, "interrupted", HOST_RESTARTED))
        elif fate is Fate.CANCEL:
            self._finish(now, job, without_result(now, job, "cancelled", "cancelled"))
        elif fate is Fate.EXPIRE:
            self._expire(now, job)

    def on_stop(self) -> None:
        """End the runs of local clients, who leave with this process; the others go on."""
        self._is_stopping = True
        for job in self._live.values():
            if job.is_local and job.phase is not Phase.QUEUED:
                self._outbox.add(KillJob(job.jid, "cancelled"))

    # --- the link tells -----------------------------------------------------------------------

    def sync_entries(self) -> list[SyncEntry]:
        """Give all that is unfinished or unacknowledged, as it stands on disk."""
        durable = self._outbox.durable
        entries = []
        for job in (*self._live.values(), *self._finished.values()):
            state = None if job.is_local else job.sync_state(durable)
            if state is not None:
                entries.append(SyncEntry(job.jid, state))
        return entries

    def on_verdict(self, now: Moment, line: Line, verdict: SyncVerdict) -> None:
        """Do what the master says of one of them. What goes on by itself needs no doing."""
        if verdict.verdict == "acknowledge":
            self.on_acknowledged(now, JobId(verdict.jid))
        elif verdict.verdict == "cancel":
            self.on_cancel(now, line, JobId(verdict.jid))

    def on_ready(self, now: Moment, line: Line) -> None:
        """Send the returns that wait."""
        self._line = line
        self.output.on_ready(line)
        durable = self._outbox.durable
        finished = [job for job in self._finished.values() if job.finished <= durable]
        self.returns.on_ready(now, line, finished)

    def on_line_lost(self) -> None:
        """Send nothing until the next session is ready."""
        self._line = None
        self.returns.on_line_lost()
        self.output.on_line_lost()

    def on_echo(self, now: Moment, left_at: Instant) -> None:
        """All that was sent before this instant has arrived."""
        self.output.on_echo(now, left_at)

    def running(self) -> tuple[JobId, ...]:
        """Name the jobs that run, the oldest first."""
        jids = [
            job.jid
            for job in self._live.values()
            if job.phase is Phase.RUNNING and not job.is_local
        ]
        return tuple(jids[:RUNNING_TOLD_MAX])

    # --- the master asks ----------------------------------------------------------------------

    def on_deliver(self, now: Moment, line: Line, clock: MasterClock, deliver: Deliver) -> None:
        """Answer from the book, refuse, answer at once, or accept."""
        jid = JobId(deliver.jid)
        known = self._live.get(jid) or self._finished.get(jid)
        if known is not None:
            self._answer_known(now, line, known)
            return
        why = self._remembered.why(jid)
        if why is Why.TOMBSTONE:
            self._turn_away(now, line, deliver, "cancelled", "cancelled before it came")
            return
        if why is Why.ACKNOWLEDGED:
            text = "it ran before, and its return was acknowledged; it was not run again"
            self._turn_away(now, line, deliver, "interrupted", text)
            return
        left_s = clock.seconds_until(to_seconds(deliver.expires_at), now.boot)
        if left_s < 0:
            self._turn_away(now, line, deliver, "expired", f"expired {-left_s:.1f} s too soon")
        elif deliver.function in self._instants:
            self._outbox.add(Send(line.attempt, instant.answer(self._instants, now, deliver)))
        elif self.condition:
            self._turn_away(now, line, deliver, "refused", self.condition)
        elif self._is_full():
            text = f"{self._limits.queued_max} jobs wait on this minion already"
            self._turn_away(now, line, deliver, "refused", f"queue full: {text}")
        else:
            self._accept(now, line, deliver, left_s)

    def _is_full(self) -> bool:
        if len(self._finished) >= UNACKNOWLEDGED_MAX:
            return True
        queued = sum(job.phase is Phase.QUEUED and not job.is_local for job in self._live.values())
        return queued >= self._limits.queued_max

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
        answer = instant.unjournaled(now, deliver, outcome, 1, error)
        self._outbox.add(Send(line.attempt, answer))

    def _accept(self, now: Moment, line: Line, deliver: Deliver, left_s: float) -> None:
        jid = JobId(deliver.jid)
        job = Job(
            jid=jid,
            function=deliver.function,
            arguments=deliver.arguments,
            job_timeout_s=to_seconds(deliver.job_timeout) or self._limits.default_timeout_s,
            is_streamed=deliver.is_streamed,
            user=deliver.user,
            return_bytes_max=self._memory.return_bytes_max,
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
        self._live[jid] = job
        self._outbox.add(Send(line.attempt, Accepted(line.session, jid), job.accepted))
        self._start_next(now)

    def on_cancel(self, now: Moment, line: Line | None, jid: JobId) -> None:
        """End the job, or see to it that it never runs. Answered once that is on disk."""
        job = self._live.get(jid) or self._finished.get(jid)
        if job is None:
            self._cancel_unknown(now, line, jid)
        elif job.phase is Phase.FINISHED:
            is_cancelled = job.ending is not None and job.ending.outcome == "cancelled"
            verdict: CancelVerdict = "cancelled" if is_cancelled else "finished"
            self._answer_cancel(line, jid, verdict, job.finished)
        elif job.cancelled is not None:
            self._answer_cancel(line, jid, "cancelling", job.cancelled)
        elif job.phase is Phase.QUEUED:
            ending = without_result(now, job, "cancelled", "cancelled before it started")
            self._finish(now, job, ending, JobTombstone(jid, now.wall))
            self._answer_cancel(line, jid, "cancelled", job.finished)
        else:
            job.cancelled = self._outbox.persist(JobTombstone(jid, now.wall))
            self._kill(now, job, "cancelled", job.cancelled)
            self._answer_cancel(line, jid, "cancelling", job.cancelled)

    def _cancel_unknown(self, now: Moment, line: Line | None, jid: JobId) -> None:
        why = self._remembered.why(jid)
        after = NOW
        if why is None:
            after = self._outbox.persist(JobTombstone(jid, now.wall))
            self._remembered.add(jid, Why.TOMBSTONE, now.wall)
        verdict: CancelVerdict = "finished" if why is Why.ACKNOWLEDGED else "cancelled"
        # A tombstone that is known may still be on its way to the disk: wait for all there is.
        self._answer_cancel(line, jid, verdict, after if why is None else self._outbox.last_commit)

    def _answer_cancel(
        self, line: Line | None, jid: JobId, verdict: CancelVerdict, after: Commit
    ) -> None:
        if line is not None:
            self._outbox.add(Send(line.attempt, CancelAnswer(line.session, jid, verdict), after))

    def on_acknowledged(self, now: Moment, jid: JobId) -> None:
        """Forget all but the jid: the master has the return on its disk."""
        job = self._finished.get(jid)
        if job is None or job.finished > self._outbox.durable:
            return
        del self._finished[jid]
        commit = self._outbox.persist(JobAcknowledged(jid, now.wall))
        self._outbox.add(DropSpool(jid, commit))
        self._remembered.add(jid, Why.ACKNOWLEDGED, now.wall)
        self.returns.on_acknowledged(now, jid)

    def on_return_message(self, now: Moment, message: ReturnAck | BulkAck) -> None:
        """Hear what has arrived; valid in any session."""
        if isinstance(message, ReturnAck):
            self.on_acknowledged(now, JobId(message.jid))
        else:
            self.returns.on_bulk_ack(now, message)

    # --- the shell tells ----------------------------------------------------------------------

    def on_committed(self, now: Moment) -> None:
        """Send the returns of jobs whose end is on disk now."""
        durable = self._outbox.durable
        while self._unsaved and self._unsaved[0].finished <= durable:
            job = self._unsaved.popleft()
            if job.jid in self._finished and self._line is not None:
                self.returns.add(now, job)

    def on_spawned(self, now: Moment, jid: JobId, pid: int, process_start: int) -> None:
        """Write down that it starts, then let it go."""
        job = self._live.get(jid)
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
            self._expire(now, job)
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
        job = self._live.get(jid)
        if job is not None and job.phase is Phase.SPAWNING:
            outcome: Outcome = "refused" if job.cancelled is None else "cancelled"
            error = f"no worker could be started: {reason}"
            self._finish(now, job, without_result(now, job, outcome, error))

    def on_ended(self, now: Moment, jid: JobId, result: WorkerResult) -> None:
        """Write down how it ended, unless that is known already."""
        self.output.on_ended(jid)
        job = self._live.get(jid)
        if job is not None:
            self._finish(now, job, from_result(now, job, result))

    def on_output(self, now: Moment, jid: JobId, data: bytes, dropped: int) -> None:
        """Pass live output on, if somebody asked for it."""
        job = self._live.get(jid)
        if job is not None and job.is_streamed:
            self.output.on_output(now, jid, data, dropped)

    def on_local_run(
        self, now: Moment, client: int, function: str, arguments: bytes, job_timeout_s: float
    ) -> None:
        """Run something for a client of the Unix socket, while that stays."""
        if self._is_stopping:
            self._outbox.add(LocalRefused(client, "stopping", "this minion is about to end"))
            return
        if self.condition:
            self._outbox.add(LocalRefused(client, "disk_full", self.condition))
            return
        if sum(job.is_local for job in self._live.values()) >= LOCAL_RUNS_MAX:
            text = f"{LOCAL_RUNS_MAX} runs of `limpet call` are under way; try again later"
            self._outbox.add(LocalRefused(client, "busy", text))
            return
        jid = make_job_id(now.wall, self._chance)
        self._live[jid] = Job(
            jid=jid,
            function=function,
            arguments=arguments,
            job_timeout_s=job_timeout_s or self._limits.default_timeout_s,
            is_streamed=False,
            user="",
            return_bytes_max=self._limits.return_bytes_max,
            expires=now.after(LOCAL_WAIT_S),
            client=client,
        )
        self._outbox.add(LocalStored(client, jid))
        self._start_next(now)

    def on_local_gone(self, now: Moment, client: int) -> None:
        """End what the client ran: nobody waits for it."""
        for job in [job for job in self._live.values() if job.client == client]:
            if job.phase is Phase.QUEUED:
                del self._live[job.jid]
            elif not job.is_ending:
                self._kill(now, job, "cancelled", NOW)

    def on_local_cancel(self, now: Moment, jid: JobId) -> None:
        """End a job because somebody on this host says so; unknown ones are left alone."""
        job = self._live.get(jid)
        if job is None:
            return
        if not job.is_local:
            self.on_cancel(now, None, jid)
        elif job.phase is Phase.QUEUED:
            self._finish(now, job, without_result(now, job, "cancelled", "cancelled"))
        elif not job.is_ending:
            self._kill(now, job, "cancelled", NOW)

    # --- time ---------------------------------------------------------------------------------

    def on_deadline(self, now: Moment) -> None:
        """Do what is due."""
        for job in list(self._live.values()):
            if job.phase is Phase.QUEUED:
                if now.boot > job.expires:
                    self._expire(now, job)
            elif job.deadline is not None and now.boot >= job.deadline:
                self._on_overdue(now, job)
        self.returns.on_deadline(now)
        if now.boot >= self._remembered.next_deadline:
            old = self._remembered.take_old(now, self._memory.remember_s)
            if old:
                self._outbox.persist(*(JobForgotten(jid) for jid in old))

    def _on_overdue(self, now: Moment, job: Job) -> None:
        durable = self._outbox.durable
        if job.is_ending:
            self._kill_again(now, job)
        elif job.phase is Phase.SPAWNING:
            if job.accepted > durable:  # the disk stalls: nobody was asked to make a worker yet
                job.deadline = now.after(SPAWN_S)
                return
            self._outbox.add(KillJob(job.jid, "cancelled"))
            error = f"no worker was started within {SPAWN_S:.0f} s"
            self._finish(now, job, without_result(now, job, "refused", error))
        elif job.started > durable:  # held until the disk has it: its time has not begun
            job.deadline = now.after(job.job_timeout_s + TIMEOUT_GRACE_S)
        else:
            self._kill(now, job, "timeout", NOW)

    def _kill(self, now: Moment, job: Job, reason: str, after: Commit) -> None:
        job.is_ending = True
        job.kill_reason = reason
        job.kills = 1
        job.deadline = now.after(KILL_AGAIN_S)
        is_timeout = reason == "timeout"
        self._outbox.add(KillJob(job.jid, "timeout" if is_timeout else "cancelled", after))

    def _kill_again(self, now: Moment, job: Job) -> None:
        if job.cancelled is not None and job.cancelled > self._outbox.durable:
            job.deadline = now.after(KILL_AGAIN_S)  # the first kill still waits for the disk
            return
        if job.kills < KILLS_MAX:
            job.kills += 1
            job.deadline = now.after(KILL_AGAIN_S)
            is_timeout = job.kill_reason == "timeout"
            self._outbox.add(KillJob(job.jid, "timeout" if is_timeout else "cancelled"))
            return
        text = f"{job.kill_reason}: its processes could not be ended"
        self._outbox.error("kill", f"job {job.jid} (pid {job.pid}): {text}")
        outcome: Outcome = "failed" if job.kill_reason == "timeout" else "cancelled"
        self._finish(now, job, without_result(now, job, outcome, text))

    def _expire(self, now: Moment, job: Job) -> None:
        text = "its time to live passed before it could start"
        self._finish(now, job, without_result(now, job, "expired", text))

    # --- common -------------------------------------------------------------------------------

    def _start_next(self, now: Moment) -> None:
        for job in lanes.startable(self._live, self._limits.side_by_side_max):
            job.phase = Phase.SPAWNING
            job.deadline = now.after(SPAWN_S)
            self._outbox.add(
                SpawnJob(
                    job.jid,
                    job.function,
                    job.arguments,
                    job.job_timeout_s,
                    job.is_streamed,
                    job.user,
                    job.return_bytes_max,
                    job.accepted,
                )
            )

    def _finish(self, now: Moment, job: Job, ending: JobFinished, *before: JobTombstone) -> None:
        """Move the job to its end; the next one may start."""
        job.phase = Phase.FINISHED
        job.deadline = None
        job.ending = ending
        del self._live[job.jid]
        if job.is_local:
            assert job.client is not None
            self._outbox.add(LocalAnswer(job.client, job.jid))
            self._outbox.add(DropSpool(job.jid, NOW))
        else:
            job.finished = self._outbox.persist(*before, ending)
            self._finished[job.jid] = job
            self._unsaved.append(job)
        self._start_next(now)
