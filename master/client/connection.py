"""One connection to the master's Unix socket: opening it, checking who is there, frames.

Before anything is said the directory of the socket and the user behind it are checked, so that
nobody who could put a socket into its place is told what an administrator wants to run.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import struct
import time
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from limpet.common.control.framing import REPLY_BYTES_MAX, REQUEST_BYTES_MAX, FramedSocket
from limpet.common.control.packages import PackageReply
from limpet.common.control.replies import AnyReply
from limpet.common.control.requests import Request
from limpet.common.errors import MasterUnreachable, PeerError, UsageError
from limpet.common.service.socket_names import reachable
from limpet.master.client.errors import ConnectionLost

_CREDENTIALS: Final = struct.Struct("3i")
_SEND_WAIT_S: Final = 10.0

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[AnyReply | PackageReply]] = msgspec.msgpack.Decoder(
    AnyReply | PackageReply
)


class Connection:
    """An open connection; use it for one request at a time."""

    def __init__(self, path: Path) -> None:
        """Connect, within a second or two, and check the other end.

        Raises `ConnectionLost` where nobody listens (yet), and `MasterUnreachable` where this user
        has no access or the socket is not to be trusted: trying again does not help then.
        """
        _check_place(path)
        plug = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            plug.settimeout(2.0)
            with reachable(path) as name:
                plug.connect(name)
            _check_server(plug, path)
        except PermissionError as error:
            plug.close()
            raise MasterUnreachable(_no_access(path)) from error
        except (FileNotFoundError, ConnectionRefusedError) as error:
            plug.close()
            raise ConnectionLost(f"nobody listens at {path}: is the master running?") from error
        except (TimeoutError, BlockingIOError) as error:
            plug.close()
            raise ConnectionLost(f"the master at {path} takes no connections") from error
        except OSError as error:
            plug.close()
            raise ConnectionLost(f"{path}: {error.strerror or error}") from error
        except BaseException:
            plug.close()
            raise
        self._socket = FramedSocket(
            plug,
            read_bytes_max=REPLY_BYTES_MAX,
            write_bytes_max=REQUEST_BYTES_MAX,
            queue_bytes_max=REQUEST_BYTES_MAX + 16,
        )
        self._poll = select.poll()
        self._poll.register(plug, select.POLLIN)
        self._replies: deque[bytes] = deque()

    def send(self, request: Request) -> None:
        """Send a request, waiting at most ten seconds for the master to read it.

        Raises `UsageError` for one that is too large, `ConnectionLost` if the master went away.
        """
        try:
            self._socket.send(_encoder.encode(request))
        except PeerError as error:
            raise UsageError(f"the request is too large: {error}") from error
        except (UnicodeEncodeError, OverflowError) as error:  # an argument that is no UTF-8
            raise UsageError(f"the request can't be sent: {error}") from error
        deadline = time.monotonic() + _SEND_WAIT_S
        while self._socket.wants_write:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ConnectionLost("the master does not read")
            writable = select.poll()
            writable.register(self._socket.fileno(), select.POLLOUT)
            writable.poll(left * 1000)
            self._socket.flush()
        self._raise_if_closed()

    def receive(self, deadline: float) -> AnyReply | PackageReply | None:
        """Give the next reply; None if there is none by `deadline` (of `time.monotonic`).

        Raises `ConnectionLost` when the connection is over, `PeerError` for what is no reply.
        """
        while not self._replies:
            self._replies.extend(self._socket.receive())
            if self._replies:
                break
            self._raise_if_closed()
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._poll.poll(min(left, 3600.0) * 1000)
        payload = self._replies.popleft()
        try:
            return _decoder.decode(payload)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise PeerError(
                "bad_reply",
                f"the master's reply can't be read ({error}); are the command and the master of "
                "the same release?",
            ) from error

    @property
    def is_at_hand(self) -> bool:
        """Say whether a reply has been read that was not given yet."""
        return bool(self._replies)

    @property
    def is_usable(self) -> bool:
        """Say whether it is open and quiet, so that another request may follow."""
        if self._replies or self._socket.is_closed:
            return False
        self._replies.extend(self._socket.receive())
        return not self._replies and not self._socket.is_closed

    def close(self) -> None:
        """Close it. A second call changes nothing."""
        self._socket.close()

    def _raise_if_closed(self) -> None:
        if self._socket.is_closed:
            raise ConnectionLost(f"the connection to the master is over: {self._socket.why_closed}")


def _check_place(path: Path) -> None:
    """See to it that only the master's user can have put the socket there."""
    try:
        found = os.stat(path.parent)
    except FileNotFoundError as error:
        raise ConnectionLost(
            f"{path.parent} does not exist: is the master running, and is this the right --root?"
        ) from error
    except PermissionError as error:
        raise MasterUnreachable(_no_access(path)) from error
    except OSError as error:
        raise MasterUnreachable(f"{path.parent}: {error.strerror}") from error
    # A group of the same number is the user's private one: the umask 0002 of many systems.
    others = 0o002 if found.st_gid == found.st_uid else 0o022
    if found.st_mode & others:
        raise MasterUnreachable(
            f"{path.parent} may be written by others (mode {stat.S_IMODE(found.st_mode):04o}), who "
            f"could put a socket of theirs there: `chmod go-w {path.parent}`"
        )


def _check_server(plug: socket.socket, path: Path) -> None:
    """See to it that root, this user or the owner of the directory is at the other end."""
    _, uid, _ = _CREDENTIALS.unpack(
        plug.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    owner = os.stat(path.parent).st_uid
    if uid not in (0, os.geteuid(), owner):
        from limpet.common.service.paths import user_name

        raise MasterUnreachable(
            f"{path} is served by the user {user_name(uid)}, but its directory belongs to "
            f"{user_name(owner)}: this is not the master; find out who put it there"
        )


def _no_access(path: Path) -> str:
    """Say which group to join."""
    from limpet.common.service.paths import user_name

    for place in (path, path.parent, path.parent.parent):
        try:
            found = os.stat(place)
        except OSError:
            continue
        if place == path.parent.parent:
            break
        me = user_name(os.geteuid())
        if not found.st_mode & 0o070:
            return (
                f"no access to {path}: only {user_name(found.st_uid)} may use it; run the command "
                f"as {user_name(found.st_uid)}"
            )
        group = _group_name(found.st_gid)
        return (
            f"no access to {path}: join the group {group} (`sudo usermod -aG {group} {me}`, then "
            "log in again)"
        )
    return f"no access to {path}: run the command as the user of the master, or as root"


def _group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
