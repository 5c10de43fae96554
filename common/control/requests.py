"""Requests of the command line and of `limpet.Client` to the master."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from limpet.common.messages.fields import ARGUMENTS_BYTES_MAX, FunctionName, Jid

TargetKind = Literal[
    "glob",
    "list",
    "pcre",
    "grain",
    "grain_pcre",
    "ipcidr",
    "nodegroup",
    "compound",
    "pillar",
    "pillar_pcre",
]


class Request(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The base of all requests."""


RequestId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
Pattern = Annotated[str, Meta(min_length=1, max_length=4096)]


class RunJob(Request, tag="run", frozen=True):
    """Store a job and follow it. Asked again with the same request id: the same job.

    Answered by `JobStored`, then, if `is_followed`, `JobUpdate` and `JobOutput` until `JobEnded`.
    """

    request_id: RequestId
    target: Annotated[str, Meta(max_length=4096)]
    target_kind: TargetKind
    function: FunctionName
    arguments: Annotated[bytes, Meta(max_length=ARGUMENTS_BYTES_MAX)]
    ttl_s: float | None
    job_timeout_s: float
    batch: Annotated[str, Meta(max_length=10)]
    """Empty, `N` or `N%`."""
    is_streamed: bool
    is_followed: bool


class WatchJob(Request, tag="watch", frozen=True):
    """Follow a job that exists: `JobStored` with all that is known, then as `RunJob`."""

    jid: Jid
    is_streamed: bool
    is_followed: bool
    """False: only the `JobStored` (`jobs show`)."""


class CancelJob(Request, tag="cancel", frozen=True):
    """Cancel a job on all its minions, or on those named. Answered by `JobStored`, once durable."""

    jid: Jid
    minions: tuple[str, ...] = ()


class ListJobs(Request, tag="jobs", frozen=True):
    """The newest jobs, answered by `Jobs`."""

    limit: Annotated[int, Meta(ge=1, le=10_000)]
    before: str = ""
    """Only jobs older than this jid."""


class ListMinions(Request, tag="minions", frozen=True):
    """All accepted minions, or those of a target; answered by `Minions`."""

    target: str = "*"
    target_kind: TargetKind = "glob"


class ListKeys(Request, tag="keys", frozen=True):
    """All keys, answered by `Keys`."""


KeyAction = Literal["accept", "reject", "delete"]


class ChangeKeys(Request, tag="change_keys", frozen=True):
    """Accept, reject or delete keys; answered by `Keys` with those changed, once durable.

    `patterns` are ids, globs over ids, or fingerprints. `is_dry`: only say which it would be.
    """

    action: KeyAction
    patterns: tuple[Pattern, ...]
    is_all: bool
    is_dry: bool


class CreateToken(Request, tag="create_token", frozen=True):
    """Make a join token; answered by `TokenMade`, the only place the secret is ever shown."""

    ttl_s: float
    uses: int
    id_pattern: Annotated[str, Meta(max_length=200)]


class ListTokens(Request, tag="tokens", frozen=True):
    """All tokens that are not long over, answered by `Tokens`."""


class RevokeToken(Request, tag="revoke_token", frozen=True):
    """End a token; answered by `Tokens` with it."""

    token_id: Annotated[str, Meta(min_length=1, max_length=16)]


class WatchEvents(Request, tag="events", frozen=True):
    """Follow events from now on, answered by `Event` after `Event`."""


class AskStatus(Request, tag="status", frozen=True):
    """How the master is, answered by `MasterStatus`."""


class RotateMaster(Request, tag="rotate_master", frozen=True):
    """Take the master's next key into use; answered by `Rotation`.

    `is_fresh`: other keys are prepared first, and told to all that are here. `is_sure`: also if
    some minions will not follow. `expected`: only if the next key is this one (64 hex digits), as
    it was shown; empty: whichever it is.
    """

    is_fresh: bool
    is_sure: bool
    expected: Annotated[str, Meta(pattern=r"\A(?:[0-9a-f]{64})?\Z")] = ""


AnyRequest = (
    RunJob
    | WatchJob
    | CancelJob
    | ListJobs
    | ListMinions
    | ListKeys
    | ChangeKeys
    | CreateToken
    | ListTokens
    | RevokeToken
    | WatchEvents
    | AskStatus
    | RotateMaster
)
