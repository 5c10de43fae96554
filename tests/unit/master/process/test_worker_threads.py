"""Threads beside the loop: whatever happens to a piece of work, each is answered once."""

import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from limpet.master.process.worker_threads import WorkerThreads

Threads = WorkerThreads[int, str]


@contextmanager
def threads(do: Callable[[int], str], *, at_once: int = 1) -> Iterator[Threads]:
    made = Threads("test", do, lambda work, text: f"{work} failed: {text}", at_once=at_once)
    try:
        yield made
    finally:
        made.close(within_s=0.1)


def results(made: Threads, number: int) -> list[str]:
    found: list[str] = []
    while len(found) < number:
        assert select.select([made], [], [], 10.0)[0], "no answer"
        found += made.collect()
    assert made.collect() == []
    return found


def test_each_piece_is_answered_in_turn_a_mistake_as_well() -> None:
    with threads(lambda work: f"{10 // work}") as made:
        for work in (5, 0, 2):
            made.ask(work)
        first, failed, last = results(made, 3)
    assert (first, last) == ("2", "5")
    assert failed.startswith("0 failed: ZeroDivisionError")


def test_so_many_are_at_work_at_once_and_the_others_wait() -> None:
    all_here = threading.Barrier(3)
    go_on = threading.Event()

    def meet(work: int) -> str:
        if work < 3:
            all_here.wait(10)  # passed by three threads, or by none
        go_on.wait(10)
        return str(work)

    with threads(meet, at_once=3) as made:
        for work in range(5):
            made.ask(work)
        until = time.monotonic() + 10
        while made.waiting > 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert (made.busy, made.waiting) == (3, 2)
        go_on.set()
        assert sorted(results(made, 5)) == ["0", "1", "2", "3", "4"]


def test_without_a_thread_the_reason_is_the_answer_and_the_next_work_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with threads(str) as made:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_more)
            made.ask(1)
            assert results(made, 1) == [
                "1 failed: no thread can be started: can't start new thread"
            ]
        made.answer("of the loop's own")
        assert results(made, 1) == ["of the loop's own"]
        made.ask(2)
        assert results(made, 1) == ["2"]


def test_the_end_waits_for_nobody_who_hangs() -> None:
    hanging = threading.Event()

    def hang(_: int) -> str:
        hanging.wait(30)
        return "late"

    with threads(hang, at_once=2) as made:
        made.ask(1)
        made.ask(2)
        began = time.monotonic()
    assert time.monotonic() - began < 2.0
    hanging.set()
    time.sleep(0.1)  # what comes later meets a closed descriptor, and no other's
