"""Whether the loop lets beats and logins gather before its next turn.

a turn heard something, and so did one just before, and nobody waits for a job ---> one pause
else ------------------------------------------------------------------------------> none
"""

from typing import Final

from limpet.common.clock import Instant

GATHER_S: Final = 0.003
"""How long they are gathered: a turn for each costs several times what is in it. What clients, the
store and others wait for ends a pause at once; while a job is open there is none."""
BUSY_S: Final = 0.01
"""Frames, or logins, that come closer together than this are worth gathering."""


class Coalescing:
    """One pause at most after each turn that heard something. No clock, no sleep."""

    def __init__(self) -> None:
        self._heard_at = Instant(float("-inf"))
        self._is_wanted = False

    def on_heard(self, now: Instant, *, is_at_rest: bool) -> None:
        """Take note that a turn heard minions. `is_at_rest`: nobody waits for what they say."""
        self._is_wanted = is_at_rest and now < self._heard_at + BUSY_S
        self._heard_at = now

    def take(self) -> float:
        """Give how long to pause before the next turn, in seconds; 0: not at all."""
        pause_s = GATHER_S if self._is_wanted else 0.0
        self._is_wanted = False
        return pause_s
