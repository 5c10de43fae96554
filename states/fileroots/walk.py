"""Opening a file below a root, component by component, so that the open is the check.

Symbolic links are followed as Salt does, but only to what lies inside the same root: each link is
taken apart here and walked again from the root, so nobody who swaps a directory for a link between
a check and an open leads the reader outside (there is no check before the open).
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from limpet.common.errors import SourceError
from limpet.states.fileroots.names import is_inside

LINKS_MAX = 8
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


class Outside(Exception):
    """The path leads out of the root, or through too many links."""


@contextmanager
def opened(root: str, path: str) -> Iterator[int | None]:
    """Give a descriptor of the regular file `path` below `root`, or None where there is none.

    Raises `SourceError` for a path that leads outside, for anything but a regular file, and for a
    file that may not be read.
    """
    descriptor: int | None = None
    try:
        descriptor = _open(root, path)
        yield descriptor
    except Outside as error:
        raise SourceError(f"not read: {error}", f"{root}/{path}") from error
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _open(root: str, path: str) -> int | None:
    if not is_inside(path):
        return None
    try:
        found = _walk(root, path.split("/"))
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        if error.errno in (errno.ENXIO, errno.ENODEV):
            raise SourceError("not read: it is no regular file", f"{root}/{path}") from error
        raise SourceError(f"cannot be read: {error.strerror or error}", f"{root}/{path}") from error
    kind = os.fstat(found).st_mode
    if stat.S_ISREG(kind):
        return found
    os.close(found)
    if stat.S_ISDIR(kind):
        return None
    raise SourceError("not read: it is no regular file", f"{root}/{path}")


def _walk(root: str, components: list[str]) -> int:
    """Open the last component; all others are directories. Raises `OSError`, `Outside`."""
    links = 0
    open_directories = [os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
    todo = list(reversed(components))
    try:
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                if len(open_directories) == 1:
                    raise Outside("a link leads out of the file root")
                os.close(open_directories.pop())
                continue
            here = open_directories[-1]
            try:
                if todo:
                    open_directories.append(os.open(name, _DIRECTORY, dir_fd=here))
                    continue
                return os.open(name, _FILE, dir_fd=here)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise
                target = _target(name, here)
                if target is None:
                    raise
            links += 1
            if links > LINKS_MAX:
                raise Outside(f"more than {LINKS_MAX} symbolic links")
            target = _relative(root, target)
            if target.startswith("/"):
                while len(open_directories) > 1:
                    os.close(open_directories.pop())
            todo.extend(reversed(target.split("/")))
        return os.dup(open_directories[-1])
    finally:
        for each in open_directories:
            os.close(each)


def _target(name: str, directory: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError:
        return None


def _relative(root: str, target: str) -> str:
    """Turn an absolute target inside the root into one that begins at the root."""
    if not target.startswith("/"):
        return target
    for base in (root, os.path.realpath(root)):
        inside = base.rstrip("/") + "/"
        if target.startswith(inside):
            return "/" + target[len(inside) :]
    raise Outside("a link leads out of the file root")
