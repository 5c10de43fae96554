"""Errands: done in order by a thread of their own, collected by the loop, loud when they crash."""

import select
import threading
import time

import pytest

from limpet.minion.jobs.errands import Errands


def collect(errands: Errands[int], count: int) -> list[int]:
    got: list[int] = []
    end = time.monotonic() + 10
    while len(got) < count:
        assert time.monotonic() < end, got
        select.select([errands.fileno()], [], [], 0.1)
        got += errands.collect()
    return got


def test_errands_are_done_in_order_and_never_hold_the_loop_up() -> None:
    errands: Errands[int] = Errands()
    gate = threading.Event()

    def slow() -> list[int]:
        gate.wait(10)
        return [0]

    errands.add(slow)
    for number in range(1, 100):
        errands.add(lambda number=number: [number])  # type: ignore[misc]
    assert errands.collect() == []
    gate.set()

    assert collect(errands, 100) == list(range(100))
    errands.close(5)


def test_closing_does_what_waits_and_is_harmless_twice() -> None:
    errands: Errands[int] = Errands()
    done: list[int] = []

    def errand() -> list[int]:
        time.sleep(0.02)
        done.append(1)
        return []

    for _ in range(5):
        errands.add(errand)
    errands.close(5)
    errands.close(5)

    assert len(done) == 5


def test_without_errands_there_is_no_thread() -> None:
    before = threading.active_count()
    errands: Errands[int] = Errands()

    assert threading.active_count() == before
    errands.close(1)


def test_a_mistake_in_an_errand_comes_out_in_the_loop() -> None:
    errands: Errands[int] = Errands()

    def mistake() -> list[int]:
        raise ZeroDivisionError("a mistake")

    errands.add(mistake)
    with pytest.raises(ZeroDivisionError, match="a mistake"):
        collect(errands, 1)
    errands.close(5)
