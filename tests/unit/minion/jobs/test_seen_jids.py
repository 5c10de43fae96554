"""Jids that never run again: for how long, how many, and forgotten in small steps."""

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import JobId
from limpet.minion.jobs.seen_jids import FORGET_AT_ONCE_MAX, REMEMBERED_MAX, SeenJids, Why

DAY = 86400.0


def at(seconds: float) -> Moment:
    """Give a moment so long after the start."""
    return Moment(Instant(1000 + seconds), 1_700_000_000 + seconds)


def filled(count: int) -> SeenJids:
    """Remember so many jids, one a millisecond."""
    seen_jids = SeenJids(at(0))
    for number in range(count):
        jid = JobId(f"{number:026d}")
        seen_jids.add(jid, Why.ACKNOWLEDGED, at(number / 1000).wall)
    return seen_jids


def test_a_jid_is_forgotten_after_its_time_and_not_before() -> None:
    seen_jids = filled(3)
    assert seen_jids.take_old(at(DAY - 1), DAY) == []
    assert len(seen_jids.take_old(at(DAY + 1), DAY)) == 3
    assert seen_jids.why(JobId("0" * 26)) is None


def test_many_are_forgotten_in_small_steps_a_second_apart() -> None:
    seen_jids = filled(3 * FORGET_AT_ONCE_MAX)
    now = at(DAY * 2)
    assert len(seen_jids.take_old(now, DAY)) == FORGET_AT_ONCE_MAX
    assert seen_jids.next_deadline == now.boot + 1
    assert len(seen_jids) == 2 * FORGET_AT_ONCE_MAX


def test_too_many_are_forgotten_early_the_oldest_first() -> None:
    seen_jids = filled(REMEMBERED_MAX + FORGET_AT_ONCE_MAX)
    assert seen_jids.next_deadline == Instant(0.0), "at once"
    old = seen_jids.take_old(at(60), DAY)
    assert old == [JobId(f"{number:026d}") for number in range(FORGET_AT_ONCE_MAX)]
    assert len(seen_jids) == REMEMBERED_MAX


def test_the_reason_of_a_jid_is_the_last_one_told() -> None:
    seen_jids = filled(0)
    jid = JobId("1" * 26)
    seen_jids.add(jid, Why.TOMBSTONE, at(0).wall)
    assert seen_jids.why(jid) is Why.TOMBSTONE
    seen_jids.add(jid, Why.ACKNOWLEDGED, at(1).wall)
    assert seen_jids.why(jid) is Why.ACKNOWLEDGED
    assert len(seen_jids) == 1
