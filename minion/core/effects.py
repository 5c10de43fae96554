"""What the minion's core asks of its shell. Carried out in the order given.

An effect with `after` waits until the journal has made that commit durable (0: at once). A shell
never reorders effects, except that those waiting for a commit are passed by those that are not.
"""

from typing import Literal

import msgspec

from limpet.common.identifiers import Attempt, Commit, JobId
from limpet.common.messages.enrolment import EnrolRequest
from limpet.common.messages.fields import Message
from limpet.common.messages.trust import Trust
from limpet.minion.control.messages import LocalPiece, LocalServed
from limpet.minion.journal.records import JobFinished, Record

NOW = Commit(0)
"""Wait for no commit."""

Port = Literal["main", "enrol"]


class Persist(msgspec.Struct, frozen=True):
    """Append the records to the journal and sync; answer with `on_committed(commit)`."""

    commit: Commit
    records: tuple[Record, ...]


class Resolve(msgspec.Struct, frozen=True):
    """Look the master's name up, outside ZeroMQ; answer `on_resolved(attempt, addresses)`."""

    attempt: Attempt
    host: str


class OpenSocket(msgspec.Struct, frozen=True):
    """Make a new socket and connect it; answer with `on_link(attempt, what)`.

    The socket of an earlier attempt is closed already. With `is_new_context` the ZeroMQ context
    is thrown away as well.
    """

    attempt: Attempt
    port: Port
    address: str
    number: int
    is_new_context: bool
    server_key: str
    """The master's key that is tried, in hex."""
    handshake_s: float
    """How long CURVE may take once TCP stands."""


class CloseSocket(msgspec.Struct, frozen=True):
    """Throw the socket of the attempt away, unread and unsent."""

    attempt: Attempt


class Send(msgspec.Struct, frozen=True):
    """Put a message on the attempt's socket; dropped without a word if that socket is gone."""

    attempt: Attempt
    message: Message
    after: Commit = NOW


class Prove(msgspec.Struct, frozen=True):
    """Sign the request with the join string (in a child: cryptography is heavy) and send it.

    The shell answers `on_proof_failed(attempt, reason)` if it can't. Without a token the request
    goes out as it is, by `Send`.
    """

    attempt: Attempt
    request: EnrolRequest
    server_key: str
    """The master's key that this connection has proved, in hex: part of what is signed."""


class KeepServerKey(msgspec.Struct, frozen=True):
    """Write the master's key down, which let this minion in; failures are the shell's to tell."""

    key: str


class KeepTrust(msgspec.Struct, frozen=True):
    """Check what the master announces, and write it down (in a child: cryptography is heavy).

    Answered by `on_trust_kept(serial, verdict, text)`; a younger one takes its place.
    """

    trust: Trust
    pinned: str
    """The site key that is known, in hex; empty: none yet."""


class SpawnJob(msgspec.Struct, frozen=True):
    """Make a worker for the job, held before its first step.

    Answered by `on_job_spawned(jid, pid, process_start)` or `on_job_spawn_failed(jid, reason)`.
    """

    jid: JobId
    function: str
    arguments: bytes
    job_timeout_s: float
    is_streamed: bool
    user: str
    return_bytes_max: int
    after: Commit = NOW


class ReleaseJob(msgspec.Struct, frozen=True):
    """Let the held worker go. Its end comes as `on_job_ended(jid, result)`."""

    jid: JobId
    after: Commit


class AdoptJob(msgspec.Struct, frozen=True):
    """Watch a worker that an earlier link started: `on_job_ended`, at once if it is gone."""

    jid: JobId
    pid: int
    process_start: int
    is_streamed: bool = False


class KillJob(msgspec.Struct, frozen=True):
    """End the job's whole process tree, sessions of its own included."""

    jid: JobId
    reason: Literal["cancelled", "timeout"]
    after: Commit = NOW


class ReadBody(msgspec.Struct, frozen=True):
    """Read a piece of a result's body from the spool; answer `on_body(jid, offset, data)`."""

    jid: JobId
    offset: int
    size: int


class DropSpool(msgspec.Struct, frozen=True):
    """Delete the job's spool files: its return is acknowledged, or it never ran."""

    jid: JobId
    after: Commit


class CollectGrains(msgspec.Struct, frozen=True):
    """Collect the grains in a child with a limit; answer `on_grains(body, digest)` when done."""


class Reexec(msgspec.Struct, frozen=True):
    """Start this process afresh by exec; running jobs are kept and adopted."""

    reason: str


class Report(msgspec.Struct, frozen=True):
    """A line for log and status file; the shell rate-limits equal `topic`s to one a minute."""

    level: Literal["debug", "info", "warning", "error"]
    topic: str
    text: str


class LocalAnswer(msgspec.Struct, frozen=True):
    """Tell a client of the minion's Unix socket how its own run ended (`limpet call`).

    A body over 16 KiB is in the spool until the `DropSpool` that follows.
    """

    client: int
    jid: JobId
    ending: JobFinished


class LocalStored(msgspec.Struct, frozen=True):
    """Tell a client of the minion's Unix socket the id of its own run."""

    client: int
    jid: JobId


class LocalRefused(msgspec.Struct, frozen=True):
    """Tell a client of the minion's Unix socket that it is not served, and why."""

    client: int
    reason: Literal["busy", "disk_full", "stopping", "failed"]
    text: str


class LocalReply(msgspec.Struct, frozen=True):
    """Tell a client of the minion's Unix socket what the master answered to its question."""

    client: int
    reply: LocalServed | LocalPiece


Effect = (
    Persist
    | Resolve
    | OpenSocket
    | CloseSocket
    | Send
    | Prove
    | KeepServerKey
    | KeepTrust
    | SpawnJob
    | ReleaseJob
    | AdoptJob
    | KillJob
    | ReadBody
    | DropSpool
    | CollectGrains
    | Reexec
    | Report
    | LocalAnswer
    | LocalStored
    | LocalRefused
    | LocalReply
)
