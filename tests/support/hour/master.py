"""The master of a large fleet: the simulator's host, with the production `EffectRunner` in it."""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from itertools import count
from typing import Final, Literal, cast

from limpet.common.clock import Moment
from limpet.common.control.replies import AnyReply, MasterStatus, Reply
from limpet.common.identifiers import Commit, MinionId, MinionKey
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.messages.fields import Message
from limpet.common.messages.jobs import Deliver, ReturnAck
from limpet.common.observability.logs import Level, Log
from limpet.common.wire.codec import FromMinion, encode
from limpet.master.core import effects as do
from limpet.master.core.machine import MasterCore
from limpet.master.core.settings import MasterSettings
from limpet.master.enrolment.rate_limits import EnrolRates
from limpet.master.files.reads import Work
from limpet.master.master_keys.key_work import KeyWork
from limpet.master.observability.counters import EventCounters
from limpet.master.pillar import messages
from limpet.master.process.effect_runner import EffectRunner
from limpet.master.store.operations import Operation
from support.hour.alarm import Alarm
from support.simulator.master_host import (
    MasterHost,
    enrol_decoder_shared,
    master_decoder_shared,
)
from support.simulator.network import Connection, Network
from support.simulator.truth import Truth
from support.simulator.world import World

LOST: Final = (Deliver, ReturnAck)
"""What may be lost with its connection, at the rate of `lossy`."""


class FleetMaster(MasterHost):
    """One master; what its effects wait for is the production shell's business."""

    def __init__(
        self, world: World, network: Network, truth: Truth, settings: MasterSettings
    ) -> None:
        super().__init__(world, network, truth)
        self.settings = settings
        self.effect_runner: EffectRunner | None = None
        self.rates: EnrolRates | None = None
        self.lossy = 0.0
        """The chance that a connection ends under a message of the kinds in `LOST`."""
        self.trouble: Counter[str] = Counter()
        """Lines for the log at `error`, by topic."""
        self._ended: Counter[str] = Counter()
        self._events = EventCounters()
        self._alarm = Alarm(self, self.clock, lambda: self.core, self._wake_up)
        self._enrol_handles = count(1)

    # -- life ---------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start on what the store holds, with a shell that holds nothing."""
        if self.is_alive:
            return
        self._alarm.forget()
        life = self.life
        self.rates = EnrolRates(self.clock.now().boot)
        self._events = EventCounters()
        self.effect_runner = EffectRunner(
            port=_Port(self),
            store=_Store(self, life),
            control=_Control(self),
            enrolment=_Enrolment(self),
            sources=_Files(self),
            pillar=_Pillars(self),
            keys=_Keys(self),
            log=cast(Log, _Log(self.trouble)),
            add_figures=_as_it_is,
            counters=self._events,
            committed=Commit(self.store.commit),
        )
        super().boot()

    def on_killed(self) -> None:
        """Forget the shell's part too."""
        super().on_killed()
        self._ended = self.ended
        self._events = EventCounters()
        self.effect_runner = None
        self.rates = None

    @property
    def ended(self) -> Counter[str]:
        """Say how many deliveries have ended how, in all lives."""
        return self._ended + self._events.returns

    # -- effects ------------------------------------------------------------------------------

    def _carry_out(self, effects: list[do.Effect]) -> None:
        runner, core = self.effect_runner, self.core
        assert runner is not None
        assert core is not None
        now = self.clock.now()
        runner.carry_out(effects, now)
        while runner.failed:
            peer, why = runner.failed.popleft()
            runner.carry_out(core.on_send_failed(now, peer, why), now)
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Ring when it is due: few alarms are under way."""
        self._alarm.set()

    def _wake_up(self) -> None:
        self.step(lambda core: core.on_deadline(self.clock.now()))

    def _committed_to(self, life: int, commit: int) -> None:
        def act() -> None:
            assert self.effect_runner is not None
            assert self.core is not None
            now = self.clock.now()
            self.effect_runner.on_committed(Commit(commit), now)
            self._carry_out(self.core.on_committed(now, Commit(commit)))

        self.let(life, act)

    def send_to(self, peer: do.Peer, message: Message) -> Literal["", "gone"]:
        """Put a message on its connection, which may end under it."""
        connection = self.peers.get(peer)
        if connection is None or not connection.master_end_open:
            return "gone"
        if self.lossy and isinstance(message, LOST) and self.world.chance.random() < self.lossy:
            self.network.reset(connection)
            return ""
        self.network.send(connection, upwards=False, frame=encode(message))
        return ""

    # -- the ports ----------------------------------------------------------------------------

    def _on_frame(self, connection: Connection, frame: bytes) -> None:
        message = master_decoder_shared.decode(frame)
        self.step(
            lambda core: (
                self.hear(core, connection, message) if connection.peer in self.peers else []
            )
        )

    def hear(
        self, core: MasterCore, connection: Connection, message: FromMinion
    ) -> list[do.Effect]:
        """Let the core hear a message; each host has an address of its own."""
        peer, address = do.Peer(connection.peer), address_of(connection.key)
        return core.on_message(self.clock.now(), peer, connection.key, address, message)

    def _on_enrol_frame(self, connection: Connection, frame: bytes) -> None:
        request, key = enrol_decoder_shared.decode(frame), connection.key
        address = address_of(key)

        def ask(core: MasterCore) -> list[do.Effect]:
            assert self.rates is not None
            now = self.clock.now()
            if not self.rates.may_ask(key, address, has_token=bool(request.token_id), now=now.boot):
                return []
            handle = next(self._enrol_handles)
            self.enrolling[handle] = connection
            return core.on_enrolment(now, handle, key, address, request)

        self.step(ask)

    @property
    def enrolling(self) -> dict[int, Connection]:
        """Connections of the enrolment port that wait for an answer."""
        return self._enrol_waiting

    # -- clients ------------------------------------------------------------------------------

    def leave(self, client: int) -> None:
        """Close a client's connection: the shell forgets it first."""
        if client in self.clients and self.effect_runner is not None:
            self.effect_runner.on_client_gone(do.Client(client))
        super().leave(client)


def address_of(key: MinionKey) -> str:
    """Give a host's address: of hosts with different keys it differs."""
    number = int(key[8:16], 16)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _as_it_is(status: MasterStatus) -> MasterStatus:
    return status


class _Part:
    """What one part of what the effect runner works on needs."""

    def __init__(self, host: FleetMaster) -> None:
        self.host = host


class _Port(_Part):
    def send(self, peer: do.Peer, message: Message) -> Literal["", "gone", "full"]:
        return self.host.send_to(peer, message)

    def disconnect(self, peer: do.Peer) -> None:
        connection = self.host.peers.pop(peer, None)
        if connection is not None:
            self.host.network.close_master_end(connection)


class _Store:
    def __init__(self, host: FleetMaster, life: int) -> None:
        self.host = host
        self.life = life

    def submit(self, commit: Commit, operations: tuple[Operation, ...]) -> None:
        self.host.disk.write(commit, operations, partial(self.host._committed_to, self.life))

    def ask(self, question: do.Query | do.Fetch) -> bool:
        store, client = self.host.store, question.client
        replies: tuple[Reply, ...]
        if isinstance(question, do.Query):
            replies = store.answer(question.request)
        else:
            replies = (store.fetch(question.jid, question.minion),)

        def tell() -> None:
            if self.host.effect_runner is not None and self.host.life == self.life:
                self.host.effect_runner.on_answered(client, replies, self.host.clock.now())

        self.host.world.later(0.001, tell)
        return True


class _Control(_Part):
    def answer(self, client: do.Client, reply: Reply, now: Moment) -> None:
        tell = self.host.clients.get(client)
        if tell is not None:
            self.host.world.later(0.0005, partial(tell, cast(AnyReply, reply)))

    def has_room(self, client: do.Client) -> bool:
        """Clients of a simulation read at once."""
        return True

    def cut(self, client: do.Client, now: Moment) -> None:
        raise AssertionError(f"client {client} was cut off")


class _Enrolment(_Part):
    def answer(self, handle: int, answer: EnrolAnswer) -> None:
        connection = self.host.enrolling.pop(handle, None)
        if connection is not None:
            assert self.host.rates is not None
            self.host.rates.on_answered(connection.key, self.host.clock.now().boot)
            self.host.network.send(connection, upwards=False, frame=encode(answer))


class _Files(_Part):
    def read(self, ticket: int, work: Work) -> None:
        self.host.file_server.read(do.ReadSource(ticket, work))


class _Pillars(_Part):
    def render(self, asked: messages.Render, now: Moment) -> None:
        self.host.file_server.render(
            do.Render(asked.number, MinionId(asked.minion), asked.arguments)
        )


class _Keys(_Part):
    def write(self, work: KeyWork) -> None:
        self.host.keys.write(work)


class _Log:
    level = Level.INFO

    def __init__(self, trouble: Counter[str]) -> None:
        self.trouble = trouble

    def report(self, level: str, topic: str, text: str) -> None:
        if level == "error":
            self.trouble[topic.split(" ")[0]] += 1

    def write(
        self,
        level: int,
        text: str,
        fields: Mapping[str, object],
        marks: Mapping[str, object] | None = None,
    ) -> None:
        """Leave events out."""
