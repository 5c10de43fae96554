"""The registry of jobs: who is live, who is finished, and the moves between them.

    live: QUEUED, SPAWNING, RUNNING   finished: not acknowledged   remembered: only the jid

A live job always has a deadline. What moves a job, and why, is decided by its callers.
"""

from collections import deque
from typing import Final

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import Commit, JobId
from limpet.common.messages.jobs import Outcome
from limpet.common.messages.session import SyncEntry
from limpet.minion.core.effects import NOW, DropSpool, KillJob, LocalAnswer, SpawnJob
from limpet.minion.core.outbox import Outbox
from limpet.minion.core.settings import JobLimits
from limpet.minion.jobs import queueing
from limpet.minion.jobs.ending import without_result
from limpet.minion.jobs.job import KILL_AGAIN_S, KILLS_MAX, SPAWN_S, Job, Phase
from limpet.minion.jobs.seen_jids import SeenJids
from limpet.minion.journal.records import JobFinished, JobTombstone

RUNNING_TOLD_MAX: Final = 64
UNACKNOWLEDGED_MAX: Final = 10_000
"""Returns kept for a master that does not acknowledge them; then new jobs are refused."""


class JobRegistry:
    """All jobs of this minion, by how far they are."""

    __slots__ = ("_limits", "_outbox", "finished", "live", "seen_jids", "unsaved")

    def __init__(self, limits: JobLimits, outbox: Outbox, now: Moment) -> None:
        self._limits = limits
        self._outbox = outbox
        self.live: dict[JobId, Job] = {}
        self.finished: dict[JobId, Job] = {}
        self.unsaved: deque[Job] = deque()
        """Finished jobs whose end is not on disk yet, in the order of their commits."""
        self.seen_jids = SeenJids(now)

    def find(self, jid: JobId) -> Job | None:
        """Give a job that is not acknowledged yet."""
        return self.live.get(jid) or self.finished.get(jid)

    @property
    def next_deadline(self) -> Instant:
        """Give when the first of the live jobs, or the forgetting, is due."""
        deadline = self.seen_jids.next_deadline
        for job in self.live.values():
            due = job.expires if job.phase is Phase.QUEUED else job.deadline
            if due is not None and due < deadline:
                deadline = due
        return deadline

    def counts(self) -> dict[str, int]:
        """Give the counts for people: how many jobs are where."""
        phases = [job.phase for job in self.live.values()]
        return {
            "jobs_queued": phases.count(Phase.QUEUED),
            "jobs_running": len(phases) - phases.count(Phase.QUEUED),
            "returns_waiting": len(self.finished),
            "jids_remembered": len(self.seen_jids),
        }

    def sync_entries(self) -> list[SyncEntry]:
        """Give all that is unfinished or unacknowledged, as it stands on disk."""
        durable = self._outbox.durable
        entries = []
        for job in (*self.live.values(), *self.finished.values()):
            state = None if job.is_local else job.sync_state(durable)
            if state is not None:
                entries.append(SyncEntry(job.jid, state))
        return entries

    def running(self) -> tuple[JobId, ...]:
        """Name the jobs that run, the oldest first."""
        jids = [
            job.jid for job in self.live.values() if job.phase is Phase.RUNNING and not job.is_local
        ]
        return tuple(jids[:RUNNING_TOLD_MAX])

    def is_full(self) -> bool:
        """Say whether one more job would be one too many."""
        if len(self.finished) >= UNACKNOWLEDGED_MAX:
            return True
        queued = sum(job.phase is Phase.QUEUED and not job.is_local for job in self.live.values())
        return queued >= self._limits.queued_max

    def kill(self, now: Moment, job: Job, reason: str, after: Commit) -> None:
        """End a job's processes; again if they live on."""
        job.is_ending = True
        job.kill_reason = reason
        job.kills = 1
        job.deadline = now.after(KILL_AGAIN_S)
        is_timeout = reason == "timeout"
        self._outbox.add(KillJob(job.jid, "timeout" if is_timeout else "cancelled", after))

    def kill_again(self, now: Moment, job: Job) -> None:
        """End them once more, or give it up and free the slot."""
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
        self.finish(now, job, without_result(now, job, outcome, text))

    def expire(self, now: Moment, job: Job) -> None:
        """End a job that was not started in time."""
        text = "its time to live passed before it could start"
        self.finish(now, job, without_result(now, job, "expired", text))

    def start_next(self, now: Moment) -> None:
        """Ask for workers as far as there are slots."""
        for job in queueing.startable(self.live, self._limits.side_by_side_max):
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

    def finish(self, now: Moment, job: Job, ending: JobFinished, *before: JobTombstone) -> None:
        """Move the job to its end; the next one may start."""
        job.phase = Phase.FINISHED
        job.deadline = None
        job.ending = ending
        del self.live[job.jid]
        if job.is_local:
            assert job.client is not None
            self._outbox.add(LocalAnswer(job.client, job.jid, ending))
            self._outbox.add(DropSpool(job.jid, NOW))
        else:
            job.finished = self._outbox.persist(*before, ending)
            self.finished[job.jid] = job
            self.unsaved.append(job)
        self.start_next(now)
