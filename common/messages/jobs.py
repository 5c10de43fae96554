"""Deliveries, returns, bulk transfer of large returns, cancel and live output.

    master  Deliver ───────▶            resent every 5 s in a session until answered
            ◀──────── Accepted          the job is on the minion's disk
            ◀──────── Started           the journal says started, then the worker was released
            ◀──────── Output …          only if asked for; may be cut, never slows anything
            ◀──────── BulkChunk … ▶ BulkAck     a large body first, one chunk outstanding
            ◀──────── Return            sent again after each SYNC until acknowledged
    master  ReturnAck ─────▶            the return is on the master's disk
    master  Cancel ────────▶  ◀── CancelAnswer  durable on both sides; leaves a tombstone

Functions marked instant (`limpet.states.functions.instant`) are answered by the link itself with
a `Return` and nothing else: no journal, no Accepted, no ReturnAck.
"""

from typing import Annotated, Literal

from msgspec import Meta

from limpet.common.messages.fields import (
    ARGUMENTS_BYTES_MAX,
    CHUNK_BYTES_MAX,
    OUTPUT_BYTES_MAX,
    RETURN_INLINE_BYTES_MAX,
    Count,
    Digest,
    FunctionName,
    Jid,
    Message,
    Session,
    ShortText,
    Stamp,
    Text,
    Ticks,
)


class Deliver(Message, tag="deliver", frozen=True):
    """One job for one minion."""

    session: Session
    jid: Jid
    function: FunctionName
    arguments: Annotated[bytes, Meta(max_length=ARGUMENTS_BYTES_MAX)]
    """MessagePack of `[positional: list, keyword: dict]`; decoded by the worker, bounded."""
    expires_at: Ticks
    """On the master's clock as told in Welcome and MasterBeat; found later than this: `expired`."""
    job_timeout: Ticks
    """How long the function may run; 0: the minion's default (24 h)."""
    is_streamed: bool
    user: ShortText
    """Who asked, for the minion's log: `root`, `alice`."""


class Accepted(Message, tag="accepted", frozen=True):
    """The job is in the minion's journal, or was there already."""

    session: Session
    jid: Jid


class Started(Message, tag="started", frozen=True):
    """The job runs since `at` (the minion's wall clock)."""

    session: Session
    jid: Jid
    at: Stamp


Outcome = Literal["ok", "failed", "interrupted", "cancelled", "refused", "expired"]


class Return(Message, tag="return", frozen=True):
    """How a job ended. Valid in any session of its key; `session` is the one it was sent in."""

    session: Session
    jid: Jid
    outcome: Outcome
    retcode: Annotated[int, Meta(ge=-(2**31), le=2**31)]
    error: Text
    """One line for people; may be empty. Where the outcome is ok: a note beside the value."""
    started_at: Stamp
    duration: Ticks
    body: Annotated[bytes, Meta(max_length=RETURN_INLINE_BYTES_MAX)]
    """MessagePack of the returned value; opaque to the master. Empty if there is none, or if it
    went in bulk."""
    bulk_digest: Digest
    """SHA-256 of the whole body if it went in bulk chunks, else empty."""
    bulk_bytes: Count
    is_cut: bool
    """The body was over the cap and carries a mark where it was cut."""


class ReturnAck(Message, tag="return_ack", frozen=True):
    """The return is durable on the master."""

    session: Session
    jid: Jid


class BulkOffer(Message, tag="bulk_offer", frozen=True):
    """A body of `total` bytes follows in chunks; the master says from where."""

    session: Session
    jid: Jid
    digest: Digest
    total: Count


class BulkChunk(Message, tag="bulk_chunk", frozen=True):
    """A piece of the body of a large return; the next waits for its BulkAck."""

    session: Session
    jid: Jid
    digest: Digest
    offset: Count
    data: Annotated[bytes, Meta(max_length=CHUNK_BYTES_MAX)]


class BulkAck(Message, tag="bulk_ack", frozen=True):
    """Bytes below `offset` of the body with that digest are durable on the master."""

    session: Session
    jid: Jid
    digest: Digest
    offset: Count


class Cancel(Message, tag="cancel", frozen=True):
    """End the job. Unknown to the minion: it keeps a tombstone and never runs it."""

    session: Session
    jid: Jid


CancelVerdict = Literal["cancelling", "cancelled", "finished"]


class CancelAnswer(Message, tag="cancel_answer", frozen=True):
    """The cancel is in the journal. `finished`: the job had ended before; its return stands."""

    session: Session
    jid: Jid
    verdict: CancelVerdict


class Output(Message, tag="output", frozen=True):
    """Live output of a job that was asked to stream; lost pieces are counted in `dropped_bytes`."""

    session: Session
    jid: Jid
    sequence: Count
    data: Annotated[bytes, Meta(max_length=OUTPUT_BYTES_MAX)]
    dropped_bytes: Count
