"""Virtual time and the order of events. Everything that happens is a function called at a time."""

import heapq
import random
from collections.abc import Callable

from limpet.common.clock import Instant, Moment

WALL_AT_START_S = 1_700_000_000.0


class Broken(AssertionError):
    """An invariant does not hold; the message is the story's end."""


class World:
    """One run: its time, its chance, its trace."""

    def __init__(self, seed: int, *, traced: bool = False) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.t = 0.0
        self.trace: list[str] = []
        self.is_traced = traced
        self.steps = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Call `act` at the given time (never in the past)."""
        self._order += 1
        heapq.heappush(self._queue, (max(when, self.t), self._order, act))

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Call `act` after a delay."""
        self.at(self.t + delay_s, act)

    def note(self, who: str, what: str) -> None:
        """Put a line into the trace, if one is kept."""
        if self.is_traced:
            self.trace.append(f"{self.t:9.3f} {who:<9} {what}")

    def run_until(self, end: float, *, steps_max: int = 400_000) -> None:
        """Let the world go on until a time. Raises `Broken` if it needs too many steps."""
        while self._queue and self._queue[0][0] <= end:
            self.t, _, act = heapq.heappop(self._queue)
            self.steps += 1
            if self.steps > steps_max:
                raise Broken(f"more than {steps_max} steps: something goes round in circles")
            act()
        self.t = end


class HostClock:
    """The two clocks of one host: boot time that never jumps, a wall clock that may."""

    def __init__(self, world: World, *, up_since: float, wall_skew_s: float = 0.0) -> None:
        self._world = world
        self.up_since = up_since
        self.wall_skew_s = wall_skew_s

    def now(self) -> Moment:
        """Read both clocks."""
        return Moment(
            Instant(self._world.t - self.up_since),
            WALL_AT_START_S + self._world.t + self.wall_skew_s,
        )

    def at(self, instant: Instant) -> float:
        """Give the world's time of an instant of this host."""
        return instant + self.up_since


class ProcessDied(Exception):
    """The process was killed between two effects."""


class Process:
    """Something that runs one core: it can be paused and killed between any two effects."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.is_alive = False
        self.life = 0
        self.crash_after_effects: int | None = None
        self.restart_after_s = 1.0
        self.up_by = float("inf")
        """When faults end: whoever is down then starts again."""
        self._paused_until = 0.0
        self.stood_still: tuple[float, float] = (-1e9, -1e9)
        """From when to when the process was stopped last."""
        self._backlog: list[Callable[[], None]] = []

    def restart_s(self) -> float:
        """Give after how long a process that ends now is started again."""
        return min(self.restart_after_s, max(0.1, self.up_by - self.world.t))

    def pause(self, seconds: float) -> None:
        """Stop the process (SIGSTOP, suspension): what comes meanwhile waits, in order."""
        until = self.world.t + seconds
        if until <= self._paused_until or not self.is_alive:
            return
        since = self.stood_still[0] if self.is_paused else self.world.t
        self.stood_still = (since, until)
        self._paused_until = until
        self.world.note(self.name, f"stopped for {seconds:.1f} s")
        self.world.at(until, self._resume)

    @property
    def is_paused(self) -> bool:
        """Say whether it stands still now."""
        return self.world.t < self._paused_until

    def _resume(self) -> None:
        if self.is_paused:
            return
        backlog, self._backlog = self._backlog, []
        for act in backlog:
            act()

    def let(self, life: int, act: Callable[[], None]) -> None:
        """Do something in the process, if that life of it still lives; later if it is stopped."""
        if life != self.life or not self.is_alive:
            return
        if self.is_paused:
            self._backlog.append(lambda: self.let(life, act))
            return
        try:
            act()
        except ProcessDied:
            self.on_killed()

    def kill(self) -> None:
        """End the process as SIGKILL does."""
        if self.is_alive:
            self.on_killed()

    def on_killed(self) -> None:
        """Forget everything that is not on disk."""
        self.world.note(self.name, "killed")
        self.is_alive = False
        self.life += 1
        self._backlog = []
        self._paused_until = 0.0
        self.crash_after_effects = None

    def count_effect(self) -> None:
        """Die here if this is the effect at which a fault wants it."""
        if self.crash_after_effects is None:
            return
        self.crash_after_effects -= 1
        if self.crash_after_effects <= 0:
            raise ProcessDied
