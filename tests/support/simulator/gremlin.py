"""Hands cores what may come at any time and must change nothing for the worse.

Late, repeated and senseless events; frames of other sessions, attempts and hosts; hints of the
transport that are wrong. Never a lie that only a broken peer could tell: nobody is told in the
present session that something is durable which is not.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from limpet.common.identifiers import Attempt, Commit, JobId, make_job_id
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.messages.fields import Message
from limpet.common.messages.jobs import BulkAck, Cancel, Deliver, ReturnAck
from limpet.common.messages.session import (
    Busy,
    Denied,
    Drain,
    MasterBeat,
    Regreet,
    SyncAnswer,
    SyncVerdict,
    Welcome,
)
from limpet.common.messages.sources import Offer, Piece
from limpet.minion.control.messages import AskSource, PullSource
from limpet.minion.core.machine import MinionCore
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.sessions.states import State
from support.simulator.checking import Scene
from support.simulator.minion_host import MinionHost
from support.simulator.watching import Watcher
from support.simulator.world import WALL_AT_START_S

REMEMBERED_MAX = 60
VISITS = {
    State.RESOLVING: (0.35, 1),
    State.CONNECTING: (0.35, 1),
    State.GREETING: (0.6, 1),
    State.WAITING: (1.0, 12),
    State.SYNCING: (0.7, 1),
    State.READY: (0.3, 2),
    State.BACKOFF: (0.3, 1),
    State.ENROLLING: (0.9, 2),
    State.PENDING: (1.0, 9),
    State.DENIED: (1.0, 12),
    State.STOPPED: (1.0, 8),
}
"""For each state: how often it is visited when a link enters it, and with how many events."""

ASK = AskSource("file", "base", "nobody-waits", b"", "")
PULL = PullSource("file", "base", "nobody-waits", "ab" * 32, 0)
CROSSED_SHARE = 0.15
"""How often a job is delivered once more just after its return was acknowledged."""

LINK_EVENTS = ("connected", "ready", "refused", "denied", "handshake_failed", "disconnected")
MESSAGES = (
    Welcome,
    Busy,
    Denied,
    Regreet,
    SyncAnswer,
    MasterBeat,
    Drain,
    Deliver,
    Cancel,
    ReturnAck,
    BulkAck,
    EnrolAnswer,
    Offer,
    Piece,
)
OTHERS = (
    "deadline",
    "resolved",
    "bad_frame",
    "proof_failed",
    "committed",
    "journal_trouble",
    "job_spawned",
    "job_spawn_failed",
    "job_ended",
    "output",
    "body",
    "grains",
    "refresh_grains",
    "local_run",
    "local_gone",
    "local_cancel",
    "local_question",
    "stop",
)
MINION_EVENTS: tuple[str, ...] = (
    *(f"link {event}" for event in LINK_EVENTS),
    *(message.__name__ for message in MESSAGES),
    *OTHERS,
)
"""All events of a minion's core, by the names under which they are counted."""


class MinionGremlin(Watcher):
    """Waits for states that are rare, and lets something happen in them."""

    def __init__(self, scene: Scene, end: float) -> None:
        self._scene = scene
        self._world = scene.world
        self._chance = scene.world.chance
        self._end = end
        self._states: dict[str, State] = {}
        self._heard: dict[str, deque[Message]] = {}

    def on_minion_heard(self, host: MinionHost, message: Message) -> None:
        heard = self._heard.setdefault(host.name, deque(maxlen=REMEMBERED_MAX))
        if not isinstance(message, MasterBeat):
            heard.append(message)
        if isinstance(message, ReturnAck) and self._chance.random() < CROSSED_SHARE:
            self._cross(host, message.jid)

    def _cross(self, host: MinionHost, jid: str) -> None:
        """Let a Deliver come that was sent again just before the return was there."""
        asked = [
            each for each in self._heard[host.name] if isinstance(each, Deliver) and each.jid == jid
        ]
        if asked and self._world.t < self._end:
            attempt = host.the_core.link.attempt
            host.step_later(0.001, lambda core: core.on_message(host.now(), attempt, asked[-1]))

    def on_minion_step(self, host: MinionHost) -> None:
        state = host.the_core.state
        if self._states.get(host.name) is state or self._world.t >= self._end:
            return
        self._states[host.name] = state
        chance = self._chance
        share, events = VISITS.get(state, (0.0, 0))
        if chance.random() < share:
            for _ in range(events):
                delay_s = chance.choice((0.0, 0.0, 0.002, 0.1, 2.0)) * chance.random()
                self._world.later(delay_s, lambda: self.act(host))

    def act(self, host: MinionHost) -> None:
        """Let one random event happen on a host."""
        if not host.is_alive or self._world.t >= self._end:
            return
        event = self._chance.choice(MINION_EVENTS)
        self._world.note("gremlin", f"{host.name}: {event}")
        if event == "stop":
            host.stop_and_start(self._chance.uniform(0.1, 2.0))
        elif event == "local_run":
            host.run_locally(self._chance.choice((0.0, 1.0)))
        else:
            host.step(lambda core: self._inject(host, core, event))

    def _inject(self, host: MinionHost, core: MinionCore, event: str) -> list[Any]:
        now, attempt, jid = host.now(), self._attempt(core), self._old_jid(core)
        chance = self._chance
        if event.startswith("link "):
            return core.on_link(now, attempt, event.removeprefix("link "))  # type: ignore[arg-type]
        if event not in OTHERS:
            return self._say(host, core, event)
        acts: dict[str, Callable[[], list[Any]]] = {
            "deadline": lambda: core.on_deadline(now),
            "resolved": lambda: core.on_resolved(
                now, attempt, chance.choice(((), ("192.0.2.1",), ("2001:db8::1", "192.0.2.1")))
            ),
            "bad_frame": lambda: core.on_bad_frame(now, attempt, "bad_schema"),
            "proof_failed": lambda: core.on_proof_failed(now, attempt, "a child died"),
            "committed": lambda: core.on_committed(now, Commit(chance.randint(0, host.committed))),
            "journal_trouble": lambda: self._trouble(host, core),
            "job_spawned": lambda: core.on_job_spawned(now, jid, 99, 1),
            "job_spawn_failed": lambda: core.on_job_spawn_failed(now, jid, "late"),
            "job_ended": lambda: core.on_job_ended(
                now, jid, WorkerResult("failed", 1, "not the first word")
            ),
            "output": lambda: core.on_output(now, jid, b"late\n", 3),
            "body": lambda: core.on_body(now, jid, 12_345, b"x"),
            "grains": lambda: core.on_grains(now, b'{"a": 1}', "11" * 32, ""),
            "refresh_grains": lambda: core.on_refresh_grains(now),
            "local_gone": lambda: core.on_local_gone(now, 1),
            "local_cancel": lambda: self._cancel_here(host, core),
            "local_question": lambda: core.on_local_question(now, 1, chance.choice((ASK, PULL))),
        }
        return acts[event]()

    def _attempt(self, core: MinionCore) -> Attempt:
        present = core.link.attempt
        return Attempt(self._chance.choice((present, present, present - 1, 0, present + 7)))

    def _old_jid(self, core: MinionCore) -> JobId:
        """Give a job of which no first word is awaited any more, or that nobody knows."""
        known = list(core.job_table.registry.finished)
        return self._chance.choice([*known[-3:], self._new_jid()])

    def _new_jid(self) -> JobId:
        jid = make_job_id(WALL_AT_START_S + self._world.t, self._chance)
        self._scene.truth.forged.add(jid)
        return jid

    def _trouble(self, host: MinionHost, core: MinionCore) -> list[Any]:
        host.step_later(0.5, lambda core: core.on_journal_trouble(host.now(), ""))
        return core.on_journal_trouble(host.now(), "disk full")

    def _cancel_here(self, host: MinionHost, core: MinionCore) -> list[Any]:
        jid = self._chance.choice([*core.job_table.registry.live, self._new_jid()])
        self._scene.truth.cancelled_by_others.add(jid)
        return core.on_local_cancel(host.now(), jid)

    def _say(self, host: MinionHost, core: MinionCore, name: str) -> list[Any]:
        """Repeat a frame of before, or bring one of a session that is not the present one."""
        kind = next(each for each in MESSAGES if each.__name__ == name)
        old = [each for each in self._heard.get(host.name, ()) if type(each) is kind]
        session = core.link.session
        present = 0 if session is None else session.line.session
        if old and self._chance.random() < 0.6:
            message: Message = self._chance.choice(old)
        else:
            message = self._make(core, kind, present)
        return core.on_message(host.now(), self._attempt(core), message)  # type: ignore[arg-type]

    def _make(self, core: MinionCore, kind: type[Message], present: int) -> Message:
        chance = self._chance
        other = chance.getrandbits(52) or 1
        any_session = chance.choice((other, present or other))
        nonce, digest = chance.randbytes(16), "ab" * 32
        live = [*core.job_table.registry.live, self._new_jid()]
        makers: dict[type[Message], Callable[[], Message]] = {
            Welcome: lambda: Welcome(
                other, nonce, 1, "9", "web1", 5_000_000, 3, "f" * 32, 1, 0, True, 10**9, 10**6
            ),
            Busy: lambda: Busy(nonce, 1_000_000),
            Denied: lambda: Denied(
                nonce,
                chance.choice(("unknown_key", "rejected", "cloned", "protocol", "stopping")),
                "",
                0,
            ),
            Regreet: lambda: Regreet(any_session),
            SyncAnswer: lambda: SyncAnswer(other, 0, (SyncVerdict(chance.choice(live), "cancel"),)),
            # A number that the master never said is a lie: the echo of it would be one as well.
            MasterBeat: lambda: MasterBeat(
                any_session,
                0 if any_session == present else chance.getrandbits(20),
                chance.choice((0, 2**40)),
                0,
                0,
            ),
            Drain: lambda: Drain(any_session, 100_000, 1_000_000),
            Deliver: lambda: Deliver(
                other,
                self._new_jid(),
                "cmd.run",
                msgspec.msgpack.encode([[], {"seconds": 0.1}]),
                2**50,
                0,
                False,
                "mallory",
            ),
            Cancel: lambda: (
                Cancel(other, chance.choice(live))
                if chance.random() < 0.5
                else Cancel(any_session, self._new_jid())
            ),
            ReturnAck: lambda: ReturnAck(any_session, chance.choice(live)),
            BulkAck: lambda: BulkAck(any_session, chance.choice(live), digest, 0),
            Offer: lambda: Offer(other, chance.randint(1, 9), True, digest, 1, b"", b"x", True, ""),
            Piece: lambda: Piece(other, chance.randint(1, 9), 0, b"x", ""),
            EnrolAnswer: lambda: EnrolAnswer(
                nonce, chance.choice(("accepted", "pending", "refused")), 0, ""
            ),
        }
        return makers[kind]()
