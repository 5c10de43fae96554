"""Who is cut off though nothing that it sent can be called a bad message.

ZeroMQ hands over whole messages only, so a peer that never ends one is invisible to whoever reads,
while its memory grows. What such a peer cannot hide is the count of bytes that the kernel received:
the watcher compares it with the moment of the last whole message.

It also ends connections that never say anything sensible; those that libzmq has stopped reading
without a reason that can be seen, as after a frame that did not decrypt; and, where asked, those
that are old or too many.

No socket and no clock in here: the time is handed in, and so is the function that reads the counts.
"""

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

CutReason = Literal[
    "unfinished_message", "decrypt_failed", "no_hello", "connection_age", "connection_limit"
]

SWEEP_INTERVAL_S: Final = 0.2
_RECHECK_S: Final = 0.02
_REPEAT_S: Final = 10.0
_LOOKS: Final = 250
"""Connections looked at in one sweep. A look costs 9 us: all of ten thousand at each sweep took a
sixth of a core, and nearly all of a fleet is at rest. At this pace they are seen in 8 seconds."""
_SLICE: Final = 1_000
"""The same while the process grows: somebody may be filling it."""
_HURRY_S: Final = 2.0
_UNREAD_S: Final = 0.8
_UNREAD_IN_A_HERD_S: Final = 10.0
_HERD_MIN: Final = 50
_HERD_MAX: Final = 250
_HERD_SHARE: Final = 8
_YOUNG_S: Final = 3.0
"""Where one in eight of all, but at least 50 and at most 250, came within three seconds and have
said nothing yet, libzmq's thread is busy with handshakes, and what others sent waits for it too:
without that it would be honest minions that are cut. Who stays silent for longer costs it nothing,
so that a few idle connections change nothing."""


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
    """With this many, each new one costs the network that holds most of them its newest, which may
    be the new one itself; None: no limit."""


MAIN_LIMITS: Final = WatcherLimits(unfinished_bytes_max=4 * 256 * 1024, first_message_s=20.0)
"""The port of enrolled minions: ten seconds for the handshake, and as much for the loop to read."""
ENROL_LIMITS: Final = WatcherLimits(
    unfinished_bytes_max=8 * 1024, first_message_s=20.0, age_max_s=30.0, connections_max=1_000
)
"""The port of keys that nobody has accepted yet."""


@dataclass(slots=True)
class _Watched:
    accepted_at: float
    address: str
    peer: bytes | None = None
    base: int = 0
    has_new_message: bool = False
    taken: int = -1
    unread_since: float = float("inf")
    cut_at: float = field(default=float("-inf"))


class Watcher:
    """Tracks the connections of one listening socket; asked every 200 ms whom to cut.

    It costs the same at rest however many there are: each sweep looks at so many of them, and at
    those whose bytes wait. Where memory fills, `hurry` has it look at all.
    """

    def __init__(
        self,
        limits: WatcherLimits,
        *,
        received: Callable[[int], int | None],
        taken: Callable[[int], int | None] | None = None,
        network: Callable[[str], str] = str,
    ) -> None:
        """`received(fd)` reads the kernel's count of bytes, None if there is no such connection.

        `taken(fd)` is the same less what still waits in the kernel. It is asked only of suspects,
        so that a process which is late with reading blames nobody for it. Default: `received`.
        In production these are `tcp.bytes_received` and `tcp.bytes_taken`. `network(address)`
        gives what counts as one source where connections are too many.
        """
        self.next_sweep: float = float("-inf")
        """When `sweep` wants to be called next; earlier calls do nothing."""
        self._limits = limits
        self._received = received
        self._taken = received if taken is None else taken
        self._watched: dict[int, _Watched] = {}
        self._unheard: dict[int, None] = {}
        """Those that said nothing sensible yet, in the order in which they came."""
        self._queue: deque[int] = deque()
        self._next_pass = float("-inf")
        self._hurry_until = float("-inf")
        self._herd_at = float("-inf")
        """When a herd was last seen at the port."""
        self._suspects: set[int] = set()
        """Too many bytes without a message: looked at again in a moment."""
        self._unread: dict[int, None] = {}
        """Bytes of theirs wait: looked at in each sweep."""
        self._surplus: list[int] = []
        self._network = network
        self._sources: dict[str, dict[int, None]] = {}
        """Where connections are limited: those of each network, in the order in which they came."""
        self._early: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._watched)

    @property
    def heard(self) -> int:
        """How many have said something sensible."""
        return len(self._watched) - len(self._unheard)

    def accepted(self, fd: int, address: str, now: float) -> None:
        """Begin to watch a connection."""
        self.disconnected(fd)
        watched = self._watched[fd] = _Watched(now, address)
        if fd in self._early:
            watched.peer, watched.has_new_message = self._early.pop(fd), True
        else:
            self._unheard[fd] = None
        limit = self._limits.connections_max
        if limit is None:
            return
        source = self._network(address)
        self._sources.setdefault(source, {})[fd] = None
        if len(self._watched) > limit:
            self._surplus.append(self._take_surplus(source, limit))
            self.next_sweep = now

    def disconnected(self, fd: int) -> None:
        """Stop watching; unknown descriptors are fine."""
        watched = self._watched.pop(fd, None)
        if watched is not None and self._sources:
            self._leave(self._network(watched.address), fd)
        self._unheard.pop(fd, None)
        self._unread.pop(fd, None)
        self._suspects.discard(fd)

    def _take_surplus(self, source: str, limit: int) -> int:
        """Choose who has to go, now that one of this source has come.

        So nobody is kept out by a source that holds more than its own: many behind one address may
        fill the port while no others want to come in, and give way to them one by one.
        """
        if len(self._sources[source]) * 2 <= limit:  # else nobody else can have as many
            source = max(self._sources, key=lambda each: len(self._sources[each]))
        fd = next(reversed(self._sources[source]))
        self._leave(source, fd)
        return fd

    def _leave(self, source: str, fd: int) -> None:
        fds = self._sources.get(source, {})
        fds.pop(fd, None)
        if not fds:
            self._sources.pop(source, None)

    def message(self, fd: int, peer: bytes, now: float) -> None:
        """Note a whole message that was well-formed. Don't tell of others."""
        watched = self._watched.get(fd)
        if watched is None:
            self._early[fd] = peer  # it may be told of its connection in a moment
            return
        if watched.peer is None:
            self._unheard.pop(fd, None)
        watched.peer = peer
        watched.has_new_message = True
        if self._suspects:
            self._suspects.discard(fd)

    def hurry(self, now: float) -> None:
        """Look at all of them at each sweep, for two seconds: memory is filling."""
        self._hurry_until = now + _HURRY_S
        self.next_sweep = min(self.next_sweep, now)

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
        self._early.clear()
        self._judge_age(cuts, now)
        if self._is_herd(now):
            self._herd_at = now
        is_hurried = now < self._hurry_until
        if not self._queue and (is_hurried or now >= self._next_pass):
            self._queue.extend(self._watched)
            self._next_pass = now + SWEEP_INTERVAL_S
        if is_drained:
            batch = dict.fromkeys(itertools.islice(self._unread, _LOOKS))
            for _ in range(min(_SLICE if is_hurried else _LOOKS, len(self._queue))):
                batch[self._queue.popleft()] = None
            for fd in batch:
                self._look(cuts, fd, now)
        is_soon = bool(self._suspects or (is_hurried and self._queue))
        self.next_sweep = now + (_RECHECK_S if is_soon else SWEEP_INTERVAL_S)
        return cuts

    def _is_herd(self, now: float) -> bool:
        """Say whether many log in at this moment: the one who came so many before the last did."""
        enough = min(max(_HERD_MIN, len(self._watched) // _HERD_SHARE), _HERD_MAX)
        if len(self._unheard) < enough:
            return False
        fd = next(itertools.islice(reversed(self._unheard), enough - 1, None))
        return now - self._watched[fd].accepted_at <= _YOUNG_S

    def _judge_age(self, cuts: list[Cut], now: float) -> None:
        """Cut those that are too old, or too old to have said nothing. The oldest stand first."""
        for fd in itertools.islice(self._unheard, _SLICE):
            if now - self._watched[fd].accepted_at <= self._limits.first_message_s:
                break
            self._cut(cuts, fd, "no_hello", now)
        if self._limits.age_max_s is None:
            return
        for fd, watched in self._watched.items():
            if now - watched.accepted_at <= self._limits.age_max_s:
                break
            self._cut(cuts, fd, "connection_age", now)

    def _look(self, cuts: list[Cut], fd: int, now: float) -> None:
        watched = self._watched.get(fd)
        received = None if watched is None else self._received(fd)
        if watched is None or received is None:
            self._unread.pop(fd, None)
            return
        if self._is_over(watched, received):
            self._suspects.add(fd)
        if self._is_unread(fd, watched, received, now):
            self._cut(cuts, fd, "decrypt_failed", now)

    def _is_over(self, watched: _Watched, count: int) -> bool:
        """Say whether too many bytes came since the last whole message."""
        if watched.has_new_message or count < watched.base:
            watched.has_new_message = False
            watched.base = count
        return count - watched.base > self._limits.unfinished_bytes_max

    def _is_unread(self, fd: int, watched: _Watched, received: int, now: float) -> bool:
        """Say whether bytes have been waiting for a second, though nothing keeps them."""
        taken = self._taken(fd) if received > watched.base else None
        if taken is None or taken >= received:
            watched.taken = -1
            self._unread.pop(fd, None)
            return False
        if taken != watched.taken:
            watched.taken = taken
            watched.unread_since = now
            self._unread[fd] = None
        waited_s = now - watched.unread_since
        calm_s = now - max(watched.unread_since, self._herd_at)
        return waited_s >= _UNREAD_IN_A_HERD_S or calm_s >= _UNREAD_S

    def _cut(self, cuts: list[Cut], fd: int, reason: CutReason, now: float) -> None:
        watched = self._watched.get(fd)
        if watched is None or now - watched.cut_at < _REPEAT_S:
            return
        watched.cut_at = now
        cuts.append(Cut(fd, watched.peer, reason))
