"""Looking the master's name up outside ZeroMQ, in a thread that may be left behind.

A resolver can't be interrupted; with a dead name server it takes as long as it likes. Who asked is
answered when there is an answer, and has a limit of its own.
"""

import contextlib
import os
import socket
import threading
from collections import deque
from typing import Final

from limpet.common.identifiers import Attempt

THREADS_MAX: Final = 4
"""Look-ups that hang at the same time; beyond that a name counts as unresolvable."""


class Resolver:
    """Asks the system's resolver; answers are collected by the loop."""

    def __init__(self) -> None:
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._answers: deque[tuple[Attempt, tuple[str, ...]]] = deque()
        self._lock = threading.Lock()
        self._asking = 0

    def fileno(self) -> int:
        """Give what to poll for reading."""
        return self._wake_fd

    def ask(self, attempt: Attempt, host: str) -> None:
        """Begin to look a name up."""
        with self._lock:
            if self._asking >= THREADS_MAX:
                self._answer(attempt, ())
                return
            self._asking += 1
        thread = threading.Thread(
            target=self._look_up, args=(attempt, host), name="resolver", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the host has no thread left (a job took them all?): no address
            with self._lock:
                self._asking -= 1
                self._answer(attempt, ())

    def collect(self) -> list[tuple[Attempt, tuple[str, ...]]]:
        """Give the answers that came; without addresses where a name has none."""
        with contextlib.suppress(BlockingIOError):  # nothing new
            os.eventfd_read(self._wake_fd)
        with self._lock:
            answers = list(self._answers)
            self._answers.clear()
        return answers

    def close(self) -> None:
        """Hear nothing more; threads that hang are left to the end of the process."""
        with self._lock:
            os.close(self._wake_fd)
            self._wake_fd = -1

    def _look_up(self, attempt: Attempt, host: str) -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        except (OSError, UnicodeError):  # no such name, no resolver, no name at all
            addresses = ()
        with self._lock:
            self._asking -= 1
            self._answer(attempt, addresses)

    def _answer(self, attempt: Attempt, addresses: tuple[str, ...]) -> None:
        if self._wake_fd >= 0:
            self._answers.append((attempt, addresses))
            os.eventfd_write(self._wake_fd, 1)
