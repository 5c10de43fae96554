"""What a keeper makes of the process that it was forked into: its signals, its descriptors."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType


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


def close_all_but(kept: set[int]) -> None:
    """Close every other descriptor: lines of other jobs must end with their own keepers."""
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
