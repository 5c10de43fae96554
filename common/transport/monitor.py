"""What libzmq's socket monitor reports, decoded from bytes and boiled down to what matters.

The numbers are libzmq's (zmq.h); they are written down here so that nothing but `raw.py` needs
to import it. Monitor events are hints: late, and only about the last thing that happened.
"""

import struct
from typing import Final, Literal, NamedTuple

from limpet.common.transport.events import LinkEvent

CONNECTED: Final = 0x0001
CONNECT_RETRIED: Final = 0x0004
ACCEPTED: Final = 0x0020
ACCEPT_FAILED: Final = 0x0040
CLOSED: Final = 0x0080
DISCONNECTED: Final = 0x0200
HANDSHAKE_FAILED_NO_DETAIL: Final = 0x0800
HANDSHAKE_SUCCEEDED: Final = 0x1000
HANDSHAKE_FAILED_PROTOCOL: Final = 0x2000
"""Must never be asked for. Telling of it, libzmq 4.3.5 forgets that a frame did not decrypt: the
connection stays open, unread, and its remains can end the whole process later. Unasked, it closes
the connection at once, and the end of the connection is told."""
HANDSHAKE_FAILED_AUTH: Final = 0x4000

DEALER_EVENTS: Final = (
    CONNECTED
    | CONNECT_RETRIED
    | CLOSED
    | DISCONNECTED
    | HANDSHAKE_FAILED_NO_DETAIL
    | HANDSHAKE_SUCCEEDED
    | HANDSHAKE_FAILED_AUTH
)
"""What a minion's socket asks the monitor for."""
ROUTER_EVENTS: Final = (
    ACCEPTED
    | DISCONNECTED
    | HANDSHAKE_FAILED_NO_DETAIL
    | HANDSHAKE_SUCCEEDED
    | HANDSHAKE_FAILED_AUTH
)
"""What a listening socket asks the monitor for."""

Failure = Literal["denied", "handshake"]
"""denied: ZAP said no. handshake: the handshake ended, or took too long."""

_FAILURES: Final[dict[int, Failure]] = {
    HANDSHAKE_FAILED_AUTH: "denied",
    HANDSHAKE_FAILED_NO_DETAIL: "handshake",
}
_HEAD: Final = struct.Struct("=HI")


class MonitorEvent(NamedTuple):
    """One event: a number of this module, and a value (fd, errno, status) that depends on it."""

    number: int
    value: int


def decode(head: bytes) -> MonitorEvent | None:
    """Read the first part of a monitor message; None if it is not one."""
    if len(head) != _HEAD.size:
        return None
    return MonitorEvent._make(_HEAD.unpack(head))


class LinkStory:
    """Turns a minion's monitor events into link events; at most one of them is an end."""

    def __init__(self) -> None:
        self.is_over = False
        self._is_connected = False
        self._is_ready = False

    def on_event(self, event: MonitorEvent) -> LinkEvent | None:
        """Say what the event means for the link; None if nothing, or if the link is over."""
        if self.is_over:
            return None
        number = event.number
        if number == CONNECTED:
            self._is_connected = True
            return "connected"
        if number == HANDSHAKE_SUCCEEDED:
            self._is_ready = True
            return "ready"
        if number in (CLOSED, CONNECT_RETRIED) and not self._is_connected:
            return self._end("refused")
        if number == HANDSHAKE_FAILED_AUTH:
            return self._end("denied")
        if number in (HANDSHAKE_FAILED_NO_DETAIL, CLOSED, CONNECT_RETRIED, DISCONNECTED):
            return self._end("disconnected" if self._is_ready else "handshake_failed")
        return None

    def _end(self, how: LinkEvent) -> LinkEvent:
        self.is_over = True
        return how


def failure(event: MonitorEvent) -> Failure | None:
    """Say what kind of failure an event of a listening socket tells of; None for other events."""
    return _FAILURES.get(event.number)
