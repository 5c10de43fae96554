"""What the renderers, the compiler and pillar may ask of the file roots."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of an environment, read whole."""

    path: str
    """Inside the roots: `web/init.sls`."""
    real_path: str
    """Where it is on this machine, for messages and for `tplpath`."""
    content: bytes


class FileRoots(Protocol):
    """The files that states and templates are made of. Paths have no leading slash."""

    def environments(self) -> list[str]:
        """Give the environments in their configured order, `base` first."""
        ...

    def read(self, path: str, environment: str) -> SourceFile | None:
        """Read the file that lies uppermost; None where no root has it.

        Raises `SourceError` for one that may not be read: a device, too large, unreadable.
        """
        ...

    def exists(self, path: str, environment: str) -> bool:
        """Say whether `read` would find a file."""
        ...

    def files(self, environment: str) -> list[str]:
        """List all files of the environment, sorted, each path once."""
        ...
