"""The states of the minion's link, why a link is lost, and how long each state may last.

    RESOLVING -> CONNECTING -> GREETING -> [WAITING] -> SYNCING -> READY -> LOST -> BACKOFF -> …
    key unknown: CONNECTING (enrolment port) -> ENROLLING -> PENDING -> …  GREETING -> DENIED -> …

A state is entered only together with its deadline (`ConnectionState.enter_until`), which is finite.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class State(StrEnum):
    """Where the link is."""

    RESOLVING = "resolving"
    CONNECTING = "connecting"
    GREETING = "greeting"
    WAITING = "waiting"
    SYNCING = "syncing"
    READY = "ready"
    LOST = "lost"
    BACKOFF = "backoff"
    ENROLLING = "enrolling"
    PENDING = "pending"
    DENIED = "denied"
    STOPPED = "stopped"


WITH_SOCKET: Final = frozenset(
    {
        State.CONNECTING,
        State.GREETING,
        State.WAITING,
        State.SYNCING,
        State.READY,
        State.ENROLLING,
    }
)
"""The states in which a socket is open."""

WITH_SESSION: Final = frozenset({State.SYNCING, State.READY})
"""The states in which the master has given a session."""


class Loss(StrEnum):
    """Why an attempt or a session ended; told to the master in `Hello.last_loss`."""

    UNRESOLVED = "unresolved"
    """The master's name has no address, and none was known from before."""
    UNREACHABLE = "unreachable"
    """No TCP connection within the limit."""
    REFUSED = "refused"
    """Nobody listens at the master's port."""
    HANDSHAKE_SILENT = "handshake_silent"
    """TCP connected; then nothing: a hung master, another service, or an unknown key."""
    HANDSHAKE_FAILED = "handshake_failed"
    """The other side ended the handshake: most likely the wrong server key."""
    KEY_DENIED = "key_denied"
    """The master does not accept this minion's key on its main port."""
    GREETING_SILENT = "greeting_silent"
    """No answer to Hello."""
    WAITING_OVER = "waiting_over"
    """Told to wait, and then not called."""
    SYNC_SILENT = "sync_silent"
    """No answer to a page of SYNC."""
    BEATS_SILENT = "beats_silent"
    """The own beat did not come back for three intervals."""
    DISCONNECTED = "disconnected"
    """The transport reported the end of the connection."""
    REGREETED = "regreeted"
    """The master did not know the session (it was restarted)."""
    DRAINED = "drained"
    """The master announced its stop."""
    SUSPENDED = "suspended"
    """This process or host stood still; what the socket holds is stale."""
    ENROL_SILENT = "enrol_silent"
    """No answer on the enrolment port."""
    PROOF_FAILED = "proof_failed"
    """The join string could not be used to sign the request."""
    PROTOCOL = "protocol"
    """No protocol that both sides speak."""
    STOPPED = "stopped"
    """The minion was told to end."""


ADVICE: Final[Mapping[Loss, str]] = {
    Loss.UNRESOLVED: "the name has no address",
    Loss.UNREACHABLE: "no TCP connection; is the address right, and the port open on the way?",
    Loss.REFUSED: "nobody listens at that port; is the master running?",
    Loss.HANDSHAKE_SILENT: "something listens there, but does not answer as a master does",
    Loss.HANDSHAKE_FAILED: "the master there has another key than this minion knows; make a join "
    "string there (`limpet token create`), and here `limpet minion setup --join STRING`",
    Loss.PROTOCOL: "no protocol that both speak; upgrade the older side",
}
"""What to look at, for losses that a person may have to do something about."""

RESOLVING_S: Final = 3.0
"""A resolver that needs longer is as good as none; the last known address is tried."""
CONNECTING_S: Final = 3.0
"""TCP, and in a small fleet CURVE as well, for each address."""
GREETING_S: Final = 5.0
SYNC_PAGE_S: Final = 5.0
ENROLLING_S: Final = 5.0
WAITING_S: Final = 60.0
BEAT_DEFAULT_S: Final = 5.0
BEAT_MIN_S: Final = 0.05
BEAT_MAX_S: Final = 120.0
"""Bounds of what a Welcome may ask for."""
BEATS_TO_LOSS: Final = 3
"""Intervals without an echo of the own beat until the link counts as lost."""
STOPPED_S: Final = 60.0
"""STOPPED never ends; it is looked at this often all the same."""
SUSPENDED_GAP_S: Final = 15.0
"""Two events further apart than this, with a deadline passed between them: the host stood still."""
SUSPENDED_LATE_S: Final = 5.0
"""By how much that deadline must have been missed; a loop that is merely late is not suspended."""
ADDRESSES_MAX: Final = 8
"""Addresses tried in one round; a round is bounded by this times CONNECTING_S."""
CHANGES_KEPT: Final = 100
"""Changes of state kept for the status file."""


class Change(msgspec.Struct, frozen=True):
    """One change of state, for people."""

    at_wall_s: float
    state: State
    reason: str
