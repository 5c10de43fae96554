"""A small file system in the place of a folder, which tests fill: its bytes, or its inodes."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")


class SmallDisk:
    """A tmpfs in the place of a folder, and what fills it."""

    def __init__(self, folder: Path, size: str, *, inodes: int = 0, mode: str = "0700") -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        options = f"size={size},mode={mode}" + (f",nr_inodes={inodes}" if inodes else "")
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        subprocess.run(command, check=True, timeout=10)

    def fill(self) -> None:
        """Leave no byte."""
        with (self.folder / "filler").open("ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def fill_inodes(self) -> None:
        """Leave room for no file more."""
        self._many.mkdir(exist_ok=True)
        number = len(list(self._many.iterdir()))
        with contextlib.suppress(OSError):
            while True:
                (self._many / str(number)).touch()
                number += 1

    def clear(self) -> None:
        """Make room."""
        (self.folder / "filler").unlink(missing_ok=True)
        if self._many.exists():
            for path in self._many.iterdir():
                path.unlink()

    def remount(self, how: str) -> None:
        """Make it `ro` or `rw`."""
        command = ["mount", "-o", f"remount,{how}", str(self.folder)]
        subprocess.run(command, check=True, timeout=10)

    def close(self) -> None:
        """Take it away, whoever still uses it."""
        subprocess.run(["umount", "-l", str(self.folder)], check=True, timeout=10)

    @property
    def _many(self) -> Path:
        return self.folder / "many"
