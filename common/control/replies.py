"""Replies of the master to the command line and to `limpet.Client`."""

from typing import Literal

import msgspec

Status = Literal[
    "ok",
    "failed",
    "queued",
    "running",
    "offline",
    "lost",
    "expired",
    "refused",
    "interrupted",
    "cancelled",
]
"""What the user is told of one minion (DESIGN §7)."""

FINAL: frozenset[str] = frozenset(
    ("ok", "failed", "offline", "lost", "expired", "refused", "interrupted", "cancelled")
)
"""Statuses that the command line does not wait on. `lost` may still be corrected."""


class Reply(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The base of all replies."""


class MinionResult(msgspec.Struct, array_like=True, frozen=True):
    """What is known of one minion of one job."""

    minion: str
    status: Status
    since_s: float
    """Wall time of the last change; for `offline`: last heard of."""
    error: str
    retcode: int
    body: bytes | None
    """MessagePack of the returned value; None: none (yet)."""
    started_s: float
    duration_s: float
    is_cut: bool


class JobStored(Reply, tag="stored", frozen=True):
    """The job is on disk. `results` has every targeted minion, by id."""

    jid: str
    function: str
    target: str
    user: str
    created_s: float
    results: tuple[MinionResult, ...]
    is_ended: bool


class JobUpdate(Reply, tag="update", frozen=True):
    """One minion's status changed."""

    jid: str
    result: MinionResult


class JobOutput(Reply, tag="output", frozen=True):
    """Live output of one minion."""

    jid: str
    minion: str
    data: bytes
    dropped_bytes: int


class JobEnded(Reply, tag="ended", frozen=True):
    """Every minion has a final status; the last reply."""

    jid: str


class NoMinion(Reply, tag="no_minion", frozen=True):
    """The target matched nobody; no job was made. Exit code 3."""

    target: str
    text: str


class Remark(Reply, tag="remark", frozen=True):
    """Something that the person should know, before the answer: a sentence for stderr."""

    text: str


class Refused(Reply, tag="refused", frozen=True):
    """The request can't be done; the last reply."""

    reason: Literal["usage", "unknown_job", "busy", "denied", "store", "stopping", "failed"]
    text: str


class JobSummary(msgspec.Struct, array_like=True, frozen=True):
    """One line of `jobs list`."""

    jid: str
    function: str
    target: str
    user: str
    created_s: float
    counts: dict[str, int]
    """Status to number of minions."""


class Jobs(Reply, tag="job_list", frozen=True):
    """Newest first."""

    jobs: tuple[JobSummary, ...]


class MinionRow(msgspec.Struct, array_like=True, frozen=True):
    """One line of `limpet minions`."""

    minion: str
    state: Literal["ready", "syncing", "reconnecting", "offline", "never seen"]
    since_s: float
    version: str
    address: str
    running: tuple[str, ...]
    """Jids."""
    condition: str
    last_loss: str
    left_behind: str = ""
    """Why it would not follow a rotation of the master's key; empty: it would."""


class Minions(Reply, tag="minion_list", frozen=True):
    """By id."""

    minions: tuple[MinionRow, ...]


class KeyInfo(msgspec.Struct, array_like=True, frozen=True):
    """One line of `keys list`."""

    minion: str
    state: Literal["accepted", "pending", "rejected", "conflict"]
    fingerprint: str
    """First 20 bytes of the SHA-256 of the key, in groups of 4 hex digits."""
    since_s: float
    address: str
    token_id: str


class Keys(Reply, tag="key_list", frozen=True):
    """By state, then id."""

    keys: tuple[KeyInfo, ...]


class TokenMade(Reply, tag="token_made", frozen=True):
    """The one time that the join string is shown."""

    token_id: str
    join_string: str
    expires_s: float
    uses: int
    id_pattern: str


class TokenInfo(msgspec.Struct, array_like=True, frozen=True):
    """One line of `token list`."""

    token_id: str
    state: Literal["open", "used", "expired", "revoked"]
    expires_s: float
    uses_max: int
    used: int
    id_pattern: str
    created_by: str


class Tokens(Reply, tag="token_list", frozen=True):
    """Newest first."""

    tokens: tuple[TokenInfo, ...]


class Event(Reply, tag="event", frozen=True):
    """Something happened.

    `tag` is a path: `job/JID/new`, `job/JID/return/web1`, `minion/web1/ready`, `minion/web1/lost`,
    `key/web1/accepted`, `token/ID/used` and the like.
    """

    tag: str
    at_s: float
    data: dict[str, str]


class MasterStatus(Reply, tag="master_status", frozen=True):
    """How the master is."""

    version: str
    since_s: float
    store_id: str
    store_commit: int
    fleet: int
    ready: int
    rejected: dict[str, int]
    """`limpet_master_rejected_total` by reason; of the enrol process: `enrol.…`."""
    figures: dict[str, float]
    """Gauges: jobs_open, deliveries_open, loop_lag_s, clients, …"""
    problems: tuple[str, ...]
    public_key: str = ""
    """The master's CURVE public key, 64 hex digits: `master_key` of a minion without a token."""
    next_keys: tuple[str, ...] = ()
    """The keys that it will have after rotations, in order; empty: none could be prepared."""
    site_key: str = ""
    """The Ed25519 key that signs them, 64 hex digits."""


class LeftBehind(msgspec.Struct, array_like=True, frozen=True):
    """A minion that will not follow the master's next key, and why."""

    minion: str
    why: str


class Rotation(Reply, tag="rotation", frozen=True):
    """The master's key was changed, or (`is_done` false) would be: some minions will not follow."""

    is_done: bool
    old_key: str
    """64 hex digits, as `new_key`."""
    new_key: str
    following: tuple[str, ...]
    """Minions that know the new key; by id, the first thousand."""
    following_count: int
    left: tuple[LeftBehind, ...]
    """Those that do not; by id, the first thousand."""
    left_count: int
    open_tokens: int
    """Join tokens that are not used up: their join strings name the old key."""


AnyReply = (
    JobStored
    | JobUpdate
    | JobOutput
    | JobEnded
    | NoMinion
    | Remark
    | Refused
    | Jobs
    | Minions
    | Keys
    | TokenMade
    | Tokens
    | Event
    | MasterStatus
    | Rotation
)
