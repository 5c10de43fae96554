"""The one socket to the master, with its decoder and with the frames that wait for room.

A thin hand over `limpet.common.transport`: which socket is opened when, and what comes of its
events, is the core's business.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, Protocol

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.errors import HostError, PeerError, UsageError
from limpet.common.identifiers import Attempt
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.messages.fields import (
    ENROL_FRAME_BYTES_MAX,
    MAIN_FRAME_BYTES_MAX,
    MINION_FRAME_BYTES_MAX,
    Message,
)
from limpet.common.transport.events import LinkEvent
from limpet.common.transport.sockets import Context, DealerSocket
from limpet.common.wire.codec import (
    Decoder,
    FromMaster,
    encode,
    enrol_answer_decoder,
    minion_decoder,
)
from limpet.minion.core.effects import OpenSocket

QUEUE_FRAMES_MAX: Final = 2_000
QUEUE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Frames that the socket had no room for; the core sends again what is never acknowledged."""
RETRY_S: Final = 0.02
"""How soon a frame that had no room is tried again."""
_MAIN: Final = minion_decoder()
_ENROL: Final = enrol_answer_decoder()


class Identity(Protocol):
    """Whose socket it is: 32 bytes each."""

    @property
    def public_key(self) -> bytes:
        """Give the public key."""
        ...

    @property
    def secret_key(self) -> bytes:
        """Give the secret key."""
        ...


class Watch(Protocol):
    """Who is to be told of the socket that is open."""

    def register(self, thing: DealerSocket, /) -> None:
        """Wait for this socket, too."""
        ...

    def unregister(self, thing: DealerSocket, /) -> None:
        """Forget this socket; it is about to be closed."""
        ...


class BadFrame(PeerError):
    """A frame that can't be decoded; `is_fatal`: the socket is of no use any more."""

    def __init__(self, error: PeerError, *, is_fatal: bool) -> None:
        self.is_fatal = is_fatal
        super().__init__(error.reason, str(error))


class MasterSocket:
    """At most one socket at a time, that of the core's present attempt."""

    __slots__ = (
        "_attempt",
        "_context",
        "_decoder",
        "_failed_at_once",
        "_is_shared",
        "_plan",
        "_poller",
        "_socket",
        "_waiting",
        "_waiting_bytes",
        "frames_dropped",
    )

    def __init__(self, plan: Identity, poller: Watch, *, shared: Context | None = None) -> None:
        """`shared`: a context that others use as well, and that is not this one's to end."""
        self._plan = plan
        self._poller = poller
        self._is_shared = shared is not None
        self._context = Context() if shared is None else shared
        self._decoder: Decoder[FromMaster] | Decoder[EnrolAnswer] = _MAIN
        self._socket: DealerSocket | None = None
        self._attempt = Attempt(0)
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._failed_at_once = False
        self.frames_dropped = 0

    @property
    def attempt(self) -> Attempt:
        """Give the attempt whose socket is open; 0: none is."""
        return self._attempt if self._socket is not None or self._failed_at_once else Attempt(0)

    def next_deadline(self, now: Moment) -> Instant:
        """Give when `flush` is wanted, or events wait."""
        if self._failed_at_once:
            return now.boot
        return now.after(RETRY_S) if self._waiting else FOREVER

    def open(self, effect: OpenSocket) -> None:
        """Make the socket and begin to connect it."""
        assert self._socket is None
        if effect.is_new_context and not self._is_shared:
            self._context.close()
            self._context = Context()
        is_main = effect.port == "main"
        self._decoder = _MAIN if is_main else _ENROL
        self._attempt = effect.attempt
        try:
            self._socket = DealerSocket(
                self._context,
                address=effect.address,
                port=effect.number,
                server_key=bytes.fromhex(effect.server_key),
                public_key=self._plan.public_key,
                secret_key=self._plan.secret_key,
                frame_bytes_max=MAIN_FRAME_BYTES_MAX if is_main else ENROL_FRAME_BYTES_MAX,
                handshake_s=effect.handshake_s,
                send_bytes_max=MINION_FRAME_BYTES_MAX if is_main else ENROL_FRAME_BYTES_MAX,
            )
        except (UsageError, HostError):
            # An address that no socket takes (with a zone or the like), or no descriptor is left:
            # a failed attempt, and the next one comes after a pause.
            self._failed_at_once = True
            return
        self._poller.register(self._socket)

    def close(self, attempt: Attempt) -> None:
        """Throw the attempt's socket away, unread and unsent."""
        if attempt != self._attempt:
            return
        self._failed_at_once = False
        self._waiting.clear()
        self._waiting_bytes = 0
        if self._socket is not None:
            self._poller.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def send(self, attempt: Attempt, message: Message) -> None:
        """Send a message of the attempt, in order; dropped if its socket is gone."""
        if self._socket is None or attempt != self._attempt:
            return
        frame = encode(message)
        if not self._waiting and self._socket.send(frame):
            return
        if (
            len(self._waiting) >= QUEUE_FRAMES_MAX
            or self._waiting_bytes + len(frame) > QUEUE_BYTES_MAX
        ):
            self.frames_dropped += 1
            return
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)

    def flush(self) -> None:
        """Send what waited, as far as there is room."""
        while self._socket is not None and self._waiting and self._socket.send(self._waiting[0]):
            self._waiting_bytes -= len(self._waiting.popleft())

    def events(self) -> list[LinkEvent]:
        """Give what the transport noticed of the present socket."""
        if self._failed_at_once:
            return ["refused"]
        return [] if self._socket is None else self._socket.events()

    def messages(self, frames_max: int) -> Iterator[FromMaster | EnrolAnswer | BadFrame]:
        """Give what has arrived; ends at once when the socket is closed meanwhile."""
        attempt = self._attempt
        for _ in range(frames_max):
            if self._socket is None or attempt != self._attempt:
                return
            try:
                frame = self._socket.receive_ready()
            except PeerError as error:
                yield BadFrame(error, is_fatal=True)
                continue
            if frame is None:
                return
            try:
                message = self._decoder.decode(frame)
            except PeerError as error:
                yield BadFrame(error, is_fatal=False)
                continue
            yield message

    def end(self) -> None:
        """Close the socket and the context; waits for at most two seconds, usually not at all."""
        self.close(self._attempt)
        if not self._is_shared:
            self._context.close()
