"""Many deadlines, one next: a heap whose stale entries are skipped and, when too many, swept.

Setting, clearing and taking cost O(log n); memory stays within about twice the deadlines set.
"""

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

from limpet.common.clock import FOREVER, Instant

Name = TypeVar("Name", bound=Hashable)


class Timetable(Generic[Name]):
    """What is due when; each name has at most one time."""

    def __init__(self) -> None:
        self._heap: list[tuple[Instant, int, Name]] = []
        self._entries: dict[Name, tuple[Instant, int]] = {}
        self._order = 0

    def __len__(self) -> int:
        return len(self._entries)

    def set(self, name: Name, when: Instant) -> None:
        """Let the name be due at an instant, instead of whenever it was due before."""
        assert when < FOREVER, f"{name}: a wait without a deadline"
        present = self._entries.get(name)
        if present is not None and present[0] == when:
            return
        self._order += 1
        self._entries[name] = (when, self._order)
        heapq.heappush(self._heap, (when, self._order, name))
        if len(self._heap) > 2 * len(self._entries) + 64:
            self._heap = [(at, order, each) for each, (at, order) in self._entries.items()]
            heapq.heapify(self._heap)

    def clear(self, name: Name) -> None:
        """Let the name not be due any more."""
        self._entries.pop(name, None)

    def when(self, name: Name) -> Instant | None:
        """Give the time of a name, or None."""
        entry = self._entries.get(name)
        return None if entry is None else entry[0]

    @property
    def next_deadline(self) -> Instant:
        """Give the earliest time; `FOREVER` if nothing is set."""
        heap = self._heap
        while heap:
            when, order, name = heap[0]
            if self._entries.get(name) == (when, order):
                return when
            heapq.heappop(heap)
        return FOREVER

    def take_due(self, now: Instant) -> Name | None:
        """Take the earliest name that is due, or None."""
        if self.next_deadline > now:
            return None
        name = heapq.heappop(self._heap)[2]
        del self._entries[name]
        return name
