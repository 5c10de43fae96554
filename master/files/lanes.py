"""Whose question is read next, as there is room on the way; slow lines cost quick ones nothing.

There are two lanes, each with its turns, its answers that wait in memory, and its share of what may
be under way. A minion whose last
piece took longer than a quarter of a second to be followed by a question goes by the slow one; it
changes lanes when nothing of it waits.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.identifiers import MinionKey
from limpet.master.files.in_flight import InFlight
from limpet.master.files.round_robin import RoundRobin

SLOW_S: Final = 0.25

T = TypeVar("T")
R = TypeVar("R")


class _Lane(Generic[T, R]):
    """One of the two."""

    def __init__(self, bytes_max: int, keep_s: float, of_one_at_once: int) -> None:
        self.turns: RoundRobin[T] = RoundRobin(of_one_at_once)
        self.flight = InFlight(bytes_max, keep_s)
        self.ready: deque[R] = deque()


class Lanes(Generic[T, R]):
    """Questions that wait, answers that are ready and wait, and bytes that are under way."""

    def __init__(self, bytes_max: int, keep_s: float, of_one_at_once: int) -> None:
        """Let each lane have `bytes_max` under way; see `InFlight` and `RoundRobin`."""
        self._quick: _Lane[T, R] = _Lane(bytes_max, keep_s, of_one_at_once)
        self._slow: _Lane[T, R] = _Lane(bytes_max, keep_s, of_one_at_once)
        self._next, self._other = self._quick, self._slow
        self._open: dict[MinionKey, tuple[_Lane[T, R], int]] = {}
        """In which lane a minion is that has questions, and how many."""

    @property
    def next_deadline(self) -> Instant:
        """Give when there may be room for a question that waits; FOREVER: none waits for that."""
        lanes = (self._quick, self._slow)
        return min(
            (lane.flight.next_deadline for lane in lanes if lane.turns.is_waiting), default=FOREVER
        )

    @property
    def next_room(self) -> Instant:
        """Give when there may be room for an answer that is ready; FOREVER: none waits for that."""
        lanes = (self._quick, self._slow)
        return min((lane.flight.next_deadline for lane in lanes if lane.ready), default=FOREVER)

    def flight_of(self, key: MinionKey) -> InFlight:
        """Give what is under way on the lane in which a minion is now."""
        return self._lane_of(key).flight

    def add_ready(self, key: MinionKey, answer: R) -> None:
        """Let an answer wait on the lane in which its minion is now; there it stays."""
        self._lane_of(key).ready.append(answer)

    def take_ready(self, now: Moment) -> tuple[InFlight, R] | None:
        """Take an answer for which there is room, and where to count it."""
        for lane in (self._quick, self._slow):
            if lane.ready and lane.flight.has_room(now):
                return lane.flight, lane.ready.popleft()
        return None

    def add(self, key: MinionKey, item: T, *, is_slow: bool = False) -> None:
        """Let a question wait."""
        lane, number = self._open.get(key, (self._slow if is_slow else self._quick, 0))
        self._open[key] = (lane, number + 1)
        lane.turns.add(key, item)

    def take(self, now: Moment) -> tuple[MinionKey, T] | None:
        """Take the next question for which there is room; it is served until `done`."""
        for lane in (self._next, self._other):
            if lane.turns.is_waiting and lane.flight.has_room(now):
                self._next, self._other = self._other, self._next
                return lane.turns.take()
        return None

    def done(self, key: MinionKey) -> None:
        """Count a question as served to its end."""
        self._lane_of(key).turns.done(key)
        self._leave(key, 1)

    def drop(self, key: MinionKey, is_unwanted: Callable[[T], bool]) -> list[T]:
        """Take the unwanted questions of a minion out of the queue, and give them."""
        dropped = self._lane_of(key).turns.drop(key, is_unwanted)
        if dropped:
            self._leave(key, len(dropped))
        return dropped

    def send(self, now: Moment, key: MinionKey, size: int) -> None:
        """Count bytes as under way to a minion."""
        self.flight_of(key).add(now, key, size)

    def arrived(self, key: MinionKey) -> Instant | None:
        """Count nothing as under way to a minion; gives since when the last bytes were, if ever."""
        quick, slow = self._quick.flight.arrived(key), self._slow.flight.arrived(key)
        return quick if slow is None else slow

    def _lane_of(self, key: MinionKey) -> _Lane[T, R]:
        found = self._open.get(key)
        return self._quick if found is None else found[0]

    def _leave(self, key: MinionKey, number: int) -> None:
        lane, before = self._open[key]
        if before > number:
            self._open[key] = (lane, before - number)
        else:
            del self._open[key]
