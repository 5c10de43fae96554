"""How much memory a job's processes hold, when to look again, and whether the kernel ended some.

Where the kernel keeps the limit (a scope with `MemoryMax`, and a memory controller) it is looked at
now and then; elsewhere as often as processes could at most fill the room that is left. What is
counted: memory of their own, in main memory or swapped out; memory they share, once; and files in
memory (tmpfs, memfd) that they were seen to have open since the job began.
"""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from limpet.common.service.systemd import groups
from limpet.common.service.systemd.groups import MemoryGroup
from limpet.minion.workers import process_table
from limpet.minion.workers.process_table import Process

GROWTH_BYTES_S: Final = 4 * 1024**3
"""No faster does one processor fill memory (measured: 2 to 3 GiB/s)."""
LOOK_S_MIN: Final = 0.005
LOOK_S_MAX: Final = 1.0
LOOK_COSTS: Final = 25
"""A look waits so many times as long as the one before took: 4% of one processor at most …"""
LOOK_COSTS_GROWING: Final = 4
"""… and 20% while they take more and more."""
GROWING: Final = 0.02
"""Of what is allowed: more than that between two looks is growing."""
FILES_MAX: Final = 1000
"""So many files in memory are remembered for one job."""


class Held(NamedTuple):
    """What processes hold, in bytes."""

    own: int
    shared: int
    """Memory that several may share, counted for each of them."""

    @property
    def total(self) -> int:
        """Give all of it."""
        return self.own + self.shared


class MemoryWatch:
    """Looks after the memory of what a supervisor started."""

    def __init__(self, supervisor: int, bytes_max: int, group: MemoryGroup | None) -> None:
        self._supervisor = supervisor
        self.bytes_max = bytes_max
        self._is_kept_by_kernel = group is not None and 0 < group.limit_bytes <= bytes_max
        self._files = FilesInMemory(time.time())
        self._witness = Witness(group)
        self._last = 0
        self.next_look_s = time.monotonic() + LOOK_S_MIN
        """When to look again (monotonic clock)."""

    def is_over(self) -> bool:
        """Look; say whether they hold more than they may."""
        begun_s = time.thread_time()
        held, before = self._held(), self._last
        self._last = held
        room = self.bytes_max - held
        pause = LOOK_S_MAX
        if not self._is_kept_by_kernel:
            is_growing = held - before > GROWING * self.bytes_max
            pause = pause_s(room, time.thread_time() - begun_s, is_growing=is_growing)
        self.next_look_s = time.monotonic() + pause
        return room < 0

    def words(self) -> str:
        """Tell of processes that the kernel has ended for want of memory; empty: of none."""
        return self._witness.words()

    def _held(self) -> int:
        tree = list(process_table.below(self._supervisor))
        held = held_by(tree)
        files = self._files.count(tree, self.bytes_max // 2)
        if held.own + max(held.shared, files) <= self.bytes_max:
            return held.own + max(held.shared, files)
        # What a fork shares with its parent was counted twice: count each page by its share.
        exact = held_by_share(tree, held)
        return exact.own + max(exact.shared, files)


def pause_s(room: int, cost_s: float, *, is_growing: bool, processors: int = 0) -> float:
    """Give how long the next look may wait, for so much room and a look that costs this much."""
    fastest = GROWTH_BYTES_S * (processors or os.cpu_count() or 1)
    least = cost_s * (LOOK_COSTS_GROWING if is_growing else LOOK_COSTS)
    return min(LOOK_S_MAX, max(LOOK_S_MIN, least, room / fastest))


def held_by(tree: Iterable[Process]) -> Held:
    """Count quickly, and never too little."""
    own = shared = 0
    for process in tree:
        fields = _fields(f"/proc/{process.pid}/status")
        own += fields.get("RssAnon", 0) + fields.get("VmSwap", 0)
        shared += fields.get("RssShmem", 0)
    return Held(own, shared)


def held_by_share(tree: Iterable[Process], quick: Held) -> Held:
    """Count pages that several have by each one's share: slow. Gives `quick` on an old kernel."""
    own = shared = 0
    for process in tree:
        fields = _fields(f"/proc/{process.pid}/smaps_rollup")
        if fields and "Pss_Anon" not in fields:
            return quick
        own += fields.get("Pss_Anon", 0) + fields.get("SwapPss", 0)
        shared += fields.get("Pss_Shmem", 0)
    return Held(own, shared)


class FilesInMemory:
    """Files of tmpfs and memfd that the processes had open since a moment."""

    def __init__(self, since_wall_s: float) -> None:
        self._since_wall_s = since_wall_s - 1.0  # the clock of files ticks coarsely
        self._at_first = shared_on_host()
        self._devices: set[int] | None = None
        self._known: dict[tuple[int, int], str] = {}

    def count(self, tree: Iterable[Process], worth_bytes: int) -> int:
        """Give their bytes; looked for only where the host's have grown by more than is worth it.

        Never more than they grew by since: what others had there before is not the job's.
        """
        grown = shared_on_host() - self._at_first
        if grown < worth_bytes:
            return 0
        if self._devices is None:
            self._devices = _devices_in_memory()
        sizes: dict[tuple[int, int], int] = {}
        for process in tree:
            for path in _open_files(process.pid):
                self._add(path, sizes, is_new=True)
        for key, name in list(self._known.items()):
            if key not in sizes and not self._add(name, sizes, is_new=False):
                del self._known[key]  # it was deleted
        return min(grown, sum(sizes.values()))

    def _add(self, path: str, sizes: dict[tuple[int, int], int], *, is_new: bool) -> bool:
        try:
            found = os.stat(path)
        except OSError:
            return False
        key = (found.st_dev, found.st_ino)
        if not stat.S_ISREG(found.st_mode) or found.st_dev not in (self._devices or ()):
            return False
        if found.st_ctime < self._since_wall_s:
            return False
        sizes[key] = found.st_blocks * 512
        if is_new and len(self._known) < FILES_MAX:
            with suppress(OSError):
                self._known[key] = os.readlink(path)
        return True


class Witness:
    """Sees whether the kernel ends processes for want of memory while a job runs."""

    def __init__(self, group: MemoryGroup | None) -> None:
        self._group = group
        self._host_kills = groups.kills_on_host()
        self._kills = 0 if group is None else group.kills()
        self._hits = 0 if group is None else group.limit_hits()

    def words(self) -> str:
        """Tell, in a few words; empty: nothing is known of any."""
        if self._group is not None and (kills := self._group.kills() - self._kills) > 0:
            words = f"the kernel ended {kills} of its processes for want of memory"
            if self._group.limit_hits() > self._hits and self._group.limit_bytes:
                words += f", at the job's limit of {self._group.limit_bytes // 1024**2} MiB"
            return words
        kills = groups.kills_on_host() - self._host_kills
        if kills > 0:
            return f"the kernel ended {kills} processes of this host for want of memory meanwhile"
        return ""


def shared_on_host() -> int:
    """Give the bytes that files in memory and shared memory take on this host."""
    return _fields("/proc/meminfo").get("Shmem", 0)


def limit_of_host() -> int:
    """Give what there is for all processes: main memory, or less where a container has less."""
    found = [process_table.memory_of_host()]
    paths = groups.paths_of(groups.read())
    for base, path, name in (
        (groups.MOUNTED, paths.get("", ""), "memory.max"),
        (groups.MOUNTED / "memory", paths.get("memory", ""), "memory.limit_in_bytes"),
    ):
        place = Path(path.lstrip("/"))
        for group in (place, *place.parents):
            with suppress(OSError, ValueError):  # "max", or no such controller
                found.append(int((base / group / name).read_text()))
    return min(each for each in found if each > 0)


def _fields(path: str) -> dict[str, int]:
    """Read a file of lines `Name:  123 kB`; gives bytes. Empty if it is gone."""
    try:
        with open(path, "rb", buffering=0) as file:
            text = file.read(8192)
    except OSError:
        return {}
    fields: dict[str, int] = {}
    for line in text.split(b"\n"):
        if line.endswith(b" kB"):
            name, _, rest = line.partition(b":")
            fields[name.decode("ascii", "replace")] = int(rest[:-3]) * 1024
    return fields


def _open_files(pid: int) -> Iterator[str]:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        yield f"/proc/{pid}/fd/{name}"


def _devices_in_memory() -> set[int]:
    """Give the numbers of the file systems that are kept in memory; memfd has one of its own."""
    devices: set[int] = set()
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            if after.split(" ", 1)[0] in ("tmpfs", "ramfs", "hugetlbfs"):
                major, _, minor = before.split()[2].partition(":")
                devices.add(os.makedev(int(major), int(minor)))
    with suppress(OSError):
        descriptor = os.memfd_create("limpet", os.MFD_CLOEXEC)
        devices.add(os.fstat(descriptor).st_dev)
        os.close(descriptor)
    return devices
