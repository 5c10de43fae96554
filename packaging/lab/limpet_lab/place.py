"""Where a lab lives: its directory, and the names that everything of it outside carries.

All names are made of the directory, so that two labs on one machine never meet, and so that a lab
that was killed half-way is found by what it is called.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from limpet_lab.running import LabError

DEFAULT = "/var/tmp/limpet-lab"  # noqa: S108 - see `private`; outlives a reboot
SUBNET = "10.77.0"
LAB_ADDRESS = f"{SUBNET}.1"
"""The lab's own: its DNS server."""


def private(directory: Path) -> Path:
    """Make a directory for root alone, and give it; raises LabError if it is somebody else's.

    It lies where everybody may write, and what is in it is run as root.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in (directory, *directory.parents):
        status = each.lstat()
        is_open = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
        if status.st_uid != 0 or is_open or stat.S_ISLNK(status.st_mode):
            raise LabError(f"{each} is not root's alone: remove it, or set LIMPET_LAB_DIR")
    return directory


@dataclass(frozen=True, slots=True)
class Place:
    """A lab's directory, and names made of it."""

    directory: Path

    @classmethod
    def from_environment(cls) -> "Place":
        """Take LIMPET_LAB_DIR, or the usual place."""
        return cls(Path(os.environ.get("LIMPET_LAB_DIR", DEFAULT)).resolve())

    @property
    def mark(self) -> str:
        """Four hexadecimal digits that stand for the directory."""
        return hashlib.sha256(str(self.directory).encode()).hexdigest()[:4]

    @property
    def name(self) -> str:
        """The lab's network namespace, and its top control group."""
        return f"limpet-lab-{self.mark}"

    def name_of(self, host: str) -> str:
        """Give a host's network namespace."""
        return f"{self.name}-{host}"

    @property
    def names(self) -> Path:
        """The DNS server's table, as JSON."""
        return self.directory / "names.json"

    @property
    def hosts(self) -> Path:
        """One directory for each host."""
        return self.directory / "hosts"
