"""What the core asks the store to keep, and what the store gives back at the start.

Pure data. `sqlite.py` carries operations out; `tests/support` has a model of the same that the
simulator uses and that a test compares with SQLite.
"""

from typing import Final

import msgspec

from limpet.common.control.requests import TargetKind
from limpet.common.identifiers import JobId, MinionId, MinionKey

CORRECTABLE: Final = frozenset(("lost", "offline", "expired"))
"""The master's own verdicts on jobs it has no word of: a minion's word corrects them."""


class Operation(msgspec.Struct, frozen=True):
    """One change of the store; several make a transaction, carried out in order.

    A delivery, return or chunk of a job that the store does not have (any more) is dropped, so a
    job comes before its deliveries. Floats are finite, integers fit in 64 bits.
    """


class KeyRow(msgspec.Struct, frozen=True):
    """One key that ever asked. One id has at most one accepted key."""

    key: MinionKey
    minion: MinionId
    state: str
    """`accepted`, `pending`, `rejected`."""
    since_s: float
    address: str
    token_id: str
    """The token that let it in, or empty."""
    asked_s: float
    """When it last asked on the enrolment port."""
    journal_id: str = ""
    """The minion journal seen in its last Hello; deliveries are bound to it."""
    seen_s: float = 0.0
    """Wall time it was last READY or heard."""
    was_ready: bool = False
    """READY when last written: after a restart it is waited for."""
    version: str = ""
    grains_digest: str = ""
    grains: bytes = b""


class TokenRow(msgspec.Struct, frozen=True):
    """One join token; holds a verifier, never the secret."""

    token_id: str
    verifier: bytes
    """The Ed25519 public key whose seed is the secret."""
    expires_s: float
    uses_max: int
    used: int
    id_pattern: str
    created_by: str
    created_s: float
    is_revoked: bool = False


class JobRow(msgspec.Struct, frozen=True):
    """One command, as asked."""

    jid: JobId
    uid: int
    user: str
    request_id: str
    target: str
    target_kind: TargetKind
    function: str
    arguments: bytes
    created_s: float
    ttl_s: float | None
    """None: the default (30 s or more for those READY, nothing for those offline)."""
    job_timeout_s: float
    batch_size: int
    """0: all at once."""
    is_streamed: bool
    is_cancelled: bool = False
    ended_s: float = 0.0
    """0: some delivery is not final."""


class DeliveryRow(msgspec.Struct, frozen=True):
    """One job for one minion; key (jid, minion)."""

    jid: JobId
    minion: MinionId
    key: MinionKey
    state: str
    """A word of `limpet.master.jobs.delivery`; shown through `shown_status`."""
    journal_id: str
    """Bound to this journal before the first send; empty: never sent."""
    expires_s: float
    """Wall time after which it is not sent (any more)."""
    since_s: float
    cancel: str = ""
    """``, `wanted` (not answered by the minion yet), `answered`."""
    error: str = ""
    retcode: int = 0
    started_s: float = 0.0
    duration_s: float = 0.0
    body_bytes: int = 0
    is_cut: bool = False


class PutKey(Operation, frozen=True):
    """Insert or replace a key."""

    row: KeyRow


class DeleteKey(Operation, frozen=True):
    """Forget a key and what it reported of itself."""

    key: MinionKey


class PutToken(Operation, frozen=True):
    """Insert or replace a token (its use is counted in the same transaction as the key)."""

    row: TokenRow


class DeleteToken(Operation, frozen=True):
    """Drop a token that is long over."""

    token_id: str


class PutJob(Operation, frozen=True):
    """Insert or replace a job."""

    row: JobRow


class ChangeJob(Operation, frozen=True):
    """Replace a job that is there; one that has left the history stays away."""

    row: JobRow


class PutDelivery(Operation, frozen=True):
    """Insert or replace a delivery."""

    row: DeliveryRow
    before: str = ""
    """The state that the store has it in; empty: it is new. So none has to be counted."""
    body: bytes | None = None
    """What the minion returned, where that came inline (MessagePack); None: what is there stays."""


class PutChunk(Operation, frozen=True):
    """Keep a piece of a body that comes in bulk. Chunks of another digest are dropped first."""

    jid: JobId
    minion: MinionId
    digest: str
    offset: int
    data: bytes


class JoinChunks(Operation, frozen=True):
    """All chunks are there: make them the return's body, checking the SHA-256 against `digest`.

    A mismatch leaves a body that says so; it is never silent.
    """

    jid: JobId
    minion: MinionId
    digest: str


class DropChunks(Operation, frozen=True):
    """Drop a partial body."""

    jid: JobId
    minion: MinionId


class PutNote(Operation, frozen=True):
    """Keep a small fact: `store_id`, `wall_high_s`, `trust KEY` and the like; '': forget it."""

    name: str
    value: str


class PruneHistory(Operation, frozen=True):
    """Drop jobs that ended before `before_s`, and those that ended first of what is too much.

    Too much are more ended jobs than `jobs_max`, or more than one whose bytes (about what they take
    on disk) are over `bytes_max`. One call drops at most 500; the writer does the rest by itself.
    """

    before_s: float
    jobs_max: int
    bytes_max: int

    def drops(self, ended_s: float, jobs: int, size: int) -> bool:
        """Say whether the job that ended first has to go, of so many jobs and bytes."""
        return (
            ended_s < self.before_s or jobs > self.jobs_max or (size > self.bytes_max and jobs > 1)
        )


class Partial(msgspec.Struct, frozen=True):
    """How much of a bulk body is on disk."""

    jid: JobId
    minion: MinionId
    digest: str
    have: int


class Snapshot(msgspec.Struct):
    """What the core needs to begin: all keys and tokens, and jobs that are not over.

    `recent_requests` maps (uid, request id) to the jid for jobs of the last day, ended or not, the
    newest 20,000.
    """

    keys: list[KeyRow]
    tokens: list[TokenRow]
    jobs: list[JobRow]
    """Jobs with `ended_s` of 0, and the newest of those that a word of a minion may still change.

    These have a delivery that is `lost`, `offline` or `expired` with a journal id, or a cancel
    that is `wanted`: as many as a core keeps, at most 1,000 of 50,000 deliveries together (but one
    always)."""
    deliveries: list[DeliveryRow]
    """All deliveries of those jobs."""
    partials: list[Partial]
    notes: dict[str, str]
    commit: int
    """The number of the last durable commit; the core goes on counting from it."""
    recent_requests: dict[tuple[int, str], JobId]
