"""How much of what was sent to each minion has not even reached its host, for large messages.

A queue of libzmq is bounded in messages, which is much where each is half a megabyte: a minion that
asks for one piece after the other and reads none would fill the master's memory.
"""

from collections.abc import Callable
from typing import Final

from limpet.master.core.effects import Peer

UNREAD_BYTES_MAX: Final = 4 * 1024 * 1024
"""An honest minion has one piece under way, and two pieces' worth of small bodies."""


class SendBacklog:
    """Counts large messages to each connection against what TCP says has arrived."""

    def __init__(self, acknowledged: Callable[[int], int | None]) -> None:
        """`acknowledged` gives the bytes that the other end's host has taken on a descriptor."""
        self._acknowledged = acknowledged
        self._counts: dict[Peer, tuple[int, int]] = {}
        """What had been acknowledged at the last look, and what was under way then."""

    def take(self, peer: Peer, fd: int, size: int) -> bool:
        """Count a message that is about to be sent; False: too much is under way already."""
        acknowledged = self._acknowledged(fd)
        if acknowledged is None:
            return True  # the connection has just ended: the sending will tell
        last, under_way = self._counts.get(peer, (acknowledged, 0))
        under_way = max(0, under_way - (acknowledged - last))
        is_room = not under_way or under_way + size <= UNREAD_BYTES_MAX
        self._counts[peer] = (acknowledged, under_way + size if is_room else under_way)
        return is_room

    def forget(self, peer: Peer) -> None:
        """Drop what is known of a connection that has ended."""
        self._counts.pop(peer, None)
