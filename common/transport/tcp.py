"""A look at TCP connections that are somebody else's, and their end.

The descriptors belong to libzmq. They are looked at and shut down here, never closed, and shut down
only after a check that they still are the connection that is meant: the kernel hands numbers out
again. A wrong hit would cost its victim a reconnect and nothing else.
"""

import fcntl
import os
import socket
import struct
import termios
from typing import Final

_TCP_INFO_BYTES: Final = 232
_BYTES_ACKNOWLEDGED_AT: Final = 120
_BYTES_RECEIVED_AT: Final = 128
_NO_LINGERING: Final = struct.pack("ii", 1, 0)


def peer_name(fd: int) -> tuple[str, int] | None:
    """Give numeric address and port of a TCP connection's other end; None if it has none."""
    connection = _borrow(fd)
    if connection is None:
        return None
    try:
        name = connection.getpeername()
    except OSError:  # not connected any more, or not a socket by now
        return None
    finally:
        connection.detach()
    if not isinstance(name, tuple) or len(name) < 2:
        return None
    return plain_address(str(name[0])), int(name[1])


def bytes_received(fd: int) -> int | None:
    """Say how many bytes the kernel has received on a TCP connection; None if it is none."""
    return _counter(fd, _BYTES_RECEIVED_AT)


def bytes_acknowledged(fd: int) -> int | None:
    """Say how many sent bytes the other end's kernel has taken; None: no TCP connection."""
    return _counter(fd, _BYTES_ACKNOWLEDGED_AT)


def _counter(fd: int, offset: int) -> int | None:
    connection = _borrow(fd)
    if connection is None:
        return None
    try:
        info = connection.getsockopt(_TCP, _INFO, _TCP_INFO_BYTES)
    except OSError:  # closed, or another kind of descriptor by now
        return None
    finally:
        connection.detach()
    if len(info) < offset + 8:
        return None
    count: int = struct.unpack_from("=Q", info, offset)[0]
    return count


def bytes_taken(fd: int) -> int | None:
    """Say how many received bytes were read already, the rest being in the kernel; None if none."""
    received = bytes_received(fd)
    if received is None:
        return None
    try:
        waiting = fcntl.ioctl(fd, termios.FIONREAD, bytes(4))
    except OSError:  # closed meanwhile
        return None
    return received - int(struct.unpack("=i", waiting)[0])


def shut_down(fd: int, expected: tuple[str, int]) -> bool:
    """Shut a connection down, both ways, if its other end is the expected one.

    The check and the deed are done on one duplicate, so that they mean the same connection. The
    other end gets a reset: one that floods sits in a full window, and would hear of a mere end
    only when its own patience is over.
    """
    try:
        duplicate = os.dup(fd)
    except OSError:  # closed meanwhile
        return False
    connection = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 0, fileno=duplicate)
    with connection:
        if peer_name(duplicate) != expected:
            return False
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # the peer was faster
            return False
    return True


def plain_address(address: str) -> str:
    """Give an IPv4 address that came in over an IPv6 socket in its usual form."""
    return address.removeprefix("::ffff:") if "." in address else address


_FAMILY: Final = int(socket.AF_INET6)
_STREAM: Final = int(socket.SOCK_STREAM)
_TCP: Final = int(socket.IPPROTO_TCP)
_INFO: Final = int(socket.TCP_INFO)


def _borrow(fd: int) -> socket.SocketType | None:
    """Wrap a descriptor that stays somebody else's; the caller must detach it."""
    try:
        # With family and type given, Python does not ask the descriptor, which may be anything.
        # Of the two families, IPv6 has room for the names of both.
        return socket.SocketType(_FAMILY, _STREAM, 0, fd)
    except OSError:
        return None
