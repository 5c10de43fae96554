"""The waits between attempts at a line."""

from limpet.common.clock import Instant
from limpet.master.enrolment.backoff import Backoff


def made() -> Backoff:
    return Backoff(first_s=0.5, max_s=3.0, settled_s=10.0)


def test_the_first_attempt_is_due_at_once() -> None:
    assert made().next_at == 0.0


def test_attempts_that_come_to_nothing_are_made_for_ever_at_growing_intervals() -> None:
    backoff = made()
    now = Instant(100.0)
    waits = []
    for _ in range(6):
        backoff.on_failed(now)
        waits.append(backoff.next_at - now)
        now = backoff.next_at
    assert waits == [0.5, 1.0, 2.0, 3.0, 3.0, 3.0]


def test_what_lived_long_enough_is_missed_only_for_the_first_interval() -> None:
    backoff = made()
    for second in (0.0, 1.0, 2.0):
        backoff.on_failed(Instant(second))
    backoff.on_begun(Instant(20.0))
    assert backoff.began_at == 20.0
    backoff.on_ended(Instant(30.0))
    assert backoff.next_at == 30.5
    backoff.on_begun(Instant(31.0))
    backoff.on_ended(Instant(40.9))
    assert backoff.next_at == 41.9
