"""The alarm of a host of a large fleet: one under way, where the simulator's own has one a step."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from limpet.common.clock import Instant
from support.simulator.world import HostClock, Process

_LATE_S = 1e-6
"""So much after a deadline it is past for sure, whatever is lost in adding."""


class Core(Protocol):
    """What has something to do at a time that it names."""

    @property
    def next_deadline(self) -> Instant:
        """Boot time of its host."""
        ...


class Alarm:
    """Wakes one core when it is due; an alarm that turns out too early is set anew."""

    def __init__(
        self,
        process: Process,
        clock: HostClock,
        core: Callable[[], Core | None],
        wake: Callable[[], object],
    ) -> None:
        """`core` gives None while the process does not run; `wake` is called at its deadline."""
        self._process = process
        self._clock = clock
        self._core = core
        self._wake = wake
        self._rings_at = float("inf")

    def forget(self) -> None:
        """Start with no alarm under way, as a new process does."""
        self._rings_at = float("inf")

    def set(self) -> None:
        """Ring at the core's next deadline, unless an earlier alarm is under way."""
        core = self._core()
        assert core is not None
        at = self._clock.at(core.next_deadline) + _LATE_S
        if at < self._rings_at:
            self._rings_at = at
            self._process.world.at(at, partial(self._ring, at, self._process.life))

    def _ring(self, at: float, life: int) -> None:
        if life != self._process.life or self._rings_at != at:
            return
        self._rings_at = float("inf")
        core = self._core()
        if core is None:
            return
        if self._clock.now().boot >= core.next_deadline:
            self._wake()
        else:
            self.set()
