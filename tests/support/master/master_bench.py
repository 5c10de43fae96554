"""A master's core on a bench: its effects carried out on a model store, one step after the other.

Commits are durable at once unless `disk_is_slow`; what waits for a commit is held back as a shell
would do. `MinionOnBench` says by hand what a minion would say.
"""

import hashlib
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from limpet.common.clock import Instant, Moment
from limpet.common.control.replies import (
    Event,
    JobStored,
    JobUpdate,
    MinionResult,
    Reply,
)
from limpet.common.control.requests import Request, RunJob, TargetKind
from limpet.common.identifiers import Commit, JobId, MinionId, MinionKey
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.messages.fields import Message
from limpet.common.messages.jobs import Accepted, Deliver, Outcome, Return, Started
from limpet.common.messages.session import (
    Beat,
    Hello,
    MasterBeat,
    SyncAnswer,
    SyncEntry,
    SyncPage,
    Welcome,
)
from limpet.common.wire.codec import FromMinion
from limpet.master.core import effects as do
from limpet.master.core.machine import MasterCore
from limpet.master.core.settings import MasterSettings
from limpet.master.events.tags import return_event
from limpet.master.jobs.delivery import shown_status
from limpet.master.master_keys.announced import Announced
from limpet.master.master_keys.key_work import KeyWork
from limpet.master.pillar.messages import Rendered
from limpet.master.store.operations import DeliveryRow, JobRow, KeyRow
from support.master.store_model import StoreModel

WALL_S = 1_700_000_000.0
BOOT_S = 1_000.0


class AnyProof:
    """A verifier that takes one signature for good."""

    master_key = b"m" * 32

    def verifier_of(self, secret: bytes) -> bytes:
        """Give the verifier of a secret."""
        return hashlib.sha256(secret).digest()

    def verify(self, verifier: bytes, message: bytes, signature: bytes) -> bool:
        """Say whether the signature is the good one."""
        return signature == b"s" * 64


@dataclass
class Bench:
    """One master and all that it said."""

    names: Iterable[str] = ()
    settings: MasterSettings = field(default_factory=MasterSettings)
    store: StoreModel = field(default_factory=StoreModel)
    disk_is_slow: bool = False
    t: float = 0.0
    seed: int = 1
    announced: Announced | None = None

    def __post_init__(self) -> None:
        for name in self.names:
            key = key_of(name)
            self.store.keys[key] = KeyRow(key, MinionId(name), "accepted", WALL_S, "", "", WALL_S)
        self.boot()

    def boot(self) -> None:
        """Start a master on what the store holds, forgetting all that was said."""
        self.sent: list[tuple[do.Peer, Message]] = []
        self.answers: dict[int, list[Reply]] = {}
        self.events: list[Event] = []
        self.counts: list[str] = []
        self.reports: list[do.Report] = []
        self.renders: list[do.Render] = []
        self.key_work: list[KeyWork] = []
        self.is_afresh = False
        self.disconnected: list[do.Peer] = []
        self.enrolled: dict[int, EnrolAnswer] = {}
        self.subscribed: list[int] = []
        self.persisted: list[do.Persist] = []
        self.waiting: list[do.Persist] = []
        self.held: list[do.Effect] = []
        self.seed += 1
        self.core = MasterCore(
            self.settings,
            self.store.snapshot(self.now.wall),
            now=self.now,
            chance=random.Random(self.seed),
            verifier=AnyProof(),
            announced=self.announced,
        )
        self.carry_out(self.core.start(self.now))

    def crash(self, down_s: float = 0.0) -> None:
        """Kill the master: what was not durable is gone. It comes back after `down_s`."""
        self.t += down_s
        self.boot()

    def told(self, commit: int) -> int:
        """Give the number by which minions are told of a commit."""
        return self.core._identity.told(commit)

    @property
    def now(self) -> Moment:
        """The time of the bench."""
        return Moment(Instant(BOOT_S + self.t), WALL_S + self.t)

    # -- effects ------------------------------------------------------------------------------

    def carry_out(self, effects: list[do.Effect]) -> None:
        """Do as the shell does."""
        for effect in effects:
            if getattr(effect, "after", 0) > self.store.commit:
                self.held.append(effect)
            else:
                self._do(effect)
        assert self.core.next_deadline < 1e12, "a state without a deadline"
        if not self.disk_is_slow:
            self.commit()

    def commit(self, upto: int | None = None) -> None:
        """Make commits durable, all or the first ones, and do what waited for them."""
        while self.waiting and (upto is None or self.waiting[0].commit <= upto):
            persist = self.waiting.pop(0)
            self.store.apply(persist.commit, persist.operations)
            due = [each for each in self.held if getattr(each, "after", 0) <= self.store.commit]
            self.held = [each for each in self.held if each not in due]
            for effect in due:
                self._do(effect)
            self.carry_out(self.core.on_committed(self.now, Commit(persist.commit)))

    def _do(self, effect: do.Effect) -> None:
        match effect:
            case do.Persist():
                self.persisted.append(effect)
                self.waiting.append(effect)
            case do.Send(peer=peer, message=message):
                self.sent.append((peer, message))
            case do.Disconnect(peer=peer):
                self.disconnected.append(peer)
            case do.Answer(client=client, reply=reply):
                self.answers.setdefault(client, []).append(reply)
            case do.Query(client=client, request=request):
                self.answers.setdefault(client, []).extend(self.store.answer(request))
            case do.Fetch(client=client, jid=jid, minion=minion):
                self.answers.setdefault(client, []).append(self.store.fetch(jid, minion))
            case do.AnswerEnrolment(handle=handle, answer=answer):
                self.enrolled[handle] = answer
            case do.Subscribe(client=client):
                self.subscribed.append(client)
            case do.Publish(event=event):
                self.events.append(event)
            case do.DeliveryEnded():
                self.events.append(return_event(effect))
            case do.Count(reason=reason):
                self.counts.append(reason)
            case do.Report():
                self.reports.append(effect)
            case do.Render():
                self.renders.append(effect)
            case do.WriteKeys(work=work):
                self.key_work.append(work)
            case do.StartAfresh():
                self.is_afresh = True

    # -- events -------------------------------------------------------------------------------

    def render(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        number: int = 0,
        errors: Iterable[str] = (),
        is_usual: bool = True,
    ) -> do.Render:
        """Answer a rendering that is under way, the oldest one if no number is given."""
        asked = next(each for each in self.renders if number in (0, each.number))
        self.renders.remove(asked)
        body = msgspec.msgpack.encode({"data": dict(data or {}), "errors": list(errors)})
        digest = hashlib.sha256(body).hexdigest()
        rendered = Rendered(asked.number, body, digest, is_usual, bool(errors), ())
        self.carry_out(self.core.on_rendered(self.now, rendered))
        return asked

    def advance(self, seconds: float) -> None:
        """Let time pass, ringing every deadline on the way."""
        end = self.t + seconds
        for _ in range(100_000):
            due = self.core.next_deadline - BOOT_S
            if due > end:
                break
            self.t = max(self.t, due)
            self.carry_out(self.core.on_deadline(self.now))
        else:
            raise AssertionError("deadlines that never end")
        self.t = end

    def hear(self, peer: do.Peer, key: MinionKey, message: FromMinion) -> list[Message]:
        """Let a minion say something. Gives what is sent to it at once."""
        before = len(self.sent)
        self.carry_out(self.core.on_message(self.now, peer, key, "192.0.2.7", message))
        return [each for to, each in self.sent[before:] if to == peer]

    def ask(self, client: int, request: Request, uid: int = 0) -> list[Reply]:
        """Let a client ask. Gives what it is told at once."""
        before = len(self.answers.get(client, ()))
        self.carry_out(self.core.on_request(self.now, do.Client(client), uid, "root", request))
        return self.answers.get(client, [])[before:]

    def run(
        self,
        target: str = "*",
        *,
        client: int = 1,
        kind: TargetKind = "glob",
        ttl_s: float | None = None,
        batch: str = "",
        request_id: str = "",
        is_streamed: bool = False,
        is_followed: bool = True,
    ) -> JobStored:
        """Let a client run a job. Gives the answer, which must be that it is stored."""
        replies = self.ask(
            client,
            self.request(
                target,
                kind=kind,
                ttl_s=ttl_s,
                batch=batch,
                request_id=request_id,
                is_streamed=is_streamed,
                is_followed=is_followed,
            ),
        )
        assert isinstance(replies[0], JobStored), replies
        return replies[0]

    def request(
        self,
        target: str = "*",
        *,
        kind: TargetKind = "glob",
        ttl_s: float | None = None,
        batch: str = "",
        request_id: str = "",
        is_streamed: bool = False,
        is_followed: bool = True,
    ) -> RunJob:
        """Give a request to run something, with a request id of its own if none is given."""
        if not request_id:
            self.seed += 1
            request_id = f"{self.seed:032x}"
        return RunJob(
            request_id,
            target,
            kind,
            "cmd.run",
            msgspec.msgpack.encode([["true"], {}]),
            ttl_s,
            0.0,
            batch,
            is_streamed,
            is_followed,
        )

    def delivery(self, jid: str, minion: str) -> DeliveryRow:
        """Give what is on disk of one delivery."""
        return self.store.deliveries[JobId(jid)][MinionId(minion)]

    def job(self, jid: str) -> JobRow:
        """Give what is on disk of a job."""
        return self.store.jobs[JobId(jid)]

    def statuses(self, jid: str) -> dict[str, str]:
        """Give what the store says of a job."""
        rows = self.store.deliveries[JobId(jid)]
        return {minion: shown_status(row.state) for minion, row in sorted(rows.items())}

    def updates(self, client: int = 1) -> list[MinionResult]:
        """Give the updates that a client was told."""
        return [each.result for each in self.answers.get(client, ()) if isinstance(each, JobUpdate)]

    def messages(self, peer: do.Peer, kind: type[Message]) -> list[Message]:
        """Give all messages of a type that were sent to a connection."""
        return [each for to, each in self.sent if to == peer and isinstance(each, kind)]


def key_of(name: str) -> MinionKey:
    """Give the key of a minion on the bench."""
    return MinionKey(hashlib.sha256(name.encode()).hexdigest())


class MinionOnBench:
    """Says what one minion would say, when it is told to."""

    def __init__(self, bench: Bench, name: str, *, host: str = "", journal: str = "") -> None:
        self.bench = bench
        self.name = name
        self.key = key_of(name)
        self.boot_id = hashlib.md5((host or name).encode()).hexdigest()
        self.journal_id = hashlib.md5((journal or f"journal {name}").encode()).hexdigest()
        self.store_id = ""
        self.store_commit = 0
        self.session = 0
        self.sockets = 0
        self.protocol = 1
        self.peer = do.Peer(b"")
        self.beats = 0
        self.heard_beat = 0

    def hello(self) -> Hello:
        """Open a new socket and give the Hello for it."""
        self.sockets += 1
        self.peer = do.Peer(f"{self.boot_id[:4]}-{self.name}-{self.sockets}".encode())
        return self.greeting()

    def greeting(self) -> Hello:
        """Give a Hello for the present socket."""
        self.bench.seed += 1
        return Hello(
            1,
            self.protocol,
            "1.0",
            self.boot_id,
            int((BOOT_S + self.bench.t) * 1e6) + self.sockets,
            self.bench.seed.to_bytes(16, "big"),
            self.journal_id,
            "",
            self.store_id,
            self.store_commit,
            "",
            1,
        )

    def say(self, message: FromMinion) -> list[Message]:
        """Say something on the present socket."""
        return self.bench.hear(self.peer, self.key, message)

    def greet(self) -> list[Message]:
        """Greet on a new socket."""
        answers = self.say(self.hello())
        self.take(answers)
        return answers

    def take(self, answers: list[Message]) -> None:
        """Take note of a Welcome among the answers."""
        for answer in answers:
            if isinstance(answer, Welcome):
                self.session = answer.session
                self.store_id, self.store_commit = answer.store_id, answer.store_commit
                self.beats = self.heard_beat = 0

    def sync(self, *entries: SyncEntry) -> SyncAnswer:
        """Say all that it holds, on one page."""
        answers = self.say(SyncPage(self.session, 0, True, entries))
        answer = next(each for each in answers if isinstance(each, SyncAnswer))
        return answer

    def connect(self, *entries: SyncEntry) -> SyncAnswer:
        """Greet and sync."""
        self.greet()
        return self.sync(*entries)

    def beat(self, *running: str, condition: str = "") -> list[Message]:
        """Beat, echoing the last beat of the master that it was sent."""
        for message in self.bench.messages(self.peer, MasterBeat):
            assert isinstance(message, MasterBeat)
            if message.session == self.session:
                self.heard_beat = max(self.heard_beat, message.number)
                self.store_commit = max(self.store_commit, message.store_commit)
        self.beats += 1
        return self.say(Beat(self.session, self.beats, self.heard_beat, running, condition))

    def accept(self, jid: str) -> list[Message]:
        """Say that a job is on disk."""
        return self.say(Accepted(self.session, jid))

    def begin(self, jid: str) -> list[Message]:
        """Say that a job runs."""
        return self.say(Started(self.session, jid, int((WALL_S + self.bench.t) * 1e6)))

    def finish(
        self, jid: str, outcome: Outcome = "ok", body: bytes = b"\xc3", error: str = ""
    ) -> list[Message]:
        """Say how a job ended."""
        return self.say(self.returned(jid, outcome, body, error))

    def returned(
        self, jid: str, outcome: Outcome = "ok", body: bytes = b"\xc3", error: str = ""
    ) -> Return:
        """Give the Return of a job."""
        return Return(
            self.session or 1,
            jid,
            outcome,
            0 if outcome == "ok" else 1,
            error,
            1,
            2,
            body,
            "",
            0,
            False,
        )


def ready(*names: str, settings: MasterSettings | None = None) -> tuple[Bench, list[MinionOnBench]]:
    """Give a bench with minions that are READY."""
    bench = Bench(names, settings=settings or MasterSettings())
    minions = [MinionOnBench(bench, name) for name in names]
    for minion in minions:
        minion.connect()
    return bench, minions


def keep_alive(bench: Bench, minions: list[MinionOnBench], seconds: float) -> None:
    """Let time pass while the minions beat."""
    left = seconds
    while left > 0:
        bench.advance(min(4.0, left))
        left -= 4.0
        for minion in minions:
            minion.beat()


def delivers(bench: Bench, minion: MinionOnBench) -> list[Deliver]:
    """Give the jobs that were sent to the minion's present connection."""
    return [each for each in bench.messages(minion.peer, Deliver) if isinstance(each, Deliver)]
