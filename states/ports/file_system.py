"""What states may ask of the file system; `limpet.states.host` answers with the real one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Facts:
    """What the file system knows of one name. Times in seconds since 1970."""

    kind: Literal["file", "directory", "link", "block", "character", "pipe", "socket"]
    mode: int
    """The permission bits, with setuid, setgid and sticky."""
    uid: int
    gid: int
    size: int
    modified_s: float
    accessed_s: float
    inode: int
    device: int
    links: int = 1
    node: tuple[int, int] = (0, 0)
    """Of a block or character device: its major and minor number."""


class FileSystem(Protocol):
    """Everything that states do with files. Every refusal is a `HostError` naming the path."""

    def facts(self, path: str, *, is_following: bool = False) -> Facts | None:
        """Look at a name, or with `is_following` at what it leads to; None: nothing is there."""
        ...

    def read(self, path: str, *, bytes_max: int = 512 * 1024 * 1024) -> bytes:
        """Give the content of a file; one that is larger is a `HostError`."""
        ...

    def place(
        self, path: str, content: bytes, *, mode: int | None, uid: int = -1, gid: int = -1
    ) -> None:
        """Put a file there whole: mode and owner are right before it has its name.

        None and -1 keep what the present file has, else what a new file gets by umask and user.
        A symbolic link at `path` is followed, as Salt does.
        """
        ...

    def place_copy(
        self, path: str, source: str, *, mode: int | None, uid: int = -1, gid: int = -1
    ) -> None:
        """Do as `place` does with what the file `source` holds, piece by piece."""
        ...

    def digest(self, path: str, algorithm: str) -> str:
        """Give the checksum of a file's content, in hex; `algorithm` is one of hashlib's."""
        ...

    def is_same_content(self, path: str, other: str) -> bool:
        """Say whether two files hold the same bytes."""
        ...

    def make_directory(self, path: str, mode: int | None) -> None:
        """Make one directory; its parent must be there. None: as the umask says.

        One that somebody else made since the caller looked is left as it is.
        """
        ...

    def make_link(self, path: str, target: str) -> None:
        """Make a symbolic link, replacing a link or file of that name at once."""
        ...

    def make_hard_link(self, path: str, target: str) -> None:
        """Give the file `target` a second name, replacing a file of that name at once."""
        ...

    def make_node(self, path: str, kind: str, mode: int, major: int, minor: int) -> None:
        """Make a pipe (`p`), block (`b`) or character (`c`) device."""
        ...

    def rename(self, source: str, path: str) -> None:
        """Move a file or tree, onto another file system too."""
        ...

    def copy(self, source: str, path: str) -> None:
        """Copy a file or a whole tree, links as links, with modes and times."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, a link or a whole tree; nothing there is fine."""
        ...

    def set_mode(self, path: str, mode: int) -> None:
        """Set the permission bits of what the name leads to."""
        ...

    def set_owner(self, path: str, uid: int, gid: int, *, is_following: bool = True) -> None:
        """Set user and group; -1 keeps one."""
        ...

    def set_times(self, path: str, accessed_s: float | None, modified_s: float | None) -> None:
        """Set times; None is now."""
        ...

    def names(self, directory: str) -> list[str]:
        """Give the names in a directory, sorted."""
        ...

    def walk(self, top: str) -> list[tuple[str, list[str], list[str]]]:
        """Give each directory with its directories and other names, top first.

        Links are not entered; one to a directory stands among the directories.
        """
        ...

    def real_path(self, path: str) -> str:
        """Resolve all links."""
        ...

    def umask(self, mask: int | None) -> AbstractContextManager[None]:
        """Hold another umask for a while; None changes nothing."""
        ...


def missing_folders(folder: str, is_there: Callable[[str], bool]) -> list[str]:
    """Give a directory and those above it, as far as they have to be made: the uppermost first."""
    missing = []
    path = folder.rstrip("/")
    while path and not is_there(path):
        missing.append(path)
        path = path.rpartition("/")[0]
    return missing[::-1]
