"""The port for keys that nobody knows yet: who may knock, how often, and who is cut off."""

from collections import Counter
from typing import Final

from limpet.common.clock import Instant, SystemClock
from limpet.common.identifiers import MinionKey
from limpet.common.messages.fields import ENROL_FRAME_BYTES_MAX
from limpet.common.transport import tcp
from limpet.common.transport.errors import BadArrival
from limpet.common.transport.events import Accepted, Arrival, Disconnected, HandshakeFailed
from limpet.common.transport.sockets import Authenticator, Context, RouterSocket
from limpet.common.transport.suspensions import Suspensions
from limpet.common.transport.watcher import ENROL_LIMITS, Watcher
from limpet.master.enrolment.io.messages import Setup
from limpet.master.enrolment.rate_limits import network_of

DOMAIN: Final = "limpet-enrol"
MESSAGES_OF_ONE_MAX: Final = 3
BACKLOG: Final = 128
"""With room for a thousand, ten thousand at once broke the limit of connections again and again."""
HIGH_WATER: Final = 8
HANDSHAKE_S: Final = 10.0
"""As at the main port, where all that are let in here come next."""
_ARRIVALS_A_TURN: Final = 100


class EnrolmentPort:
    """The open port and those who knock; made anew when it had to be closed."""

    def __init__(self, setup: Setup, admits: Suspensions, rejected: Counter[str]) -> None:
        self._suspensions = admits
        self._rejected = rejected
        self._clock = SystemClock()
        self._context = Context()
        self.authenticator = Authenticator(self._context, {DOMAIN: self._is_welcome})
        self.router = RouterSocket(
            self._context,
            secret_key=setup.secret_key,
            domain=DOMAIN,
            frame_bytes_max=ENROL_FRAME_BYTES_MAX,
            send_bytes_max=ENROL_FRAME_BYTES_MAX,
            backlog=BACKLOG,
            high_water=HIGH_WATER,
            handshake_s=HANDSHAKE_S,
            small_buffers=True,
        )
        self._watcher = Watcher(
            ENROL_LIMITS,
            received=tcp.bytes_received,
            taken=tcp.bytes_taken,
            network=network_of,
        )
        self._messages: dict[bytes, int] = {}

    @property
    def next_sweep(self) -> Instant:
        """When `sweep` is wanted."""
        return Instant(self._watcher.next_sweep)

    def __len__(self) -> int:
        return len(self._watcher)

    def arrivals(self, now: Instant) -> list[Arrival]:
        """Read what came, a bounded part of it, and count what breaks the rules."""
        self._follow(now)
        found: list[Arrival] = []
        for _ in range(_ARRIVALS_A_TURN):
            try:
                arrival = self.router.receive_ready()
            except BadArrival as error:
                self._rejected[error.reason] += 1
                self.cut(error.fd, error.peer, error.key, now)
                continue
            if arrival is None:
                break
            if self._is_within_bounds(arrival, now):
                found.append(arrival)
        return found

    def heard(self, arrival: Arrival, now: Instant) -> None:
        """Take note of a whole, well-formed message."""
        self._watcher.message(arrival.fd, arrival.peer, now)

    def sweep(self, now: Instant) -> None:
        """Cut those who are too old, too many, silent, or never come to an end."""
        for cut in self._watcher.sweep(now, self.router.is_drained):
            self._rejected[cut.reason] += 1
            self.router.shut(cut.fd, cut.peer)

    def cut(self, fd: int, peer: bytes, key: MinionKey | None, now: Instant) -> None:
        """Cut one connection off and keep its key out for a while."""
        if key is not None:
            self._suspensions.suspend(key, now)
        self.router.shut(fd, peer)

    def close(self) -> None:
        """Close the port and all connections."""
        self.router.close()
        self.authenticator.close()
        self._context.close()

    def _is_welcome(self, key: bytes, _address: str) -> bool:
        return not self._suspensions.is_suspended(key.hex(), self._clock.now().boot)

    def _is_within_bounds(self, arrival: Arrival, now: Instant) -> bool:
        number = self._messages.get(arrival.peer, 0) + 1
        self._messages[arrival.peer] = number
        if number <= MESSAGES_OF_ONE_MAX:
            return True
        self._rejected["enrol_messages"] += 1
        self.router.shut(arrival.fd, arrival.peer)
        return False

    def _follow(self, now: Instant) -> None:
        """Keep the watcher's book up to date."""
        for event in self.router.events():
            match event:
                case Accepted():
                    self._watcher.accepted(event.fd, event.address, now)
                case HandshakeFailed(reason=reason) if reason != "denied":
                    self._rejected[reason] += 1  # the authenticator counts those it denied
                case Disconnected():
                    self._watcher.disconnected(event.fd)
                    if event.peer is not None:
                        self._messages.pop(event.peer, None)
