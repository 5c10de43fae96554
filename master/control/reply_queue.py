"""What clients of the Unix socket are told: each in its order, however slowly it reads.

What waits for a commit, or behind a question to the store, waits in memory; so does what a client
has no room for. Then of each minion only the latest word is kept, and without a large result: that
is read from the store in its turn. Events and live output that a client has no room for are
dropped, and what is missing is told in their place.

    one client     `ROOM_BYTES` and one reply in its connection; the words that wait, one a minion
    all together   `WAITING_BYTES_MAX` here and `QUEUES_BYTES_MAX` in the connections: over either
                   the client that has most is cut off
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from itertools import count
from typing import Final, Protocol

from limpet.common.clock import Moment
from limpet.common.control.replies import (
    Event,
    JobOutput,
    JobStored,
    JobUpdate,
    MasterStatus,
    Refused,
    Reply,
)
from limpet.common.identifiers import Commit, JobId, MinionId
from limpet.master.core.effects import Answer, Client, Fetch, Query

WAITING_BYTES_MAX: Final = 128 * 1024 * 1024
"""What may wait for all clients together, roughly."""
LOOKED_AT_BYTES: Final = 1024 * 1024
"""Nobody who has less than this waiting is a reason to add up what all have."""
STREAM_BYTES_MAX: Final = 1024 * 1024
"""Events and live output that wait for a commit or for the store; more is dropped and counted."""
BODY_WAITING_BYTES_MAX: Final = 1024
"""A larger result does not wait in memory for a client that has much to read."""
_ENTRY_BYTES: Final = 600
"""What one thing that waits takes without its texts; measured: 190 to 390."""

Told = Answer | Query | Fetch


class Speaker(Protocol):
    """The Unix socket."""

    def answer(self, client: Client, reply: Reply, now: Moment) -> None:
        """Tell a client something."""
        ...

    def has_room(self, client: Client) -> bool:
        """Say whether a client has little left to read; one that is gone has nothing."""
        ...

    def cut(self, client: Client, now: Moment) -> None:
        """Cut a client off that reads too slowly."""
        ...


class Questions(Protocol):
    """The store's reader."""

    def ask(self, question: Query | Fetch) -> bool:
        """Have a question answered; False: too many wait."""
        ...


class _Turn:
    """What is to be told to one client, in order."""

    __slots__ = ("_serials", "_stream_bytes", "is_asking", "is_slow", "waiting", "weight")

    def __init__(self) -> None:
        self.waiting: OrderedDict[Hashable, tuple[Told, int]] = OrderedDict()
        """Each with its weight."""
        self.is_asking = False
        """A question to the store is under way; what follows waits for it."""
        self.is_slow = False
        """The client had no room once since something began to wait for it."""
        self.weight = 0
        """Bytes that wait, roughly."""
        self._stream_bytes = 0
        self._serials = count()

    def add(self, told: Told) -> str:
        """Put something behind all that waits; gives by which name it is counted if dropped."""
        reply = told.reply if isinstance(told, Answer) else None
        weight = _weight(told)
        if isinstance(reply, (Event, JobOutput)):
            if self.is_slow or self._stream_bytes + weight > STREAM_BYTES_MAX:
                return self._miss(told, reply)
            self._stream_bytes += weight
        elif self.is_slow and isinstance(reply, JobUpdate):
            result = reply.result
            key = (reply.jid, result.minion)
            if result.body is not None and len(result.body) > BODY_WAITING_BYTES_MAX:
                jid, minion = JobId(reply.jid), MinionId(result.minion)
                told = Fetch(told.client, jid, minion, told.after)
            self._replace(key, told)
            return ""
        elif self.is_slow and isinstance(told, Fetch):
            self._replace((told.jid, told.minion), told)
            return ""
        self._put(next(self._serials), told, weight)
        return ""

    def add_first(self, client: Client, replies: tuple[Reply, ...]) -> None:
        """Put what the store answered before all that waits."""
        for reply in reversed(replies):
            key, told = next(self._serials), Answer(client, reply)
            self._put(key, told, _weight(told))
            self.waiting.move_to_end(key, last=False)

    def first(self, committed: Commit) -> Told | None:
        """Give the first that waits; None: it waits for more than for room, or there is none."""
        if self.is_asking or not self.waiting:
            return None
        told, _ = next(iter(self.waiting.values()))
        return told if told.after <= committed else None

    def drop_first(self) -> None:
        """Take the first away."""
        key, (told, weight) = self.waiting.popitem(last=False)
        self.weight -= weight
        if self._stream_bytes and isinstance(told, Answer):
            is_gap = not isinstance(key, int)
            if isinstance(told.reply, (Event, JobOutput)) and not is_gap:
                self._stream_bytes -= weight

    def slow_down(self) -> list[str]:
        """Keep from now on only what a client has to be told that reads slowly.

        Gives what was dropped.
        """
        if self.is_slow:
            return []
        self.is_slow = True
        waiting, self.waiting = self.waiting, OrderedDict()
        self.weight = self._stream_bytes = 0
        return [name for told, _ in waiting.values() if (name := self.add(told))]

    def _put(self, key: Hashable, told: Told, weight: int) -> None:
        self.waiting[key] = (told, weight)
        self.weight += weight

    def _replace(self, key: Hashable, told: Told) -> None:
        """Put the latest word of a minion at the end, instead of the one before."""
        _, weight = self.waiting.pop(key, (None, 0))
        self.weight -= weight
        self._put(key, told, _weight(told))

    def _miss(self, told: Told, reply: Event | JobOutput) -> str:
        """Say in the place of what is dropped how much it was, with what is dropped after it."""
        key = "events" if isinstance(reply, Event) else ("output", reply.jid, reply.minion)
        before, weight = self.waiting.get(key, (None, 0))
        known = before.reply if isinstance(before, Answer) else None
        gap: Reply
        if isinstance(reply, Event):
            missed = int(known.data["count"]) if isinstance(known, Event) else 0
            at_s = known.at_s if isinstance(known, Event) else reply.at_s
            gap = Event("events/dropped", at_s, {"count": str(missed + 1)})
        else:
            missed = known.dropped_bytes if isinstance(known, JobOutput) else 0
            missed += reply.dropped_bytes + len(reply.data)
            gap = JobOutput(reply.jid, reply.minion, b"", missed)
        answer = Answer(told.client, gap)
        self.weight -= weight
        self._put(key, answer, _weight(answer))
        return "events_dropped" if isinstance(reply, Event) else "cli_output_dropped"


class ReplyQueue:
    """All clients that something is to be told to."""

    def __init__(
        self,
        *,
        control: Speaker,
        store: Questions,
        add_figures: Callable[[MasterStatus], MasterStatus],
        committed: Commit,
    ) -> None:
        """Begin with what is durable.

        `add_figures` completes what the core says of the master.
        """
        self._control = control
        self._store = store
        self._add_figures = add_figures
        self.dropped: Counter[str] = Counter()
        """What was dropped: `events_dropped`, `cli_output_dropped`."""
        self._committed = committed
        self._turns: dict[Client, _Turn] = {}

    def __len__(self) -> int:
        """Give the number of things that wait."""
        return sum(len(turn.waiting) for turn in self._turns.values())

    @property
    def weight(self) -> int:
        """Give the bytes that wait, roughly."""
        return sum(turn.weight for turn in self._turns.values())

    @property
    def can_go_on(self) -> bool:
        """Say whether somebody has read for whom something waits."""
        return any(
            turn.is_slow
            and turn.first(self._committed) is not None
            and self._control.has_room(client)
            for client, turn in self._turns.items()
        )

    def tell(self, told: Told, now: Moment) -> None:
        """Tell a client something in its turn."""
        client = told.client
        turn = self._turns.get(client)
        if turn is not None and turn.is_slow:
            self._advance(client, now)  # it may have read meanwhile, and then nothing is dropped
            turn = self._turns.get(client)
        if turn is None:
            if (
                isinstance(told, Answer)
                and told.after <= self._committed
                and self._control.has_room(client)
            ):
                self._say(client, told.reply, now)
                return
            turn = self._turns[client] = _Turn()
        if not turn.is_slow and not self._control.has_room(client):
            self._slow_down(turn)
        dropped = turn.add(told)
        if dropped:
            self.dropped[dropped] += 1
        if turn.is_slow or len(turn.waiting) == 1:  # else the first one waits as it did before
            self._advance(client, now)
        if turn.weight > LOOKED_AT_BYTES and self.weight > WAITING_BYTES_MAX:
            self._cut_slowest(now)

    def on_committed(self, commit: Commit, now: Moment) -> None:
        """Let go what waited for this commit."""
        self._committed = commit
        self.go_on(now)

    def on_answered(self, client: Client, replies: tuple[Reply, ...], now: Moment) -> None:
        """Pass on what the store answered, and what waited behind it."""
        turn = self._turns.get(client)
        if turn is not None and turn.is_asking:
            turn.is_asking = False
            turn.add_first(client, replies)
            self._advance(client, now)

    def go_on(self, now: Moment) -> bool:
        """Tell those on who have read meanwhile; False: nobody waited for that, or has."""
        has_told = False
        for client in list(self._turns):
            has_told |= self._advance(client, now)
        return has_told

    def forget(self, client: Client) -> None:
        """Forget what was to be told to a client."""
        self._turns.pop(client, None)

    def _advance(self, client: Client, now: Moment) -> bool:
        """Tell a client all whose turn has come; False: there was nothing."""
        turn = self._turns[client]
        has_told = False
        while (told := turn.first(self._committed)) is not None:
            if not self._control.has_room(client):
                self._slow_down(turn)
                break
            turn.drop_first()
            has_told = True
            if isinstance(told, Answer):
                self._say(client, told.reply, now)
            elif self._store.ask(told):
                turn.is_asking = True
            else:
                text = "too many questions wait for the history: try again in a moment"
                self._control.answer(client, Refused("busy", text), now)
        if not turn.waiting and not turn.is_asking:
            del self._turns[client]
        return has_told

    def _say(self, client: Client, reply: Reply, now: Moment) -> None:
        if isinstance(reply, MasterStatus):
            reply = self._add_figures(reply)
        self._control.answer(client, reply, now)

    def _slow_down(self, turn: _Turn) -> None:
        self.dropped.update(turn.slow_down())

    def _cut_slowest(self, now: Moment) -> None:
        slowest = max(self._turns, key=lambda client: self._turns[client].weight)
        self.forget(slowest)
        self._control.cut(slowest, now)


def _weight(told: Told) -> int:
    """Estimate the bytes of memory that something takes while it waits."""
    reply = told.reply if isinstance(told, Answer) else None
    if isinstance(reply, JobUpdate):
        return _ENTRY_BYTES + len(reply.result.body or b"") + len(reply.result.error)
    if isinstance(reply, JobOutput):
        return _ENTRY_BYTES + len(reply.data)
    if isinstance(reply, Event):
        return _ENTRY_BYTES + sum(map(len, reply.data.values()))
    if isinstance(reply, JobStored):
        bodies = sum(len(each.body or b"") for each in reply.results)
        return _ENTRY_BYTES * (1 + len(reply.results)) + bodies
    return _ENTRY_BYTES
