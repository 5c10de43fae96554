"""Counting failures in a row, and what the count leads to.

    every failure                           -> a new socket, after a pause
    5 in a row, 10, 15 …                    -> a new ZeroMQ context as well
    10 minutes of them while TCP connects   -> the process starts itself afresh

No count ever ends the trying.
"""

from typing import Final

from limpet.common.clock import Instant
from limpet.minion.sessions.states import Loss

CONTEXT_AFTER: Final = 5
REEXEC_AFTER_S: Final = 600.0
SHORT_SESSION_S: Final = 10.0
"""A session that was ready for less than this may have been ended by what it brought."""

HANDSHAKE_LOSSES: Final = frozenset({Loss.HANDSHAKE_SILENT, Loss.HANDSHAKE_FAILED})


class Failures:
    """What went wrong since something last went right."""

    def __init__(self) -> None:
        self.in_a_row = 0
        self.handshakes = 0
        """Handshakes in a row that did not finish though TCP connected."""
        self.contexts = 0
        """New contexts asked for since the process started."""
        self.is_context_due = False
        self._handshakes_since: Instant | None = None
        self._tcp_since: Instant | None = None
        self._ready_at: Instant | None = None
        self._flaps = 0

    def on_failure(self, at: Instant, loss: Loss, *, is_tcp_connected: bool) -> None:
        """Count one more."""
        self.in_a_row += 1
        if self.in_a_row % CONTEXT_AFTER == 0:
            self.is_context_due = True
            self.contexts += 1
        if loss in HANDSHAKE_LOSSES:
            self.handshakes += 1
            if self._handshakes_since is None:
                self._handshakes_since = at
        else:
            self.handshakes = 0
            self._handshakes_since = None
        if not is_tcp_connected:
            self._tcp_since = None
        elif self._tcp_since is None:
            self._tcp_since = at

    def on_answer(self) -> None:
        """Forget it all: the master has answered."""
        self.in_a_row = 0
        self.handshakes = 0
        self.is_context_due = False
        self._handshakes_since = None
        self._tcp_since = None

    def on_ready(self, at: Instant) -> None:
        """Forget it all, and note since when the session is ready."""
        self.on_answer()
        self._ready_at = at

    def on_lost(self, at: Instant) -> int:
        """Count sessions in a row that ended soon after they were ready; gives the count."""
        if self._ready_at is None or at - self._ready_at >= SHORT_SESSION_S:
            self._flaps = 0
        else:
            self._flaps += 1
        self._ready_at = None
        return self._flaps

    def handshakes_lasting_s(self, at: Instant) -> float:
        """Say for how long handshakes have failed."""
        return 0.0 if self._handshakes_since is None else at - self._handshakes_since

    def take_context(self) -> bool:
        """Say whether the next socket wants a new context; asking clears it."""
        is_due, self.is_context_due = self.is_context_due, False
        return is_due

    def take_reexec(self, at: Instant) -> bool:
        """Say whether it is time to start the process afresh; saying so starts the wait anew."""
        if self._tcp_since is None or at - self._tcp_since < REEXEC_AFTER_S:
            return False
        self._tcp_since = None
        return True
