"""Whose turn is next: minions in a ring, of each the oldest question, and so many at once."""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from limpet.common.identifiers import MinionKey

T = TypeVar("T")


class RoundRobin(Generic[T]):
    """Queues by minion, of which one that asks a lot delays nobody else."""

    def __init__(self, of_one_at_once: int) -> None:
        assert of_one_at_once >= 1
        self._of_one_at_once = of_one_at_once
        self._ring: OrderedDict[MinionKey, deque[T]] = OrderedDict()
        self._resting: dict[MinionKey, deque[T]] = {}
        """Those who have as many served as they may."""
        self._served: dict[MinionKey, int] = {}

    @property
    def is_waiting(self) -> bool:
        """Say whether `take` would give an item."""
        return bool(self._ring)

    def add(self, key: MinionKey, item: T) -> None:
        """Let an item wait behind the others of its minion."""
        home = self._resting if self._is_resting(key) else self._ring
        home.setdefault(key, deque()).append(item)

    def take(self) -> tuple[MinionKey, T] | None:
        """Take the next item; it counts as served until `done`. None: nobody's turn is now."""
        if not self._ring:
            return None
        key = next(iter(self._ring))
        queue = self._ring.pop(key)
        item = queue.popleft()
        self._served[key] = self._served.get(key, 0) + 1
        if queue:
            home = self._resting if self._is_resting(key) else self._ring
            home[key] = queue
        return key, item

    def done(self, key: MinionKey) -> None:
        """Count one of a minion's items as served to its end."""
        self._served[key] -= 1
        if not self._served[key]:
            del self._served[key]
        queue = self._resting.pop(key, None)
        if queue is not None:
            self._ring[key] = queue

    def drop(self, key: MinionKey, is_unwanted: Callable[[T], bool]) -> list[T]:
        """Take the unwanted items of a minion out of the queue, and give them."""
        dropped: list[T] = []
        for home in (self._ring, self._resting):
            queue = home.get(key)
            if queue is None:
                continue
            dropped += [item for item in queue if is_unwanted(item)]
            kept = deque(item for item in queue if not is_unwanted(item))
            if kept:
                home[key] = kept
            else:
                del home[key]
        return dropped

    def _is_resting(self, key: MinionKey) -> bool:
        return self._served.get(key, 0) >= self._of_one_at_once
