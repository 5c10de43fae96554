"""What the transport tells its callers: plain values, importable without ZeroMQ.

All of it except `Arrival` is a hint. Events speed recovery up; no deadline depends on one.
"""

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from limpet.common.identifiers import MinionKey

LinkEvent = Literal["connected", "ready", "refused", "denied", "handshake_failed", "disconnected"]
"""What happened to a minion's connection.

connected: TCP is up. ready: CURVE is done, frames may flow. refused: no TCP connection (nobody
listens, or no answer in time). denied: the master turned the key away. handshake_failed: TCP was
up, CURVE was not finished (wrong server key, no ZMTP there, too slow). disconnected: it was ready
and has ended. After the last four the socket is of no use any more and must be thrown away.
"""

RejectReason = Literal["handshake_failed", "handshake_timeout", "denied"]
"""Why the transport itself ended a connection; a label of `limpet_master_rejected_total`."""


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One whole frame from one connection; `key` is attested by the handshake."""

    peer: bytes
    """The connection, as `RouterSocket.send` wants it. Secret: it never leaves the process."""
    key: MinionKey
    address: str
    """Numeric address of the peer, without port."""
    fd: int
    """Descriptor of the connection, owned by libzmq: for `RouterSocket.shut` and the watcher."""
    frame: bytes

    def __repr__(self) -> str:
        """Show where it came from, and never the connection."""
        return f"Arrival({self.key}, {self.address}, fd={self.fd}, {len(self.frame)} bytes)"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A TCP connection came in; nothing is known of its key yet."""

    fd: int
    address: str
    """Numeric address of the peer; empty if it has gone already."""


@dataclass(frozen=True, slots=True)
class HandshakeFailed:
    """A connection ended before its handshake was done (its `Disconnected` follows)."""

    fd: int
    address: str
    reason: RejectReason


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A connection has ended. `peer` and `key` are None if no frame of it was ever read."""

    fd: int
    address: str
    peer: bytes | None = field(repr=False)
    key: MinionKey | None


RouterEvent = Accepted | HandshakeFailed | Disconnected
