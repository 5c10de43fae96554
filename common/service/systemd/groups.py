"""Which unit a process belongs to, and what its control group tells. Reads /proc and /sys only.

Both kinds of control groups are read: the unified one (v2) and the older one with a tree for each
controller (v1), where systemd keeps its own tree under the name `name=systemd`.
"""

from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
MOUNTED: Final = Path("/sys/fs/cgroup")
READ_BYTES_MAX: Final = 64 * 1024


def paths_of(text: str) -> dict[str, str]:
    """Read `/proc/PID/cgroup`: the path in the tree of each controller; `""` is the unified one."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, separator, path = rest.partition(":")
        if separator:
            for controller in controllers.split(","):
                paths[controller] = path
    return paths


def units_of(text: str) -> tuple[str, ...]:
    """Name the units (slices too) that hold a process, the outermost first, from that file."""
    paths = paths_of(text)
    path = paths.get("name=systemd") or paths.get("", "")
    return tuple(name for name in path.split("/") if name)


def read(pid: int | str = "self", *, proc: Path = PROC) -> str:
    """Give the text of that file; empty where it can't be read."""
    try:
        with open(proc / str(pid) / "cgroup", "rb") as file:
            return file.read(READ_BYTES_MAX).decode("utf-8", "replace")
    except OSError:
        return ""


def is_system_service(text: str) -> bool:
    """Say whether a process with this file runs in a unit of the system's own manager.

    A manager of a user is a service as well (`user@0.service`), and so is what a container's
    host made of the whole container: then another unit lies within.
    """
    units = units_of(text)
    if not units or not units[-1].endswith(".service"):
        return False
    return not any(name.endswith((".service", ".scope")) for name in units[:-1])


def is_inside(unit: str, text: str) -> bool:
    """Say whether a process with this file is in the unit, in the tree that systemd looks at."""
    return unit in units_of(text)


class MemoryGroup:
    """What the memory controller knows of one unit, if it looks after it at all."""

    def __init__(self, unit: str, text: str, *, mounted: Path = MOUNTED) -> None:
        """Take the unit's group from a process's file; `text` may be empty."""
        self._events: Path | None = None
        self._limit: Path | None = None
        paths = paths_of(text)
        older, unified = paths.get("memory", ""), paths.get("", "")
        if unit and unit in older.split("/"):
            group = mounted / "memory" / older.lstrip("/")
            self._events, self._limit = (
                group / "memory.oom_control",
                group / "memory.limit_in_bytes",
            )
        elif unit and unit in unified.split("/"):
            group = mounted / unified.lstrip("/")
            self._events, self._limit = group / "memory.events", group / "memory.max"

    @property
    def limit_bytes(self) -> int:
        """Give the limit that the kernel keeps; 0: none."""
        text = _text(self._limit)
        limit = int(text) if text.isdigit() else 0
        return limit if limit < 2**62 else 0  # v1 says "none" by a huge number

    def kills(self) -> int:
        """Count the processes of the unit that the kernel has ended for want of memory."""
        return number_of("oom_kill", _text(self._events))

    def limit_hits(self) -> int:
        """Count how often the unit's own limit was the reason (v2 tells; else 0)."""
        return number_of("oom", _text(self._events))


def kills_on_host(*, proc: Path = PROC) -> int:
    """Count the processes that the kernel has ended for want of memory since the boot."""
    return number_of("oom_kill", _text(proc / "vmstat"))


def number_of(name: str, text: str) -> int:
    """Give the number on the line of this name in a file of names and numbers; else 0."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == name and words[1].isdigit():
            return int(words[1])
    return 0


def _text(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        with open(path, "rb") as file:
            return file.read(READ_BYTES_MAX).decode("ascii", "replace").strip()
    except OSError:
        return ""
