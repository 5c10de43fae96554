"""Threads that do what may block, so that the loop never waits for a disk.

They are started as work comes, at most `at_once` of them; each piece of work is answered by one
result, through `collect`, in the loop. Nothing is waited for at the end but for a moment: a thread
that hangs in a disk is left behind.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

W = TypeVar("W")
R = TypeVar("R")


class WorkerThreads(Generic[W, R]):
    """Threads of one kind. All but `do` is called in the loop's thread."""

    def __init__(
        self, name: str, do: Callable[[W], R], failed: Callable[[W, str], R], *, at_once: int = 1
    ) -> None:
        """`do` gives the result of work, in a thread; `failed` the one that says why there is none.

        `failed` is called where no thread can be started, and, in the thread and while the error is
        handled, where `do` raises: a mistake in one piece of work takes no answer to others away.
        """
        self._name = name
        self._do = do
        self._failed = failed
        self._at_once = at_once
        self._threads: list[threading.Thread] = []
        self._waiting: deque[W] = deque()
        self._done: deque[R] = deque()
        self._idle = 0
        self._is_stopping = False
        self._changed = threading.Condition()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    @property
    def waiting(self) -> int:
        """Count the pieces of work that nobody has begun."""
        with self._changed:
            return len(self._waiting)

    @property
    def busy(self) -> int:
        """Count the threads that are at work."""
        with self._changed:
            return len(self._threads) - self._idle

    def ask(self, work: W) -> None:
        """Have a piece of work done; answered by one result."""
        with self._changed:
            self._waiting.append(work)
            if self._idle < len(self._waiting) and len(self._threads) < self._at_once:
                self._start()
            self._changed.notify()

    def answer(self, result: R) -> None:
        """Give a result of the loop's own, in its turn with the others."""
        with self._changed:
            self._finish(result)

    def fileno(self) -> int:
        """Give the descriptor that is readable when `collect` has something."""
        return self._wake

    def collect(self) -> list[R]:
        """Give what was done since the last call."""
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return []
        with self._changed:
            done = list(self._done)
            self._done.clear()
        return done

    def close(self, *, within_s: float) -> None:
        """Let the threads end what they are at; what waits is not begun."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(within_s / len(self._threads))
        with self._changed:
            if self._wake >= 0:
                os.close(self._wake)
                self._wake = -1

    def _start(self) -> None:
        """Start one more thread; without any, answer what waits with the reason."""
        name = self._name if self._at_once == 1 else f"{self._name}-{len(self._threads)}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # memory or processes have run out; the next work tries again
            while not self._threads and self._waiting:
                work = self._waiting.popleft()
                self._finish(self._failed(work, f"no thread can be started: {error}"))
            return
        self._threads.append(thread)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                while not self._waiting and not self._is_stopping:
                    self._changed.wait()
                self._idle -= 1
                if self._is_stopping:
                    return
                work = self._waiting.popleft()
            try:
                result = self._do(work)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                result = self._failed(work, f"{error!r}; please report it")
            with self._changed:
                self._finish(result)

    def _finish(self, result: R) -> None:
        """Give a result to the loop; the lock is held."""
        self._done.append(result)
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)
