"""ZeroMQ as this package uses it, and the only module that imports zmq.

Nothing in here waits: a call does what it can do now and says so. No option is left to libzmq's
default where that default waits for ever. What the sockets mean stands in `sockets.py` and
`listening.py`. One thread owns a socket from its making to its end. None of this survives a fork.
"""

import contextlib
import itertools
import select
import threading
from collections.abc import Sequence
from typing import Final

import zmq
from zmq.backend import Context as LibraryContext
from zmq.backend import Frame, Socket
from zmq.utils import z85

from limpet.common.crypto.keys import KEY_BYTES
from limpet.common.errors import HostError
from limpet.common.transport import library, monitor, options
from limpet.common.transport.errors import PeerFull, PeerGone

Part = Frame
"""A part of a message as it came: `bytes`, and whether there is `more` of the message."""

DEALER: Final = int(zmq.DEALER)
ROUTER: Final = int(zmq.ROUTER)
_NOW: Final = int(zmq.NOBLOCK)
_NOW_AND_MORE: Final = int(zmq.NOBLOCK | zmq.SNDMORE)
# As plain numbers: to ask for them by their names takes longer than what they ask for.
_EVENTS: Final = int(zmq.EVENTS)
_READABLE: Final = int(zmq.POLLIN)
_SOURCE: Final = int(zmq.SRCFD)
_KEY: Final = "User-Id"
_DESCRIPTOR: Final = int(zmq.FD)
_ZERO_COPY_RECEIVE: Final = 10
"""A context option without a name in pyzmq. Left on, a message that waits keeps the 18 KB it was
read into; and every message of CURVE is copied anyway, as it is decrypted."""
_FEW: Final = 3
"""To ask whether there is more takes half as long as to read in vain: worth it after the first."""
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
    context = LibraryContext(1)
    for _ in range(number):
        Socket(context, ROUTER).close(0)
    context.term()


class RawContext:
    """I/O threads and the sockets made on them."""

    def __init__(self, *, io_threads: int, sockets_max: int) -> None:
        assert io_threads >= 1
        self._context = LibraryContext(io_threads)
        self._context.set(zmq.MAX_SOCKETS, sockets_max)
        self._context.set(zmq.BLOCKY, 0)
        with contextlib.suppress(zmq.ZMQError):  # one that does not know it only takes more memory
            self._context.set(_ZERO_COPY_RECEIVE, 0)
        self._open: set[Socket] = set()

    def end(self, within_s: float) -> bool:
        """End it and whatever socket is left on it; False: libzmq has not let go by then.

        Its threads stay behind then, until the process ends.
        """
        # Ending blocks while any socket has unfinished business. There should be none, but a
        # process that hangs while stopping is what this package exists to prevent.
        ending = threading.Thread(target=self._end, daemon=True)
        ending.start()
        ending.join(within_s)
        return not ending.is_alive()

    def _end(self) -> None:
        while self._open:
            self._open.pop().close(0)
        self._context.term()

    def open(self, kind: int, table: options.Options) -> Socket:
        """Make a socket. Raises `HostError`: descriptors have run out."""
        try:
            handle = Socket(self._context, kind)
        except zmq.ZMQError as error:
            raise HostError(f"cannot make a socket: {error.strerror}") from error
        self._open.add(handle)
        for name, value in table.items():
            handle.set(getattr(zmq, name), value)
        return handle

    def close(self, handle: Socket) -> None:
        """Throw a socket away, unread and unsent."""
        self._open.discard(handle)
        handle.close(0)


class RawSocket:
    """One socket. Its errors are typed; what would have to wait is not done."""

    __slots__ = ("_context", "_get", "_receive", "_send", "handle", "is_empty")

    def __init__(self, context: RawContext, kind: int, table: options.Options) -> None:
        """Make a socket with these options. Raises `HostError`: descriptors have run out."""
        self._context = context
        self.handle = context.open(kind, table)
        self._get = self.handle.get
        self._receive = self.handle.recv
        self._send = self.handle.send
        self.is_empty = False
        """The last look found nothing, and nothing was done since: only then does the descriptor
        tell of all that comes. libzmq tells it once, and any send may swallow that."""

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self.handle.closed

    def close(self) -> None:
        """Throw it away, unread and unsent."""
        self._context.close(self.handle)

    def fileno(self) -> int:
        """Give the descriptor that becomes readable when there may be something to read."""
        return int(self._get(_DESCRIPTOR))

    def has_waiting(self) -> bool:
        """Say whether there is something to read."""
        self.is_empty = not int(self._get(_EVENTS)) & _READABLE
        return not self.is_empty

    def wait(self, within_s: float) -> None:
        """Wait until there may be something to read, at most so long: the one call that may."""
        if not self.has_waiting():
            poll = select.poll()
            poll.register(self.fileno(), select.POLLIN)
            poll.poll(options.poll_milliseconds(within_s))

    def bind(self, endpoint: str, *, is_ipv6: bool = False) -> None:
        """Listen there. Raises `OSError` with libzmq's number and words."""
        self.is_empty = False
        try:
            if not endpoint.startswith("inproc:"):
                self.handle.set(zmq.IPV6, int(is_ipv6))
            self.handle.bind(endpoint)
        except zmq.ZMQError as error:
            raise OSError(error.errno, error.strerror) from error

    def bound(self) -> str:
        """Give the endpoint of the last `bind`."""
        endpoint = self._get(zmq.LAST_ENDPOINT)
        assert isinstance(endpoint, bytes)
        return endpoint.decode("ascii").rstrip("\0")

    def unbind(self, endpoint: str) -> None:
        """Listen there no longer."""
        self.is_empty = False
        self.handle.unbind(endpoint)

    def connect(self, endpoint: str) -> None:
        """Begin to connect. Raises `OSError` with libzmq's number and words."""
        self.is_empty = False
        try:
            self.handle.connect(endpoint)
        except zmq.ZMQError as error:
            raise OSError(error.errno, error.strerror) from error

    def receive(self) -> Part | None:
        """Give the next part that is there; None: there is none."""
        try:
            part = self._receive(_NOW, False)
        except zmq.Again:
            self.is_empty = True
            return None
        self.is_empty = False
        return part

    def receive_from(self) -> tuple[bytes, Part, int, str] | None:
        """Give what a ROUTER has for us; None: nothing.

        That is the routing id, the part that follows, the descriptor of the connection it came by
        (-1: none), and the key that the authenticator named when that came ('': nobody's).
        """
        try:
            peer = self._receive(_NOW)
        except zmq.Again:
            self.is_empty = True
            return None
        self.is_empty = False
        part = self._receive(_NOW, False)
        try:
            return peer, part, part.get(_SOURCE), str(part.get(_KEY))
        except zmq.ZMQError:  # EINVAL: it lacks one of them
            return peer, part, source_of(part), key_of(part)

    def receive_whole(self) -> list[bytes]:
        """Give all parts of the next message, of somebody who is known to send few; []: none."""
        parts: list[bytes] = []
        part = self.receive()
        while part is not None:
            parts.append(part.bytes)
            part = self._receive(_NOW, False) if part.more else None
        return parts

    def drain(self) -> bool:
        """Throw the rest of a message away, whose last part said that there is more.

        False: there is too much of it for one go.
        """
        receive = self._receive
        # The fastest way there is.
        return any(not receive(_NOW, False).more for _ in range(options.DRAIN_PARTS_MAX))

    def send(self, frame: bytes) -> bool:
        """Hand a frame over; False: it was not taken."""
        self.is_empty = False
        try:
            self._send(frame, _NOW)
        except zmq.Again:
            return False
        return True

    def send_to(self, peer: bytes, frame: bytes) -> None:
        """Hand a frame over for one peer of a ROUTER. Raises `PeerGone` and `PeerFull`."""
        self.is_empty = False
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

    def send_parts(self, parts: Sequence[bytes]) -> None:
        """Hand a message of several parts over."""
        self.is_empty = False
        *first, last = parts
        for part in first:
            self._send(part, _NOW_AND_MORE)
        self._send(last, _NOW)


def source_of(part: Part) -> int:
    """Give the descriptor of the connection that this part came by; -1: none."""
    try:
        return int(part.get(_SOURCE))
    except zmq.ZMQError:
        return -1


def key_of(part: Part) -> str:
    """Give the key that the authenticator named when this part's connection came; '': none."""
    try:
        return str(part.get(_KEY))
    except zmq.ZMQError:  # EINVAL: it has none, and so it is nobody's
        return ""


def address_of(part: Part) -> str:
    """Give the numeric address that this part came from; '': unknown."""
    try:
        return str(part.get("Peer-Address"))
    except zmq.ZMQError:
        return ""


class Monitor:
    """The monitor of one socket: read without waiting, and ended before its socket."""

    def __init__(self, context: RawContext, watched: RawSocket, events: int) -> None:
        """Begin to watch. Raises `HostError`: descriptors have run out."""
        self._watched = watched.handle
        self._bell: select.poll | None = None
        endpoint = inner_endpoint("monitor")
        table: options.Options = {"LINGER": 0, "RCVHWM": options.MONITOR_HIGH_WATER}
        self.raw = RawSocket(context, zmq.PAIR, table)
        try:
            self._watched.monitor(endpoint, events)
            self.raw.handle.connect(endpoint)
        except zmq.ZMQError as error:
            self.raw.close()
            raise HostError(f"cannot watch a socket: {error.strerror}") from error

    def events(self) -> list[monitor.MonitorEvent]:
        """Give the events that wait."""
        happened: list[monitor.MonitorEvent] = []
        raw = self.raw
        for _ in range(options.MONITOR_HIGH_WATER):
            parts = raw.receive_whole()  # the event, and an address of ours
            event = monitor.decode(parts[0]) if parts else None
            if event is not None:
                happened.append(event)
            if not parts or (len(happened) < _FEW and not raw.has_waiting()):
                break
        return happened

    def is_silent(self) -> bool:
        """Say whether nothing waits: a fifth of the time that it takes to read in vain."""
        if not self.raw.is_empty:
            return False
        if self._bell is None:
            self._bell = select.poll()
            self._bell.register(self.raw.fileno(), select.POLLIN)
        return not self._bell.poll(0)

    def close(self) -> None:
        """Stop the events, then let the reading end go: the other order blocks libzmq."""
        if self.raw.has_waiting():
            self.events()
        self._watched.monitor(None, 0)
        self.raw.close()


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

    def handles(self) -> tuple[RawSocket, ...]:
        """Give what a `Poller` has to watch: where frames come, and where events do."""
        return (self._raw, self._monitor.raw)

    def _drain(self) -> None:
        """Throw the rest of a message away, as far as it is there."""
        self._must_drain = not self._raw.drain()

    def _has_more_to_drain(self) -> bool:
        """Go on throwing away what was begun; True: there is more of it to come."""
        if self._must_drain:
            self._drain()
        return self._must_drain
