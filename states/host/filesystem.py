"""Files of this machine as states handle them: looked at, placed whole, moved, removed.

A file is written beside its place, gets owner, mode and SELinux context there, and then takes its
name at once: nobody ever sees half of it, or all of it with the wrong owner.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, Literal

from limpet.common.errors import HostError
from limpet.common.storage.files import host_error, write_all
from limpet.states.ports.file_system import Facts

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CONTEXT: Final = "security.selinux"
_PIECE_BYTES: Final = 1024 * 1024

Kind = Literal["file", "directory", "link", "block", "character", "pipe", "socket"]

_KINDS: Final[dict[int, Kind]] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFBLK: "block",
    stat.S_IFCHR: "character",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}
_NOTHING: Final = (errno.ENOENT, errno.ENOTDIR)
_LINKS_MAX: Final = 40
"""As many as the kernel follows."""


class LocalFileSystem:
    """Implements `limpet.states.ports.machine.FileSystem`."""

    def facts(self, path: str, *, is_following: bool = False) -> Facts | None:
        """Look at a name, or with `is_following` at what it leads to; None: nothing is there."""
        try:
            found = os.stat(path, follow_symlinks=is_following)
        except OSError as error:
            if error.errno in _NOTHING or (is_following and error.errno == errno.ELOOP):
                return None
            raise host_error("look at", path, error) from error
        except ValueError:  # a NUL in the name: no file has it
            return None
        return Facts(
            kind=_KINDS.get(stat.S_IFMT(found.st_mode), "file"),
            mode=stat.S_IMODE(found.st_mode),
            uid=found.st_uid,
            gid=found.st_gid,
            size=found.st_size,
            modified_s=found.st_mtime,
            accessed_s=found.st_atime,
            inode=found.st_ino,
            device=found.st_dev,
            links=found.st_nlink,
            node=(os.major(found.st_rdev), os.minor(found.st_rdev)),
        )

    def read(self, path: str, *, bytes_max: int = 512 * 1024 * 1024) -> bytes:
        """Give the content of a file; one that is larger is a `HostError`."""
        try:
            with open(path, "rb") as file:
                content = file.read(bytes_max + 1)
        except OSError as error:
            raise host_error("read", path, error) from error
        if len(content) > bytes_max:
            raise HostError(f"cannot read {path}: it has more than {bytes_max} bytes")
        return content

    def place(
        self, path: str, content: bytes, *, mode: int | None, uid: int = -1, gid: int = -1
    ) -> None:
        """Put a file there whole: mode and owner are right before it has its name."""
        self._place(path, lambda descriptor: write_all(descriptor, content), mode, uid, gid)

    def place_copy(
        self, path: str, source: str, *, mode: int | None, uid: int = -1, gid: int = -1
    ) -> None:
        """Do as `place` does with what the file `source` holds, piece by piece."""
        try:
            with open(source, "rb") as file:
                self._place(path, lambda descriptor: _copy_all(file, descriptor), mode, uid, gid)
        except OSError as error:
            raise host_error("read", source, error) from error

    def _place(
        self,
        path: str,
        fill: Callable[[int], None],
        mode: int | None,
        uid: int,
        gid: int,
    ) -> None:
        target = _led_to(path)
        present = self.facts(target, is_following=True)
        folder, name = os.path.split(target)
        beside = os.path.join(folder, f".{name[:64]}.{os.urandom(8).hex()}.new")
        if present is not None:
            mode = present.mode if mode is None else mode
            uid = present.uid if uid == -1 else uid
            gid = present.gid if gid == -1 else gid
        try:
            descriptor = os.open(beside, _NEW, 0o666 if mode is None else 0o600)
            try:
                fill(descriptor)
                _own(descriptor, uid, gid)
                if mode is not None:  # after the owner: a change of owner takes setuid away
                    os.fchmod(descriptor, mode)
                if present is not None:
                    _keep_context(target, descriptor)
                os.fsync(descriptor)
                os.rename(beside, target)
            except OSError:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(beside)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise host_error("write", path, error) from error

    def digest(self, path: str, algorithm: str) -> str:
        """Give the checksum of a file's content, in hex; `algorithm` is one of hashlib's."""
        try:
            with open(path, "rb", buffering=0) as file:
                return hashlib.file_digest(
                    file, lambda: hashlib.new(algorithm, usedforsecurity=False)
                ).hexdigest()
        except OSError as error:
            raise host_error("read", path, error) from error

    def is_same_content(self, path: str, other: str) -> bool:
        """Say whether two files hold the same bytes."""
        try:
            with open(path, "rb") as one, open(other, "rb") as two:
                if os.fstat(one.fileno()).st_size != os.fstat(two.fileno()).st_size:
                    return False
                while True:
                    pieces = one.read(_PIECE_BYTES), two.read(_PIECE_BYTES)
                    if pieces[0] != pieces[1]:
                        return False
                    if not pieces[0]:
                        return True
        except OSError as error:
            raise host_error("read", str(error.filename or path), error) from error

    def make_directory(self, path: str, mode: int | None) -> None:
        """Make one directory; its parent must be there. None: as the umask says.

        A directory that somebody else made in the same moment is as good, and stays as it is.
        """
        try:
            os.mkdir(path, 0o777 if mode is None else mode)
            if mode is not None:
                os.chmod(path, mode)  # whatever the umask
        except FileExistsError as error:
            if os.path.islink(path) or not os.path.isdir(path):
                raise host_error("make the directory", path, error) from error
        except OSError as error:
            raise host_error("make the directory", path, error) from error

    def make_link(self, path: str, target: str) -> None:
        """Make a symbolic link, replacing a link or file of that name at once."""
        self._take_name(path, lambda beside: os.symlink(target, beside), "make the symbolic link")

    def make_hard_link(self, path: str, target: str) -> None:
        """Give the file `target` a second name, replacing a file of that name at once."""
        self._take_name(path, lambda beside: os.link(target, beside), "make the hard link")

    def _take_name(self, path: str, make: Callable[[str], None], what: str) -> None:
        beside = os.path.join(os.path.dirname(path), f".limpet.{os.urandom(8).hex()}.new")
        try:
            make(beside)
            try:
                os.rename(beside, path)
            finally:  # a hard link renamed onto its own file stays
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(beside)
        except OSError as error:
            raise host_error(what, path, error) from error

    def make_node(self, path: str, kind: str, mode: int, major: int, minor: int) -> None:
        """Make a pipe (`p`), block (`b`) or character (`c`) device."""
        form = {"p": stat.S_IFIFO, "b": stat.S_IFBLK, "c": stat.S_IFCHR}[kind]
        try:
            os.mknod(path, mode | form, os.makedev(major, minor))
            os.chmod(path, mode)
        except OSError as error:
            raise host_error("make the node", path, error) from error

    def rename(self, source: str, path: str) -> None:
        """Move a file or tree, onto another file system too."""
        try:
            shutil.move(source, path)
        except OSError as error:
            raise host_error("move", source, error) from error

    def copy(self, source: str, path: str) -> None:
        """Copy a file or a whole tree, links as links, with modes and times."""
        try:
            if os.path.isdir(source) and not os.path.islink(source):
                shutil.copytree(source, path, symlinks=True)
                for folder, folders, files in os.walk(source):
                    there = os.path.join(path, os.path.relpath(folder, source))
                    for name in (*folders, *files, "."):
                        _copy_owner(os.path.join(folder, name), os.path.join(there, name))
            else:
                shutil.copy2(source, path)
        except (OSError, shutil.Error) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise host_error("copy", source, error) from error
            raise HostError(f"cannot copy {source} to {path}: {error}") from error

    def remove(self, path: str) -> None:
        """Remove a file, a link or a whole tree; nothing there is fine."""
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise host_error("remove", path, error) from error

    def set_mode(self, path: str, mode: int) -> None:
        """Set the permission bits of what the name leads to."""
        try:
            os.chmod(path, mode)
        except OSError as error:
            raise host_error("set the mode of", path, error) from error

    def set_owner(self, path: str, uid: int, gid: int, *, is_following: bool = True) -> None:
        """Set user and group; -1 keeps one."""
        try:
            os.chown(path, uid, gid, follow_symlinks=is_following)
        except OSError as error:
            raise host_error("set the owner of", path, error) from error

    def set_times(self, path: str, accessed_s: float | None, modified_s: float | None) -> None:
        """Set times; None is now."""
        try:
            if accessed_s is None and modified_s is None:
                os.utime(path)
                return
            present = os.stat(path)
            os.utime(
                path,
                (
                    present.st_atime if accessed_s is None else accessed_s,
                    present.st_mtime if modified_s is None else modified_s,
                ),
            )
        except OSError as error:
            raise host_error("set the times of", path, error) from error

    def names(self, directory: str) -> list[str]:
        """Give the names in a directory, sorted."""
        try:
            return sorted(os.listdir(directory))
        except OSError as error:
            raise host_error("list", directory, error) from error

    def walk(self, top: str) -> list[tuple[str, list[str], list[str]]]:
        """Give each directory with its directories and other names, top first; links not entered.

        A link to a directory stands among the directories, as `os.walk` has it.
        """

        def refuse(error: OSError) -> None:
            raise host_error("list", str(error.filename), error) from error

        found = []
        for folder, folders, files in os.walk(top, onerror=refuse):
            folders.sort()
            found.append((folder, list(folders), sorted(files)))
        return found

    def real_path(self, path: str) -> str:
        """Resolve all links."""
        return os.path.realpath(path)

    @contextlib.contextmanager
    def umask(self, mask: int | None) -> Iterator[None]:
        """Hold another umask for a while; None changes nothing."""
        if mask is None:
            yield
            return
        before = os.umask(mask)
        try:
            yield
        finally:
            os.umask(before)


def _led_to(path: str) -> str:
    """Give what a name leads to, itself no link. Raises `HostError`.

    What the kernel does for those who open a file through a link has to be done here, where links
    are read: in a directory like /tmp nobody is led on by the links of other users.
    """
    target = path
    try:
        for _ in range(_LINKS_MAX):
            folder = os.path.dirname(target)
            found = os.lstat(target)
            if not stat.S_ISLNK(found.st_mode):
                return target
            above = os.stat(folder or ".")
            is_shared = above.st_mode & stat.S_ISVTX and above.st_mode & stat.S_IWOTH
            if is_shared and found.st_uid not in (0, os.geteuid(), above.st_uid):
                raise HostError(
                    f"cannot write {path}: {target} is a link of another user in a directory that "
                    "all may write to; remove it, or write to what it leads to"
                )
            target = os.path.join(os.path.realpath(folder), os.readlink(target))
    except FileNotFoundError:
        return target
    except OSError as error:
        raise host_error("write", path, error) from error
    raise host_error("write", path, OSError(errno.ELOOP, ""))


def _copy_all(file: BinaryIO, descriptor: int) -> None:
    while piece := file.read(_PIECE_BYTES):
        write_all(descriptor, piece)


def _own(descriptor: int, uid: int, gid: int) -> None:
    """Give a new file its owner, where it hasn't got it already."""
    present = os.fstat(descriptor)
    uid = -1 if uid == present.st_uid else uid
    gid = -1 if gid == present.st_gid else gid
    if (uid, gid) != (-1, -1):
        os.fchown(descriptor, uid, gid)


def _keep_context(target: str, descriptor: int) -> None:
    """Take over the SELinux context of the file that is replaced, where there is one."""
    try:
        context = os.getxattr(target, _CONTEXT)
        if os.getxattr(descriptor, _CONTEXT) != context:
            os.setxattr(descriptor, _CONTEXT, context)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP, errno.EPERM, errno.EACCES):
            raise


def _copy_owner(source: str, path: str) -> None:
    found = os.lstat(source)
    with contextlib.suppress(PermissionError):  # not root: the copy is ours
        os.chown(path, found.st_uid, found.st_gid, follow_symlinks=False)
