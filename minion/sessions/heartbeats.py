"""Beats: the proof that both directions of the link, and the loops at both ends, work.

    own beat n leaves           -> its time is remembered
    MasterBeat(echo=n)          -> all worked when beat n left: lost three intervals after that
    MasterBeat(echo as before)  -> the master asks by itself: answered at once

Only an echo moves the moment of loss. Sending, or hearing anything else, does not.
"""

from collections import deque
from typing import Final

from limpet.common.clock import Instant, Moment
from limpet.minion.sessions.states import BEATS_TO_LOSS

UNECHOED_MAX: Final = 64
"""Beats remembered until their echo; an older one no longer proves anything."""
ANSWER_GAP_S: Final = 0.05
"""Beats that answer the master's, and early beats, are at least so far apart."""


class Heartbeats:
    """The beats of one session, seen from the minion."""

    __slots__ = (
        "_left_at",
        "_unechoed",
        "due",
        "echoed",
        "heard",
        "interval_s",
        "lost_at",
        "number",
    )

    def __init__(self, now: Moment, interval_s: float) -> None:
        assert interval_s > 0
        self.interval_s = interval_s
        self.due = now.boot
        """When the next own beat leaves: the first at once."""
        self.lost_at = now.after(BEATS_TO_LOSS * interval_s)
        """When the session is lost if no echo comes."""
        self.number = 0
        """The own last beat."""
        self.heard = 0
        """The master's last beat."""
        self.echoed = 0
        """The own last beat that came back."""
        self._unechoed: deque[tuple[int, Instant]] = deque(maxlen=UNECHOED_MAX)
        self._left_at: Instant | None = None

    def restart(self, now: Moment) -> None:
        """Begin to judge silence now: the session is ready."""
        self.lost_at = now.after(BEATS_TO_LOSS * self.interval_s)

    def hurry(self) -> None:
        """Let the next beat leave as soon as one may."""
        if self._left_at is not None:
            self.due = min(self.due, Instant(self._left_at + ANSWER_GAP_S))

    def on_leaving(self, now: Moment) -> int:
        """Give the number of a beat that leaves now."""
        self.number += 1
        self.due = now.after(self.interval_s)
        self._left_at = now.boot
        self._unechoed.append((self.number, now.boot))
        return self.number

    def on_master_beat(self, number: int, echo: int) -> Instant | None:
        """Hear the master. Gives the time at which the newly echoed beat left, if one is.

        An echo of a beat that was never sent proves nothing and is ignored.
        """
        self.heard = max(self.heard, number)
        if not self.echoed < echo <= self.number:
            return None
        self.echoed = echo
        left_at: Instant | None = None
        while self._unechoed and self._unechoed[0][0] <= echo:
            beat, at = self._unechoed.popleft()
            if beat == echo:
                left_at = at
        if left_at is not None:
            self.lost_at = Instant(left_at + BEATS_TO_LOSS * self.interval_s)
        return left_at

    @property
    def is_echo_awaited(self) -> bool:
        """Say whether a beat is under way."""
        return self.echoed < self.number

    def may_answer(self, now: Moment) -> bool:
        """Say whether a beat may leave now, out of turn."""
        return self._left_at is None or now.boot - self._left_at >= ANSWER_GAP_S
