"""Beats and logins that come close together are heard in one turn, unless somebody waits."""

from limpet.common.clock import Instant
from limpet.master.core.coalescing import BUSY_S, GATHER_S, Coalescing


def heard(pauses: Coalescing, *times_s: float, is_at_rest: bool = True) -> list[float]:
    """Give the pause after each of these turns, in which something was heard."""
    found = []
    for at in times_s:
        pauses.on_heard(Instant(at), is_at_rest=is_at_rest)
        found.append(pauses.take())
    return found


def test_beats_that_come_one_by_one_are_answered_at_once() -> None:
    assert heard(Coalescing(), 1.0, 1.02, 1.2, 5.0) == [0, 0, 0, 0]


def test_what_comes_close_together_is_gathered_from_the_second_turn_on() -> None:
    near_s = BUSY_S / 2
    pauses = Coalescing()
    assert heard(pauses, 1.0, 1.0 + near_s, 1.0 + 2 * near_s) == [0, GATHER_S, GATHER_S]
    assert heard(pauses, 1.0 + 2 * near_s + BUSY_S) == [0], "the herd is over"


def test_nothing_is_gathered_while_somebody_waits_for_a_job() -> None:
    pauses = Coalescing()
    assert heard(pauses, 1.0, 1.001, 1.002, is_at_rest=False) == [0, 0, 0]
    assert heard(pauses, 1.003) == [GATHER_S], "and again as soon as it has ended"


def test_a_turn_has_one_pause_and_one_in_which_nothing_was_heard_has_none() -> None:
    pauses = Coalescing()
    assert pauses.take() == 0
    assert heard(pauses, 1.0, 1.001)[-1] == GATHER_S
    assert pauses.take() == 0


def test_a_job_that_begins_before_the_pause_takes_it_back() -> None:
    pauses = Coalescing()
    pauses.on_heard(Instant(1.0), is_at_rest=True)
    pauses.on_heard(Instant(1.001), is_at_rest=True)
    pauses.on_heard(Instant(1.002), is_at_rest=False)
    assert pauses.take() == 0
