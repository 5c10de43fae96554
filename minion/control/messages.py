"""What is asked and answered on the minion's Unix socket (`DIR/run/minion.sock`).

Framed as the master's socket is (`limpet.common.control.framing`). One request at a time on a
connection; the answer to `RunLocal` comes when the job has ended. A body that is too large for the
reply comes as an open file beside it (SCM_RIGHTS), so that it never passes through the link.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from limpet.common.messages.fields import ARGUMENTS_BYTES_MAX, Count, Digest, FunctionName, Jid
from limpet.common.messages.jobs import CancelVerdict, Outcome
from limpet.common.messages.sources import Environment, SourceKind, SourceName

LOCAL_REPLY_BYTES_MAX: Final = 1024 * 1024
"""Largest reply; bodies over 16 KiB come as a file."""


class LocalMessage(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The base of everything on this socket."""


class RunLocal(LocalMessage, frozen=True, tag="run"):
    """Run a function as a job: `LocalStored`, then `LocalEnded` or `LocalRefused`."""

    function: FunctionName
    arguments: Annotated[bytes, Meta(max_length=ARGUMENTS_BYTES_MAX)]
    """MessagePack of `[positional, keyword]`, as in `Deliver`."""
    job_timeout_s: Annotated[float, Meta(ge=0, le=1e9)]
    """0: the minion's default."""


class AskRunning(LocalMessage, frozen=True, tag="running"):
    """Which jobs have a process now; answered by `LocalJobs`."""


class KillLocal(LocalMessage, frozen=True, tag="kill"):
    """Cancel a job of this minion; answered by `LocalKilled` (it may take 2 s to be gone)."""

    jid: Jid


class RefreshGrains(LocalMessage, frozen=True, tag="refresh_grains"):
    """Collect the grains anew and send them; answered by `LocalDone` as soon as it was begun."""


class AskLocalStatus(LocalMessage, frozen=True, tag="status"):
    """How the link is; answered by `LocalStatus`."""


class AskSource(LocalMessage, frozen=True, tag="ask_source"):
    """A question of a job to the master; answered by `LocalServed`."""

    kind: SourceKind
    environment: Environment
    name: SourceName
    arguments: Annotated[bytes, Meta(max_length=ARGUMENTS_BYTES_MAX)]
    known: Digest


class PullSource(LocalMessage, frozen=True, tag="pull_source"):
    """The next piece of a body of the master's; answered by `LocalPiece`."""

    kind: SourceKind
    environment: Environment
    name: SourceName
    digest: Digest
    offset: Count


AnyLocalRequest = (
    RunLocal | AskRunning | KillLocal | RefreshGrains | AskLocalStatus | AskSource | PullSource
)


class LocalStored(LocalMessage, frozen=True, tag="stored"):
    """The job has an id. Closing the connection from now on does not end it."""

    jid: str


class LocalEnded(LocalMessage, frozen=True, tag="ended"):
    """How the job ended. `body_bytes` over the length of `body`: the body comes as a file."""

    jid: str
    outcome: Outcome
    retcode: int
    error: str
    body: bytes
    body_bytes: int
    is_cut: bool
    started_wall_s: float
    duration_s: float


class LocalFile(LocalMessage, frozen=True, tag="file"):
    """The next reply's body comes as the open file that is passed with this frame."""


class LocalJob(msgspec.Struct, array_like=True, frozen=True):
    """One running job."""

    jid: str
    function: str
    user: str
    pid: int
    started_wall_s: float
    arguments: bytes
    """As in `RunLocal`; empty where it is not known any more."""


class LocalJobs(LocalMessage, frozen=True, tag="jobs"):
    """Answer to `AskRunning`."""

    jobs: tuple[LocalJob, ...]


class LocalKilled(LocalMessage, frozen=True, tag="killed"):
    """Answer to `KillLocal`; `finished`: it had ended before, or nobody knows it."""

    jid: str
    verdict: CancelVerdict


class LocalDone(LocalMessage, frozen=True, tag="done"):
    """Begun or done; nothing more to say."""


class LocalStatus(LocalMessage, frozen=True, tag="local_status"):
    """How the minion's link is."""

    minion_id: str
    state: str
    """Of the link: READY, BACKOFF, …"""
    master: str
    since_wall_s: float
    version: str
    trouble: str
    """What the journal complains of; empty: nothing."""
    figures: dict[str, int]
    """Counters: sockets opened, jobs running, jobs queued, …"""


class LocalServed(LocalMessage, frozen=True, tag="served"):
    """Answer to `AskSource`: what the master has, as in `Offer`."""

    is_found: bool
    digest: str
    total: int
    attributes: bytes
    body: bytes
    has_body: bool


class LocalPiece(LocalMessage, frozen=True, tag="local_piece"):
    """Answer to `PullSource`."""

    offset: int
    data: bytes
    is_changed: bool
    """The master has that body no longer: `data` is empty, begin with a question."""


class LocalRefused(LocalMessage, frozen=True, tag="refused"):
    """The request can't be served; the last reply."""

    reason: Literal["usage", "busy", "disk_full", "stopping", "failed"]
    text: str


AnyLocalReply = (
    LocalStored
    | LocalFile
    | LocalEnded
    | LocalJobs
    | LocalKilled
    | LocalDone
    | LocalStatus
    | LocalServed
    | LocalPiece
    | LocalRefused
)
