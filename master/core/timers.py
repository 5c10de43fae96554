"""Many deadlines, one next: a heap of times, and the names that were set to each of them.

What was moved or cleared stays behind as a stale name, skipped when its time comes, and swept when
there are too many. Setting, clearing and taking cost O(log n); many that are set to the same time
cost next to nothing each. Memory stays within about twice the deadlines set.
"""

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

from limpet.common.clock import FOREVER, Instant

Name = TypeVar("Name", bound=Hashable)


class Timers(Generic[Name]):
    """What is due when; each name has at most one time."""

    def __init__(self) -> None:
        self._heap: list[Instant] = []
        """The times of `_named`."""
        self._named: dict[Instant, list[Name]] = {}
        self._entries: dict[Name, Instant] = {}
        self._listed = 0
        """Names in `_named`, stale ones too."""

    def __len__(self) -> int:
        return len(self._entries)

    def set(self, name: Name, when: Instant) -> None:
        """Let the name be due at an instant, instead of whenever it was due before."""
        assert when < FOREVER, f"{name}: a wait without a deadline"
        if self._entries.get(name) == when:
            return
        self._entries[name] = when
        self._list(name, when)
        if self._listed > 2 * len(self._entries) + 64:
            self._heap, self._named, self._listed = [], {}, 0
            for each, at in self._entries.items():
                self._list(each, at)

    def _list(self, name: Name, when: Instant) -> None:
        named = self._named.get(when)
        if named is None:
            named = self._named[when] = []
            heapq.heappush(self._heap, when)
        named.append(name)
        self._listed += 1

    def clear(self, name: Name) -> None:
        """Let the name not be due any more."""
        self._entries.pop(name, None)

    def when(self, name: Name) -> Instant | None:
        """Give the time of a name, or None."""
        return self._entries.get(name)

    @property
    def next_deadline(self) -> Instant:
        """Give the earliest time; `FOREVER` if nothing is set."""
        while self._heap:
            when = self._heap[0]
            named = self._named[when]
            while named:
                if self._entries.get(named[-1]) == when:
                    return when
                named.pop()
                self._listed -= 1
            del self._named[heapq.heappop(self._heap)]
        return FOREVER

    def take_due(self, now: Instant) -> Name | None:
        """Take a name that is due, the earliest first, or None."""
        when = self.next_deadline
        if when > now:
            return None
        name = self._named[when].pop()
        self._listed -= 1
        del self._entries[name]
        return name
