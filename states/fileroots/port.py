"""What the renderers, the compiler, pillar and file states may ask of the file roots."""

from dataclasses import dataclass
from typing import Final, Protocol

FILE_BYTES_MAX: Final = 4 * 1024 * 1024 * 1024
"""Of one file that states bring to the machine."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of an environment, read whole."""

    path: str
    """Inside the roots: `web/init.sls`."""
    real_path: str
    """Where it is on this machine, for messages and for `tplpath`."""
    content: bytes


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known of a file without its content being moved or read."""

    size: int
    """In bytes."""
    mode: int | None
    """The permission bits; None: nobody knows."""
    digest: str = ""
    """SHA-256 in hex; empty: only reading the content would tell."""


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


class TreeRoots(FileRoots, Protocol):
    """File roots with all that states of files need. Errors are `SourceError` and `HostError`."""

    def look(self, path: str, environment: str) -> SourceFacts | None:
        """Say what is known of a file; None where no root has it."""
        ...

    def local_copy(self, path: str, environment: str) -> str | None:
        """Give where the file lies on this machine, brought here if need be; None: there is none.

        Whoever reads it does so at once: a cache may give way later.
        """
        ...

    def content(self, path: str, environment: str, *, bytes_max: int) -> bytes | None:
        """Read a file whole; None where no root has it. One that is larger is an error."""
        ...

    def folders(self, environment: str, below: str = "") -> list[str]:
        """List the folders below a folder, the empty ones too, relative to it and sorted."""
        ...

    def links(self, environment: str, below: str = "") -> dict[str, str]:
        """Give the symbolic links below a folder, relative to it, with what they point at."""
        ...

    def forget(self) -> None:
        """Look at everything anew when it is next asked for."""
        ...
