"""One job as the minion's job table holds it.

    QUEUED --slot--> SPAWNING --spawned--> RUNNING --ended--> FINISHED --acknowledged--> (forgotten)
    QUEUED --expired, cancelled--------------------------------> FINISHED

RUNNING begins when the worker is made: it is held until the record of its start is durable.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from limpet.common.clock import Instant
from limpet.common.identifiers import Commit, JobId
from limpet.common.messages.session import SyncState
from limpet.minion.core.effects import NOW
from limpet.minion.journal.records import JobFinished

SPAWN_S: Final = 30.0
"""The shell makes a worker, or says that it can't, within this time."""
TIMEOUT_GRACE_S: Final = 15.0
"""The worker's supervisor ends a job at its timeout; the link does so this much later."""
QUEUED_S: Final = 24 * 3600.0
"""A job that was accepted in time waits so long for its slot, then it is `expired`."""
RECOVERY_S: Final = 60.0
"""A job of before a restart of the host: so long may it take to read how it ended."""
KILL_AGAIN_S: Final = 10.0
"""A job that was to be ended and still lives is ended again this often …"""
KILLS_MAX: Final = 6
"""… and counts as ended after so many times: its slot is given free."""


READING: Final = frozenset(
    (
        "id_exists",
        "sls_exists",
        "running",
        "list_disabled",
        "check_request",
        "get_pauses",
    )
)
"""Functions of the module `state` (beside `show_…`) that change nothing, and wait for nothing."""


class Phase(Enum):
    """How far a job is."""

    QUEUED = "queued"
    SPAWNING = "spawning"
    RUNNING = "running"
    FINISHED = "finished"


@dataclass(slots=True)
class Job:
    """A job that is not acknowledged yet. Changed by the job table alone."""

    jid: JobId
    function: str
    arguments: bytes
    job_timeout_s: float
    is_streamed: bool
    user: str
    return_bytes_max: int
    expires: Instant
    """Not started after this (CLOCK_BOOTTIME of this host)."""
    is_delivered: bool = False
    """Accepted, durably, while its time to live held: from then on it only waits for a slot."""
    phase: Phase = Phase.QUEUED
    client: int | None = None
    """The client of the Unix socket whose own run this is; such a run is not journaled."""
    accepted: Commit = NOW
    started: Commit = NOW
    finished: Commit = NOW
    """The commits of its records; 0: on disk since before this process, or not written."""
    cancelled: Commit | None = None
    """The commit of its tombstone."""
    pid: int = 0
    process_start: int = 0
    started_wall_s: float = 0.0
    deadline: Instant | None = None
    """When something must be done about it: spawn overdue, run too long, kill again."""
    is_ending: bool = False
    """It was to be killed."""
    kills: int = 0
    kill_reason: str = ""
    ending: JobFinished | None = None
    """How it ended; there from FINISHED on."""

    @property
    def is_state_run(self) -> bool:
        """Say whether it changes the host as a whole: such runs come one after another."""
        module, _, name = self.function.partition(".")
        return module == "state" and name not in READING and not name.startswith("show_")

    @property
    def is_local(self) -> bool:
        """Say whether somebody on this host asked for it."""
        return self.client is not None

    def sync_state(self, durable: Commit) -> SyncState | None:
        """Say what is on disk of it; None: nothing yet, so that nobody may be told."""
        if self.phase is Phase.FINISHED and self.finished <= durable:
            return "finished"
        if self.pid and self.started <= durable:
            return "running"
        return "accepted" if self.accepted <= durable else None
