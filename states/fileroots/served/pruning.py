"""Keeping the cache small: what was used longest ago gives way, what is in use never.

A body with several names (its digest, its places) is counted once and goes with all of them.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from limpet.common.storage.files import host_error

FREE_BYTES_KEPT: Final = 64 * 1024 * 1024
"""So much stays free on the file system, whatever comes in."""
IN_USE_S: Final = 600.0
"""What was used so recently is in use."""
AGE_MAX_S: Final = 60 * 86400.0
"""What nobody has used for so long goes, however small the cache is."""
_EVERY_S: Final = 3600.0
_STAMP: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDERS: Final = ("objects", "files", "extrn_files", "localfiles", "partial")


@dataclass(slots=True)
class _Body:
    size: int
    used_s: float
    names: list[str] = field(default_factory=list)


class Pruner:
    """Decides when the cache is looked through, and does it."""

    def __init__(self, directory: str, bytes_max: int, clock: Callable[[], float]) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._clock = clock
        self._grown = 0
        self._looked_s: float | None = None

    def grown(self, size: int) -> None:
        """Hear of a new body; look through the cache if much has come, or it is time to."""
        self._grown += size
        if self._looked_s is None:
            self._looked_s = _stamp(f"{self._directory}/pruned")
        is_due = self._clock() - self._looked_s > _EVERY_S
        if is_due or self._grown > self._bytes_max // 16:
            self.prune()

    def prune(self, *, is_pressed: bool = False) -> int:
        """Remove what is too old or too much; `is_pressed`: all that is not in use.

        Gives the bytes that are left. One process at a time does it; another that comes gives 0.
        Raises `HostError`.
        """
        now = self._clock()
        self._grown, self._looked_s = 0, now
        stamp = f"{self._directory}/pruned"
        try:
            descriptor = os.open(stamp, _STAMP, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.utime(stamp, (now, now))
                return self._pruned(now, 0 if is_pressed else self._bytes_max)
            finally:
                os.close(descriptor)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise host_error("clear out the cache", self._directory, error) from error

    def _pruned(self, now: float, bytes_max: int) -> int:
        bodies: dict[tuple[int, int], _Body] = {}
        for path, found in _files(self._directory):
            key = (found.st_dev, found.st_ino)
            body = bodies.setdefault(key, _Body(found.st_blocks * 512, found.st_mtime))
            body.names.append(path)
        total = sum(body.size for body in bodies.values())
        for body in sorted(bodies.values(), key=lambda each: each.used_s):
            unused_s = now - body.used_s
            if unused_s < IN_USE_S or (total <= bytes_max and unused_s < AGE_MAX_S):
                continue
            if _removed(body):
                total -= body.size
        return total


def _removed(body: _Body) -> bool:
    """Remove a body with all its names; False: somebody writes to it."""
    for path in body.names:
        if os.path.basename(os.path.dirname(path)) == "partial" and _is_locked(path):
            return False
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    return True


def _is_locked(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _files(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    for folder in _FOLDERS:
        for above, _, names in os.walk(os.path.join(directory, folder)):
            for name in names:
                path = os.path.join(above, name)
                with contextlib.suppress(FileNotFoundError):
                    found = os.lstat(path)
                    if stat.S_ISREG(found.st_mode):
                        yield path, found


def _stamp(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except FileNotFoundError:
        return 0.0
