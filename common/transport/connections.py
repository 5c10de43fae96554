"""Which connection is whose: descriptors, routing ids and keys of one listening socket."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from limpet.common.identifiers import MinionKey, is_minion_key
from limpet.common.transport import monitor, tcp
from limpet.common.transport.errors import BadArrival
from limpet.common.transport.events import (
    Accepted,
    Arrival,
    Disconnected,
    HandshakeFailed,
    RejectReason,
    RouterEvent,
)

_SERIAL_MASK: Final = 0xFFFF_FFFF


@dataclass(slots=True)
class Connection:
    """What is known of one TCP connection."""

    fd: int
    name: tuple[str, int] | None
    accepted_at: float
    address: str
    """Numeric address of the other end; empty if it was gone when it was looked at."""
    peer: bytes | None = field(default=None, repr=False)
    key: MinionKey | None = None


class Connections:
    """The connections of one listening socket, kept by monitor events and arrivals."""

    def __init__(self, first_peer: bytes, *, handshake_s: float) -> None:
        assert len(first_peer) == 5
        self._first = int.from_bytes(first_peer[1:], "big")
        self._handshake_s = handshake_s
        self._handshakes = 0
        self._unheard = 0  # handshakes done by connections of which no frame was read yet
        self._failures: deque[monitor.Failure] = deque(maxlen=1_000)
        self._by_fd: dict[int, Connection] = {}
        self._by_peer: dict[bytes, Connection] = {}

    def __len__(self) -> int:
        return len(self._by_fd)

    def arrival(
        self, peer: bytes, frame: bytes, *, fd: int, user_id: str, address: str, is_whole: bool
    ) -> Arrival:
        """Judge a message by all but its content, and note whose it is. Raises `BadArrival`."""
        if not is_minion_key(user_id):
            text = "a frame without a proven key"
            raise BadArrival("no_user_id", text, fd=fd, peer=peer, key=None)
        key = MinionKey(user_id)
        reason, text = "", ""
        if not self.on_arrival(fd, peer, key):
            reason, text = "routing_id_set", "a peer that chose its routing id"
        elif not is_whole:
            reason, text = "parts", "a message of more than one part"
        elif not frame:
            reason, text = "empty", "an empty frame"
        if reason:
            raise BadArrival(reason, text, fd=fd, peer=peer, key=key)
        address = tcp.plain_address(address)
        connection = self._by_peer.get(peer)
        if connection is not None:
            connection.address = address
        return Arrival(peer, key, address, fd, frame)

    def on_event(self, event: monitor.MonitorEvent, now: float) -> list[RouterEvent]:
        """Take note of what libzmq reports; gives what is worth telling."""
        if event.number == monitor.ACCEPTED:
            connection = self.on_accepted(event.value, tcp.peer_name(event.value), now)
            return [Accepted(event.value, connection.address)]
        if event.number == monitor.HANDSHAKE_SUCCEEDED:
            self._handshakes += 1
            self._unheard += 1
            return []
        if event.number != monitor.DISCONNECTED:
            failure = monitor.failure(event)
            if failure is not None:
                # It does not say whose; the end of that connection follows, and does.
                self._failures.append(failure)
            return []
        gone = self.on_disconnected(event.value)
        address = "" if gone is None else gone.address
        ended: list[RouterEvent] = []
        reason = self._why(gone, now)
        if reason is not None:
            ended.append(HandshakeFailed(event.value, address, reason))
        peer, key = (None, None) if gone is None else (gone.peer, gone.key)
        ended.append(Disconnected(event.value, address, peer, key))
        return ended

    def _why(self, gone: Connection | None, now: float) -> RejectReason | None:
        """Say what a connection that ended was rejected for; None if it simply ended."""
        if gone is not None and gone.peer is not None:
            return None  # it was read from, so that its handshake was done
        if self._failures:
            if self._failures.popleft() == "denied":
                return "denied"
        elif self._unheard > 0:  # it got in and left without a word
            self._unheard -= 1
            return None
        age_s = 0.0 if gone is None else now - gone.accepted_at
        return "handshake_timeout" if age_s >= self._handshake_s * 0.9 else "handshake_failed"

    def shut(self, fd: int, peer: bytes | None) -> bool:
        """Shut the connection down that has the descriptor; with `peer`, only if it is that one."""
        connection = self._by_fd.get(fd)
        if connection is None or connection.name is None:
            return False
        if peer is not None and connection.peer is not None and connection.peer != peer:
            return False
        return tcp.shut_down(fd, connection.name)

    def of_peer(self, peer: bytes) -> Connection | None:
        """Give the connection that a frame's `peer` belongs to."""
        return self._by_peer.get(peer)

    def peers(self) -> list[bytes]:
        """Give the connections that frames came from."""
        return list(self._by_peer)

    def on_accepted(self, fd: int, name: tuple[str, int] | None, now: float) -> Connection:
        """Record a new connection; an older one with the same descriptor is forgotten."""
        self.on_disconnected(fd)
        connection = Connection(fd, name, now, "" if name is None else name[0])
        self._by_fd[fd] = connection
        return connection

    def on_disconnected(self, fd: int) -> Connection | None:
        """Forget the connection; gives back what was known of it."""
        connection = self._by_fd.pop(fd, None)
        if connection is not None and connection.peer is not None:
            self._by_peer.pop(connection.peer, None)
        return connection

    def on_arrival(self, fd: int, peer: bytes, key: MinionKey) -> bool:
        """Record whose connection it is; False if the peer chose its own routing id.

        All that the monitor tells must have been heard before.
        """
        connection = self._by_peer.get(peer)
        if connection is not None:
            return connection.fd == fd and connection.key == key
        if len(peer) != 5 or peer[0] != 0:
            return False
        serial = (int.from_bytes(peer[1:], "big") - self._first) & _SERIAL_MASK
        if not 1 <= serial <= self._handshakes:
            return False
        self._unheard = max(0, self._unheard - 1)
        connection = self._by_fd.get(fd)
        if connection is not None:
            # A frame may be read after its connection's end, when the number is another's already:
            # the younger of the two is the one that lives.
            if connection.peer is not None:
                if self._serial(connection.peer) > serial:
                    return True
                self._by_peer.pop(connection.peer, None)
            connection.peer = peer
            connection.key = key
            self._by_peer[peer] = connection
        return True

    def _serial(self, peer: bytes) -> int:
        return (int.from_bytes(peer[1:], "big") - self._first) & _SERIAL_MASK
