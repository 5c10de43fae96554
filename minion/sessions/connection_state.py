"""The state the link is in, its one socket, and the numbering of attempts."""

import math
from collections import deque

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import Attempt
from limpet.minion.core.effects import CloseSocket, OpenSocket, Port
from limpet.minion.core.outbox import Outbox
from limpet.minion.sessions.states import CHANGES_KEPT, Change, State


class ConnectionState:
    """Where the link is. There is at most one socket, and none but the present attempt's."""

    __slots__ = (
        "_is_open",
        "_outbox",
        "attempt",
        "attempts",
        "changes",
        "deadline",
        "sockets_opened",
        "state",
    )

    def __init__(self, now: Moment, outbox: Outbox) -> None:
        self._outbox = outbox
        self._is_open = False
        self.state = State.BACKOFF
        self.deadline = now.boot
        """When the state ends if nothing else happens; always finite."""
        self.attempt = Attempt(0)
        """The number of the present socket or look-up."""
        self.attempts = 0
        """Sockets opened since the last READY."""
        self.sockets_opened = 0
        self.changes: deque[Change] = deque(maxlen=CHANGES_KEPT)

    def enter(self, now: Moment, state: State, lasting_s: float, reason: str) -> None:
        """Go to a state, for so long at most."""
        self.enter_until(now, state, now.after(lasting_s), reason)

    def enter_until(self, now: Moment, state: State, deadline: Instant, reason: str) -> None:
        """Go to a state, until then at the latest. Raises `ValueError` for a stay without end."""
        self.deadline = _finite(state, deadline)
        self.state = state
        self.changes.append(Change(now.wall, state, reason))
        self._outbox.debug(f"state {state}", f"{state} {reason}" if reason else str(state))

    def renew(self, deadline: Instant) -> None:
        """Stay on in the same state: the other side has given evidence."""
        self.deadline = _finite(self.state, deadline)

    def next_attempt(self) -> Attempt:
        """Make everything that earlier attempts still bring stale."""
        self.attempt = Attempt(self.attempt + 1)
        return self.attempt

    def open(
        self,
        port: Port,
        address: str,
        number: int,
        server_key: str,
        *,
        is_new_context: bool,
        handshake_s: float,
    ) -> None:
        """Open a new socket, as a new attempt."""
        assert not self._is_open
        self._is_open = True
        self.attempts += 1
        self.sockets_opened += 1
        attempt = self.next_attempt()
        self._outbox.add(
            OpenSocket(attempt, port, address, number, is_new_context, server_key, handshake_s)
        )

    def close(self) -> None:
        """Throw the socket away, if there is one."""
        if self._is_open:
            self._is_open = False
            self._outbox.add(CloseSocket(self.attempt))


def _finite(state: State, deadline: Instant) -> Instant:
    if not math.isfinite(deadline):
        raise ValueError(f"{state} without a deadline")
    return deadline
