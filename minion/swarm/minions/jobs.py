"""The jobs of one made-up minion: held, let go, and ended when their time has come.

It stands where the workers of a real minion stand, and answers the same effects of the core. A job
that would ask the master for files or pillar does so first (`fetching.py`); its delay follows. A
large return is never held in memory: its pieces are made when they are asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.identifiers import JobId
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.swarm.minions.behaviour import (
    FAILED_TEXT,
    Behaviour,
    Fate,
    body_piece,
    fate_of,
    result_of,
)
from limpet.minion.swarm.minions.fetching import Fetching, Question, Reply
from limpet.minion.swarm.minions.questions import Questions, questions_of

PID: Final = 1
"""No process has it but the host's first, so nothing can be mistaken for the job's."""
_ERROR_CHARACTERS: Final = 1_000


class Asked(NamedTuple):
    """A question for the link, and the number that its answer comes back with."""

    client: int
    question: Question


@dataclass(slots=True)
class _Job:
    fate: Fate
    timeout_s: float
    function: str
    arguments: bytes
    ends: Instant = FOREVER
    started: Instant = FOREVER
    started_wall_s: float = 0.0
    client: int = 0
    """As which it asks; 0: it does not, or does so no more."""
    fetching: Fetching | None = None
    is_late: bool = False
    """Its time is over before its delay is."""

    @property
    def limit(self) -> Instant:
        """When it is ended, whatever it does."""
        return Instant(self.started + self.timeout_s)

    def wait(self, now: Moment) -> None:
        """Begin its delay."""
        end = now.after(self.fate.delay_s)
        self.is_late = end > self.limit
        self.ends = min(end, self.limit)


class MadeJobs:
    """What the jobs of a minion come to."""

    __slots__ = ("_begin", "_behaviour", "_clients", "_gone", "_jobs", "_lengths", "_minion_id")

    def __init__(
        self, behaviour: Behaviour, minion_id: str, begin: Callable[[Questions], Fetching]
    ) -> None:
        """`begin` makes what asks the master for what a job wants."""
        self._behaviour = behaviour
        self._minion_id = minion_id
        self._begin = begin
        self._jobs: dict[JobId, _Job] = {}
        self._lengths: dict[JobId, int] = {}
        """Of returns that the core has not dropped yet."""
        self._clients = 0
        self._gone: list[int] = []

    @property
    def next_deadline(self) -> Instant:
        """Give when the first job ends, or asks again."""
        if not self._jobs:
            return FOREVER
        return min(min(job.ends, _resume(job)) for job in self._jobs.values())

    def spawn(self, jid: JobId, timeout_s: float, function: str, arguments: bytes) -> None:
        """Hold a job before its first step; it will have so much time."""
        fate = fate_of(self._behaviour, self._minion_id, jid)
        self._jobs[jid] = _Job(fate, timeout_s, function, arguments)

    def release(self, now: Moment, jid: JobId) -> Asked | None:
        """Let it go; gives its first question to the master."""
        job = self._jobs.get(jid)
        if job is None:
            return None
        job.started = now.boot
        job.started_wall_s = now.wall
        questions = questions_of(job.function, job.arguments)
        job.arguments = b""
        if questions is None:
            job.wait(now)
            return None
        self._clients += 1
        job.client = self._clients
        job.fetching = self._begin(questions)
        job.ends = job.limit
        return self._next(now, job, job.fetching.start(now))

    def on_reply(self, now: Moment, client: int, reply: Reply) -> Asked | None:
        """Hear the link about a question; gives the job's next one."""
        job = self._asking(client)
        if job is None:
            return None
        assert job.fetching is not None
        return self._next(now, job, job.fetching.on_reply(now, reply))

    def on_refused(self, now: Moment, client: int, reason: str, text: str) -> None:
        """Hear that the link does not serve a question: now, or at all."""
        job = self._asking(client)
        if job is not None:
            assert job.fetching is not None
            job.fetching.on_refused(now, reason, text)
            if job.fetching.resume == FOREVER:
                self._next(now, job, None)

    def questions(self, now: Moment) -> list[Asked]:
        """Give the questions that were put off until now."""
        return [
            Asked(job.client, job.fetching.on_pause_over())
            for job in self._jobs.values()
            if job.fetching is not None and _resume(job) <= now.boot < job.ends
        ]

    def take_gone(self) -> list[int]:
        """Give who asked and waits no more, for the link to forget."""
        gone, self._gone = self._gone, []
        return gone

    def kill(self, now: Moment, jid: JobId, reason: str) -> WorkerResult:
        """End a job at once."""
        job = self._jobs.pop(jid, None)
        if job is not None:
            self._leave(job)
            if reason == "timeout":
                return _timed_out(job)
        started = 0.0 if job is None else job.started_wall_s
        return WorkerResult("cancelled", 1, "cancelled", started_wall_s=started)

    def adopt(self, jid: JobId) -> WorkerResult:
        """Say what became of a job of before: a process of the swarm takes its jobs with it."""
        self._jobs.pop(jid, None)
        return WorkerResult("interrupted", 1, "the swarm's process was started afresh")

    def collect(self, now: Moment) -> list[tuple[JobId, WorkerResult]]:
        """Give the jobs whose time has come, in the order of their ends."""
        if not self._jobs:
            return []
        due = [jid for jid, job in self._jobs.items() if job.ends <= now.boot]
        due.sort(key=lambda jid: self._jobs[jid].ends)
        return [(jid, self._end(now, jid, self._jobs.pop(jid))) for jid in due]

    def read_body(self, jid: JobId, offset: int, size: int) -> bytes:
        """Give a piece of a return; less than asked for: there is no more."""
        length = self._lengths.get(jid)
        return b"" if length is None else body_piece(length, offset, size)

    def drop(self, jid: JobId) -> None:
        """Forget a return that was acknowledged."""
        self._lengths.pop(jid, None)

    # --- inside -------------------------------------------------------------------------------

    def _asking(self, client: int) -> _Job | None:
        return next((job for job in self._jobs.values() if job.client == client), None)

    def _next(self, now: Moment, job: _Job, question: Question | None) -> Asked | None:
        """Pass the next question on; without one the job's delay begins."""
        if question is not None:
            return Asked(job.client, question)
        job.client = 0
        job.wait(now)
        return None

    def _leave(self, job: _Job) -> None:
        if job.client:
            self._gone.append(job.client)

    def _end(self, now: Moment, jid: JobId, job: _Job) -> WorkerResult:
        if job.client or job.is_late:
            self._leave(job)
            return _timed_out(job)
        if job.fetching is not None:
            return _fetched(now, job, job.fetching)
        self._lengths[jid] = job.fate.return_bytes
        return result_of(job.fate, started_wall_s=job.started_wall_s)


def _resume(job: _Job) -> Instant:
    return FOREVER if job.fetching is None else job.fetching.resume


def _fetched(now: Moment, job: _Job, fetching: Fetching) -> WorkerResult:
    """Return what was fetched, as a small document."""
    problem = FAILED_TEXT if job.fate.is_failed else fetching.problem[:_ERROR_CHARACTERS]
    body = msgspec.msgpack.encode(fetching.fetched)
    return WorkerResult(
        outcome="failed" if problem else "ok",
        retcode=1 if problem else 0,
        error=problem,
        body=body,
        body_bytes=len(body),
        started_wall_s=job.started_wall_s,
        duration_s=now.boot - job.started,
    )


def _timed_out(job: _Job) -> WorkerResult:
    return WorkerResult(
        "failed",
        1,
        f"timeout after {job.timeout_s:g} s",
        started_wall_s=job.started_wall_s,
        duration_s=job.timeout_s,
    )
