"""A thread that does what the link wants of the disk, so that a slow disk never stops the loop.

Disk tasks are done in the order given; what each gives is collected by the loop. The thread is made
with the first disk task.
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

WAITING_MAX: Final = 10_000
"""No caller has so many at once; more is a mistake, and ends the process."""


class DiskThread(Generic[T]):
    """A queue of calls, each giving a list of events for the loop."""

    def __init__(self) -> None:
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Condition()
        self._waiting: deque[Callable[[], list[T]]] = deque()
        self._done: deque[T] = deque()
        self._crash: BaseException | None = None
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def fileno(self) -> int:
        """Give what to poll for reading: it is ready when `collect` has something."""
        return self._wake_fd

    def add(self, work: Callable[[], list[T]]) -> None:
        """Have it done. It handles its own `OSError`s: anything it raises ends the process."""
        with self._lock:
            assert not self._is_closing
            assert len(self._waiting) < WAITING_MAX
            self._waiting.append(work)
            self._lock.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="disk", daemon=True)
            self._thread.start()

    def collect(self) -> list[T]:
        """Give what the work gave since the last time, in order."""
        with contextlib.suppress(BlockingIOError):  # nothing new
            os.eventfd_read(self._wake_fd)
        with self._lock:
            if self._crash is not None:
                raise self._crash  # a programmer's mistake in the thread ends the process
            events = list(self._done)
            self._done.clear()
        return events

    def close(self, wait_s: float) -> None:
        """Do what waits, for at most `wait_s`, and end. A second call is harmless."""
        with self._lock:
            self._is_closing = True
            self._lock.notify()
        if self._thread is not None:
            self._thread.join(wait_s)
        if self._wake_fd >= 0 and (self._thread is None or not self._thread.is_alive()):
            os.close(self._wake_fd)
            self._wake_fd = -1

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    while not self._waiting:
                        if self._is_closing:
                            return
                        self._lock.wait()
                    work = self._waiting.popleft()
                events = work()
                with self._lock:
                    self._done += events
                os.eventfd_write(self._wake_fd, 1)
        except BaseException as crash:  # noqa: BLE001 - handed to the loop, which ends the process
            with self._lock:
                self._crash = crash
            os.eventfd_write(self._wake_fd, 1)
