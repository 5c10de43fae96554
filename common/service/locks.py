"""One process for one state directory: a lock that the kernel drops when its holder dies."""

import contextlib
import errno
import fcntl
import os
import time
from pathlib import Path
from typing import Self

from limpet.common.errors import HostError, UsageError


class InstanceLock:
    """An exclusive lock on a file, held until `close` or the end of the process.

    The file holds the pid of the holder, for people; it is never removed, so that two processes
    can't lock two files of one name. The descriptor is closed on exec: a process that starts
    itself afresh takes the lock again.
    """

    def __init__(
        self, path: Path, what: str, *, wait_s: float = 1.0, instead: str = "another --root"
    ) -> None:
        """Take the lock, waiting `wait_s` for a holder that is just ending.

        `instead` is what a person may use instead of stopping the holder.

        Raises `UsageError` naming the holder if `what` (such as "a limpet master") runs already,
        and `HostError` if the file can't be made.
        """
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise HostError(f"{path}: can't open the lock file: {error.strerror}") from error
        try:
            self._take(what, wait_s, instead)
        except BaseException:
            self.close()
            raise
        text = f"{os.getpid()}\n".encode()
        with contextlib.suppress(OSError):  # the disk is full: the lock holds all the same
            os.pwrite(self._fd, text, 0)
            os.ftruncate(self._fd, len(text))

    def _take(self, what: str, wait_s: float, instead: str) -> None:
        end = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise HostError(f"{self.path}: can't lock: {error.strerror}") from error
            if time.monotonic() >= end:
                holder = os.pread(self._fd, 20, 0).decode("ascii", "replace").strip()
                pid = f" as process {holder}" if holder.isdigit() else ""
                raise UsageError(
                    f"{what} runs here already{pid} (lock {self.path}): "
                    f"stop it first, or use {instead}"
                )
            time.sleep(0.05)

    def close(self) -> None:
        """Give the lock up. A second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
