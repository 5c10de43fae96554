"""The sockets of master and minion, and the only module that imports zmq.

No call in here can wait without a deadline, and no option is left to libzmq's default where that
default waits for ever. Frames are bytes: what they mean is the business of `limpet.common.wire`.
One thread owns a socket from its making to its end. None of this survives a fork.
"""

import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Final

import zmq
from zmq.utils import z85

from limpet.common.crypto.keys import KEY_BYTES
from limpet.common.errors import HostError, PeerError, UsageError
from limpet.common.transport import chance, connections, endpoints, library, monitor, options, zap
from limpet.common.transport.errors import BadArrival, FrameTooLarge, PeerFull, PeerGone
from limpet.common.transport.events import Arrival, LinkEvent, RouterEvent
from limpet.common.transport.polling import PollBook
from limpet.common.transport.waiting import wait_for

# What a caller of these sockets catches and is given stands here as well, so one import will do.
__all__ = ["Arrival", "Authenticator", "BadArrival", "Context", "DealerSocket", "FrameTooLarge"]
__all__ += ["PeerFull", "PeerGone", "Poller", "RouterSocket"]
__all__ += ["check_library", "make_keypair", "public_key_of"]

Raw = zmq.Socket[bytes]

_ZAP_ENDPOINT: Final = "inproc://zeromq.zap.01"
_serial: Final = itertools.count()


def check_library(
    version: tuple[int, int, int] | None = None, has_curve: bool | None = None
) -> None:
    """Raise `UsageError` if this libzmq (or one that answers so) is too old or has no CURVE."""
    library.check(
        version or zmq.zmq_version_info(), zmq.has("curve") if has_curve is None else has_curve
    )


def make_keypair() -> tuple[bytes, bytes]:
    """Make a CURVE key pair: public and secret key, 32 bytes each."""
    public, secret = zmq.curve_keypair()
    return z85.decode(public), z85.decode(secret)


def public_key_of(secret_key: bytes) -> bytes:
    """Compute the public key (32 bytes) of a secret key (32 bytes)."""
    assert len(secret_key) == KEY_BYTES
    return z85.decode(zmq.curve_public(z85.encode(secret_key)))


class Context:
    """One ZeroMQ context: its I/O threads and the sockets made on it."""

    def __init__(self, *, io_threads: int = 1, sockets_max: int = 1023, burn: bool = False) -> None:
        """With `burn`, what a listening socket needs once in a process is done now (0.1 s)."""
        assert io_threads >= 1
        if burn:
            chance.mix(_burn)
        self._raw = zmq.Context(io_threads)
        self._raw.set(zmq.MAX_SOCKETS, sockets_max)  # a `DealerSocket` is three of them
        self._raw.set(zmq.BLOCKY, 0)
        self._authenticator: Authenticator | None = None
        self._is_closed = False

    def close(self) -> bool:
        """End the context and whatever socket is left on it; waits for two seconds at most.

        False: libzmq has not let go by then; its threads stay behind until the process ends.
        """
        if self._is_closed:
            return True
        self._is_closed = True
        self._authenticator = None
        # Ending blocks while any socket has unfinished business. There should be none, but a
        # process that hangs while stopping is what this package exists to prevent.
        ending = threading.Thread(target=self._raw.destroy, args=(0,), daemon=True)
        ending.start()
        ending.join(options.CONTEXT_END_S)
        return not ending.is_alive()


def _burn(number: int) -> None:
    context = zmq.Context(1)
    for _ in range(number):
        context.socket(zmq.ROUTER).close(0)
    context.term()


def _make(context: zmq.Context[Raw], kind: int, table: options.Options) -> Raw:
    """Make a socket with these options. Raises `HostError`: descriptors have run out."""
    try:
        raw: Raw = context.socket(kind)
    except zmq.ZMQError as error:
        raise HostError(f"cannot make a socket: {error.strerror}") from error
    for name, value in table.items():
        raw.setsockopt(getattr(zmq, name), value)
    return raw


class _Monitor:
    """The monitor of one socket: read without waiting, and ended before its socket."""

    def __init__(self, context: zmq.Context[Raw], watched: Raw, events: int) -> None:
        self._watched = watched
        endpoint = f"inproc://limpet-monitor-{next(_serial)}"
        table: options.Options = {"LINGER": 0, "RCVHWM": options.MONITOR_HIGH_WATER}
        self.raw = _make(context, zmq.PAIR, table)
        try:
            watched.monitor(endpoint, events)
            self.raw.connect(endpoint)
        except zmq.ZMQError as error:
            self.raw.close(0)
            raise HostError(f"cannot watch a socket: {error.strerror}") from error

    def next_event(self) -> monitor.MonitorEvent | None:
        """Give the next event that waits, None if there is none."""
        while True:
            try:
                head = self.raw.recv(zmq.NOBLOCK)
            except zmq.Again:
                return None
            _drain(self.raw)
            event = monitor.decode(head)
            if event is not None:
                return event

    def close(self) -> None:
        """Stop the events, then let the reading end go: the other order blocks libzmq."""
        for _ in range(options.MONITOR_HIGH_WATER):
            if self.next_event() is None:
                break
        self._watched.disable_monitor()
        self.raw.close(0)


def _drain(raw: Raw) -> bool:
    """Throw the rest of a message away without keeping it; False if too much is left for one go."""
    receive, flags = raw.recv, int(zmq.NOBLOCK)
    has_more = bool(raw.getsockopt(zmq.RCVMORE))
    for _ in range(options.DRAIN_PARTS_MAX if has_more else 0):
        has_more = receive(flags, copy=False).more  # the fastest way there is
        if not has_more:
            break
    return not has_more


class DealerSocket:
    """A minion's one connection to a master: for one attempt, thrown away after any failure."""

    def __init__(
        self,
        context: Context,
        *,
        address: str,
        port: int,
        server_key: bytes,
        public_key: bytes,
        secret_key: bytes,
        frame_bytes_max: int,
        handshake_s: float,
        send_bytes_max: int | None = None,
        high_water: int = options.HIGH_WATER,
    ) -> None:
        """Begin to connect to a numeric address. `frame_bytes_max` is for what comes in.

        Raises `UsageError` for an address that is none, `HostError` where no socket can be had.
        """
        endpoint = endpoints.endpoint(address, port)
        table = options.dealer(
            frame_bytes_max=frame_bytes_max,
            handshake_s=handshake_s,
            high_water=high_water,
            address=address,
            server_key=server_key,
            public_key=public_key,
            secret_key=secret_key,
        )
        self._send_bytes_max = send_bytes_max
        self._story = monitor.LinkStory()
        self._must_drain = False
        self._raw = _make(context._raw, zmq.DEALER, table)
        try:
            self._monitor = _Monitor(context._raw, self._raw, monitor.DEALER_EVENTS)
        except HostError:
            self._raw.close(0)
            raise
        try:
            self._raw.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise HostError(f"cannot connect to {address}: {error.strerror}") from error

    def send(self, frame: bytes) -> bool:
        """Hand a frame over without waiting; False if it was not taken: not connected, or full.

        Raises `FrameTooLarge` for a frame over `send_bytes_max`.
        """
        if self._send_bytes_max is not None and len(frame) > self._send_bytes_max:
            raise FrameTooLarge(len(frame), self._send_bytes_max)
        try:
            self._raw.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self, within_s: float, waited_for: str) -> bytes:
        """Wait for one frame.

        Raises `Stalled`, naming what was waited for, at the deadline, and `PeerError` with the
        reason `parts` for a message of several parts (then throw the socket away).
        """
        sleep = lambda s: self._raw.poll(options.poll_milliseconds(s))  # noqa: E731
        return wait_for(self.receive_ready, sleep, within_s, waited_for)

    def receive_ready(self) -> bytes | None:
        """Give a frame if one is there. Raises `PeerError` as `receive` does."""
        if self._must_drain:
            self._must_drain = not _drain(self._raw)
            if self._must_drain:
                return None
        try:
            frame = self._raw.recv(zmq.NOBLOCK)
        except zmq.Again:
            return None
        if self._raw.getsockopt(zmq.RCVMORE):
            self._must_drain = not _drain(self._raw)
            raise PeerError("parts", "the master sent a message of more than one part")
        return frame

    def events(self) -> list[LinkEvent]:
        """Give what happened to the connection since the last call: hints, possibly late."""
        happened: list[LinkEvent] = []
        while (event := self._monitor.next_event()) is not None:
            link_event = self._story.on_event(event)
            if link_event is not None:
                happened.append(link_event)
        return happened

    def close(self) -> None:
        """Throw the socket away, unread and unsent. Closing twice is harmless."""
        if not self._raw.closed:
            self._monitor.close()
            self._raw.close(0)

    def handles(self) -> tuple[Raw, ...]:
        """Give what a `Poller` has to watch."""
        return (self._raw, self._monitor.raw)


class RouterSocket:
    """A listening socket of the master: every frame comes with the key that sent it."""

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
        chance.mix(_burn)
        self._context = context
        self._domain = domain
        self._own_key = public_key_of(secret_key)
        self._send_bytes_max = send_bytes_max
        self._events: list[RouterEvent] = []
        self._must_drain = False
        self._is_drained = False
        self._raw = _make(context._raw, zmq.ROUTER, table)
        self.connections = connections.Connections(self._first_peer(), handshake_s=handshake_s)
        self._monitor = _Monitor(context._raw, self._raw, monitor.ROUTER_EVENTS)

    def _first_peer(self) -> bytes:
        """Learn how this socket names its connections, before anybody else can connect."""
        endpoint = f"inproc://limpet-first-{next(_serial)}"
        self._raw.bind(endpoint)
        with self._context._raw.socket(zmq.DEALER) as probe:
            probe.setsockopt(zmq.LINGER, 0)
            probe.connect(endpoint)
            probe.send(b"", zmq.NOBLOCK)
            peer = self._raw.recv(zmq.NOBLOCK)
            _drain(self._raw)
        self._raw.unbind(endpoint)
        return peer

    def bind(self, addresses: Sequence[str], port: int) -> int:
        """Open the port on numeric addresses; 0 picks a free one. Gives the port.

        Raises `UsageError`, with nothing left open, if an address is not numeric or not this
        host's, if the port is in use, or no `Authenticator` of this context serves the domain.
        """
        authenticator = self._context._authenticator
        if authenticator is None or not authenticator._desk.serves(self._domain):
            raise UsageError(
                f"the port {port} stays closed: nothing checks the keys of domain {self._domain!r}"
            )
        if not addresses:
            raise UsageError(f"no address to open the port {port} on")
        authenticator._desk.bar(self._own_key)
        with ExitStack() as undo:  # all of them or none: what is open could not be opened again
            for address in endpoints.without_doubles(addresses):
                self._raw.setsockopt(zmq.IPV6, int(":" in address))
                try:
                    self._raw.bind(endpoints.endpoint(address, port))
                except zmq.ZMQError as error:
                    why = endpoints.why_not_bound(address, port, error.errno, error.strerror)
                    raise UsageError(why) from error
                bound = self._raw.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
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
        try:
            # The first part decides: libzmq takes the second without asking once it has the first.
            self._raw.send(peer, zmq.NOBLOCK | zmq.SNDMORE)
        except zmq.Again as error:
            raise PeerFull from error
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            raise PeerGone from error
        self._raw.send(frame, zmq.NOBLOCK)

    def receive(self, within_s: float, waited_for: str) -> Arrival:
        """Wait for one frame, letting peers in meanwhile.

        Raises `Stalled`, naming what was waited for, at the deadline, and `BadArrival`.
        """
        authenticator = self._context._authenticator
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
        if self._must_drain:
            self._must_drain = not _drain(self._raw)
            if self._must_drain:
                return None
        try:
            peer = self._raw.recv(zmq.NOBLOCK)
        except zmq.Again:
            self._is_drained = True
            return None
        part = self._raw.recv(zmq.NOBLOCK, copy=False)
        if part.more:
            self._must_drain = not _drain(self._raw)
        fd, user_id, address = _origin(part)
        if not self.connections.is_known(fd, peer):
            self._read_monitor()  # the end of its handshake is told there
        return self.connections.arrival(
            peer, part.bytes, fd=fd, user_id=user_id, address=address, is_whole=not part.more
        )

    def events(self) -> list[RouterEvent]:
        """Give who came, failed and went since the last call: hints, possibly late."""
        self._read_monitor()
        happened, self._events = self._events, []
        return happened

    def _read_monitor(self) -> None:
        while (event := self._monitor.next_event()) is not None:
            self._events += self.connections.on_event(event, time.monotonic())

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

    def close(self) -> None:
        """Close the port; its connections end as the `Authenticator` is served, or closed, too."""
        if not self._raw.closed:
            self._monitor.close()
            self._raw.close(0)

    def handles(self) -> tuple[Raw, ...]:
        """Give what a `Poller` has to watch."""
        return (self._raw, self._monitor.raw)


class Authenticator:
    """Says at every handshake whether the key may connect; answers from the poll loop."""

    def __init__(self, context: Context, domains: Mapping[str, zap.Admission]) -> None:
        """Begin to answer for these domains; one per context, made before any port is opened."""
        assert context._authenticator is None
        self._desk = zap.Desk(domains)
        self._context = context
        self._raw: Raw = context._raw.socket(zmq.ROUTER)
        self._raw.setsockopt(zmq.LINGER, 0)
        self._raw.bind(_ZAP_ENDPOINT)
        context._authenticator = self

    def serve(self) -> int:
        """Answer the requests that wait; says how many. Anything odd is refused.

        Whatever a domain's function raises goes through, after a refusal.
        """
        for served in range(options.REQUESTS_MAX):
            try:
                route = self._raw.recv(zmq.NOBLOCK)
            except zmq.Again:
                return served
            request: list[bytes] = []
            while self._raw.getsockopt(zmq.RCVMORE):
                request.append(self._raw.recv(zmq.NOBLOCK))
            reply = zap.refusal(request[1:])
            try:
                reply = self._desk.answer(request[1:])
            finally:
                self._raw.send_multipart([route, b"", *reply], zmq.NOBLOCK)
        return options.REQUESTS_MAX

    def refusals(self) -> list[zap.Refusal]:
        """Give what was refused since the last call, for counters and the log."""
        return self._desk.take_refusals()

    def close(self) -> None:
        """Stop answering: from now on nobody is let in."""
        if not self._raw.closed:
            self._raw.close(0)
            self._context._authenticator = None

    def handles(self) -> tuple[Raw, ...]:
        """Give what a `Poller` has to watch."""
        return (self._raw,)


class Poller(PollBook):
    """Waits for sockets of this module and for descriptors; see `PollBook`."""

    def __init__(self) -> None:
        super().__init__(zmq.Poller())


def _origin(part: zmq.Frame) -> tuple[int, str, str]:
    """Read where a part came from: descriptor (-1: none), proven key and address ('': none)."""
    try:
        key, address = str(part.get("User-Id")), str(part.get("Peer-Address"))
    except zmq.ZMQError:  # EINVAL: it lacks one of them, and so it is nobody's
        key, address = "", ""
    try:
        return int(part.get(zmq.SRCFD)), key, address
    except zmq.ZMQError:
        return -1, key, address
