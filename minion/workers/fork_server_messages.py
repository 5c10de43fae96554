"""What the link and its fork server say to each other over their socket pair.

    link    Setup                   once, first
            Spawn ────────▶         a supervisor is made and holds the job
            ◀── Held | NotHeld
            Release | Abandon ─▶    the held job may run; or must not, and its supervisor leaves

How a job ended is not said here: the supervisor writes that to the spool, and its pid tells when.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

FRAME_BYTES_MAX: Final = 1024 * 1024
"""Arguments are at most 160 KiB, a configuration file as much as it likes below this."""


class ForkServerMessage(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The base of these messages."""


class WorkerSetup(ForkServerMessage, frozen=True, tag="setup"):
    """What is the same for all jobs of one minion. Paths are absolute."""

    minion_id: str
    spool: str
    """Directory of results; the same that `JobProcesses` is given."""
    local_socket: str
    """Where a job asks about jobs (`limpet.minion.control`)."""
    configuration_file: str
    grains_file: str
    state_directory: str
    configuration: dict[str, Any] = {}
    """`minion.yaml` as a mapping."""
    memory_bytes_max: int = 0
    """What a job's processes may hold together; 0: three quarters of this host's memory."""
    idle_s: float = 60.0
    """How long a fork server without jobs stays."""
    terminate_s: float = 10.0
    """Between the polite end and the forced one of a job that ran too long."""
    cancel_s: float = 1.0
    """The same for a job that was cancelled."""
    service_manager: str = ""
    """The socket of systemd that gives each job a scope; empty: jobs have none."""


class Spawn(ForkServerMessage, frozen=True, tag="spawn"):
    """Make a supervisor for the job; it holds the job until `Release`."""

    jid: str
    function: str
    arguments: bytes
    job_timeout_s: float
    is_streamed: bool
    user: str
    return_bytes_max: int


class Release(ForkServerMessage, frozen=True, tag="release"):
    """Let the held job run."""

    jid: str


class Abandon(ForkServerMessage, frozen=True, tag="abandon"):
    """Let the held job never run; its supervisor ends."""

    jid: str


class Held(ForkServerMessage, frozen=True, tag="held"):
    """The supervisor with this pid and start time holds the job."""

    jid: str
    pid: int
    process_start: int
    problem: str = ""
    """Why it has no scope of its own, where it should have one."""


class NotHeld(ForkServerMessage, frozen=True, tag="not_held"):
    """There is no supervisor, and why."""

    jid: str
    reason: str


ToForkServer = WorkerSetup | Spawn | Release | Abandon
FromForkServer = Held | NotHeld

encode: Final = msgspec.msgpack.Encoder().encode
to_fork_server: Final[msgspec.msgpack.Decoder[ToForkServer]] = msgspec.msgpack.Decoder(ToForkServer)
from_fork_server: Final[msgspec.msgpack.Decoder[FromForkServer]] = msgspec.msgpack.Decoder(
    FromForkServer
)


def spool_of(setup: WorkerSetup) -> Path:
    """Give the spool directory as a path."""
    return Path(setup.spool)
