"""One process at a time: a kernel lock on a file, which no crash can leave behind."""

import fcntl
import os
from pathlib import Path

from limpet.common.errors import UsageError
from limpet.common.storage.files import host_error, write_all


class ExclusiveLock:
    """Holds the lock of a file from its making to `release` or to the end of the process.

    Children started with closed descriptors (Python's default) do not inherit it.
    """

    def __init__(self, path: str | Path, holder: str) -> None:
        """Take the lock at once; `holder` is the word for people: `limpet master`.

        Raises `UsageError` naming the pid of the one that has it, `HostError` if the file fails.
        """
        self._descriptor = -1
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise host_error("open the lock file", path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise UsageError(
                f"another {holder} (pid {pid}) is running on {Path(path).parent}: "
                "stop it first, or give this one another --root"
            ) from None
        self._descriptor = descriptor
        try:
            os.ftruncate(descriptor, 0)
            write_all(descriptor, f"{os.getpid()}\n".encode())
        except OSError:
            pass  # the pid is for people only; on a full disk the lock holds all the same

    def release(self) -> None:
        """Let go; a second call changes nothing. The file stays: removing it would race."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
