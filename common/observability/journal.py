"""Records with fields for systemd's journal, as datagrams of its native protocol.

    MESSAGE=event minion/web1/lost why="no echo"
    PRIORITY=6
    SYSLOG_IDENTIFIER=limpet-master
    LIMPET_EVENT=minion/web1/lost
    LIMPET_MINION=web1
    LIMPET_WHY=no echo

A record is sent or it is not: nothing waits here, and the caller has stderr for what is not taken.
Which records there are, and that nothing in them forges another, is the business of `logs`.
"""

import errno
import socket
from collections.abc import Mapping
from typing import Final

SOCKET_PATH: Final = "/run/systemd/journal/socket"
DATAGRAM_BYTES_MAX: Final = 16 * 1024
"""Fields that do not fit any more are left out. Far below what the kernel takes (about 200 KB)."""
FIELD_PREFIX: Final = "LIMPET_"
FIELD_NAME_MAX: Final = 64
"""The journal ignores fields with longer names."""


class Journal:
    """The journal of this host. Safe to call from any thread; never raises, never waits."""

    def __init__(self, identifier: str, path: str = SOCKET_PATH) -> None:
        """Name the program as `journalctl -t` is to know it. Raises `OSError` without a socket."""
        self._path = path
        self._identifier = identifier
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def send(self, priority: int, message: str, fields: Mapping[str, str]) -> bool:
        """Hand one record over; False: the journal does not take it now.

        Values must be free of line ends, as `logs.escaped` gives them.
        """
        head = _line("MESSAGE", message)
        head += _line("PRIORITY", str(priority))
        head += _line("SYSLOG_IDENTIFIER", self._identifier)
        data = head
        for name, value in fields.items():
            line = _line(field_name(name), value)
            if len(data) + len(line) <= DATAGRAM_BYTES_MAX:
                data += line
        # By its path each time: the journal may have been started anew since the last record.
        for datagram in (data, head):
            try:
                self._socket.sendto(datagram, self._path)
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    continue  # a host that takes less in one piece: it gets the bare record
                return False
            return True
        return False

    def close(self) -> None:
        """Close the socket; `send` gives False from now on."""
        self._socket.close()


def field_name(name: str) -> str:
    """Give the journal's name of a field: `minion` is `LIMPET_MINION`."""
    upper = "".join(
        character if character.isascii() and character.isalnum() else "_"
        for character in name.upper()
    )
    return f"{FIELD_PREFIX}{upper}"[:FIELD_NAME_MAX]


def _line(name: str, value: str) -> bytes:
    return f"{name}={value}\n".encode("utf-8", "backslashreplace")
