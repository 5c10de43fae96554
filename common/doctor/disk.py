"""Room on the disks that limpet writes to."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from limpet.common.setup.findings import Finding, fail, ok, warn

BYTES_MIN: Final = 16 << 20
"""With less than this, jobs and results can't be kept."""
BYTES_FEW: Final = 256 << 20
FILES_MIN: Final = 64
FILES_FEW: Final = 1000

_MIB: Final = 1 << 20
_READ_ONLY: Final = os.ST_RDONLY


def look(places: Sequence[Path]) -> Iterable[Finding]:
    """Look at the file systems of the places, each once.

    A place that is missing stands for the nearest directory above it that is there.
    """
    seen: set[int] = set()
    for place in places:
        there = _existing(place)
        try:
            device = os.stat(there).st_dev
            if device in seen:
                continue
            seen.add(device)
            yield _judge(there, os.statvfs(there))
        except PermissionError:
            continue  # another user's: whoever may look there will
        except OSError as error:
            yield fail("disk", f"{there}: {error.strerror}", "look at `dmesg`: is it mounted?")


def _judge(place: Path, found: os.statvfs_result) -> Finding:
    blocks = found.f_bfree if os.geteuid() == 0 else found.f_bavail
    free = blocks * found.f_frsize
    files = found.f_favail if found.f_files else None
    text = f"{place}: {free // _MIB} MiB free"
    if files is not None:
        text += f", {files} files more"
    if found.f_flag & _READ_ONLY:
        return fail("disk", f"{place} is mounted read-only", "look at `dmesg`; mount it writable")
    room = f"make room there: `du -xh --max-depth 2 {place} | sort -h | tail`"
    if free < BYTES_MIN:
        return fail("disk", f"full: {text}", f"{room}; until then new jobs are refused")
    if files is not None and files < FILES_MIN:
        return fail("disk", f"no inodes left: {text}", "remove small files there, or make it anew")
    if free < BYTES_FEW or (files is not None and files < FILES_FEW):
        return warn("disk", f"nearly full: {text}", room)
    return ok("disk", text)


def _existing(place: Path) -> Path:
    for each in (place, *place.parents):
        try:
            os.stat(each)
        except FileNotFoundError:
            continue
        except OSError:
            return each
        return each
    return Path("/")
