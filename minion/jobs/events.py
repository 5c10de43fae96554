"""What the journal and the workers tell the daemon; each leads to one call of the minion's core."""

from dataclasses import dataclass

from limpet.common.identifiers import Commit, JobId
from limpet.minion.jobs.results import WorkerResult


@dataclass(frozen=True, slots=True)
class Durable:
    """All that was persisted up to this commit is on the disk (`on_committed`)."""

    commit: Commit


@dataclass(frozen=True, slots=True)
class JournalTrouble:
    """The journal takes no new jobs, and why; an empty text: it does again."""

    text: str


@dataclass(frozen=True, slots=True)
class Spawned:
    """A supervisor holds the job (`on_job_spawned`); it and its start time name the process."""

    jid: JobId
    pid: int
    process_start: int


@dataclass(frozen=True, slots=True)
class WithoutScope:
    """The job is held like any other, but systemd gave it no scope of its own; for the log."""

    jid: JobId
    problem: str


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """No process could be made, or none answered in time; nothing of the job ran."""

    jid: JobId
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The job's supervisor is gone (`on_job_ended`); just one for each job spawned or adopted."""

    jid: JobId
    result: WorkerResult


@dataclass(frozen=True, slots=True)
class OutputRead:
    """A piece of live output (at most 16 KiB), after `dropped` bytes that were passed over."""

    jid: JobId
    data: bytes
    dropped: int


@dataclass(frozen=True, slots=True)
class BodyRead:
    """A piece of a result's body. Shorter than asked for: its end, or a `problem`."""

    jid: JobId
    offset: int
    data: bytes
    problem: str = ""


WorkerEvent = Spawned | WithoutScope | SpawnFailed | Ended | OutputRead | BodyRead


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that has a process now."""

    jid: JobId
    function: str
    """Empty for a job adopted from an earlier link."""
    user: str
    pid: int
    started_wall_s: float
    """When it was released; 0: it is still held, or was adopted."""
    arguments: bytes
    """As delivered; empty for a job adopted from an earlier link."""
