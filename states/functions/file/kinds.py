"""What kind of thing a name is, and figures about it."""

import os
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.ports.file_system import Facts


def is_blkdev(context: FunctionContext, name: str) -> bool:
    """Say whether a path is a block device.

    CLI Example: limpet run '*' file.is_blkdev /dev/sda
    """
    return _is(context, name, "block")


def is_chrdev(context: FunctionContext, name: str) -> bool:
    """Say whether a path is a character device.

    CLI Example: limpet run '*' file.is_chrdev /dev/null
    """
    return _is(context, name, "character")


def is_fifo(context: FunctionContext, name: str) -> bool:
    """Say whether a path is a named pipe.

    CLI Example: limpet run '*' file.is_fifo /run/initctl
    """
    return _is(context, name, "pipe")


def is_hardlink(context: FunctionContext, path: str) -> bool:
    """Say whether a file has more than one name.

    CLI Example: limpet run '*' file.is_hardlink /path/to/link
    """
    facts = _facts(context, path)
    return facts is not None and facts.kind == "file" and facts.links > 1


def get_devmm(context: FunctionContext, name: str) -> tuple[int, int]:
    """Give the numbers of a device, 0 and 0 for what is none.

    CLI Example: limpet run '*' file.get_devmm /dev/null
    """
    if not (is_blkdev(context, name) or is_chrdev(context, name)):
        return 0, 0
    device = os.stat(name).st_rdev
    return os.major(device), os.minor(device)


def lstat(context: FunctionContext, path: str) -> dict[str, Any]:
    """Give what the system knows of a name itself, not of what it leads to.

    CLI Example: limpet run '*' file.lstat /path/to/file
    """
    if not path.startswith("/"):
        raise UsageError("Path to file must be absolute.")
    try:
        found = os.lstat(path)
    except OSError:
        return {}
    keys = ("atime", "ctime", "gid", "mode", "mtime", "nlink", "size", "uid")
    return {f"st_{key}": getattr(found, f"st_{key}") for key in keys}


def statvfs(context: FunctionContext, path: str) -> dict[str, Any] | bool:
    """Give the figures of the file system that a path is on.

    CLI Example: limpet run '*' file.statvfs /path/to/file
    """
    if not path.startswith("/"):
        raise UsageError("File path must be absolute.")
    try:
        found = os.statvfs(path)
    except OSError as error:
        raise HostError(f"Could not statvfs '{path}': {error.strerror}") from error
    keys = (
        "bavail", "bfree", "blocks", "bsize", "favail", "ffree", "files", "flag", "frsize",
        "namemax",
    )  # fmt: skip
    return {f"f_{key}": getattr(found, f"f_{key}") for key in keys}


def diskusage(context: FunctionContext, path: str) -> int:
    """Give how many bytes a file has, or all files below a directory, each counted once.

    CLI Example: limpet run '*' file.diskusage /path/to/check
    """
    files = context.host.file_system
    facts = files.facts(path, is_following=True)
    if facts is None:
        return 0
    if facts.kind != "directory":
        return facts.size
    seen: set[tuple[int, int]] = set()
    total = 0
    for folder, _, names in files.walk(path):
        for name in names:
            each = files.facts(f"{folder.rstrip('/')}/{name}", is_following=True)
            if each is not None and (each.device, each.inode) not in seen:
                seen.add((each.device, each.inode))
                total += each.size
    return total


def pardir(context: FunctionContext) -> str:
    """Give what stands for the directory above in a path.

    CLI Example: limpet run '*' file.pardir
    """
    return ".."


def seek_read(context: FunctionContext, path: str, size: int, offset: int) -> str:
    """Give so many bytes of a file from an offset on, as text.

    CLI Example: limpet run '*' file.seek_read /path/to/file 4096 0
    """
    content = context.host.file_system.read(os.path.expanduser(path))
    return content[offset : offset + size].decode("utf-8", "replace")


def _is(context: FunctionContext, name: str, kind: str) -> bool:
    facts = _facts(context, name)
    return facts is not None and facts.kind == kind


def _facts(context: FunctionContext, path: str) -> Facts | None:
    return context.host.file_system.facts(os.path.expanduser(path))
