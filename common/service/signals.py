"""Signals as something to read, so that a poll loop hears them between two messages.

The handler itself does nothing, so no code of the loop is ever interrupted in the middle.

A process that starts itself afresh loses no signal over it: `hold_over_exec` has the kernel keep
what comes meanwhile, and the next `SignalPipe` hears it.
"""

import os
import signal
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Self

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""The signals that ask a process to end."""


class SignalPipe:
    """Catches signals while it is open; readable when one came.

    To be made in the main thread, once in a process. `close` puts the old handlers back.
    """

    def __init__(
        self,
        signals: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
    ) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old_handlers: dict[signal.Signals, Callable[..., Any] | int | None] = {}
        # A full pipe holds thousands of unread signals: one more says nothing new.
        self._old_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in signals:
            self._old_handlers[number] = signal.signal(number, _ignore)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._old_handlers)

    def fileno(self) -> int:
        """Give the descriptor to poll."""
        return self._reader

    def take(self) -> tuple[signal.Signals, ...]:
        """Give the signals that came since the last call, each once, in order; empty if none."""
        found: dict[signal.Signals, None] = {}
        while True:
            try:
                data = os.read(self._reader, 512)
            except BlockingIOError:
                break
            for number in data:
                if number in self._old_handlers:
                    found[signal.Signals(number)] = None
            if len(data) < 512:
                break
        return tuple(found)

    def hold_over_exec(self) -> tuple[signal.Signals, ...]:
        """Have signals wait from now on, and those that were not taken yet; gives which do.

        In the main thread. They have to stay blocked over exec.
        """
        held = tuple(self._old_handlers)
        signal.pthread_sigmask(signal.SIG_BLOCK, held)
        for number in self.take():
            os.kill(os.getpid(), number)
        return held

    def close(self) -> None:
        """Put everything back as it was. A second call does nothing."""
        if self._reader < 0:
            return
        for number, handler in self._old_handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(self._old_fd)
        os.close(self._reader)
        os.close(self._writer)
        self._reader = self._writer = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Take the signal; its number is in the pipe already."""
