"""The jobs of one made-up minion: held, let go, and ended when their time has come.

It stands where the workers of a real minion stand, and answers the same effects of the core. A
large return is never held in memory: its pieces are made when they are asked for.
"""

from dataclasses import dataclass
from typing import Final

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.identifiers import JobId
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.swarm.answers import Behaviour, Fate, body_piece, fate_of, result_of

PID: Final = 1
"""No process has it but the host's first, so nothing can be mistaken for the job's."""


@dataclass(slots=True)
class _Job:
    fate: Fate
    timeout_s: float
    ends: Instant = FOREVER
    started_wall_s: float = 0.0


class MadeJobs:
    """What the jobs of a minion come to."""

    def __init__(self, behaviour: Behaviour, minion_id: str) -> None:
        self._behaviour = behaviour
        self._minion_id = minion_id
        self._jobs: dict[JobId, _Job] = {}
        self._lengths: dict[JobId, int] = {}
        """Of returns that the core has not dropped yet."""

    @property
    def next_deadline(self) -> Instant:
        """Give when the first job ends."""
        if not self._jobs:
            return FOREVER
        return min(job.ends for job in self._jobs.values())

    def spawn(self, jid: JobId, timeout_s: float) -> None:
        """Hold a job before its first step; it will have so much time."""
        self._jobs[jid] = _Job(fate_of(self._behaviour, self._minion_id, jid), timeout_s)

    def release(self, now: Moment, jid: JobId) -> None:
        """Let it go."""
        job = self._jobs.get(jid)
        if job is not None:
            job.ends = now.after(min(job.fate.delay_s, job.timeout_s))
            job.started_wall_s = now.wall

    def kill(self, now: Moment, jid: JobId, reason: str) -> WorkerResult:
        """End a job at once."""
        job = self._jobs.pop(jid, None)
        if job is not None and reason == "timeout":
            return _timed_out(job)
        started = 0.0 if job is None else job.started_wall_s
        return WorkerResult("cancelled", 1, "cancelled", started_wall_s=started)

    def adopt(self, jid: JobId) -> WorkerResult:
        """Say what became of a job of before: a process of the swarm takes its jobs with it."""
        return WorkerResult("interrupted", 1, "the swarm's process was started afresh")

    def collect(self, now: Moment) -> list[tuple[JobId, WorkerResult]]:
        """Give the jobs whose time has come, in the order of their ends."""
        if not self._jobs:
            return []
        due = [jid for jid, job in self._jobs.items() if job.ends <= now.boot]
        due.sort(key=lambda jid: self._jobs[jid].ends)
        ended = []
        for jid in due:
            job = self._jobs.pop(jid)
            if job.fate.delay_s > job.timeout_s:
                ended.append((jid, _timed_out(job)))
                continue
            self._lengths[jid] = job.fate.return_bytes
            ended.append((jid, result_of(job.fate, started_wall_s=job.started_wall_s)))
        return ended

    def read_body(self, jid: JobId, offset: int, size: int) -> bytes:
        """Give a piece of a return; less than asked for: there is no more."""
        length = self._lengths.get(jid)
        return b"" if length is None else body_piece(length, offset, size)

    def drop(self, jid: JobId) -> None:
        """Forget a return that was acknowledged."""
        self._lengths.pop(jid, None)


def _timed_out(job: _Job) -> WorkerResult:
    return WorkerResult(
        "failed",
        1,
        f"timeout after {job.timeout_s:g} s",
        started_wall_s=job.started_wall_s,
        duration_s=job.timeout_s,
    )
