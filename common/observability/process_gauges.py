"""What the kernel says of this process, as Prometheus' own clients name it."""

import os
import resource
import time
from functools import cache
from pathlib import Path
from typing import Final

from limpet.common.observability.metrics import Family, counter, gauge

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS_S: Final = os.sysconf("SC_CLK_TCK")


def process_families(*, rss_bytes: float | None = None, fds: float | None = None) -> list[Family]:
    """Give the metrics of the process; what the caller knows already is not looked up again."""
    times = os.times()
    limit, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [
        counter("process_cpu_seconds_total", "CPU time of the process.", times.user + times.system),
        gauge(
            "process_resident_memory_bytes",
            "Memory of the process.",
            _resident_bytes() if rss_bytes is None else rss_bytes,
        ),
        gauge("process_open_fds", "Open descriptors.", _descriptors() if fds is None else fds),
        gauge(
            "process_max_fds",
            "Descriptors that may be open.",
            float("inf") if limit == resource.RLIM_INFINITY else limit,
        ),
        gauge(
            "process_start_time_seconds",
            "When the process was started, since 1970.",
            start_time_s(),
        ),
    ]


@cache
def start_time_s() -> float:
    """Say when this process was started, in seconds since 1970; 0: the kernel does not tell.

    From the process's own files alone: a sandbox may hide all others of /proc.
    """
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0.0
    return time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / _TICKS_S)


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def _descriptors() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return -1
