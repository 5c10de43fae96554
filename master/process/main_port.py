"""The port of enrolled minions: who may connect, what came, what is sent, who is cut off.

It carries frames and connections, never meanings. Every call returns at once; `bind` may be tried
again. `poll` sockets: `router` and `authenticator`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from limpet.common.clock import Clock, Instant
from limpet.common.errors import PeerError
from limpet.common.identifiers import MinionKey
from limpet.common.messages.fields import (
    MAIN_FRAME_BYTES_MAX,
    MINION_FRAME_BYTES_MAX,
    Message,
)
from limpet.common.messages.sources import Offer, Piece
from limpet.common.transport import tcp
from limpet.common.transport.errors import BadArrival, PeerFull, PeerGone
from limpet.common.transport.events import Accepted, Disconnected, HandshakeFailed
from limpet.common.transport.sockets import Authenticator, Context, RouterSocket
from limpet.common.transport.suspensions import Suspensions
from limpet.common.transport.watcher import MAIN_LIMITS, Watcher
from limpet.common.wire.codec import encode, master_decoder
from limpet.master.core.effects import Peer
from limpet.master.core.port_events import BadFrame, PeerLeft, Received
from limpet.master.process.memory import Growth, resident_bytes
from limpet.master.process.send_backlog import SendBacklog

DOMAIN: Final = "limpet-main"
BACKLOG: Final = 1024
HIGH_WATER: Final = 100
HANDSHAKE_S: Final = 10.0
"""Long enough for the last of a thousand that come at once: who is cut off comes again."""
LARGE_BYTES: Final = 16 * 1024
"""Messages of this size are counted against what a minion has not read. Smaller ones are bounded by
their number; for jobs with long arguments, sent again every five seconds, that is not enough."""
_BULKY: Final = (Offer, Piece)
_SUSPENDING: Final = frozenset(("unfinished_message", "routing_id_set"))
"""Reasons that no honest minion gives: its key is kept out for a minute, longer each time."""


class MainPort:
    """The ROUTER on the main port with its authenticator and its watcher."""

    def __init__(
        self,
        context: Context,
        *,
        secret_key: bytes,
        is_accepted: Callable[[MinionKey], bool],
        clock: Clock,
        memory: Callable[[], int] = resident_bytes,
    ) -> None:
        """Make the sockets; nobody can connect before `bind`. `memory`: bytes of this process."""
        self.rejected: Counter[str] = Counter()
        """What the transport turned away, by reason."""
        self._context = context
        self._secret_key = secret_key
        self._is_accepted = is_accepted
        self._clock = clock
        self._suspensions = Suspensions()
        self._probe_key = b""
        self._backlog = SendBacklog(tcp.bytes_acknowledged)
        self._growth = Growth(memory)
        self.authenticator = Authenticator(context, {DOMAIN: self._may_connect})
        self.router = self._make_router()
        self._watcher = self._make_watcher()
        self._decoder = master_decoder()

    def __len__(self) -> int:
        return len(self._watcher)

    @property
    def next_sweep(self) -> Instant:
        """When `sweep` is wanted."""
        return Instant(self._watcher.next_sweep)

    def bind(self, addresses: Sequence[str], port: int) -> int:
        """Open the port and give its number. Raises `UsageError` if that can't be done (now)."""
        return self.router.bind(addresses, port)

    def shut(self) -> list[PeerLeft]:
        """Close the port with all its connections and their memory, and give who is gone by that.

        The new `router` has to be bound (and polled) before anybody can come back.
        """
        left = [PeerLeft(Peer(peer)) for peer in self.router.connections.peers()]
        self.router.close()
        self._backlog = SendBacklog(tcp.bytes_acknowledged)
        self.router = self._make_router()
        self._watcher = self._make_watcher()
        return left

    def allow_probe(self, key: bytes) -> None:
        """Let this key in besides the accepted ones: the master's own test client."""
        self._probe_key = key

    def serve_handshakes(self) -> int:
        """Answer those who want to connect; says how many."""
        served = self.authenticator.serve()
        for refusal in self.authenticator.refusals():
            self.rejected[refusal.reason] += refusal.count
        return served

    def departures(self, now: Instant) -> list[PeerLeft]:
        """Give the connections that have ended; those that began are taken note of."""
        left: list[PeerLeft] = []
        for event in self.router.events():
            match event:
                case Accepted():
                    self._watcher.accepted(event.fd, event.address, now)
                case HandshakeFailed(reason=reason) if reason != "denied":
                    self.rejected[reason] += 1  # the authenticator counts those it denied
                case Disconnected():
                    self._watcher.disconnected(event.fd)
                    if event.peer is not None:
                        self._backlog.forget(Peer(event.peer))
                        left.append(PeerLeft(Peer(event.peer)))
        return left

    def hear(self, now: Instant, frames_max: int) -> Iterator[Received | BadFrame]:
        """Give what came, at most `frames_max` frames; stop early at will, the rest stays."""
        receive, decode, note = (
            self.router.receive_ready,
            self._decoder.decode,
            self._watcher.message,
        )
        for _ in range(frames_max):
            try:
                arrival = receive()
            except BadArrival as error:
                self._cut(error.reason, error.fd, error.peer, error.key, now)
                continue
            if arrival is None:
                return
            peer = Peer(arrival.peer)
            try:
                message = decode(arrival.frame)
            except PeerError as error:
                yield BadFrame(peer, arrival.key, error.reason)
                continue
            note(arrival.fd, arrival.peer, now)
            yield Received(peer, arrival.key, arrival.address, message)

    def send(self, peer: Peer, message: Message) -> Literal["", "gone", "full"]:
        """Hand a message over; says why it was not taken. Raises `FrameTooLarge` (our mistake)."""
        frame = encode(message)
        is_counted = len(frame) >= LARGE_BYTES or isinstance(message, _BULKY)
        if is_counted and not self._has_room(peer, len(frame)):
            return "full"
        try:
            self.router.send(peer, frame)
        except PeerGone:
            return "gone"
        except PeerFull:
            return "full"
        return ""

    def _has_room(self, peer: Peer, size: int) -> bool:
        connection = self.router.connections.of_peer(peer)
        return connection is None or self._backlog.take(peer, connection.fd, size)

    def disconnect(self, peer: Peer) -> None:
        """Cut one connection off, at once."""
        self.router.shut_peer(peer)

    def sweep(self, now: Instant) -> None:
        """Cut those who never finish a message, and those who say nothing at all."""
        if now < self._watcher.next_sweep:
            return
        if self._growth.is_odd(self._watcher.heard):  # a stranger's connection explains nothing
            self._watcher.hurry(now)
        for cut in self._watcher.sweep(now, self.router.is_drained):
            known = None if cut.peer is None else self.router.connections.of_peer(cut.peer)
            self._cut(cut.reason, cut.fd, cut.peer, None if known is None else known.key, now)

    def close(self) -> None:
        """Close the port and all its connections."""
        self.router.close()
        self.authenticator.close()

    def _make_router(self) -> RouterSocket:
        return RouterSocket(
            self._context,
            secret_key=self._secret_key,
            domain=DOMAIN,
            frame_bytes_max=MINION_FRAME_BYTES_MAX,
            send_bytes_max=MAIN_FRAME_BYTES_MAX,
            backlog=BACKLOG,
            high_water=HIGH_WATER,
            handshake_s=HANDSHAKE_S,
        )

    @staticmethod
    def _make_watcher() -> Watcher:
        return Watcher(MAIN_LIMITS, received=tcp.bytes_received, taken=tcp.bytes_taken)

    def _may_connect(self, key: bytes, _address: str) -> bool:
        if key == self._probe_key:
            return True
        name = MinionKey(key.hex())
        if not self._is_accepted(name):
            return False
        return not self._suspensions.is_suspended(name, self._clock.now().boot)

    def _cut(
        self, reason: str, fd: int, peer: bytes | None, key: MinionKey | None, now: Instant
    ) -> None:
        self.rejected[reason] += 1
        if key is not None and reason in _SUSPENDING:
            self._suspensions.suspend(key, now)
        self.router.shut(fd, peer)
