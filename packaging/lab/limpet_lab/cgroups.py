"""Control groups of a lab's processes: each host has one of its own in every hierarchy.

They have two uses. Two systemds that share a group would take each other's units apart; and
whatever a lab has started is found here by name, also after the lab itself was killed half-way.
"""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from limpet_lab.running import LabError

LEFT_ALONE = {"cpuset"}
"""A new group of this hierarchy admits nobody before it has been told its CPUs, and systemd does
not use it."""


def hierarchies() -> list[Path]:
    """Give where the hierarchies are mounted: one of version 2, or several of version 1."""
    mounts = []
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, where, kind, options = line.split()[:4]
        is_alone = LEFT_ALONE & set(options.split(","))
        if kind in ("cgroup", "cgroup2") and where.startswith("/sys/fs/cgroup") and not is_alone:
            mounts.append(Path(where))
    if not mounts:
        raise LabError("no cgroup hierarchy is mounted below /sys/fs/cgroup: mount one first")
    return mounts


class Group:
    """A group of one name in every hierarchy."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._places = [mount / name for mount in hierarchies()]

    def make(self) -> None:
        """Make the group where it is not there."""
        for place in self._places:
            place.mkdir(parents=True, exist_ok=True)

    def entering(self, argv: Iterable[str], below: str = "") -> list[str]:
        """Give the command that enters the group and then is `argv`.

        `below`: a group within that is made where its parent is there (a container's own tree).
        """
        places = []
        for place in self._places:
            wanted = place / below
            if below and wanted.parent.is_dir():
                wanted.mkdir(exist_ok=True)
                places.append(wanted)
            elif place.is_dir():
                places.append(place)
        script = "".join(f'echo $$ > "{place}/cgroup.procs" && ' for place in places)
        return ["sh", "-c", script + 'exec "$@"', "sh", *argv]

    def processes(self) -> list[int]:
        """Give the processes in the group and below it, innermost first."""
        found: dict[int, None] = {}
        for place in self._places:
            for directory in _directories(place):
                try:
                    listed = (directory / "cgroup.procs").read_text(encoding="ascii")
                except OSError:  # the directory went while we looked
                    continue
                found |= dict.fromkeys(int(pid) for pid in listed.split() if pid != "0")
        return list(found)

    def kill(self, *, first: int | None = None, timeout_s: float = 20.0) -> None:
        """Kill all with SIGKILL until none is left; raises LabError after `timeout_s`.

        `first`: killed before the others; the first process of a container takes its whole process
        namespace with it at once, as a power cut does.
        """
        deadline = time.monotonic() + timeout_s
        if first is not None:
            _kill(first)
        while pids := self.processes():
            for pid in pids:
                _kill(pid)
            if time.monotonic() > deadline:
                raise LabError(f"processes {pids} of {self.name} survive SIGKILL: see /proc")
            time.sleep(0.02)

    def remove(self) -> None:
        """Remove the group and all below it; nobody may be in it."""
        for place in self._places:
            for directory in _directories(place):
                for _ in range(50):  # the kernel lets go of a dead process a little later
                    try:
                        directory.rmdir()
                        break
                    except FileNotFoundError:
                        break
                    except OSError:
                        time.sleep(0.02)


def _directories(place: Path) -> Iterator[Path]:
    for directory, _, _ in os.walk(place, topdown=False):
        yield Path(directory)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
