"""A master with a fleet that is READY, its shell included, on which single messages are counted."""

import hashlib
import random
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.control.replies import JobStored, MasterStatus, Reply
from limpet.common.control.requests import Request, RunJob
from limpet.common.identifiers import Commit, MinionId, MinionKey
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest
from limpet.common.messages.fields import Message
from limpet.common.messages.jobs import Accepted, Deliver, Return
from limpet.common.messages.session import Beat, Grains, Hello, MasterBeat, SyncPage, Welcome
from limpet.common.messages.trust import Trust, TrustAck
from limpet.common.observability.logs import Level, Log
from limpet.common.wire.codec import FromMinion
from limpet.master.core import effects as do
from limpet.master.core.machine import MasterCore
from limpet.master.core.settings import MasterSettings
from limpet.master.files.reads import Work
from limpet.master.master_keys.announced import Announced, Following
from limpet.master.master_keys.key_work import KeyWork
from limpet.master.observability.counters import EventCounters
from limpet.master.pillar.messages import Render
from limpet.master.process.effect_runner import EffectRunner
from limpet.master.store.operations import KeyRow, Operation, TokenRow
from support.counting.containers import instrument
from support.counting.operations import Cost, cost_of
from support.master.store_model import StoreModel

WALL_S: Final = 1_700_000_000.0
BOOT_S: Final = 1_000.0


class Proof:
    """A verifier that takes one signature for good."""

    master_key = b"m" * 32

    def verifier_of(self, secret: bytes) -> bytes:
        """Give what stands for the secret."""
        return b"v" * 32

    def verify(self, verifier: bytes, message: bytes, signature: bytes) -> bool:
        """Say yes to the one."""
        return signature == b"s" * 64


class Rig:
    """The core and its shell; what they do to the outside is only noted, the store a model."""

    def __init__(self, number: int, *, is_ready: bool = True) -> None:
        self.store = StoreModel()
        self.t = 0.0
        self.sent: dict[do.Peer, list[Message]] = {}
        self.told: dict[do.Client, list[Reply]] = {}
        self.read: list[tuple[int, Work]] = []
        self.rendered: list[Render] = []
        self.enrolled: dict[int, EnrolAnswer] = {}
        self.submitted: list[tuple[Commit, tuple[Operation, ...]]] = []
        self.chance = random.Random(7)
        self._clients = 0
        for index in range(number):
            key = key_of(index)
            name = MinionId(f"web{index}")
            self.store.keys[key] = KeyRow(key, name, "accepted", WALL_S, "", "", WALL_S)
        self.store.tokens["tok"] = TokenRow(
            "tok", b"v" * 32, WALL_S + 1e9, 10_000, 0, "*", "root", WALL_S
        )
        settings = MasterSettings(sync_at_once=100)
        following = tuple(Following(bytes([each]) * 32, 1) for each in (1, 2, 3))
        self.core = MasterCore(
            settings,
            self.store.snapshot(WALL_S),
            now=self.now,
            chance=random.Random(1),
            verifier=Proof(),
            announced=Announced(b"S" * 32, b"", 1, b"m" * 32, following, b"s" * 64, b""),
        )
        outside = _Outside(self)
        self.effect_runner = EffectRunner(
            port=outside,
            store=outside,
            control=_Control(self),
            enrolment=_Enrolment(self),
            sources=_Files(self),
            pillar=_Pillars(self),
            keys=_Keys(),
            log=_QuietLog(),
            add_figures=_same,
            counters=EventCounters(),
            committed=Commit(self.store.commit),
        )
        self.carry(self.core.start(self.now))
        self.settle()
        self.minions = [Talker(self, index) for index in range(number)]
        if is_ready:
            for minion in self.minions:
                minion.log_in()
                self.t += 3.0 / number  # so that not all is due at once later on

    @property
    def now(self) -> Moment:
        """The time."""
        return Moment(Instant(BOOT_S + self.t), WALL_S + self.t)

    def instrument(self, least: int) -> list[str]:
        """Count from now on what goes over large tables; gives which they are."""
        return sorted({*instrument(self.core, least), *instrument(self.effect_runner, least)})

    def carry(self, effects: list[do.Effect]) -> None:
        """Carry out what an event led to."""
        self.effect_runner.carry_out(effects, self.now)

    def commit(self) -> None:
        """Have the oldest commit that waits be durable, as the loop is told of it."""
        commit, operations = self.submitted.pop(0)
        self.store.apply(commit, operations)
        self.tell_committed(commit)

    def tell_committed(self, commit: Commit) -> None:
        """Tell both that it is durable."""
        self.effect_runner.on_committed(commit, self.now)
        self.carry(self.core.on_committed(self.now, commit))

    def settle(self) -> None:
        """Have all be durable."""
        while self.submitted:
            self.commit()

    def due(self) -> None:
        """Let time pass until the next deadline, and act on it."""
        self.t = max(self.t, self.core.next_deadline - BOOT_S)
        self.carry(self.core.on_deadline(self.now))

    def count(self, act: Callable[[], list[do.Effect]]) -> Cost:
        """Count an event with all that its effects cost, and its commit apart from the store.

        The next deadline is asked for as in a turn of the loop in which nothing else happens.
        """

        def run() -> None:
            self.carry(act())
            assert self.core.next_deadline < FOREVER

        before = len(self.submitted)
        cost = cost_of(run)
        for commit, operations in self.submitted[before:]:
            self.store.apply(commit, operations)
            after = cost_of(lambda commit=commit: self.tell_committed(commit))  # type: ignore[misc]
            cost = Cost(*(one + two for one, two in zip(cost, after, strict=True)))
        del self.submitted[before:]
        self.settle()
        return cost

    # -- people ---------------------------------------------------------------------------------

    def client(self) -> do.Client:
        """Give a new client."""
        self._clients += 1
        return do.Client(self._clients)

    def ask(self, client: do.Client, request: Request) -> list[do.Effect]:
        """Let a client ask."""
        return self.core.on_request(self.now, client, 0, "root", request)

    def request(self, target: str, kind: str = "glob") -> RunJob:
        """Give a command."""
        return RunJob(
            f"{self.chance.getrandbits(128):032x}",
            target,
            kind,  # type: ignore[arg-type]
            "cmd.run",
            msgspec.msgpack.encode([["true"], {}]),
            None,
            0.0,
            "",
            False,
            True,
        )

    def run(self, target: str) -> str:
        """Run something, and give its jid."""
        client = self.client()
        self.carry(self.ask(client, self.request(target)))
        self.settle()
        stored = self.told[client][0]
        assert isinstance(stored, JobStored), stored
        return stored.jid

    def enrol(
        self, key: MinionKey, name: str, token_id: str = "", where: int | None = None
    ) -> list[do.Effect]:
        """Let a new minion ask on the enrolment port."""
        request = EnrolRequest(
            1,
            2,
            "1.0",
            name,
            self.chance.randbytes(16),
            int(self.now.wall * 1e6),
            token_id,
            b"s" * 64 if token_id else b"",
        )
        number = int(key[:4], 16) if where is None else where
        address = f"10.1.{number >> 8 & 255}.{number & 255}"
        return self.core.on_enrolment(self.now, 1, key, address, request)


class Talker:
    """Says what one minion would say."""

    def __init__(self, rig: Rig, index: int) -> None:
        self.rig = rig
        self.index = index
        self.name = f"web{index}"
        self.key = key_of(index)
        self.sockets = 0
        self.session = 0
        self.beats = 0
        self.peer = do.Peer(b"")

    def say(self, message: FromMinion) -> list[do.Effect]:
        """Let the core hear it."""
        rig = self.rig
        return rig.core.on_message(rig.now, self.peer, self.key, "10.0.0.1", message)

    def do(self, message: FromMinion) -> list[Message]:
        """Say it, have everything be durable, and give what was sent back."""
        sent = self.rig.sent.setdefault(self.peer, [])
        before = len(sent)
        self.rig.carry(self.say(message))
        self.rig.settle()
        return sent[before:]

    def hello(self) -> Hello:
        """Open a new connection and greet on it."""
        self.sockets += 1
        self.peer = do.Peer(f"{self.index}-{self.sockets}".encode())
        return Hello(
            1,
            2,
            "1.0",
            f"{self.index:032x}",
            self.sockets,
            self.rig.chance.randbytes(16),
            f"{self.index + 1:032x}",
            "",
            "",
            0,
            "",
            1,
        )

    def take(self) -> None:
        """Take note of the Welcome that has come."""
        welcome = [each for each in self.rig.sent[self.peer] if isinstance(each, Welcome)][-1]
        self.session = welcome.session
        self.beats = 0

    def last_beat(self) -> int:
        """Give the number of the last beat of the master."""
        found = [each for each in self.rig.sent.get(self.peer, ()) if isinstance(each, MasterBeat)]
        return found[-1].number if found else 0

    def page(self) -> SyncPage:
        """Give the only page of SYNC."""
        return SyncPage(self.session, 0, True, ())

    def grains(self, more: str = "") -> Grains:
        """Give the grains, with something that is new."""
        body = msgspec.json.encode({"id": self.name, "os": "Debian", "roles": ["web"], "x": more})
        digest = hashlib.sha256(body).hexdigest()
        return Grains(self.session, digest, body, 1)

    def ack(self) -> TrustAck:
        """Say that the master's keys are kept."""
        return TrustAck(self.session, 1, "kept", 1, "")

    def log_in(self) -> None:
        """Do everything up to READY, and after it."""
        self.do(self.hello())
        self.take()
        assert any(isinstance(each, Trust) for each in self.rig.sent[self.peer])
        self.do(self.page())
        self.do(self.grains())
        self.do(self.ack())

    def beat(self) -> Beat:
        """Give the next beat."""
        self.beats += 1
        return Beat(self.session, self.beats, self.last_beat(), (), "")

    def accept(self, jid: str) -> Accepted:
        """Say that a job is on disk."""
        return Accepted(self.session, jid)

    def returned(self, jid: str, body: bytes = b"\xc3") -> Return:
        """Say how a job ended."""
        return Return(self.session, jid, "ok", 0, "", 1, 2, body, "", 0, False)

    def delivered(self) -> list[Deliver]:
        """Give the jobs that were sent on the present connection."""
        return [each for each in self.rig.sent[self.peer] if isinstance(each, Deliver)]


def key_of(index: int) -> MinionKey:
    """Give a key that is nobody else's."""
    return MinionKey(f"5a5a5a5a{index:08x}{'0' * 46}5a")


def _same(status: MasterStatus) -> MasterStatus:
    return status


class _Outside:
    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def send(self, peer: do.Peer, message: Message) -> Literal["", "gone", "full"]:
        self._rig.sent.setdefault(peer, []).append(message)
        return ""

    def disconnect(self, peer: do.Peer) -> None:
        """Leave it: the next event says that it has gone."""

    def submit(self, commit: Commit, operations: tuple[Operation, ...]) -> None:
        self._rig.submitted.append((commit, operations))

    def ask(self, question: do.Query | do.Fetch) -> bool:
        return True


class _Control:
    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def answer(self, client: do.Client, reply: Reply, now: Moment) -> None:
        self._rig.told.setdefault(client, []).append(reply)

    def has_room(self, client: do.Client) -> bool:
        return True

    def cut(self, client: do.Client, now: Moment) -> None:
        raise AssertionError(f"client {client} was cut off")


class _Enrolment:
    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def answer(self, handle: int, answer: EnrolAnswer) -> None:
        self._rig.enrolled[handle] = answer


class _Files:
    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def read(self, ticket: int, work: Work) -> None:
        self._rig.read.append((ticket, work))


class _Pillars:
    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def render(self, asked: Render, now: Moment) -> None:
        self._rig.rendered.append(asked)


class _Keys:
    def write(self, work: KeyWork) -> None:
        """Nothing is written."""


class _QuietLog(Log):
    def __init__(self) -> None:
        """Hold nothing."""
        self.level = Level.INFO

    def report(self, level: str, topic: str, text: str, **fields: object) -> None:
        """Leave it out."""

    def write(self, *_arguments: object) -> None:
        """Leave it out."""
