"""Files that are written whole or not at all, with their mode said at every place.

Every function raises `HostError` naming the file and what to do. Blocks on the disk: callers that
serve a loop decide where that is allowed. Formats are not its business.
"""

import errno
import os
import stat
from pathlib import Path

from limpet.common.errors import HostError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def host_error(what: str, path: str | Path, error: OSError) -> HostError:
    """Turn an error of the system into one that names the action, the file and the next step."""
    advice = {
        errno.ENOSPC: "; make room on this file system",
        errno.EDQUOT: "; make room on this file system",
        errno.EROFS: "; the file system is read-only: mount it writable or choose another root",
        errno.EACCES: "; check owner and mode of the file and of its directories",
        errno.EPERM: "; check owner and mode of the file and of its directories",
        errno.ELOOP: "; a symbolic link is not followed here: put the real file in its place",
    }.get(error.errno or 0, "")
    return HostError(f"cannot {what} {path}: {os.strerror(error.errno or 0)}{advice}")


def is_disk_full(error: OSError) -> bool:
    """Say whether the error means that space (or quota) has run out."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def full_words(path: str | Path) -> str:
    """Say that a file system is full, and of what; `path` is something that lies on it."""
    try:
        found = os.statvfs(path)
    except OSError:
        return "disk full"
    if found.f_files > 0 and found.f_favail == 0:
        return "disk full (of files: no inode is left)"
    return "disk full"


def make_directory(path: str | Path, mode: int = 0o700) -> None:
    """See to it that the directory exists; a new one (its parents too) gets `mode`.

    One that exists keeps its mode. Raises `HostError` where it is not a directory.
    """
    directory = Path(path)
    try:
        if not directory.parent.is_dir():
            make_directory(directory.parent, mode)
        try:
            directory.mkdir(mode=mode)
        except FileExistsError:
            if not directory.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "") from None
        else:
            directory.chmod(mode)  # whatever the umask
            sync_directory(directory.parent)
    except OSError as error:
        raise host_error("make the directory", directory, error) from error


def sync_directory(path: str | Path) -> None:
    """Make renames, creations and removals in the directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: str | Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace the file: afterwards, a power cut included, it holds the old bytes or the new."""
    target = Path(path)
    try:
        temporary = _write_beside(target, data, mode)
        try:
            temporary.rename(target)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(target.parent)
    except OSError as error:
        raise host_error("write", target, error) from error


def create_whole(path: str | Path, data: bytes, *, mode: int = 0o600) -> None:
    """Create the file with all its bytes, durable; never overwrite.

    Raises `FileExistsError` if something has that name already (the caller knows what that means),
    `HostError` for the rest. The name never shows a file that is only half written.
    """
    target = Path(path)
    try:
        temporary = _write_beside(target, data, mode)
        try:
            os.link(temporary, target, follow_symlinks=False)
        finally:
            temporary.unlink(missing_ok=True)
        sync_directory(target.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise host_error("create", target, error) from error


def read_whole(path: str | Path, *, bytes_max: int) -> bytes:
    """Read a regular file of at most `bytes_max` bytes, never through a symbolic link at its end.

    Raises `FileNotFoundError` if it is not there (often an ordinary answer), `HostError` for the
    rest: too large, a pipe or device, unreadable.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise HostError(f"cannot read {path}: it is not a regular file")
            data = file.read(bytes_max + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise host_error("read", path, error) from error
    if len(data) > bytes_max:
        raise HostError(f"cannot read {path}: it is larger than the {bytes_max} bytes allowed")
    return data


def remove(path: str | Path) -> None:
    """Remove the file, durably; one that is not there is fine."""
    target = Path(path)
    try:
        target.unlink(missing_ok=True)
        sync_directory(target.parent)
    except FileNotFoundError:
        return  # its directory is gone as well
    except OSError as error:
        raise host_error("remove", target, error) from error


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes to an open file. Raises `OSError`."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _write_beside(target: Path, data: bytes, mode: int) -> Path:
    """Write the bytes, synced, under a random name in the same directory."""
    temporary = target.with_name(f".{target.name[:64]}.{os.urandom(8).hex()}.new")
    descriptor = os.open(temporary, _NEW, mode)
    try:
        os.fchmod(descriptor, mode)  # whatever the umask
        write_all(descriptor, data)
        os.fsync(descriptor)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return temporary
