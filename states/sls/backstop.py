"""The last clock of a rendering: the kernel's own, for code that lets no Python run."""

import ctypes
import faulthandler
import os
import signal
import struct
import time
from typing import Any


class Backstop:
    """A clock of the kernel's that ends this process, for code that lets no Python run.

    It sends SIGVTALRM, for which no handler in Python stands: the place goes to stderr, and the
    process ends. One for each process; a fork has none until it sets its own.
    """

    def __init__(self) -> None:
        self._pid = 0
        self._library: Any = None
        self._timer = ctypes.c_void_p()

    def set(self, seconds: float) -> None:
        """Have it ring once, after so long; 0: never."""
        if self._pid != os.getpid():
            if not seconds:
                return
            self._make()
        whole = int(seconds)
        times = (ctypes.c_long * 4)(0, 0, whole, int((seconds - whole) * 1e9))
        if self._library.timer_settime(self._timer, 0, times, None):
            raise OSError(ctypes.get_errno(), "a timer can't be set")

    def _make(self) -> None:
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
        faulthandler.register(signal.SIGVTALRM, file=2, all_threads=False, chain=True)
        self._library = _library_of_timers()
        # `struct sigevent`: a value, the signal, and how it is told (0: by that signal).
        event = struct.pack("PiI", 0, int(signal.SIGVTALRM), 0).ljust(64, b"\0")
        clock = time.CLOCK_MONOTONIC
        if self._library.timer_create(clock, event, ctypes.byref(self._timer)):
            raise OSError(ctypes.get_errno(), "a timer can't be made")
        self._pid = os.getpid()


def _library_of_timers() -> Any:  # noqa: ANN401 - a library of C's
    """Give libc, or where it is older the library beside it that has the timers."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "timer_create"):
        library = ctypes.CDLL("librt.so.1", use_errno=True)
    return library
