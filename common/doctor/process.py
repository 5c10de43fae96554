"""A running daemon as the kernel shows it: descriptors, memory, and which program it is."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from limpet.common.setup.findings import Finding, fail, ok, warn

DESCRIPTORS_WANTED: Final = 1024
DESCRIPTORS_SPARE: Final = 64
MEMORY_FEW_MIB: Final = 64
_FILES_LINE: Final = "Max open files"


def look(pid: int, *, descriptors_wanted: int = DESCRIPTORS_WANTED) -> Iterable[Finding]:
    """Look at the limits and the memory of a process, and whether its program is still there."""
    try:
        place = Path("/proc") / str(pid)
        limits = (place / "limits").read_text(encoding="ascii", errors="replace")
        opened = len(os.listdir(place / "fd"))
        program = os.readlink(place / "exe")
        resident = _mib(place / "status", "VmRSS:")
    except FileNotFoundError:
        return
    except PermissionError:
        advice = "run `limpet doctor` as root to look at it as well"
        yield warn("process", f"process {pid} belongs to another user", advice)
        return
    line = next((line for line in limits.splitlines() if line.startswith(_FILES_LINE)), "")
    word = line[len(_FILES_LINE) :].split()[:1]
    allowed = int(word[0]) if word and word[0].isdigit() else None
    text = f"process {pid}: {resident} MiB of memory, {opened} of {allowed or '∞'} descriptors"
    raise_it = "raise `LimitNOFILE=` of the service (or `ulimit -n`), and restart it"
    if allowed is not None and allowed - opened < DESCRIPTORS_SPARE:
        yield fail("process", f"{text}: they run out", raise_it)
    elif allowed is not None and allowed < descriptors_wanted:
        yield warn("process", f"{text}; {descriptors_wanted} are wanted", raise_it)
    else:
        yield ok("process", text)
    if program.endswith(" (deleted)"):
        gone = program.removesuffix(" (deleted)")
        text = f"process {pid} runs {gone}, which was replaced or removed"
        yield warn("interpreter", text, "restart the service at a quiet moment")


def look_at_memory() -> Iterable[Finding]:
    """Look how much memory the host has left."""
    free = _mib(Path("/proc/meminfo"), "MemAvailable:")
    if free < MEMORY_FEW_MIB:
        advice = "`ps aux --sort -rss | head` shows who has it"
        yield warn("memory", f"{free} MiB are available on this host", advice)
    else:
        yield ok("memory", f"{free} MiB are available on this host")


def _mib(path: Path, name: str) -> int:
    """Give a figure that the kernel tells in kB."""
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) // 1024
    return 0
