"""Listing an environment: every file, folder and link of its roots, the uppermost of each path.

Folders are opened one by one and never through a link, so that a folder which is swapped for a link
meanwhile leads nowhere. Links inside a root are followed as Salt does: such a path stands in the
list as a link, and once more as what it leads to.
"""

import hashlib
import os
import stat
import time
from typing import Final

import msgspec

from limpet.master.files.io.digests import Digests, Identity
from limpet.master.files.reads import Listed
from limpet.states.fileroots.directories import DEPTH_MAX, FILES_MAX, DirectoryRoots

WALK_S_MAX: Final = 60.0

Row = tuple[str, str, int, int, str, str]
"""Path, kind, mode, size, target, digest where it is known."""
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class TooMuch(Exception):
    """The tree is larger than may be listed."""


class Walker:
    """Lists environments; one at a time."""

    def __init__(self, roots: DirectoryRoots, digests: Digests) -> None:
        self._roots = roots
        self._digests = digests

    def walk(self, environment: str) -> Listed:
        """List an environment."""
        roots = self._roots.roots_of(environment)
        if not roots:
            return Listed(is_found=False)
        found: dict[str, list[Row]] = {}
        end = time.monotonic() + WALK_S_MAX
        try:
            for root in roots:
                below: dict[str, list[Row]] = {}
                _Walk(root, below, self._digests, end).run()
                for path, rows in below.items():
                    found.setdefault(path, rows)
        except TooMuch as error:
            return Listed(is_found=True, problem=f"the environment {environment!r}: {error}")
        except OSError as error:
            text = f"cannot be listed: {error.strerror or type(error).__name__}"
            return Listed(is_found=True, problem=f"the environment {environment!r}: {text}")
        return listed([row for path in sorted(found) for row in found[path]])

    def environments(self) -> Listed:
        """Name the environments, in their configured order."""
        return listed(self._roots.environments())


def listed(what: object) -> Listed:
    """Make the body."""
    body = msgspec.msgpack.encode(what)
    return Listed(is_found=True, body=body, digest=hashlib.sha256(body).hexdigest())


class _Walk:
    """One root."""

    def __init__(
        self, root: str, found: dict[str, list[Row]], digests: Digests, end: float
    ) -> None:
        self._root = os.path.realpath(root)
        self._found = found
        self._digests = digests
        self._end = end
        self._pending: list[tuple[str, tuple[str, ...], frozenset[tuple[str, ...]]]] = []
        """Folders to look into: the path that is shown, the real one, and those above it."""

    def run(self) -> None:
        """Look into every folder."""
        self._pending.append(("", (), frozenset(((),))))
        while self._pending:
            shown, real, above = self._pending.pop()
            if self._digests.is_stopping:
                raise TooMuch("the master is about to end")
            if time.monotonic() > self._end:
                raise TooMuch(f"listing it took more than {WALK_S_MAX:.0f} s")
            try:
                folder = _open_folder(self._root, real)
            except OSError:
                continue  # gone meanwhile, or not to be read: not listed, as in Salt
            try:
                self._look_into(folder, shown, real, above)
            finally:
                os.close(folder)

    def _look_into(
        self, folder: int, shown: str, real: tuple[str, ...], above: frozenset[tuple[str, ...]]
    ) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not _is_text(entry.name):
                    continue
                path = f"{shown}/{entry.name}" if shown else entry.name
                try:
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISLNK(found.st_mode):
                        target = os.readlink(entry.name, dir_fd=folder)
                        self._add(path, (path, "link", 0o777, 0, target, ""))
                        self._follow(path, (*real, entry.name), above)
                    else:
                        self._note(path, found, (*real, entry.name), above)
                except OSError:
                    continue  # gone meanwhile

    def _follow(self, path: str, real: tuple[str, ...], above: frozenset[tuple[str, ...]]) -> None:
        """Note what a link leads to, if that lies inside."""
        leads_to = os.path.realpath(os.path.join(self._root, *real))
        inside = self._root.rstrip("/") + "/"
        if leads_to.startswith(inside):
            found = os.stat(leads_to, follow_symlinks=False)
            self._note(path, found, tuple(leads_to[len(inside) :].split("/")), above)

    def _note(
        self,
        path: str,
        found: os.stat_result,
        real: tuple[str, ...],
        above: frozenset[tuple[str, ...]],
    ) -> None:
        mode = found.st_mode & 0o7777
        if stat.S_ISREG(found.st_mode):
            digest = self._digests.recall(Identity.of(found))
            self._add(path, (path, "file", mode, found.st_size, "", digest))
        elif stat.S_ISDIR(found.st_mode):
            self._add(path, (path, "directory", mode, 0, "", ""))
            if real not in above and path.count("/") < DEPTH_MAX - 1:
                self._pending.append((path, real, above | {real}))

    def _add(self, path: str, row: Row) -> None:
        if len(self._found) >= FILES_MAX:
            raise TooMuch(f"it holds more than {FILES_MAX} files")
        self._found.setdefault(path, []).append(row)


def _open_folder(root: str, components: tuple[str, ...]) -> int:
    """Open a folder below the root, no component of which may be a link. Raises `OSError`."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in components:
        try:
            below = os.open(name, _DIRECTORY, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder


def _is_text(name: str) -> bool:
    """Leave out names that are not UTF-8: they can't be asked for."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\n" not in name
