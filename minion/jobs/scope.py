"""What holds the processes of one job together, so that it can be ended whole.

Today: a session of its own, and a keeper that is the reaper of every descendant, however often it
forked or made itself a session. Where a service manager gives each job a scope, entering it belongs
here, and the rest of this folder does not change.
"""

import ctypes
import os
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36

_libc: Final = ctypes.CDLL(None, use_errno=True)


def enter() -> None:
    """Make this process the keeper of whatever it will start. Raises `OSError`."""
    os.setsid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def enter_below(keeper: int) -> None:
    """Make this child of the keeper a process group of its own that dies with its keeper.

    A group of its own, because a script that says `kill 0` means its own processes; the session
    stays the keeper's, by which what a killed keeper leaves behind is found.
    """
    os.setpgid(0, 0)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:  # it died before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)


def allow_to_be_ended_for_memory() -> None:
    """Undo the protection that a service manager gave the minion: jobs are the first to go."""
    try:
        with open("/proc/self/oom_score_adj", "r+b", buffering=0) as file:
            if int(file.read(20)) < 0:
                file.write(b"0")
    except OSError:
        return  # no such file in some containers: then there is no protection either


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
