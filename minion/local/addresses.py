"""Unix sockets at paths of any length, and who is at their other end.

The kernel takes names of at most 107 bytes. A longer one is reached through its directory, which is
opened first and named as `/proc/self/fd/N`.
"""

import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from limpet.common.errors import HostError

_NAME_BYTES_MAX: Final = 107
_CREDENTIALS: Final = struct.Struct("3i")


class Peer(NamedTuple):
    """Who the kernel says is at the other end."""

    pid: int
    uid: int
    gid: int


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Give a name for the socket that the kernel takes, for as long as the block lasts."""
    name = os.fspath(path)
    if len(os.fsencode(name)) <= _NAME_BYTES_MAX:
        yield name
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def peer_of(connection: socket.socket) -> Peer:
    """Ask the kernel who is at the other end of a connected socket."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Peer(*_CREDENTIALS.unpack(data))


def connect(path: Path, wait_s: float) -> socket.socket:
    """Connect to the minion's socket, and to nobody else's.

    Raises `HostError` if nobody listens there, or one who is neither root nor this user.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(wait_s)
        with reachable(path) as name:
            _connect(connection, name, wait_s)
        uid = peer_of(connection).uid
        if uid not in (0, os.geteuid()):
            raise HostError(f"the socket {path} belongs to uid {uid}, not to the minion: remove it")
    except HostError:
        connection.close()
        raise
    except OSError as error:
        connection.close()
        if isinstance(error, PermissionError):
            advice = "only root may use it"
        else:
            advice = "is the minion running? (`limpet call --local` works without it)"
        raise HostError(f"no minion answers at {path}: {error.strerror}; {advice}") from error
    return connection


def _connect(connection: socket.socket, name: str, wait_s: float) -> None:
    """Connect; where more clients wait than the listener lets wait, try again until the time is up.

    With a timeout set, the kernel does not wait for a place by itself.
    """
    end = time.monotonic() + wait_s
    while True:
        try:
            connection.connect(name)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return
