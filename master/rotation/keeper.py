"""A thread that writes the master's keys, so that the loop never waits for the disk.

It is made with the first work; one piece at a time, in order. Nothing of it is waited for at the
end: what is cut off is finished by the next start (`files.py`).
"""

import os
import threading
from collections import deque
from collections.abc import Callable

from limpet.common.errors import LimpetError
from limpet.master.rotation.files import KeyFiles
from limpet.master.rotation.work import KeysWritten, KeyWork


class KeyKeeper:
    """Writes keys when the core says so."""

    def __init__(
        self, files: KeyFiles, wall_s: Callable[[], float], check: Callable[[], object]
    ) -> None:
        """Take the files of this master and its wall clock.

        `check` raises `LimpetError` if this master would not start anew now: then no key is
        changed, as that means a new start.
        """
        self._files = files
        self._check = check
        self._wall_s = wall_s
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._work: deque[KeyWork] = deque()
        self._done: deque[KeysWritten] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def fileno(self) -> int:
        """Give the descriptor that is readable when `collect` has something."""
        return self._wake

    def write(self, work: KeyWork) -> None:
        """Have keys written; answered by one `KeysWritten`."""
        with self._changed:
            self._work.append(work)
            self._changed.notify()
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="keys", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # processes or memory have run out
                with self._changed:
                    self._work.clear()
                    self._finish(KeysWritten(work, None, f"no thread can be started: {error}"))
                return
            self._thread = thread

    def collect(self) -> list[KeysWritten]:
        """Give what was done since the last call."""
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return []
        with self._changed:
            done = list(self._done)
            self._done.clear()
        return done

    def close(self, *, within_s: float = 2.0) -> None:
        """Let the thread finish what it is at; one that hangs in a disk is left behind."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(within_s)
        with self._changed:
            if self._wake >= 0:
                os.close(self._wake)
                self._wake = -1

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._work and not self._is_closed:
                    self._changed.wait()
                if self._is_closed:
                    return
                work = self._work.popleft()
            written = self._do(work)
            with self._changed:
                self._finish(written)

    def _finish(self, written: KeysWritten) -> None:
        """Give a result to the loop; the lock is held."""
        self._done.append(written)
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)

    def _do(self, work: KeyWork) -> KeysWritten:
        try:
            if work.what == "switch":
                self._check()
                self._files.switch(self._wall_s())
                return KeysWritten(work, None)
            if work.what == "fresh":
                return KeysWritten(work, self._files.prepare_fresh(self._wall_s()))
            return KeysWritten(work, self._files.raise_serial(work.above))
        except LimpetError as error:
            return KeysWritten(work, None, str(error))
        except Exception as error:  # noqa: BLE001
            # A mistake of ours in one piece must not take the answers to all later ones away.
            return KeysWritten(work, None, f"{error!r}; please report it")
