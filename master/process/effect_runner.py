"""Carrying out the core's effects: what waits for a commit, what waits for its turn.

An effect with `after` is held until that commit is durable; effects are let go in the order of
their commits, and in the order in which they were given within one. What is for one client of the
Unix socket additionally keeps its own order: `control/reply_queue.py`.
"""

import heapq
from collections import Counter, deque
from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from limpet.common.clock import Moment
from limpet.common.control.replies import Event, MasterStatus, Reply
from limpet.common.identifiers import Commit
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.messages.fields import Message
from limpet.common.observability.logs import Level, Log
from limpet.common.transport.errors import FrameTooLarge
from limpet.master.control.reply_queue import ReplyQueue, Speaker
from limpet.master.core.effects import (
    Answer,
    AnswerEnrolment,
    Client,
    Count,
    DeliveryEnded,
    Disconnect,
    Effect,
    Fetch,
    Peer,
    Persist,
    Publish,
    Query,
    ReadSource,
    Render,
    Report,
    Send,
    StartAfresh,
    Subscribe,
    WriteKeys,
)
from limpet.master.events.tags import return_event
from limpet.master.files.reads import Work
from limpet.master.master_keys.key_work import KeyWork
from limpet.master.observability.counters import EventCounters
from limpet.master.pillar import messages
from limpet.master.store.operations import Operation

Held = Send | DeliveryEnded | Publish | AnswerEnrolment
"""What waits for its commit here."""
Unheld = Subscribe | Disconnect | ReadSource | Render | WriteKeys | StartAfresh | Report | Count
"""What waits for nothing."""


class Sender(Protocol):
    """The main port."""

    def send(self, peer: Peer, message: Message) -> Literal["", "gone", "full"]:
        """Hand a message over; empty: taken, else `gone` or `full`."""
        ...

    def disconnect(self, peer: Peer) -> None:
        """Cut one connection off."""
        ...


class StoreWriter(Protocol):
    """The store."""

    def submit(self, commit: Commit, operations: tuple[Operation, ...]) -> None:
        """Have the operations committed."""
        ...

    def ask(self, question: Query | Fetch) -> bool:
        """Have a question answered; False: too many wait."""
        ...


class EnrolmentProcess(Protocol):
    """The line to the enrolment process."""

    def answer(self, handle: int, answer: EnrolAnswer) -> None:
        """Answer a question."""
        ...


class FileReader(Protocol):
    """The threads that read file roots."""

    def read(self, ticket: int, work: Work) -> None:
        """Have something read."""
        ...


class PillarRenderer(Protocol):
    """Where pillar is rendered."""

    def render(self, asked: messages.Render, now: Moment) -> None:
        """Have a minion's pillar rendered."""
        ...


class KeyWriter(Protocol):
    """The thread that writes the master's keys."""

    def write(self, work: KeyWork) -> None:
        """Have them written."""
        ...


class EffectRunner:
    """Carries effects out, in order, without ever waiting."""

    def __init__(
        self,
        *,
        port: Sender,
        store: StoreWriter,
        control: Speaker,
        enrolment: EnrolmentProcess,
        sources: FileReader,
        pillar: PillarRenderer,
        keys: KeyWriter,
        log: Log,
        add_figures: Callable[[MasterStatus], MasterStatus],
        counters: EventCounters,
        committed: Commit,
    ) -> None:
        """Begin with what is durable. `add_figures` completes what the core says of the master.

        `counters` counts what is published.
        """
        self.failed: deque[tuple[Peer, Literal["gone", "full"]]] = deque()
        """Sends that were not taken, for `on_send_failed`; the caller takes them away."""
        self._counted: Counter[str] = Counter()
        self._port = port
        self._store = store
        self._enrolment = enrolment
        self._sources = sources
        self._pillar = pillar
        self._keys = keys
        self.is_afresh_wanted = False
        """The core wants this process to be started anew."""
        self._log = log
        self._counters = counters
        self._committed = committed
        self._held: dict[Commit, list[Held]] = {}
        """What waits for a commit, by that commit, in order."""
        self._awaited: list[Commit] = []
        """The commits of `_held`: a heap."""
        self._reply_queue = ReplyQueue(
            control=control,
            store=store,
            add_figures=add_figures,
            committed=committed,
        )
        self._subscribed: dict[Client, None] = {}

    @property
    def counts(self) -> Counter[str]:
        """Give what was turned away or dropped, by reason."""
        return self._counted + self._reply_queue.dropped

    @property
    def held(self) -> int:
        """How many effects wait for a commit."""
        return sum(map(len, self._held.values())) + len(self._reply_queue)

    def carry_out(self, effects: list[Effect], now: Moment) -> None:
        """Carry out, or hold back, what one event led to."""
        for effect in effects:
            if isinstance(effect, (Send, DeliveryEnded, Publish, AnswerEnrolment)):
                if effect.after > self._committed:
                    self._hold(effect)
                else:
                    self._let_go(effect, now)
            elif isinstance(effect, (Answer, Query, Fetch)):
                self._reply_queue.tell(effect, now)
            elif isinstance(effect, Persist):
                self._store.submit(effect.commit, effect.operations)
            else:
                self._carry_out_now(effect, now)

    def _carry_out_now(self, effect: Unheld, now: Moment) -> None:
        match effect:
            case Subscribe(client=client):
                self._subscribed[client] = None
            case Disconnect(peer=peer):
                self._port.disconnect(peer)
            case ReadSource(ticket=ticket, work=work):
                self._sources.read(ticket, work)
            case Render(number=number, minion=minion, arguments=arguments):
                self._pillar.render(messages.Render(number, minion, arguments), now)
            case WriteKeys(work=key_work):
                self._keys.write(key_work)
            case StartAfresh():
                self.is_afresh_wanted = True
            case Report(level=level, topic=topic, text=text):
                self._log.report(level, topic, text)
            case Count(reason=reason):
                self._counted[reason] += 1

    def _hold(self, effect: Held) -> None:
        held = self._held.get(effect.after)
        if held is None:
            held = self._held[effect.after] = []
            heapq.heappush(self._awaited, effect.after)
        held.append(effect)

    def on_committed(self, commit: Commit, now: Moment) -> None:
        """Let go what waited for this commit."""
        self._committed = commit
        while self._awaited and self._awaited[0] <= commit:
            for effect in self._held.pop(heapq.heappop(self._awaited)):
                self._let_go(effect, now)
        self._reply_queue.on_committed(commit, now)

    def on_answered(self, client: Client, replies: tuple[Reply, ...], now: Moment) -> None:
        """Pass on what the store answered, and what waited behind it."""
        self._reply_queue.on_answered(client, replies, now)

    def go_on(self, now: Moment) -> bool:
        """Tell those on who have read meanwhile; False: nobody waited for that, or has."""
        return self._reply_queue.go_on(now)

    @property
    def can_go_on(self) -> bool:
        """Say whether `go_on` is wanted though nothing more may happen."""
        return bool(self.failed) or self._reply_queue.can_go_on

    def on_client_gone(self, client: Client) -> None:
        """Forget what was to be told to a client."""
        self._reply_queue.forget(client)
        self._subscribed.pop(client, None)

    def _let_go(self, effect: Held, now: Moment) -> None:
        if isinstance(effect, Send):
            self._send(effect.peer, effect.message)
        elif isinstance(effect, DeliveryEnded):
            self._counters.hear_end(effect)
            if self._subscribed or self._log.level >= Level.DEBUG:
                self._tell_all(return_event(effect), now)
        elif isinstance(effect, AnswerEnrolment):
            self._enrolment.answer(effect.handle, effect.answer)
        else:
            self._counters.hear(effect.event)
            self._tell_all(effect.event, now)

    def _tell_all(self, event: Event, now: Moment) -> None:
        # A line for each return would drown the rest: those are for `limpet events`.
        level = Level.DEBUG if event.tag.startswith("job/") else Level.INFO
        if level <= self._log.level:
            self._log.write(level, f"event {event.tag}", event.data, marks_of_event(event.tag))
        for client in list(self._subscribed):
            self._reply_queue.tell(Answer(client, event), now)

    def _send(self, peer: Peer, message: Message) -> None:
        try:
            why = self._port.send(peer, message)
        except FrameTooLarge as error:
            # A mistake of ours: it would be refused for ever, so it is not tried again.
            self._log.report("error", "send.oversize", f"{type(message).__name__}: {error}")
            self._counted["own_frame_too_large"] += 1
            return
        if why != "":
            self.failed.append((peer, why))


def marks_of_event(tag: str) -> dict[str, object]:
    """Give what an event's tag says, as fields of a record: see `events/tags.py`."""
    marks: dict[str, object] = {"event": tag}
    match tag.split("/"):
        case ["minion" | "key", minion, *_]:
            marks["minion"] = minion
        case ["job", jid, "return", minion]:
            marks.update(jid=jid, minion=minion)
        case ["job", jid, *_]:
            marks["jid"] = jid
    return marks


def merged(
    status: MasterStatus,
    *,
    rejected: Counter[str],
    figures: dict[str, float],
    problems: list[str],
) -> MasterStatus:
    """Add what only the shell knows to what the core says of the master."""
    total = Counter(status.rejected)
    total.update(rejected)
    return msgspec.structs.replace(
        status,
        rejected={reason: number for reason, number in total.items() if number},
        figures={**status.figures, **figures},
        problems=(*status.problems, *(text for text in problems if text not in status.problems)),
    )
