"""ZeroMQ as this package uses it, and the only module that imports zmq.

Nothing in here waits: a call does what it can do now and says so. No option is left to libzmq's
default where that default waits for ever. What the sockets mean stands in `sockets.py` and
`listening.py`. One thread owns a socket from its making to its end. None of this survives a fork.
"""

import itertools
import threading
from typing import Final, NamedTuple

import zmq
from zmq.utils import z85

from limpet.common.crypto.keys import KEY_BYTES
from limpet.common.errors import HostError
from limpet.common.transport import library, monitor, options
from limpet.common.transport.errors import PeerFull, PeerGone

Handle = zmq.Socket[bytes]
"""What a poller watches."""

DEALER: Final = int(zmq.DEALER)
ROUTER: Final = int(zmq.ROUTER)
_NOW: Final = int(zmq.NOBLOCK)
_NOW_AND_MORE: Final = int(zmq.NOBLOCK | zmq.SNDMORE)
# As plain numbers: to ask for them by their names takes longer than what they ask for.
_MORE: Final = int(zmq.RCVMORE)
_DESCRIPTOR: Final = int(zmq.SRCFD)
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


def inner_endpoint(what: str) -> str:
    """Give an endpoint inside of this process that nothing else has."""
    return f"inproc://limpet-{what}-{next(_serial)}"


def draw_numbers(number: int) -> None:
    """Have libzmq draw so many random numbers, as it does for each listening socket."""
    context = zmq.Context(1)
    for _ in range(number):
        context.socket(zmq.ROUTER).close(0)
    context.term()


class RawContext:
    """I/O threads and the sockets made on them."""

    def __init__(self, *, io_threads: int, sockets_max: int) -> None:
        assert io_threads >= 1
        self._context = zmq.Context(io_threads)
        self._context.set(zmq.MAX_SOCKETS, sockets_max)
        self._context.set(zmq.BLOCKY, 0)

    def end(self, within_s: float) -> bool:
        """End it and whatever socket is left on it; False: libzmq has not let go by then.

        Its threads stay behind then, until the process ends.
        """
        # Ending blocks while any socket has unfinished business. There should be none, but a
        # process that hangs while stopping is what this package exists to prevent.
        ending = threading.Thread(target=self._context.destroy, args=(0,), daemon=True)
        ending.start()
        ending.join(within_s)
        return not ending.is_alive()

    def _socket(self, kind: int, table: options.Options) -> Handle:
        try:
            handle: Handle = self._context.socket(kind)
        except zmq.ZMQError as error:
            raise HostError(f"cannot make a socket: {error.strerror}") from error
        for name, value in table.items():
            handle.setsockopt(getattr(zmq, name), value)
        return handle


class Part(NamedTuple):
    """The part of a message after its routing id, and what libzmq says of its origin."""

    peer: bytes
    body: bytes
    has_more: bool
    fd: int
    """-1: none."""
    key: str
    """As the authenticator named it; '': nobody's."""
    address: str


class RawSocket:
    """One socket. Its errors are typed; what would have to wait is not done."""

    __slots__ = ("_receive", "_send", "handle")

    def __init__(self, context: RawContext, kind: int, table: options.Options) -> None:
        """Make a socket with these options. Raises `HostError`: descriptors have run out."""
        self.handle = context._socket(kind, table)
        self._receive = self.handle.recv
        self._send = self.handle.send

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self.handle.closed

    def close(self) -> None:
        """Throw it away, unread and unsent."""
        self.handle.close(0)

    def wait(self, within_s: float) -> None:
        """Wait for something to read, at most so long: the one call here that may."""
        self.handle.poll(options.poll_milliseconds(within_s))

    def bind(self, endpoint: str, *, is_ipv6: bool = False) -> None:
        """Listen there. Raises `OSError` with libzmq's number and words."""
        try:
            if not endpoint.startswith("inproc:"):
                self.handle.setsockopt(zmq.IPV6, int(is_ipv6))
            self.handle.bind(endpoint)
        except zmq.ZMQError as error:
            raise OSError(error.errno, error.strerror) from error

    def bound(self) -> str:
        """Give the endpoint of the last `bind`."""
        return self.handle.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def unbind(self, endpoint: str) -> None:
        """Listen there no longer."""
        self.handle.unbind(endpoint)

    def connect(self, endpoint: str) -> None:
        """Begin to connect. Raises `OSError` with libzmq's number and words."""
        try:
            self.handle.connect(endpoint)
        except zmq.ZMQError as error:
            raise OSError(error.errno, error.strerror) from error

    def receive(self) -> bytes | None:
        """Give the next part that is there; None: there is none."""
        try:
            return self._receive(_NOW)
        except zmq.Again:
            return None

    def receive_from(self) -> Part | None:
        """Give the routing id and the part that follows it; None: there is no message."""
        try:
            peer = self._receive(_NOW)
        except zmq.Again:
            return None
        part = self.handle.recv(_NOW, copy=False)
        try:
            key, address = str(part.get("User-Id")), str(part.get("Peer-Address"))
        except zmq.ZMQError:  # EINVAL: it lacks one of them, and so it is nobody's
            key, address = "", ""
        try:
            fd = int(part.get(_DESCRIPTOR))
        except zmq.ZMQError:
            fd = -1
        return Part(peer, part.bytes, part.more, fd, key, address)

    def has_more(self) -> bool:
        """Say whether the message of the last part goes on."""
        return bool(self.handle.getsockopt(_MORE))

    def drain(self) -> bool:
        """Throw the rest of a message away without keeping it; False: too much for one go."""
        receive = self.handle.recv
        has_more = self.has_more()
        for _ in range(options.DRAIN_PARTS_MAX if has_more else 0):
            has_more = receive(_NOW, copy=False).more  # the fastest way there is
            if not has_more:
                break
        return not has_more

    def send(self, frame: bytes) -> bool:
        """Hand a frame over; False: it was not taken."""
        try:
            self._send(frame, _NOW)
        except zmq.Again:
            return False
        return True

    def send_to(self, peer: bytes, frame: bytes) -> None:
        """Hand a frame over for one peer of a ROUTER. Raises `PeerGone` and `PeerFull`."""
        try:
            # The first part decides: libzmq takes the second without asking once it has the first.
            self._send(peer, _NOW_AND_MORE)
        except zmq.Again as error:
            raise PeerFull from error
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            raise PeerGone from error
        self._send(frame, _NOW)

    def send_parts(self, parts: list[bytes]) -> None:
        """Hand a message of several parts over."""
        self.handle.send_multipart(parts, _NOW)


class Monitor:
    """The monitor of one socket: read without waiting, and ended before its socket."""

    def __init__(self, context: RawContext, watched: RawSocket, events: int) -> None:
        """Begin to watch. Raises `HostError`: descriptors have run out."""
        self._watched = watched.handle
        endpoint = inner_endpoint("monitor")
        table: options.Options = {"LINGER": 0, "RCVHWM": options.MONITOR_HIGH_WATER}
        self._raw = RawSocket(context, zmq.PAIR, table)
        self.handle = self._raw.handle
        try:
            self._watched.monitor(endpoint, events)
            self.handle.connect(endpoint)
        except zmq.ZMQError as error:
            self._raw.close()
            raise HostError(f"cannot watch a socket: {error.strerror}") from error

    def next_event(self) -> monitor.MonitorEvent | None:
        """Give the next event that waits, None if there is none."""
        while True:
            head = self._raw.receive()
            if head is None:
                return None
            self._raw.drain()
            event = monitor.decode(head)
            if event is not None:
                return event

    def close(self) -> None:
        """Stop the events, then let the reading end go: the other order blocks libzmq."""
        for _ in range(options.MONITOR_HIGH_WATER):
            if self.next_event() is None:
                break
        self._watched.disable_monitor()
        self._raw.close()


class MonitoredSocket:
    """What the sockets of both sides have in common: a monitor, and messages of one part."""

    _raw: RawSocket
    _monitor: Monitor
    _must_drain = False
    """The rest of a message of several parts is still to be thrown away."""

    def close(self) -> None:
        """Throw the socket away, unread and unsent. Closing twice is harmless."""
        if not self._raw.is_closed:
            self._monitor.close()
            self._raw.close()

    def handles(self) -> tuple[Handle, ...]:
        """Give what a `Poller` has to watch."""
        return (self._raw.handle, self._monitor.handle)

    def _drain(self) -> None:
        """Throw the rest of a message away, as far as it is there."""
        self._must_drain = not self._raw.drain()

    def _has_more_to_drain(self) -> bool:
        """Go on throwing away what was begun; True: there is more of it to come."""
        if self._must_drain:
            self._drain()
        return self._must_drain


def make_poller() -> zmq.Poller:
    """Give what waits for handles and descriptors; `PollBook` keeps book of them."""
    return zmq.Poller()
