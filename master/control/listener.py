"""The Unix socket itself: made under another name, given mode and group, then moved in place."""

import os
import socket
import stat
from pathlib import Path
from typing import Final

from limpet.common.errors import HostError, UsageError
from limpet.common.service.socket_names import reachable
from limpet.master.control.peer_credentials import group_id

SOCKET_MODE: Final = 0o660
BACKLOG: Final = 64


def listen(path: Path, *, group: str) -> socket.socket:
    """Open the socket, non-blocking; what a dead master left there is replaced.

    The caller holds the lock of the state directory, so no living master is behind an old socket.
    As root, socket and directory are given to `group` if there is one. Raises `UsageError` if the
    place is taken by something that is no socket, `HostError` for the rest.
    """
    try:
        if os.path.lexists(path) and not stat.S_ISSOCK(path.lstat().st_mode):
            raise UsageError(f"{path} is in the way and is not a socket: move it away")
        gid = group_id(group) if os.geteuid() == 0 else -1
        if gid >= 0:
            os.chown(path.parent, -1, gid)
        return open_socket(path, gid=gid, backlog=BACKLOG)
    except OSError as error:
        raise HostError(f"cannot listen at {path}: {error.strerror or error}") from error


def open_socket(path: Path, *, gid: int, backlog: int) -> socket.socket:
    """Open a socket for this user and a group (-1: its own). Raises `OSError`.

    It stands there under its name only when its rights are as they should be.
    """
    temporary = path.with_name(".new")
    temporary.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o177)
        try:
            with reachable(temporary) as name:
                listener.bind(name)
        finally:
            os.umask(before)
        if gid >= 0:
            os.chown(temporary, -1, gid)
        listener.listen(backlog)
        listener.setblocking(False)
        temporary.chmod(SOCKET_MODE)
        temporary.rename(path)
    except OSError:
        listener.close()
        raise
    return listener
