"""Disks that take their time, stall, fill up, and lose what was not synced when the host dies."""

from collections.abc import Callable
from typing import Generic, TypeVar

from support.simulator.world import World

Item = TypeVar("Item")


class Disk(Generic[Item]):
    """A log of committed batches; `apply` makes one durable."""

    def __init__(
        self, world: World, name: str, apply: Callable[[int, tuple[Item, ...]], None]
    ) -> None:
        self._world = world
        self._name = name
        self._apply = apply
        self._waiting: list[tuple[int, tuple[Item, ...], Callable[[int], None]]] = []
        self._is_busy = False
        self.commit_s = 0.002
        self.stalled_until = 0.0
        self.is_full = False
        self.tell_trouble: Callable[[str], None] = lambda _text: None
        self.durable_commit = 0

    def write(self, commit: int, items: tuple[Item, ...], done: Callable[[int], None]) -> None:
        """Write a batch; `done(commit)` is called once it is durable."""
        self._waiting.append((commit, items, done))
        self._go_on()

    def _go_on(self) -> None:
        if self._is_busy or not self._waiting:
            return
        self._is_busy = True
        ready = max(
            self._world.t + self.commit_s * (0.5 + self._world.chance.random()), self.stalled_until
        )
        group = list(self._waiting)  # one sync for all that waits
        self._world.at(ready, lambda: self._finish(group))

    def _finish(self, group: list[tuple[int, tuple[Item, ...], Callable[[int], None]]]) -> None:
        if not self._is_busy or self._waiting[: len(group)] != group:
            return  # lost in a crash meanwhile
        if self.is_full:
            self.tell_trouble("disk full")
            self._world.later(1.0, lambda: self._finish(group))
            return
        self.tell_trouble("")
        if self._world.t < self.stalled_until:
            self._world.at(self.stalled_until, lambda: self._finish(group))
            return
        self._is_busy = False
        del self._waiting[: len(group)]
        for commit, items, _done in group:
            self._apply(commit, items)
            self.durable_commit = commit
        for commit, _items, done in group:
            done(commit)
        self._go_on()

    def crash(self) -> None:
        """The writer died: of what was not acknowledged, a random beginning is on the platter."""
        survivors = self._world.chance.randint(0, len(self._waiting)) if not self.is_full else 0
        for commit, items, _done in self._waiting[:survivors]:
            self._apply(commit, items)
            self.durable_commit = commit
        self._waiting.clear()
        self._is_busy = False
