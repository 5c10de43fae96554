"""Connections to the minion's Unix socket, and who is at their other end."""

import os
import socket
import struct
import time
from pathlib import Path
from typing import Final, NamedTuple

from limpet.common.errors import HostError
from limpet.common.service.socket_names import reachable

_CREDENTIALS: Final = struct.Struct("3i")


class Peer(NamedTuple):
    """Who the kernel says is at the other end."""

    pid: int
    uid: int
    gid: int


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
