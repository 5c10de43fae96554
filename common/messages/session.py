"""Greeting, beats, sync and the end of a session on the main port.

minion  Hello ─────────▶            the first frame on every new socket, and after Regreet
◀──────── Welcome | Busy | Denied
SyncPage(0) ───▶            every unfinished or unacknowledged job, in pages
◀──────── SyncAnswer(0)     a verdict for each; the next page waits for it
… last page answered: READY
Beat ──────────▶            both sides, each echoing the other's last number
◀──────── MasterBeat
◀──────── Regreet           "I don't know this session": say Hello again on this socket
◀──────── Drain             planned stop: stay away, come back spread out
"""

from typing import Annotated, Literal

from msgspec import Meta

from limpet.common.messages.fields import (
    SYNC_PAGE_ENTRIES_MAX,
    Count,
    Digest,
    Hex32,
    Id,
    Jid,
    Message,
    Nonce,
    Session,
    ShortText,
    Stamp,
    Ticks,
)


class Hello(Message, tag="hello", frozen=True):
    """A minion greets. Its id is not told: the key says who it is."""

    protocol_min: Count
    protocol_max: Count
    version: ShortText
    boot_id: Hex32
    """Hash of the kernel's boot id and of the identity of the state directory: two copies of one
    minion differ in it even on one host."""
    link_counter: Ticks
    """CLOCK_BOOTTIME at the opening of the socket: grows within one boot id."""
    nonce: Nonce
    journal_id: Hex32
    grains_digest: Digest
    store_id: ShortText
    """The master's store that the minion saw last; empty if none."""
    store_commit: Count
    """The highest `store_commit` of that store that the minion was told; sealed by the master."""
    last_loss: ShortText
    """Why the last session ended, a `limpet.minion.sessions.states.Loss`; empty at the first."""
    attempts: Count
    """Sockets opened since the last READY."""


class Welcome(Message, tag="welcome", frozen=True):
    """The master accepts the greeting and opens a session."""

    session: Session
    nonce: Nonce
    """The nonce of the Hello that is answered; any other is ignored."""
    protocol: Count
    version: ShortText
    minion_id: Id
    beat_interval: Ticks
    fleet: Count
    """Number of accepted minions; the minion keeps it on disk and scales its backoff by it."""
    store_id: ShortText
    store_commit: Count
    """Stands for the last durable commit of the master's store: grows with it, and is echoed."""
    master_clock: Ticks
    """CLOCK_BOOTTIME of the master now; expiry times of deliveries are on this clock."""
    wants_grains: bool
    remember: Ticks
    """How long the minion must remember finished jids: longer than the longest ttl."""
    return_bytes_max: Count
    """Cap of one job's return; the rest is cut with a mark."""


class Busy(Message, tag="busy", frozen=True):
    """Too many greetings at once: wait for `Welcome` on this connection."""

    nonce: Nonce
    wait: Ticks
    """Busy is said again this often while the turn has not come; 0: it is not."""


DenialReason = Literal["unknown_key", "rejected", "cloned", "protocol", "stopping"]


class Denied(Message, tag="denied", frozen=True):
    """The greeting is refused; ask again after `retry`, with jitter, for ever."""

    nonce: Nonce
    reason: DenialReason
    text: ShortText
    retry: Ticks


class Regreet(Message, tag="regreet", frozen=True):
    """The frame's session is unknown here. Heeded only if it is the minion's present session."""

    session: Session


class Beat(Message, tag="beat", frozen=True):
    """A minion lives. `number` grows by one a beat; `echo` is the master's last number heard."""

    session: Session
    number: Count
    echo: Count
    running: Annotated[tuple[Jid, ...], Meta(max_length=64)]
    """Jobs started and not finished, at most the 64 oldest."""
    condition: ShortText
    """Empty, or what ails the host: `disk full`, `disk error: …`."""


class MasterBeat(Message, tag="master_beat", frozen=True):
    """The master lives, and has heard beat number `echo`."""

    session: Session
    number: Count
    echo: Count
    master_clock: Ticks
    store_commit: Count


SyncState = Literal["accepted", "running", "finished"]
SyncVerdictName = Literal["adopt", "acknowledge", "resend", "cancel", "unknown"]


class SyncEntry(Message, frozen=True):
    """One job that the minion has not finished, or whose return is not acknowledged."""

    jid: Jid
    state: SyncState


class SyncPage(Message, tag="sync", frozen=True):
    """A page of what the minion holds. Page 0 with `is_last` and no entries: nothing."""

    session: Session
    page: Count
    is_last: bool
    entries: Annotated[tuple[SyncEntry, ...], Meta(max_length=SYNC_PAGE_ENTRIES_MAX)]


class SyncVerdict(Message, frozen=True):
    """What the minion does with one of its jobs.

    adopt: the master knows it as unfinished, go on. acknowledge: the return is stored, forget it.
    resend: the return is wanted. cancel: end it, it was cancelled meanwhile. unknown: the master
    has no such job (restored from a backup, pruned): go on, its return is taken as an orphan.
    """

    jid: Jid
    verdict: SyncVerdictName


class SyncAnswer(Message, tag="sync_answer", frozen=True):
    """The verdicts for one page."""

    session: Session
    page: Count
    verdicts: Annotated[tuple[SyncVerdict, ...], Meta(max_length=SYNC_PAGE_ENTRIES_MAX)]


class Drain(Message, tag="drain", frozen=True):
    """The master stops soon: close, come back after `back_in` and a random part of `spread`."""

    session: Session
    back_in: Ticks
    spread: Ticks


class Grains(Message, tag="grains", frozen=True):
    """The minion's grains: a JSON object in UTF-8; sent when they changed or the master asks."""

    session: Session
    digest: Digest
    body: Annotated[bytes, Meta(max_length=64 * 1024)]
    collected_at: Stamp
