"""Jids that never run again: for how long, how many, and forgotten in small steps."""

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import JobId
from limpet.minion.jobs.remembered import (
    FORGET_AT_ONCE_MAX,
    REMEMBERED_MAX,
    Remembered,
    Why,
)

DAY = 86400.0


def at(seconds: float) -> Moment:
    """Give a moment so long after the start."""
    return Moment(Instant(1000 + seconds), 1_700_000_000 + seconds)


def filled(count: int) -> Remembered:
    """Remember so many jids, one a millisecond."""
    remembered = Remembered(at(0))
    for number in range(count):
        jid = JobId(f"{number:026d}")
        remembered.add(jid, Why.ACKNOWLEDGED, at(number / 1000).wall)
    return remembered


def test_a_jid_is_forgotten_after_its_time_and_not_before() -> None:
    remembered = filled(3)
    assert remembered.take_old(at(DAY - 1), DAY) == []
    assert len(remembered.take_old(at(DAY + 1), DAY)) == 3
    assert remembered.why(JobId("0" * 26)) is None


def test_many_are_forgotten_in_small_steps_a_second_apart() -> None:
    remembered = filled(3 * FORGET_AT_ONCE_MAX)
    now = at(DAY * 2)
    assert len(remembered.take_old(now, DAY)) == FORGET_AT_ONCE_MAX
    assert remembered.next_deadline == now.boot + 1
    assert len(remembered) == 2 * FORGET_AT_ONCE_MAX


def test_too_many_are_forgotten_early_the_oldest_first() -> None:
    remembered = filled(REMEMBERED_MAX + FORGET_AT_ONCE_MAX)
    assert remembered.next_deadline == Instant(0.0), "at once"
    old = remembered.take_old(at(60), DAY)
    assert old == [JobId(f"{number:026d}") for number in range(FORGET_AT_ONCE_MAX)]
    assert len(remembered) == REMEMBERED_MAX


def test_the_reason_of_a_jid_is_the_last_one_told() -> None:
    remembered = filled(0)
    jid = JobId("1" * 26)
    remembered.add(jid, Why.TOMBSTONE, at(0).wall)
    assert remembered.why(jid) is Why.TOMBSTONE
    remembered.add(jid, Why.ACKNOWLEDGED, at(1).wall)
    assert remembered.why(jid) is Why.ACKNOWLEDGED
    assert len(remembered) == 1
