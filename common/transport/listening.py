"""The sockets of the master: who may connect, and every frame with the key that sent it.

No call in here can wait without a deadline. Frames are bytes: what they mean is the business of
`limpet.common.wire`.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack

from limpet.common.errors import UsageError
from limpet.common.transport import chance, connections, endpoints, monitor, options, raw
from limpet.common.transport.context import Context
from limpet.common.transport.errors import FrameTooLarge
from limpet.common.transport.events import Arrival, RouterEvent
from limpet.common.transport.polling import Poller
from limpet.common.transport.waiting import wait_for


class RouterSocket(raw.MonitoredSocket):
    """A listening socket of the master: every frame comes with the key that sent it.

    When it is closed its connections end as the `Authenticator` is served, or closed, too.
    """

    def __init__(
        self,
        context: Context,
        *,
        secret_key: bytes,
        domain: str,
        frame_bytes_max: int,
        backlog: int,
        high_water: int,
        handshake_s: float,
        small_buffers: bool = False,
        send_bytes_max: int | None = None,
    ) -> None:
        """Make the socket; nobody can connect before `bind`. `domain` must not be empty."""
        table = options.router(
            frame_bytes_max=frame_bytes_max,
            handshake_s=handshake_s,
            high_water=high_water,
            secret_key=secret_key,
            domain=domain,
            backlog=backlog,
            small_buffers=small_buffers,
        )
        chance.mix(raw.draw_numbers)
        self._context = context
        self._domain = domain
        self._own_key = raw.public_key_of(secret_key)
        self._send_bytes_max = send_bytes_max
        self._events: list[RouterEvent] = []
        self._is_drained = False
        self._raw = raw.RawSocket(context.raw, raw.ROUTER, table)
        self.connections = connections.Connections(self._first_peer(), handshake_s=handshake_s)
        self._monitor = raw.Monitor(context.raw, self._raw, monitor.ROUTER_EVENTS)

    def _first_peer(self) -> bytes:
        """Learn how this socket names its connections, before anybody else can connect."""
        endpoint = raw.inner_endpoint("first")
        self._raw.bind(endpoint)
        probe = raw.RawSocket(self._context.raw, raw.DEALER, {"LINGER": 0})
        try:
            probe.connect(endpoint)
            probe.send(b"")
            peer = self._raw.receive()
            assert peer is not None, "inside of a process nothing is under way"
            self._raw.drain()
        finally:
            probe.close()
        self._raw.unbind(endpoint)
        return peer.bytes

    def bind(self, addresses: Sequence[str], port: int) -> int:
        """Open the port on numeric addresses; 0 picks a free one. Gives the port.

        Raises `UsageError`, with nothing left open, if an address is not numeric or not this
        host's, if the port is in use, or no `Authenticator` of this context serves the domain.
        """
        authenticator = self._context.authenticator
        if authenticator is None or not authenticator.handler.serves(self._domain):
            raise UsageError(
                f"the port {port} stays closed: nothing checks the keys of domain {self._domain!r}"
            )
        if not addresses:
            raise UsageError(f"no address to open the port {port} on")
        authenticator.handler.bar(self._own_key)
        with ExitStack() as undo:  # all of them or none: what is open could not be opened again
            for address in endpoints.without_doubles(addresses):
                try:
                    self._raw.bind(endpoints.endpoint(address, port), is_ipv6=":" in address)
                except OSError as error:
                    why = endpoints.why_not_bound(
                        address, port, error.errno or 0, error.strerror or ""
                    )
                    raise UsageError(why) from error
                bound = self._raw.bound()
                undo.callback(self._raw.unbind, bound)
                port = port or endpoints.port_of(bound)
            undo.pop_all()
        return port

    @property
    def is_drained(self) -> bool:
        """Whether the last receive found nothing left to read."""
        return self._is_drained

    def send(self, peer: bytes, frame: bytes) -> None:
        """Hand a frame over without waiting.

        Raises `PeerGone`, `PeerFull`, and `FrameTooLarge` for a frame over `send_bytes_max`.
        """
        if self._send_bytes_max is not None and len(frame) > self._send_bytes_max:
            raise FrameTooLarge(len(frame), self._send_bytes_max)
        self._raw.send_to(peer, frame)

    def receive(self, within_s: float, waited_for: str) -> Arrival:
        """Wait for one frame, letting peers in meanwhile.

        Raises `Stalled`, naming what was waited for, at the deadline, and `BadArrival`.
        """
        authenticator = self._context.authenticator
        poller = Poller()
        poller.register(self)
        if authenticator is not None:
            poller.register(authenticator)

        def look() -> Arrival | None:
            if authenticator is not None:
                authenticator.serve()
            arrival = self.receive_ready()
            if arrival is None:
                self._read_monitor()  # or its events would wake the poll again and again
            return arrival

        return wait_for(look, poller.wait, within_s, waited_for)

    def receive_ready(self) -> Arrival | None:
        """Give a frame if one is there. Raises `BadArrival` for one that breaks the rules."""
        self._is_drained = False
        if self._must_drain and self._has_more_to_drain():
            return None
        came = self._raw.receive_from()
        if came is None:
            self._is_drained = True
            return None
        # Whose it is, every message says for itself: its key, and the connection that it came by.
        peer, part, fd, key = came
        known = self.connections.of_peer(peer)
        if known is None or known.key != key or known.fd != fd or part.more:
            return self._judge(peer, part, fd, key)
        frame = part.bytes
        if not frame:
            return self._judge(peer, part, fd, key)
        return Arrival(peer, known.key, known.address, fd, frame)

    def _judge(self, peer: bytes, part: raw.Part, fd: int, key: str) -> Arrival:
        """Judge the first message of a connection, and every odd one."""
        has_more = part.more
        if has_more:
            self._drain()
        # The end of its handshake is told there; and whose the descriptor and the routing id were
        # before: libzmq tells the end of a connection before it gives either to another.
        self._read_monitor()
        address = raw.address_of(part)
        return self.connections.arrival(
            peer, part.bytes, fd=fd, user_id=key, address=address, is_whole=not has_more
        )

    def events(self) -> list[RouterEvent]:
        """Give who came, failed and went since the last call: hints, possibly late."""
        self._read_monitor()
        happened, self._events = self._events, []
        return happened

    def _read_monitor(self) -> None:
        if self._monitor.is_silent():
            return
        now = time.monotonic()
        for event in self._monitor.events():
            self._events += self.connections.on_event(event, now)

    def shut(self, fd: int, peer: bytes | None = None) -> bool:
        """Cut one connection off, at once; its `Disconnected` follows. False: it was not there.

        With `peer`, only if that is the connection which has the descriptor now.
        """
        self._read_monitor()
        return self.connections.shut(fd, peer)

    def shut_peer(self, peer: bytes) -> bool:
        """Cut off the connection that frames of this peer came from. False: it was not there."""
        connection = self.connections.of_peer(peer)
        return connection is not None and self.shut(connection.fd, peer)
