"""Disk tasks: done in order by a thread of their own, collected by the loop, loud in a crash."""

import select
import threading
import time

import pytest

from limpet.minion.process.disk_thread import DiskThread


def collect(disk_thread: DiskThread[int], count: int) -> list[int]:
    got: list[int] = []
    end = time.monotonic() + 10
    while len(got) < count:
        assert time.monotonic() < end, got
        select.select([disk_thread.fileno()], [], [], 0.1)
        got += disk_thread.collect()
    return got


def test_disk_tasks_are_done_in_order_and_never_hold_the_loop_up() -> None:
    disk_thread: DiskThread[int] = DiskThread()
    gate = threading.Event()

    def slow() -> list[int]:
        gate.wait(10)
        return [0]

    disk_thread.add(slow)
    for number in range(1, 100):
        disk_thread.add(lambda number=number: [number])  # type: ignore[misc]
    assert disk_thread.collect() == []
    gate.set()

    assert collect(disk_thread, 100) == list(range(100))
    disk_thread.close(5)


def test_closing_does_what_waits_and_is_harmless_twice() -> None:
    disk_thread: DiskThread[int] = DiskThread()
    done: list[int] = []

    def disk_task() -> list[int]:
        time.sleep(0.02)
        done.append(1)
        return []

    for _ in range(5):
        disk_thread.add(disk_task)
    disk_thread.close(5)
    disk_thread.close(5)

    assert len(done) == 5


def test_without_disk_tasks_there_is_no_thread() -> None:
    before = threading.active_count()
    disk_thread: DiskThread[int] = DiskThread()

    assert threading.active_count() == before
    disk_thread.close(1)


def test_a_mistake_in_a_disk_task_comes_out_in_the_loop() -> None:
    disk_thread: DiskThread[int] = DiskThread()

    def mistake() -> list[int]:
        raise ZeroDivisionError("a mistake")

    disk_thread.add(mistake)
    with pytest.raises(ZeroDivisionError, match="a mistake"):
        collect(disk_thread, 1)
    disk_thread.close(5)
