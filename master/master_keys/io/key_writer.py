"""A thread that writes the master's keys, so that the loop never waits for the disk.

It is made with the first work; one piece at a time, in order. Nothing of it is waited for at the
end: what is cut off is finished by the next start (`key_files.py`).
"""

from collections.abc import Callable

from limpet.common.errors import LimpetError
from limpet.master.master_keys.io.key_files import KeyFiles
from limpet.master.master_keys.key_work import KeysWritten, KeyWork
from limpet.master.process.worker_threads import WorkerThreads


class KeyWriter:
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
        self._threads: WorkerThreads[KeyWork, KeysWritten] = WorkerThreads(
            "keys", self._do, lambda work, text: KeysWritten(work, None, text)
        )

    def fileno(self) -> int:
        """Give the descriptor that is readable when `collect` has something."""
        return self._threads.fileno()

    def write(self, work: KeyWork) -> None:
        """Have keys written; answered by one `KeysWritten`."""
        self._threads.ask(work)

    def collect(self) -> list[KeysWritten]:
        """Give what was done since the last call."""
        return self._threads.collect()

    def close(self, *, within_s: float = 2.0) -> None:
        """Let the thread finish what it is at; one that hangs in a disk is left behind."""
        self._threads.close(within_s=within_s)

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
