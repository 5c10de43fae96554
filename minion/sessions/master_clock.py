"""The master's clock as seen from here: what an expiry time means on this host.

Each Welcome and MasterBeat carries the master's CLOCK_BOOTTIME. It was read between the moment in
which the question left and the moment in which the answer came; the narrower that window, the
better the estimate. Both clocks run at the same pace, so one good sample serves for long.
"""

from collections import deque
from typing import Final

from limpet.common.clock import Instant

SAMPLES_MAX: Final = 12
"""Samples kept; with a beat every 5 s, a minute's worth."""


class MasterClock:
    """An estimate of the master's clock, of one session."""

    __slots__ = ("_best", "_samples")

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES_MAX)
        """Of each the width of its window, and by how much that clock is ahead of this host's."""
        self._best: tuple[float, float] | None = None
        """The sample with the narrowest window: looked for when one comes, not for each job."""

    @property
    def is_known(self) -> bool:
        """Say whether the master has told its time yet."""
        return self._best is not None

    @property
    def uncertainty_s(self) -> float:
        """Give half the width of the best sample's window; 0 if there is none."""
        return 0.0 if self._best is None else self._best[0] / 2

    def restart(self) -> None:
        """Forget all samples: another master, or the same one after a reboot."""
        self._samples.clear()
        self._best = None

    def on_answer(self, asked: Instant, answered: Instant, master_s: float) -> None:
        """Take a reading made between the two instants."""
        width = max(0.0, answered - asked)
        self._samples.append((width, master_s - (asked + width / 2)))
        self._best = min(self._samples)

    def now_s(self, at: Instant) -> float:
        """Give the master's time at this instant. Only after a first answer."""
        assert self._best is not None
        return at + self._best[1]

    def seconds_until(self, master_s: float, at: Instant) -> float:
        """Give the seconds left until the master's clock shows this; negative: it is past."""
        return master_s - self.now_s(at)
