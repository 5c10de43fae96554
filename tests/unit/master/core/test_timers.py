"""Many deadlines, one next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.clock import FOREVER, Instant
from limpet.master.core.timers import Timers


def test_what_is_due_comes_in_order_and_once() -> None:
    table: Timers[str] = Timers()
    table.set("late", Instant(5))
    table.set("soon", Instant(1))
    table.set("moved", Instant(2))
    table.set("moved", Instant(9))
    table.set("cleared", Instant(0))
    table.clear("cleared")
    assert table.next_deadline == Instant(1)
    assert table.take_due(Instant(0.5)) is None
    assert [table.take_due(Instant(6)) for _ in range(3)] == ["soon", "late", None]
    assert table.next_deadline == Instant(9)
    assert table.when("moved") == Instant(9)
    assert table.when("late") is None


def test_nothing_set_is_never_due() -> None:
    assert Timers[str]().next_deadline == FOREVER


def test_a_wait_without_a_deadline_cannot_be_written_down() -> None:
    with pytest.raises(AssertionError, match="without a deadline"):
        Timers[str]().set("x", FOREVER)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50) | st.none())))
def test_it_behaves_like_a_dict_of_times(steps: list[tuple[int, int | None]]) -> None:
    table: Timers[int] = Timers()
    model: dict[int, int] = {}
    for name, when in steps:
        if when is None:
            table.clear(name)
            model.pop(name, None)
        else:
            table.set(name, Instant(when))
            model[name] = when
        assert table.next_deadline == min(model.values(), default=FOREVER)
    taken = []
    while (due := table.take_due(Instant(100))) is not None:
        taken.append(model.pop(due))
    assert taken == sorted(taken)
    assert not model


def test_deadlines_moved_for_ever_take_no_more_memory() -> None:
    table: Timers[int] = Timers()
    for number in range(10_000):
        table.set(number % 10, Instant(number))
    assert len(table) == 10
    assert len(table._heap) < 100
    assert len(table._named) < 100


def test_deadlines_moved_to_and_fro_between_two_times_take_no_more_memory() -> None:
    table: Timers[int] = Timers()
    for number in range(10_000):
        table.set(number % 10, Instant(number // 10 % 2))
    assert sum(map(len, table._named.values())) < 100
    assert {table.take_due(Instant(1)) for _ in range(10)} == set(range(10))
    assert (table.take_due(Instant(1)), table.next_deadline) == (None, FOREVER)
    assert (table._heap, table._named) == ([], {})


def test_many_that_are_due_at_once_share_a_place_in_the_heap() -> None:
    table: Timers[int] = Timers()
    for number in range(1000):
        table.set(number, Instant(7))
    assert len(table._heap) == 1
    assert {table.take_due(Instant(7)) for _ in range(1000)} == set(range(1000))
