"""One round through the master's addresses: which comes next, and what the round was worth."""

from dataclasses import dataclass, field

from limpet.common.clock import Instant
from limpet.minion.effects import Port
from limpet.minion.link.states import CONNECTING_S, Loss

SILENT_FROM: float = 0.8 * CONNECTING_S
"""A handshake that fails this late was not ended by the other side: it ran into a limit."""

_TELLING = (
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

    def next_address(self, at: Instant) -> str | None:
        """Go on to the next address; None: there is none."""
        if not self.left:
            return None
        self.address = self.left.pop(0)
        self.opened = at
        self.is_tcp_connected = False
        return self.address

    def on_tcp(self) -> None:
        """Note that TCP is up."""
        self.is_tcp_connected = True
        self.was_tcp_connected = True

    def on_failed(self, at: Instant, what: str) -> None:
        """Note how the present address failed: an event of the transport, or `deadline`."""
        if what == "refused":
            late = at - self.opened >= SILENT_FROM
            self.losses.add(Loss.UNREACHABLE if late else Loss.REFUSED)
        elif what == "deadline":
            silent = self.is_tcp_connected
            self.losses.add(Loss.HANDSHAKE_SILENT if silent else Loss.UNREACHABLE)
        else:
            self.on_tcp()
            late = at - self.opened >= SILENT_FROM
            self.losses.add(Loss.HANDSHAKE_SILENT if late else Loss.HANDSHAKE_FAILED)

    def verdict(self) -> Loss:
        """Name the round's failure."""
        return next((loss for loss in _TELLING if loss in self.losses), Loss.UNREACHABLE)
