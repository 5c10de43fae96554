"""One connection of the command line: its bounds, its clock, and what waits to be read by it."""

import socket
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import msgspec

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.control.endings import is_last
from limpet.common.control.framing import REPLY_BYTES_MAX, REQUEST_BYTES_MAX, FramedSocket
from limpet.common.control.replies import Refused, Reply
from limpet.common.control.requests import Request
from limpet.common.errors import PeerError
from limpet.master.control.peer_credentials import Caller
from limpet.master.core.effects import Client

REQUEST_S_MAX: Final = 10.0
"""From connecting to a whole request, and from the first byte of a later one to its last."""
IDLE_S_MAX: Final = 600.0
"""A connection on which nothing is going on is closed after this; clients open another."""
STALLED_S_MAX: Final = 60.0
"""A client that takes next to nothing of what waits for it is cut after this."""
STALLED_BYTES: Final = 64 * 1024
"""Next to nothing: less than this in that time, and not all."""
LAST_WORD_S: Final = 5.0
"""How long the reason for a cut may take to be read."""
ROOM_BYTES: Final = 1024 * 1024
"""With more than this waiting, what can wait does: it follows when the client has read."""
QUEUE_BYTES_MAX: Final = ROOM_BYTES + REPLY_BYTES_MAX + 4096
"""What may wait for one client: any reply fits where there was room."""
FLUSH_BYTES: Final = 128 * 1024
"""With more than this queued, a reply is written at once rather than at the end of the turn."""
_encoder: Final = msgspec.msgpack.Encoder()


@dataclass(slots=True)
class Connection:
    """A connection and what is known of its user; owned by `ControlServer`."""

    client: Client
    link: FramedSocket
    caller: Caller
    user: str = ""
    is_admitted: bool = False
    """The user may give commands; before that nothing is read."""
    deadline: Instant = FOREVER
    """When it is cut unless something happens."""
    is_ending: bool = False
    """The last word was said; closed once it is read."""
    request: Request | None = None
    """What is being answered; until that is over the next one waits."""
    backlog: deque[bytes] = field(default_factory=deque)
    """Requests that came too early, undecoded."""
    has_asked: bool = False
    polled: int = 0
    """What the poll waits for now."""
    _is_writing: bool = False
    _written_before: int = 0

    @property
    def wants_read(self) -> bool:
        """Say whether the next request may come."""
        is_free = self.request is None and not self.backlog and not self.link.wants_write
        return self.is_admitted and is_free and not self.is_ending

    @property
    def has_room(self) -> bool:
        """Say whether little waits for this client to read it; after the last word, nothing."""
        return self.is_ending or self.link.queued_bytes <= ROOM_BYTES

    def touch(self, now: Moment) -> None:
        """Set the deadline anew, after something was read or written."""
        link = self.link
        if self.is_ending:
            return
        if link.wants_write:
            taken = link.written_bytes - self._written_before
            if not self._is_writing or taken >= STALLED_BYTES:
                self.deadline = now.after(STALLED_S_MAX)
                self._written_before = link.written_bytes
            self._is_writing = True
            return
        self._is_writing = False
        if self.request is not None:
            self.deadline = FOREVER
        elif self.backlog:
            self.deadline = now.boot
        elif link.is_inside_a_frame or not self.has_asked:
            self.deadline = min(self.deadline, now.after(REQUEST_S_MAX))
        else:
            self.deadline = now.after(IDLE_S_MAX)

    def say(self, reply: Reply) -> bool:
        """Queue a reply; False if the client reads too slowly for it and has to be cut.

        It leaves with the next `flush` of the link; to be followed by `touch`.
        """
        if self.is_ending:
            return True
        is_queued = self._queue(reply)
        if self.link.queued_bytes > FLUSH_BYTES:
            self.link.flush()
        if self.request is not None and is_last(self.request, reply):
            self.request = None
        return is_queued

    def end(self, word: Refused, now: Moment) -> None:
        """Say a last word; what else waits is dropped."""
        if self.is_ending:
            return
        self.is_ending = True
        self.deadline = now.after(LAST_WORD_S)
        self.link.cut_short(_encoder.encode(word))
        if not self.link.wants_write:
            self.deadline = now.boot

    def _queue(self, reply: Reply) -> bool:
        try:
            return self.link.send(_encoder.encode(reply), is_flushed=False)
        except PeerError:
            text = "the answer is over 64 MiB and can't be sent; ask for less at once"
            return self.link.send(_encoder.encode(Refused("failed", text)), is_flushed=False)


def connection_of(client: Client, accepted: socket.socket, caller: Caller) -> Connection:
    """Take an accepted socket over."""
    link = FramedSocket(
        accepted,
        read_bytes_max=REQUEST_BYTES_MAX,
        write_bytes_max=REPLY_BYTES_MAX,
        queue_bytes_max=QUEUE_BYTES_MAX,
    )
    return Connection(client, link, caller)
