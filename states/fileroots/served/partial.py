"""A body on its way into the cache, in pieces, which goes on where it stopped.

The file is named by the digest that the body will have. Whoever writes to it holds its kernel lock,
so two jobs that want the same body never write into each other's; the second waits as long as the
first gets on, and else begins a file of its own. A body of unknown digest is `Incoming`.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from limpet.common.errors import HostError
from limpet.common.storage.files import host_error, write_all

_OPEN: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_READ_BYTES: Final = 1024 * 1024
_LOOK_S: Final = 0.05
_PATIENCE_S: Final = 20.0
"""So long another process may be about the same body without getting on."""


class Partial:
    """A body of which `offset` bytes are here. After its `with`, what has come stays for later."""

    def __init__(self, path: str, digest: str, size: int, descriptor: int) -> None:
        """Take over an open, locked file; what it holds already is read for its checksum."""
        self.path = path
        self.digest = digest
        self.size = size
        self.offset = 0
        self._descriptor: int | None = descriptor
        self._sum = hashlib.sha256()
        if os.fstat(descriptor).st_size > size:
            os.ftruncate(descriptor, 0)
        while piece := os.read(descriptor, _READ_BYTES):
            self._sum.update(piece)
            self.offset += len(piece)
        self.began_at = self.offset
        """More than 0: a part of it was here already, and may be damaged."""

    @classmethod
    def of(
        cls,
        folder: str,
        digest: str,
        size: int,
        *,
        is_there: Callable[[], bool],
        wait: Callable[[float], None],
    ) -> "Partial | None":
        """Begin, or go on with what is there; None: another process has brought the body.

        Waits while another process gets on with it. Raises `HostError`.
        """
        path = f"{folder}/{digest}"
        waited_s, seen = 0.0, -1
        try:
            while waited_s < _PATIENCE_S:
                if (descriptor := _locked(path)) is not None:
                    return cls._opened(path, digest, size, descriptor)
                wait(_LOOK_S)
                waited_s += _LOOK_S
                if is_there():
                    return None
                if (grown := _size_of(path)) != seen:
                    waited_s, seen = 0.0, grown
            path = f"{path}.{os.urandom(8).hex()}"
            descriptor = _locked(path)
            assert descriptor is not None, "nobody knows that name"
            return cls._opened(path, digest, size, descriptor)
        except OSError as error:
            raise host_error("write", path, error) from error

    @classmethod
    def _opened(cls, path: str, digest: str, size: int, descriptor: int) -> "Partial":
        try:
            return cls(path, digest, size, descriptor)
        except OSError:
            os.close(descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self.close()

    def add(self, piece: bytes) -> None:
        """Take in the next piece. Raises `HostError`; where the disk is full, nothing is left."""
        assert self._descriptor is not None
        if self.offset + len(piece) > self.size:
            self.discard()
            raise HostError(f"more bytes came than the {self.size} that were offered")
        try:
            write_all(self._descriptor, piece)
        except OSError as error:
            self.discard()
            raise host_error("write", self.path, error) from error
        self._sum.update(piece)
        self.offset += len(piece)

    @property
    def is_whole(self) -> bool:
        """All of it is here and has its digest."""
        return self.offset == self.size and self._sum.hexdigest() == self.digest

    def move(self, path: str) -> None:
        """Give it its name for good. Raises `HostError`."""
        try:
            os.rename(self.path, path)
        except OSError as error:
            raise host_error("write", path, error) from error
        finally:
            self.close()

    def discard(self) -> None:
        """Throw away what has come, as far as that can be; the rest is pruned some day."""
        with contextlib.suppress(OSError):  # what went wrong before it is told, and says more
            os.unlink(self.path)
        self.close()

    def close(self) -> None:
        """Let go of it; what has come stays. Harmless to repeat."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Incoming:
    """A body of which nobody knows digest or size before it is here. Gone after its `with`."""

    def __init__(self, folder: str) -> None:
        """Begin a file of a random name. Raises `HostError`."""
        self._path = f"{folder}/incoming.{os.urandom(8).hex()}"
        self.size = 0
        self._sum = hashlib.sha256()
        try:
            descriptor = _locked(self._path)
        except OSError as error:
            raise host_error("write", self._path, error) from error
        assert descriptor is not None, "nobody knows that name"
        self._descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # on a disk that can't be written to it is pruned later
            os.unlink(self._path)
        os.close(self._descriptor)

    def add(self, piece: bytes) -> None:
        """Take in the next piece. Raises `HostError`."""
        try:
            write_all(self._descriptor, piece)
        except OSError as error:
            raise host_error("write", self._path, error) from error
        self._sum.update(piece)
        self.size += len(piece)

    def empty(self) -> None:
        """Begin again."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._sum = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """The SHA-256 of what has come, in hex."""
        return self._sum.hexdigest()

    def move(self, path: str) -> None:
        """Give it its name for good. Raises `HostError`."""
        try:
            os.rename(self._path, path)
        except OSError as error:
            raise host_error("write", path, error) from error


def _locked(path: str) -> int | None:
    """Open a file and lock it; None: somebody else has the lock. Raises `OSError`."""
    descriptor = os.open(path, _OPEN, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(path, descriptor):
            return descriptor
    except BlockingIOError:
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)  # locked, or renamed away between the two steps
    return None


def _is_at(path: str, descriptor: int) -> bool:
    try:
        named, opened = os.lstat(path), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (named.st_ino, named.st_dev) == (opened.st_ino, opened.st_dev)


def _size_of(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0
