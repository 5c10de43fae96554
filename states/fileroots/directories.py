"""File roots that are directories of this machine."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence

from limpet.common.errors import SourceError
from limpet.states.fileroots.port import SourceFacts, SourceFile
from limpet.states.fileroots.walk import opened

SOURCE_BYTES_MAX = 1024 * 1024
"""Of a file that is read as SLS, template or data for one."""
FILES_MAX = 200_000
DEPTH_MAX = 64
_ANY = "__env__"


class DirectoryRoots:
    """Roots by environment; of several roots the first that has a file gives it.

    An environment `__env__` stands for every environment that is not named, with its name in place
    of `__env__` in the paths. Listings are read once and kept until `forget`.
    """

    def __init__(
        self, roots: Mapping[str, Sequence[str]], *, bytes_max: int = SOURCE_BYTES_MAX
    ) -> None:
        self._roots = {name: list(paths) for name, paths in roots.items()}
        self._bytes_max = bytes_max
        self._listings: dict[str, list[str]] = {}

    def environments(self) -> list[str]:
        """Give the environments in their configured order, `base` first."""
        names = [name for name in self._roots if name not in ("base", _ANY)]
        return ["base", *names]

    def roots_of(self, environment: str) -> list[str]:
        """Give the directories of an environment, uppermost first; none for an unknown one."""
        if environment in self._roots:
            return self._roots[environment]
        is_plain = "/" not in environment and environment not in ("", ".", "..")
        if _ANY in self._roots and is_plain:
            return [path.replace(_ANY, environment) for path in self._roots[_ANY]]
        return []

    def read(self, path: str, environment: str) -> SourceFile | None:
        """Read the file that lies uppermost; None where no root has it. Raises `SourceError`."""
        return self._read(path, environment, self._bytes_max)

    def content(self, path: str, environment: str, *, bytes_max: int) -> bytes | None:
        """Read a file whole; None where no root has it. Raises `SourceError`."""
        found = self._read(path, environment, bytes_max)
        return None if found is None else found.content

    def _read(self, path: str, environment: str, bytes_max: int) -> SourceFile | None:
        for root in self.roots_of(environment):
            with opened(root, path) as descriptor:
                if descriptor is None:
                    continue
                real_path = f"{root.rstrip('/')}/{path}"
                if os.fstat(descriptor).st_size > bytes_max:
                    raise SourceError(f"larger than the {bytes_max} bytes allowed", real_path)
                with os.fdopen(os.dup(descriptor), "rb") as stream:
                    content = stream.read(bytes_max + 1)
                if len(content) > bytes_max:
                    raise SourceError("grew while it was read", real_path)
                return SourceFile(path, real_path, content)
        return None

    def look(self, path: str, environment: str) -> SourceFacts | None:
        """Say how large a file is and its mode; its digest only reading would tell."""
        for root in self.roots_of(environment):
            with opened(root, path) as descriptor:
                if descriptor is not None:
                    found = os.fstat(descriptor)
                    return SourceFacts(found.st_size, stat.S_IMODE(found.st_mode))
        return None

    def local_copy(self, path: str, environment: str) -> str | None:
        """Give where the file lies, links resolved. Raises `SourceError` as `read` does."""
        for root in self.roots_of(environment):
            with opened(root, path) as descriptor:
                if descriptor is not None:  # what was opened lies inside; its name is the kernel's
                    return os.readlink(f"/proc/self/fd/{descriptor}")
        return None

    def exists(self, path: str, environment: str) -> bool:
        """Say whether `read` would find a file. Raises `SourceError` as `read` does."""
        for root in self.roots_of(environment):
            with opened(root, path) as descriptor:
                if descriptor is not None:
                    return True
        return False

    def files(self, environment: str) -> list[str]:
        """List all files of the environment, sorted, each path once."""
        if environment not in self._listings:
            found: set[str] = set()
            for root in self.roots_of(environment):
                found.update(_below(root))
            self._listings[environment] = sorted(found)
        return self._listings[environment]

    def folders(self, environment: str, below: str = "") -> list[str]:
        """List the folders below a folder, the empty ones too, relative to it and sorted."""
        found: set[str] = set()
        for root in self.roots_of(environment):
            top = os.path.join(root, below)
            for above, folders, _ in os.walk(top):
                found.update(os.path.relpath(os.path.join(above, each), top) for each in folders)
        return sorted(found)

    def links(self, environment: str, below: str = "") -> dict[str, str]:
        """Give the symbolic links below a folder, relative to it, with what they point at."""
        found: dict[str, str] = {}
        for root in self.roots_of(environment):
            top = os.path.join(root, below)
            for above, folders, files in os.walk(top):
                for each in (*folders, *files):
                    path = os.path.join(above, each)
                    if os.path.islink(path):
                        found.setdefault(os.path.relpath(path, top), os.readlink(path))
        return found

    def forget(self) -> None:
        """Have listings read anew."""
        self._listings.clear()


def _below(root: str) -> Iterator[str]:
    """Give the regular files below a root, and what links inside it lead to."""
    real_root = os.path.realpath(root)
    pending = [("", 0, frozenset((real_root,)))]
    count = 0
    while pending:
        folder, depth, above = pending.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    count += 1
                    if count > FILES_MAX:
                        raise SourceError(f"more than {FILES_MAX} files", root)
                    if not _is_listed(entry):
                        continue
                    if entry.is_dir():
                        real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                        is_loop = real in above
                        if depth < DEPTH_MAX and not is_loop and _is_below(real, root, real_root):
                            pending.append((path, depth + 1, above | {real}))
                    elif not entry.is_symlink() or _is_below(
                        os.path.realpath(entry.path), root, real_root
                    ):
                        yield path
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue


def _is_listed(entry: "os.DirEntry[str]") -> bool:
    """Leave out what is no file and no directory, and names that are not UTF-8."""
    try:
        entry.name.encode("utf-8")
        kind = entry.stat().st_mode
    except (UnicodeEncodeError, OSError):
        return False
    return stat.S_ISREG(kind) or stat.S_ISDIR(kind)


def _is_below(path: str, root: str, real_root: str) -> bool:
    return path.startswith((real_root.rstrip("/") + "/", root.rstrip("/") + "/"))
