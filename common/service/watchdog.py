"""A hung loop is a dead process: whoever does not turn is ended, so that it is started afresh.

Two layers, because a thread of Python can't run while C code keeps the interpreter lock:

* a thread that looks ten times in the limit whether the loop has turned, dumps the stacks of all
  threads to stderr if not, and calls `on_hang`;
* a timer of the kernel that counts the process's own CPU time and is set back by that thread. If
  the thread can't run while the process burns CPU for the limit, stacks are dumped without the
  interpreter lock, and the process ends by SIGPROF.

Time in which the whole process stood still (SIGSTOP, a suspended host, a starved machine) is no
hang: each look counts for at most two intervals, so only what the watchdog lived through counts.
"""

import contextlib
import faulthandler
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Self

LIMIT_S: Final = 30.0
"""The loop must turn at least once in this time; it should every few seconds."""
HANG_EXIT_CODE: Final = 70
"""What a process ends with that was found hanging (EX_SOFTWARE)."""

_LOOKS: Final = 10


class Watchdog:
    """Watches one loop. Call `turned()` in each turn; it costs one addition."""

    def __init__(
        self,
        *,
        limit_s: float = LIMIT_S,
        on_hang: Callable[[], None],
        on_alive: Callable[[], None] | None = None,
        fed_within_s: float | None = None,
        fd: int = 2,
    ) -> None:
        """Make a watchdog; nothing happens before `start`.

        `on_hang` runs in the watchdog's thread and should not return: see `exit_process` and
        `exec_process`. `on_alive` runs there too, after each look that saw a turn: to feed
        systemd, which wants that within `fed_within_s` (None: it does not). A loop that turns as
        often as `turn_s_max` says feeds it twice in that time. Stacks go to `fd`.
        """
        assert limit_s > 0
        self._limit_s = limit_s
        self._interval_s = turn_s_max(limit_s / _LOOKS, fed_within_s)
        self._on_hang = on_hang
        self._on_alive = on_alive
        self._fd = fd
        self._turns = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def turned(self) -> None:
        """Say that the loop has turned."""
        self._turns += 1

    def start(self) -> Self:
        """Begin to watch; the time of the first turn counts from here. Main thread only."""
        faulthandler.register(signal.SIGPROF, file=self._fd, all_threads=True, chain=True)
        signal.setitimer(signal.ITIMER_PROF, self._limit_s)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop watching. A second call does nothing."""
        if self._stop.is_set():
            return
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(self._limit_s)
        _disarm()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _watch(self) -> None:
        patience = Patience(self._limit_s, time.monotonic(), self._turns, self._interval_s)
        while not self._stop.wait(patience.interval_s):
            signal.setitimer(signal.ITIMER_PROF, self._limit_s)
            if patience.look(time.monotonic(), self._turns):
                if self._on_alive is not None:
                    self._on_alive()
            elif patience.is_over:
                self._dump(patience.stood_s)
                self._on_hang()
                return

    def _dump(self, stood_s: float) -> None:
        prefix = "<2>" if os.environ.get("JOURNAL_STREAM") else ""
        text = f"{prefix}the loop has not turned for {stood_s:.0f} s; stacks of all threads:\n"
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        with contextlib.suppress(OSError):  # without stderr the hang must still be ended
            if poll.poll(0):  # a full stderr would hold the watchdog as well
                os.write(self._fd, text.encode())
                faulthandler.dump_traceback(file=self._fd, all_threads=True)


def turn_s_max(usual_s: float, fed_within_s: float | None) -> float:
    """Give how long a turn, or the pause between two looks, may take: a quarter of the limit.

    So from one feeding to the next half of it passes at most: a pause, and a turn.
    """
    return usual_s if fed_within_s is None else min(usual_s, fed_within_s / 4)


class Patience:
    """How long a loop has stood still while its process ran. Times are on any steady clock."""

    def __init__(
        self, limit_s: float, now: float, turns: int, interval_s: float | None = None
    ) -> None:
        self.interval_s = limit_s / _LOOKS if interval_s is None else interval_s
        self.stood_s = 0.0
        self._limit_s = limit_s
        self._last = now
        self._turns = turns

    @property
    def is_over(self) -> bool:
        """Whether the loop has stood for the limit."""
        return self.stood_s >= self._limit_s

    def look(self, now: float, turns: int) -> bool:
        """Say whether the loop has turned since the last look; to be called every `interval_s`."""
        gap_s = now - self._last
        self._last = now
        if turns != self._turns:
            self._turns = turns
            self.stood_s = 0.0
            return True
        # A longer gap is one in which nobody ran, the loop as little as this thread.
        self.stood_s += min(gap_s, 2 * self.interval_s)
        return False


def exit_process(code: int = HANG_EXIT_CODE) -> Callable[[], None]:
    """Give an `on_hang` that ends the process at once, without clean-up: it hangs, after all."""

    def end() -> None:
        os._exit(code)

    return end


def exec_process(
    arguments: Sequence[str] | None = None, *, held: Iterable[int] = ()
) -> Callable[[], None]:
    """Give an `on_hang` that starts the process afresh under the same pid.

    `arguments`: the whole command line; None: this one's. Descriptors that are not inheritable
    are closed by the kernel; if exec fails, the process ends. In the new program the signals of
    `held` are blocked, so that it misses none (`SignalPipe.hold_over_exec`), and no others.
    """
    line = list(arguments) if arguments is not None else [sys.executable, *sys.orig_argv[1:]]

    def start_afresh() -> None:
        _disarm()
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        try:
            os.execv(line[0], line)  # noqa: S606
        except OSError:
            os._exit(HANG_EXIT_CODE)

    return start_afresh


def _disarm() -> None:
    """Stop the timer: it would outlive exec and end the new program."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    faulthandler.unregister(signal.SIGPROF)
