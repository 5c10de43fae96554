"""The minion's cache of files: bodies by their content, and the places where people look for them.

    objects/ab/DIGEST     a body, private; named by its SHA-256, so it is never changed
    partial/DIGEST        a body that is coming; whoever goes on with it holds its kernel lock
    files/ENV/PATH        Salt's shape: another name of the body that the path had when last used
    extrn_files/ENV/HOST/PATH, localfiles/PATH    the same for files of the web and of this machine
    known/ENV             which digest a path had, a line each time that it changed

Several processes may use it at once. Nothing in it is needed after a power cut: a body is held
against its digest when it is first used by a process, and one that is damaged is fetched again.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from limpet.common.errors import HostError
from limpet.common.storage.files import host_error, is_disk_full, make_directory, write_all
from limpet.states.fileroots.names import is_inside
from limpet.states.fileroots.served.partial import Incoming, Partial
from limpet.states.fileroots.served.pruning import FREE_BYTES_KEPT, Pruner

CACHE_BYTES_MAX: Final = 2 * 1024 * 1024 * 1024
_SMALL_BYTES: Final = 1024 * 1024
_TOUCH_S: Final = 60.0
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITABLE_BY_OTHERS: Final = 0o022


class FileCache:
    """Bodies by digest. Every refusal is a `HostError` naming the path."""

    def __init__(
        self,
        directory: str | Path,
        *,
        bytes_max: int = CACHE_BYTES_MAX,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """`clock` gives seconds since 1970; nothing is made before something is kept."""
        self.directory = str(directory)
        self._clock = clock
        self._wait = wait
        self.pruner = Pruner(self.directory, bytes_max, clock)
        self._verified: set[str] = set()

    def has(self, digest: str, size: int) -> bool:
        """Say whether a body of that digest and size is here; it is not read for that."""
        try:
            found = os.lstat(self._object(digest))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise host_error("look at", self._object(digest), error) from error
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            self.drop(digest)
            return False
        self._touch(self._object(digest), found)
        return True

    def read(self, digest: str, *, bytes_max: int) -> bytes | None:
        """Give a body whole; None: it is not here, or was damaged and is now gone."""
        path = self._object(digest)
        try:
            descriptor = os.open(path, _READ)
            with open(descriptor, "rb") as file:
                found = os.fstat(descriptor)
                self._check(found, path)
                content = file.read(bytes_max + 1)
            self._touch(path, found)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise host_error("read", path, error) from error
        if len(content) > bytes_max:
            raise HostError(f"{path} has more than the {bytes_max} bytes allowed here")
        if hashlib.sha256(content).hexdigest() != digest:
            self.drop(digest)
            return None
        self._verified.add(digest)
        return content

    def is_sound(self, digest: str) -> bool:
        """Hold a body against its digest, once in a process; a damaged one is dropped."""
        if digest in self._verified:
            return os.path.lexists(self._object(digest))
        path = self._object(digest)
        try:
            descriptor = os.open(path, _READ)
            with open(descriptor, "rb") as file:
                facts = os.fstat(descriptor)
                self._check(facts, path)
                found = hashlib.file_digest(file, "sha256").hexdigest()
            self._touch(path, facts)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise host_error("read", path, error) from error
        if found != digest:
            self.drop(digest)
            return False
        self._verified.add(digest)
        return True

    def put(self, digest: str, body: bytes, what: str) -> None:
        """Keep a body that is here whole. `HostError` where it hasn't that digest."""
        if hashlib.sha256(body).hexdigest() != digest:
            raise HostError(
                f"{what}: what the master sent is not what it said it would be (its SHA-256 is not "
                f"{digest}); it is not used"
            )
        self.make()
        self._write(self._object(digest), body)
        self._verified.add(digest)
        self.pruner.grown(len(body))

    def partial(self, digest: str, size: int) -> Partial | None:
        """Begin or go on with a body that comes in pieces; None: somebody else has just brought it.

        Makes room for it where the disk is nearly full; `HostError` where there is none.
        """
        self.make()
        partial = Partial.of(
            f"{self.directory}/partial",
            digest,
            size,
            is_there=lambda: self.has(digest, size),
            wait=self._wait,
        )
        if partial is None:
            return None
        if not self._has_room(size - partial.offset):
            self.pruner.prune(is_pressed=True)
            if not self._has_room(size - partial.offset):
                partial.discard()
                raise HostError(
                    f"no room for {size} bytes in {self.directory}: the disk would be full; make "
                    "room on this file system"
                )
        return partial

    def keep(self, partial: Partial) -> bool:
        """Take in a body that is complete; False: it hasn't its digest and is thrown away."""
        if not partial.is_whole:
            partial.discard()
            return False
        path = self._object(partial.digest)
        _make_folder(os.path.dirname(path))
        partial.move(path)
        self._verified.add(partial.digest)
        self.pruner.grown(partial.size)
        return True

    def adopt(self, incoming: Incoming) -> str:
        """Take in a body whose digest nobody knew before; give the digest."""
        digest = incoming.digest
        path = self._object(digest)
        _make_folder(os.path.dirname(path))
        incoming.move(path)
        self._verified.add(digest)
        self.pruner.grown(incoming.size)
        return digest

    def take(self, path: str) -> str:
        """Keep a copy of a file of this machine; give its digest."""
        self.make()
        try:
            with open(path, "rb") as file, Incoming(f"{self.directory}/partial") as incoming:
                while piece := file.read(_SMALL_BYTES):
                    incoming.add(piece)
                return self.adopt(incoming)
        except OSError as error:
            raise host_error("read", path, error) from error

    def checksum(self, digest: str, algorithm: str) -> str:
        """Give another checksum of a body that is here."""
        path = self._object(digest)
        try:
            with open(os.open(path, _READ), "rb") as file:
                return hashlib.file_digest(
                    file, lambda: hashlib.new(algorithm, usedforsecurity=False)
                ).hexdigest()
        except OSError as error:
            raise host_error("read", path, error) from error

    def drop(self, digest: str) -> None:
        """Remove a body that is damaged or not wanted any more."""
        self._verified.discard(digest)
        path = self._object(digest)
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise host_error("remove", path, error) from error

    # Places

    def place_of(self, kind: str, path: str) -> str:
        """Give where a file is looked for: `kind` is `files`, `extrn_files` or `localfiles`."""
        if not is_inside(path):
            raise HostError(f"{path[:200]!a} does not lead to a file inside the cache")
        return f"{self.directory}/{kind}/{path}"

    def publish(self, kind: str, path: str, digest: str) -> str:
        """Give a body its place and give the place."""
        place, body = self.place_of(kind, path), self._object(digest)
        try:
            found, wanted = os.lstat(place), os.stat(body)
            if (found.st_ino, found.st_dev) == (wanted.st_ino, wanted.st_dev):
                return place
        except (FileNotFoundError, NotADirectoryError):
            pass  # nothing has that place yet
        except OSError as error:
            raise host_error("look at", place, error) from error
        self._make_way(place, f"{self.directory}/{kind}")
        beside = f"{os.path.dirname(place)}/.{os.urandom(8).hex()}.new"
        try:
            try:
                os.link(body, beside, follow_symlinks=False)
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EXDEV):
                    raise
                shutil.copyfile(body, beside)
                os.chmod(beside, 0o600)
            try:
                os.rename(beside, place)
            finally:  # two names of one file: the rename does nothing
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(beside)
        except OSError as error:
            raise host_error("write", place, error) from error
        return place

    def make(self) -> None:
        """Make the cache's own directory; refuse one that others could write to."""
        make_directory(self.directory, 0o700)
        found = os.lstat(self.directory)
        if not stat.S_ISDIR(found.st_mode):
            raise HostError(f"{self.directory} is no directory (a link is not followed here)")
        self._check(found, self.directory)
        _make_folder(f"{self.directory}/partial")

    def _object(self, digest: str) -> str:
        return f"{self.directory}/objects/{digest[:2]}/{digest}"

    def _check(self, found: os.stat_result, path: str) -> None:
        """Refuse what somebody else could have written."""
        if found.st_uid not in (os.geteuid(), 0) or found.st_mode & _WRITABLE_BY_OTHERS:
            raise HostError(
                f"{path} is not used: it belongs to somebody else, or others may write to it; "
                "remove it"
            )
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise HostError(f"{path} is not used: it is no regular file; remove it")

    def _touch(self, path: str, found: os.stat_result) -> None:
        """Note that a body is in use: those used longest ago give way first."""
        if self._clock() - found.st_mtime > _TOUCH_S:
            with contextlib.suppress(FileNotFoundError, PermissionError):
                now = self._clock()
                os.utime(path, (now, now))

    def _has_room(self, size: int) -> bool:
        if size <= _SMALL_BYTES:
            return True
        found = os.statvfs(self.directory)
        return found.f_bavail * found.f_frsize >= size + FREE_BYTES_KEPT

    def _write(self, path: str, body: bytes) -> None:
        _make_folder(os.path.dirname(path))
        beside = f"{os.path.dirname(path)}/.{os.urandom(8).hex()}.new"
        try:
            descriptor = os.open(beside, _NEW, 0o600)
            try:
                write_all(descriptor, body)
                os.rename(beside, path)
            except OSError:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(beside)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            if is_disk_full(error):
                self.pruner.prune(is_pressed=True)
            raise host_error("write", path, error) from error

    def _make_way(self, place: str, top: str) -> None:
        """Make the folders above a place; a file that stands in their way goes, or the reverse.

        Both are only other names of bodies, and the tree of the master has changed.
        """
        folder = os.path.dirname(place)
        above = top
        try:
            for each in ["", *os.path.relpath(folder, top).split("/")]:
                above = f"{above}/{each}" if each not in ("", ".") else above
                if os.path.lexists(above) and (os.path.islink(above) or not os.path.isdir(above)):
                    os.unlink(above)
            if os.path.isdir(place) and not os.path.islink(place):
                shutil.rmtree(place)
        except OSError as error:
            raise host_error("make way for", place, error) from error
        _make_folder(folder)


def _make_folder(path: str) -> None:
    """Make a folder of the cache and those above it. Not synced: the cache may be lost."""
    try:
        os.makedirs(path, 0o700, exist_ok=True)
    except OSError as error:
        raise host_error("make the directory", path, error) from error
