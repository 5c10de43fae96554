"""A host's disk: an image of its own, with what the host has written over the common root.

The image is a sparse file of fixed size, so a host that fills its disk fills no other's. What a
host wrote stays when it is powered off: the machine's page cache survives, so this is a power cut
for the host's processes, not for its disk.
"""

import os
import shutil
from functools import partial
from pathlib import Path

from limpet_lab.running import LabError, run, wait_until

SIZE_MB = 768
"""Two packages with their versions twice take about 300 MB; the rest is to be filled."""


class Disk:
    """The image, and the root directory mounted of it."""

    def __init__(self, directory: Path) -> None:
        self.image = directory / "disk.img"
        self._mounted = directory / "disk"
        self._filler = self._mounted / "filler"
        self.root = directory / "root"

    @property
    def written(self) -> Path:
        """What differs from the common root."""
        return self._mounted / "upper"

    def make(self, like: Path | None = None) -> None:
        """Make an empty image, or a copy of another."""
        self.image.parent.mkdir(parents=True, exist_ok=True)
        if like is not None:
            run(["cp", "--sparse=always", str(like), str(self.image)]).checked()
            return
        with self.image.open("wb") as file:
            file.truncate(SIZE_MB << 20)
        run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(self.image)]).checked()

    def mount(self, base: Path) -> None:
        """Mount the image, and the root made of it and of `base`, where they are not."""
        mounted = mounts()
        for directory in (self._mounted, self.root):
            directory.mkdir(exist_ok=True)
        if self._mounted not in mounted:
            run(["mount", "-o", "loop,noatime", str(self.image), str(self._mounted)]).checked()
        for name in ("upper", "work"):
            (self._mounted / name).mkdir(exist_ok=True)
        if self.root not in mounted:
            layers = f"lowerdir={base},upperdir={self.written},workdir={self._mounted / 'work'}"
            run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)]).checked()

    def unmount(self) -> None:
        """Unmount both; nothing of the host may run."""
        if self._mounted in mounts():
            run(["sync", "--file-system", str(self._mounted)]).checked()
        unmount_below(self.root)
        unmount_below(self._mounted)

    def fill(self, left_bytes: int = 0) -> None:
        """Take all space but `left_bytes`."""
        free = shutil.disk_usage(self._mounted).free - left_bytes
        with self._filler.open("ab") as file:
            at = file.tell()
            step = max(free, 0)
            while step >= 4096:  # the file system's own tables take a little of what was free
                try:
                    os.posix_fallocate(file.fileno(), at, step)
                except OSError:
                    step //= 2
                    continue
                at += step
                if left_bytes:
                    free -= step
                    step = min(step, free)
        if left_bytes == 0 and shutil.disk_usage(self._mounted).free > 1 << 20:
            raise LabError(f"{self._mounted} could not be filled")

    def free(self) -> None:
        """Give back what `fill` took."""
        self._filler.unlink(missing_ok=True)


def mounts() -> set[Path]:
    """Give all mount points of the machine."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return {Path(line.split()[4].replace("\\040", " ")) for line in lines}


def unmount_below(directory: Path) -> None:
    """Unmount whatever is mounted at and below a directory, innermost first."""

    def unmounted(place: Path) -> bool:
        return run(["umount", str(place)]).code == 0

    there = [place for place in mounts() if place == directory or directory in place.parents]
    for place in sorted(there, key=lambda path: len(path.parts), reverse=True):
        # The kernel lets go of what dead processes had open a little later.
        if not wait_until(partial(unmounted, place), 3.0):
            run(["umount", "--lazy", str(place)]).checked()
