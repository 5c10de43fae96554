"""From the master's name to a socket: look it up, try its addresses one after the other.

A round is one pass over all addresses on one port. Each method says how the round failed, or None
while it goes on.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import Attempt
from limpet.common.transport.events import LinkEvent
from limpet.minion.core.effects import Port, Resolve
from limpet.minion.core.notes import Notes
from limpet.minion.core.outbox import Outbox
from limpet.minion.core.settings import LinkSettings
from limpet.minion.sessions.addresses import is_numeric, ordered
from limpet.minion.sessions.backoff import handshake_s, tcp_s
from limpet.minion.sessions.connection_state import ConnectionState
from limpet.minion.sessions.reconnect_policy import ReconnectPolicy
from limpet.minion.sessions.server_keys import ServerKeys
from limpet.minion.sessions.states import CONNECTING_S, RESOLVING_S, Loss, State

LATE_MAX: Final = 8
"""Questions whose answer is worth something when it comes late."""
SILENT_FROM_S: Final = 0.8 * CONNECTING_S
"""A handshake that fails this late was not ended by the other side: it ran into a limit."""

_TELLING: Final = (
    Loss.HANDSHAKE_FAILED,
    Loss.HANDSHAKE_SILENT,
    Loss.REFUSED,
    Loss.UNREACHABLE,
)
"""Losses, the most telling first: a round is called after the most telling of its addresses."""


@dataclass(slots=True)
class Round:
    """The addresses still to try on one port, and how the earlier ones failed."""

    port: Port
    left: list[str]
    address: str = ""
    """The address of the present socket."""
    opened: float = 0.0
    is_tcp_connected: bool = False
    """TCP is up at the present address, as far as the transport told."""
    was_tcp_connected: bool = False
    """TCP was up at any address of this round."""
    losses: set[Loss] = field(default_factory=set)

    def verdict(self) -> Loss:
        """Name the round's failure."""
        return next((loss for loss in _TELLING if loss in self.losses), Loss.UNREACHABLE)


class Dialer:
    """Opens the sockets of one link."""

    def __init__(
        self,
        settings: LinkSettings,
        notes: Notes,
        outbox: Outbox,
        connection: ConnectionState,
        reconnect: ReconnectPolicy,
        keys: ServerKeys,
    ) -> None:
        self._keys = keys
        self._notes = notes
        self._outbox = outbox
        self._connection = connection
        self._reconnect = reconnect
        self.round = Round(reconnect.port, [])
        self._places = deque(settings.places)
        """The first is dialled; one that has failed goes to the end."""
        self._asked: deque[tuple[Attempt, str]] = deque(maxlen=LATE_MAX)
        """Which attempt asked for which name, for answers that come late."""
        self._late: dict[str, tuple[str, ...]] = {}
        """What was answered too late for its attempt, until a name is answered in time."""

    def start(self, now: Moment) -> Loss | None:
        """Look the name up anew; a numeric address is dialled at once."""
        host = self._places[0].host
        attempt = self._connection.next_attempt()
        if is_numeric(host):
            self._connection.enter(now, State.RESOLVING, RESOLVING_S, "")
            return self.on_addresses(now, (host,))
        self._asked.append((attempt, host))
        self._outbox.add(Resolve(attempt, host))
        self._connection.enter(now, State.RESOLVING, RESOLVING_S, f"looking {host} up")
        return None

    def on_addresses(self, now: Moment, addresses: tuple[str, ...]) -> Loss | None:
        """Dial the first address; if the name has none, what was answered late or worked before.

        The late answer comes first: where a slow name server says that the master has moved, the
        address that worked before is that of nobody.
        """
        host = self._places[0].host
        known = self._notes.addresses
        late = self._late.pop(host, ())
        candidates = ordered(addresses or (*late, *known), known[0] if known else "")
        if not addresses and late and known and known[0] not in late:
            candidates = ordered((*late, *known), late[0])
        self.round = Round(self._reconnect.port, list(candidates))
        if not candidates:
            self._outbox.warning("resolve", f"the master's name {host} can't be resolved")
            return Loss.UNRESOLVED
        return self._next_address(now)

    def on_late_addresses(self, attempt: Attempt, addresses: tuple[str, ...]) -> bool:
        """Keep an answer to an earlier question; True if it answers the present one as well."""
        host = dict(self._asked).get(attempt, "")
        if not host or not addresses:
            return False
        self._late[host] = addresses
        return host == self._places[0].host

    def change_place(self) -> None:
        """Dial another place of the master from now on: an attempt at this one has failed."""
        self._places.rotate(-1)

    def on_tcp(self) -> None:
        """Note that TCP is up: a hint, which names a failure and grants CURVE its time."""
        self.round.is_tcp_connected = True
        self.round.was_tcp_connected = True

    def handshake_until(self) -> Instant:
        """Give until when the present handshake may last where TCP stands."""
        return Instant(self.round.opened + self._handshake_s())

    def _tcp_s(self) -> float:
        is_new = not self._notes.is_accepted
        failures = self._reconnect.failures.in_a_row
        return tcp_s(self._notes.fleet, is_new=is_new, failures=failures)

    def _handshake_s(self) -> float:
        return handshake_s(self._notes.fleet, is_new=not self._notes.is_accepted)

    def on_failed(self, now: Moment, what: LinkEvent) -> Loss | None:
        """Go on after the transport gave the present address up."""
        is_late = now.boot - self.round.opened >= SILENT_FROM_S
        if what == "refused":
            self.round.losses.add(Loss.UNREACHABLE if is_late else Loss.REFUSED)
        else:
            self.on_tcp()
            loss = Loss.HANDSHAKE_SILENT if is_late else Loss.HANDSHAKE_FAILED
            self.round.losses.add(loss)
            if loss is Loss.HANDSHAKE_FAILED and self._keys.take_next():
                self._connection.close()
                self._open(now)
                return None
        return self._next_address(now)

    def on_deadline(self, now: Moment) -> Loss | None:
        """Go on after the present address took too long."""
        is_connected = self.round.is_tcp_connected
        self.round.losses.add(Loss.HANDSHAKE_SILENT if is_connected else Loss.UNREACHABLE)
        return self._next_address(now)

    def _next_address(self, now: Moment) -> Loss | None:
        """Open a socket to the next address, without a pause."""
        self._connection.close()
        dialled = self.round
        if not dialled.left:
            return dialled.verdict()
        dialled.address = dialled.left.pop(0)
        self._keys.begin()
        self._open(now)
        return None

    def _open(self, now: Moment) -> None:
        """Open a socket to the present address, for the present one of the master's keys."""
        dialled = self.round
        dialled.opened = now.boot
        dialled.is_tcp_connected = False
        is_main = dialled.port == "main"
        number = self._places[0].port if is_main else self._places[0].enrol_port
        is_new_context = self._reconnect.failures.take_context()
        self._connection.open(
            dialled.port,
            dialled.address,
            number,
            self._keys.key,
            is_new_context=is_new_context,
            handshake_s=self._handshake_s(),
        )
        self._connection.enter(
            now, State.CONNECTING, self._tcp_s(), f"{dialled.address} port {number}"
        )
