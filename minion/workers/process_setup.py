"""What supervisor and worker make of the process they were forked into: signals, descriptors."""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Final

from limpet.minion.workers import process_table

CHILDREN_S: Final = 30.0
"""So long at most a worker that is to end waits for its children; their supervisor waits less."""
LOOK_S: Final = 0.01


def wake_on_signals(asked: Iterable[int]) -> tuple[int, int]:
    """Have these signals, and SIGCHLD, written to a pipe; give its two ends."""
    read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (*asked, signal.SIGCHLD):
        signal.signal(number, _only_wake)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    return read, write


def _only_wake(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal: its number is in the pipe already."""


def end_after_children(number: int, _frame: FrameType | None) -> None:
    """Handle SIGTERM in a worker: end by it, but only after the programs that it started have.

    They hear it as well, and may have something to say before they end: if the worker, which reads
    that, went first, SIGPIPE would end them in the middle of it. Programs don't inherit this.
    """
    until = time.monotonic() + CHILDREN_S
    while any(process_table.below(os.getpid())) and time.monotonic() < until:
        time.sleep(LOOK_S)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def close_all_but(kept: set[int]) -> None:
    """Close every other descriptor: lines of other jobs must end with their own supervisors."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            with suppress(OSError):  # the one that listed them is closed already
                os.close(int(name))


def no_streams() -> None:
    """Give the standard streams a harmless place; 0, 1 and 2 are the lowest free numbers.

    Whoever reads the minion's own output must not have to wait for its jobs.
    """
    for number in range(3):
        assert os.open("/dev/null", os.O_RDWR) == number
        os.set_inheritable(number, True)
