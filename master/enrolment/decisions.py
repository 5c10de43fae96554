"""What is decided: data for the core, which persists, answers, cuts sessions and publishes."""

from dataclasses import dataclass

from limpet.common.control.replies import Event, KeyInfo, TokenInfo, TokenMade
from limpet.common.crypto.keys import fingerprint
from limpet.common.identifiers import MinionKey
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.master.core.effects import Report
from limpet.master.store.operations import KeyRow, Operation


@dataclass(frozen=True, slots=True)
class Decision:
    """What one request on the enrolment port leads to. The answer waits for the operations."""

    answer: EnrolAnswer
    operations: tuple[Operation, ...] = ()
    events: tuple[Event, ...] = ()
    counts: tuple[str, ...] = ()
    reports: tuple[Report, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What an administrator's action on keys leads to."""

    keys: tuple[KeyInfo, ...]
    """The keys concerned, as they are now (deleted ones, and all of a dry run: as they were)."""
    operations: tuple[Operation, ...] = ()
    disconnect: tuple[MinionKey, ...] = ()
    """No longer trusted: close their sessions in this very turn."""
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenChange:
    """What an administrator's action on tokens leads to."""

    reply: TokenMade | TokenInfo
    operations: tuple[Operation, ...]
    events: tuple[Event, ...]


def key_event(row: KeyRow, what: str, wall_s: float, **more: str) -> Event:
    """Make `key/ID/WHAT`: `pending`, `conflict`, `accepted`, `rejected`, `deleted`."""
    data = {"fingerprint": fingerprint(row.key), "address": row.address, **more}
    return Event(f"key/{row.minion}/{what}", wall_s, data)
