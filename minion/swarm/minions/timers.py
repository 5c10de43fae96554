"""Which of many minions is due next: a heap that holds few entries for each.

A minion's deadline usually moves away while it waits, so an entry is only a promise to look again:
whoever is woken too early says when it wants to be woken instead.
"""

import heapq
from collections.abc import Iterator

from limpet.common.clock import FOREVER, Instant


class Timers:
    """The next wake-up of each of a fixed number of minions, by their index."""

    def __init__(self, number: int) -> None:
        self._heap: list[tuple[float, int]] = []
        self._wake: list[float] = [FOREVER] * number

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_deadline(self) -> Instant:
        """Give when `due` is wanted."""
        return Instant(self._heap[0][0]) if self._heap else FOREVER

    def wake(self, index: int, at: Instant) -> None:
        """See to it that this one is woken at that time at the latest."""
        if at < self._wake[index]:
            self._wake[index] = at
            heapq.heappush(self._heap, (at, index))
            if len(self._heap) > 4 * len(self._wake) + 64:
                self._tidy()

    def due(self, now: Instant, most: int) -> Iterator[int]:
        """Give who is due, the earliest first, so many at most; each has to ask again."""
        for _ in range(most):
            while self._heap and self._wake[self._heap[0][1]] != self._heap[0][0]:
                heapq.heappop(self._heap)  # it was woken earlier than this
            if not self._heap or self._heap[0][0] > now:
                return
            _, index = heapq.heappop(self._heap)
            self._wake[index] = FOREVER
            yield index

    def _tidy(self) -> None:
        """Leave out entries that say nothing any more: the heap stays within a bound."""
        self._heap = [(at, index) for index, at in enumerate(self._wake) if at < FOREVER]
        heapq.heapify(self._heap)
