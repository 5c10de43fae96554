"""Who is due next, among many."""

import random

from limpet.common.clock import FOREVER, Instant
from limpet.minion.swarm.minions.timers import Timers


def at(seconds: float) -> Instant:
    return Instant(seconds)


def test_nobody_is_due_before_somebody_asked() -> None:
    timers = Timers(3)
    assert timers.next_deadline == FOREVER
    assert list(timers.due(at(1e9), 10)) == []


def test_the_earliest_is_woken_first_and_has_to_ask_again() -> None:
    timers = Timers(3)
    for index, when in enumerate((3.0, 1.0, 2.0)):
        timers.wake(index, at(when))
    assert timers.next_deadline == 1.0
    assert list(timers.due(at(2.5), 10)) == [1, 2]
    assert list(timers.due(at(2.5), 10)) == []
    assert list(timers.due(at(9.0), 10)) == [0]
    assert timers.next_deadline == FOREVER


def test_a_later_wish_changes_nothing_and_an_earlier_one_wins() -> None:
    timers = Timers(1)
    timers.wake(0, at(5.0))
    timers.wake(0, at(9.0))
    assert timers.next_deadline == 5.0
    timers.wake(0, at(1.0))
    assert list(timers.due(at(6.0), 10)) == [0]
    assert list(timers.due(at(6.0), 10)) == []  # what was wished for first is forgotten


def test_the_rest_is_due_in_the_next_turn() -> None:
    timers = Timers(10)
    for index in range(10):
        timers.wake(index, at(index))
    assert list(timers.due(at(99.0), 4)) == [0, 1, 2, 3]
    assert list(timers.due(at(99.0), 4)) == [4, 5, 6, 7]
    assert list(timers.due(at(99.0), 4)) == [8, 9]


def test_nobody_is_forgotten_and_the_heap_is_bounded() -> None:
    chance = random.Random(5)
    timers = Timers(50)
    now, wished = 0.0, dict.fromkeys(range(50), FOREVER)
    for _ in range(5_000):
        now += chance.random()
        for index in chance.sample(range(50), 5):
            when = at(now + chance.random() * 20)
            timers.wake(index, when)
            wished[index] = min(wished[index], when)
        due = set(timers.due(at(now), 1_000))
        assert due == {index for index, when in wished.items() if when <= now}
        wished.update(dict.fromkeys(due, FOREVER))
        assert len(timers) <= 4 * 50 + 65
