"""How much memory this process occupies, and how much it may before something has to be done."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

SHARE_MAX: Final = 0.85
"""Of what the service, or the host, has."""
GROWTH_BYTES: Final = 32 * 1024 * 1024
"""So much more memory than connections explain, and it is looked who fills it."""
CONNECTION_BYTES: Final = 48 * 1024
"""What a connection takes after its login: 36 KiB of libzmq's (measured), and our own. Of those,
8 are given back when it is calm: `Authenticator.tidy`."""
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Say how much memory this process occupies. After the first call it opens nothing any more."""
    return int(os.pread(_statm(), 200, 0).split()[1]) * _PAGE_BYTES


@cache
def _statm() -> int:
    """Give the open file; kept, so that memory is known of when descriptors have run out."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


class Growth:
    """Notices memory that grows by more than new connections explain."""

    def __init__(self, memory: Callable[[], int]) -> None:
        """Take what says how much memory this process occupies."""
        self._memory = memory
        self._before = 0
        self._connections = 0

    def is_odd(self, connections: int) -> bool:
        """Say whether it has grown so since it was last odd, or was last less."""
        memory = self._memory()
        more = max(0, connections - self._connections) * CONNECTION_BYTES
        is_odd = memory > self._before + more + GROWTH_BYTES
        if is_odd or memory < self._before + more:
            self._before = memory
            self._connections = connections
        return is_odd


def open_descriptors() -> int:
    """Count the descriptors of this process; -1: there is not even one left to look with."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return -1


def ceiling_bytes(
    cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> int:
    """Give the resident size at which the port is closed and opened anew.

    It is a share of the tightest limit of this process's control groups, or of the host's memory.
    """
    limits = [os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES]
    try:
        line = own.read_text().splitlines()[-1]
        place = cgroups / line.rpartition(":")[2].lstrip("/")
        for folder in (place, *place.parents):
            if folder == cgroups.parent:
                break
            limit = folder / "memory.max"
            if limit.is_file() and (text := limit.read_text().strip()).isdigit():
                limits.append(int(text))
    except (OSError, IndexError):
        return int(limits[0] * SHARE_MAX)  # no control groups here: the host's memory decides
    return int(min(limits) * SHARE_MAX)
