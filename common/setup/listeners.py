"""Which processes of this host listen on a TCP port."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_LISTENS: Final = "0A"
_TABLE_BYTES_MAX: Final = 4 * 1024 * 1024


def who_listens(port: int, proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Name them as `NAME (pid N)`; those of other users only where this one is root.

    Empty: nobody listens, or who does can't be seen.
    """
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    if not sockets:
        return ()
    found = []
    for process in sorted(proc.iterdir(), key=lambda path: path.name):
        if not process.name.isdigit():
            continue
        with suppress(OSError):  # it has ended, or is another user's
            if sockets.intersection(_links(process / "fd")):
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                found.append(f"{name} (pid {process.name})")
    return tuple(found)


def _links(directory: Path) -> Iterator[str]:
    """Give what a process has open; what it closes meanwhile is passed over."""
    for name in os.listdir(directory):
        with suppress(FileNotFoundError):
            yield os.readlink(directory / name)


def _inodes(port: int, proc: Path) -> Iterator[str]:
    """Give the sockets that listen on the port, of both families."""
    for table in ("tcp", "tcp6"):
        try:
            with open(proc / "net" / table, encoding="ascii") as file:
                lines = file.read(_TABLE_BYTES_MAX).splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) > 9 and words[3] == _LISTENS and words[1].endswith(f":{port:04X}"):
                yield words[9]
