"""Who is cut off though nothing that it sent can be called a bad message.

ZeroMQ hands over whole messages only, so a peer that never ends one is invisible to whoever reads,
while its memory grows. What such a peer cannot hide is the count of bytes that the kernel received:
the watcher compares it with the moment of the last whole message.

It also ends connections that never say anything sensible; those that libzmq has stopped reading
without a reason that can be seen, as after a frame that did not decrypt; and, where asked, those
that are old or too many.

No socket and no clock in here: the time is handed in, and so is the function that reads the counts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

CutReason = Literal[
    "unfinished_message", "decrypt_failed", "no_hello", "connection_age", "connection_limit"
]

SWEEP_INTERVAL_S: Final = 0.2
_RECHECK_S: Final = 0.02
_REPEAT_S: Final = 10.0
_SLICE: Final = 1_000
_UNREAD_LOOKS: Final = 5


@dataclass(frozen=True, slots=True)
class Cut:
    """Shut this connection down and count the reason; `peer` is None if no message of it came."""

    fd: int
    peer: bytes | None = field(repr=False)
    reason: CutReason


@dataclass(frozen=True, slots=True)
class WatcherLimits:
    """What a port puts up with."""

    unfinished_bytes_max: int
    """Bytes without a whole message; four times the largest message is a good figure."""
    first_message_s: float
    """From TCP connection to the first well-formed message, handshake included."""
    age_max_s: float | None = None
    """A connection older than this is cut whatever it did; None: they may last for ever."""
    connections_max: int | None = None
    """With this many, a new connection is cut at once; None: no limit."""


MAIN_LIMITS: Final = WatcherLimits(unfinished_bytes_max=4 * 256 * 1024, first_message_s=8.0)
"""The port of enrolled minions."""
ENROL_LIMITS: Final = WatcherLimits(
    unfinished_bytes_max=8 * 1024, first_message_s=8.0, age_max_s=30.0, connections_max=500
)
"""The port of strangers."""


@dataclass(slots=True)
class _Watched:
    accepted_at: float
    address: str
    peer: bytes | None = None
    base: int = 0
    has_new_message: bool = False
    taken: int = -1
    unread_looks: int = 0
    cut_at: float = field(default=float("-inf"))


class Watcher:
    """Keeps book on the connections of one listening socket; asked every 200 ms whom to cut."""

    def __init__(
        self,
        limits: WatcherLimits,
        *,
        received: Callable[[int], int | None],
        taken: Callable[[int], int | None] | None = None,
    ) -> None:
        """`received(fd)` reads the kernel's count of bytes, None if there is no such connection.

        `taken(fd)` is the same less what still waits in the kernel. It is asked only of suspects,
        so that a process which is late with reading blames nobody for it. Default: `received`.
        In production these are `tcp.bytes_received` and `tcp.bytes_taken`.
        """
        self.next_sweep: float = float("-inf")
        """When `sweep` wants to be called next; earlier calls do nothing."""
        self._limits = limits
        self._received = received
        self._taken = received if taken is None else taken
        self._watched: dict[int, _Watched] = {}
        self._queue: list[int] = []
        self._next_full_sweep = float("-inf")
        self._suspects: set[int] = set()
        self._surplus: list[int] = []
        self._early: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._watched)

    def accepted(self, fd: int, address: str, now: float) -> None:
        """Begin to watch a connection."""
        self.disconnected(fd)
        watched = self._watched[fd] = _Watched(now, address)
        if fd in self._early:
            watched.peer, watched.has_new_message = self._early.pop(fd), True
        limit = self._limits.connections_max
        if limit is not None and len(self._watched) > limit:
            self._surplus.append(fd)
            self.next_sweep = now

    def disconnected(self, fd: int) -> None:
        """Stop watching; unknown descriptors are fine."""
        self._watched.pop(fd, None)
        self._suspects.discard(fd)

    def message(self, fd: int, peer: bytes, now: float) -> None:
        """Note a whole message that was well-formed. Don't tell of others."""
        watched = self._watched.get(fd)
        if watched is None:
            self._early[fd] = peer  # it may be told of its connection in a moment
            return
        watched.peer = peer
        watched.has_new_message = True
        self._suspects.discard(fd)

    def sweep(self, now: float, is_drained: bool) -> list[Cut]:
        """Say whom to cut now. A cut connection that stays is named again ten seconds later.

        `is_drained`: the last receive found nothing. Otherwise whole messages may be waiting
        unread, and bytes prove nothing.
        """
        if now < self.next_sweep:
            return []
        cuts: list[Cut] = []
        for fd in self._surplus:
            self._cut(cuts, fd, "connection_limit", now)
        self._surplus.clear()
        if is_drained:
            for fd in tuple(self._suspects):
                # Still no message, with another look at the socket in between: it is not a burst
                # that merely began after the last one.
                watched, taken = self._watched.get(fd), self._taken(fd)
                if watched is not None and taken is not None and self._is_over(watched, taken):
                    self._cut(cuts, fd, "unfinished_message", now)
            self._suspects.clear()
        if now >= self._next_full_sweep and not self._queue:
            self._queue = list(self._watched)
            self._early.clear()
            self._next_full_sweep = now + SWEEP_INTERVAL_S
        batch, self._queue = self._queue[:_SLICE], self._queue[_SLICE:]
        for fd in batch:
            self._look(cuts, fd, now, is_drained)
        soon = bool(self._suspects or self._queue)
        self.next_sweep = now + _RECHECK_S if soon else max(self._next_full_sweep, now + _RECHECK_S)
        return cuts

    def _look(self, cuts: list[Cut], fd: int, now: float, is_drained: bool) -> None:
        watched = self._watched.get(fd)
        if watched is None:
            return
        age = now - watched.accepted_at
        if self._limits.age_max_s is not None and age > self._limits.age_max_s:
            self._cut(cuts, fd, "connection_age", now)
        elif watched.peer is None and age > self._limits.first_message_s:
            self._cut(cuts, fd, "no_hello", now)
        elif is_drained and (received := self._received(fd)) is not None:
            if self._is_over(watched, received):
                self._suspects.add(fd)
            if self._is_unread(fd, watched, received):
                self._cut(cuts, fd, "decrypt_failed", now)

    def _is_over(self, watched: _Watched, count: int) -> bool:
        """Say whether too many bytes came since the last whole message."""
        if watched.has_new_message or count < watched.base:
            watched.has_new_message = False
            watched.base = count
        return count - watched.base > self._limits.unfinished_bytes_max

    def _is_unread(self, fd: int, watched: _Watched, received: int) -> bool:
        """Say whether bytes have been waiting for a second, though nothing keeps them."""
        taken = self._taken(fd) if received > watched.base else None
        if taken is None or taken >= received or taken != watched.taken:
            watched.unread_looks = 0
        else:
            watched.unread_looks += 1
        watched.taken = -1 if taken is None else taken
        return watched.unread_looks >= _UNREAD_LOOKS

    def _cut(self, cuts: list[Cut], fd: int, reason: CutReason, now: float) -> None:
        watched = self._watched.get(fd)
        if watched is None or now - watched.cut_at < _REPEAT_S:
            return
        watched.cut_at = now
        cuts.append(Cut(fd, watched.peer, reason))
