"""Brings the master frames that are late, repeated, or of a session that is over.

Words are repeated as they were said, from the connection that they came by or from one that nobody
knows: what old connections still held arrives after newer ones have spoken. Jobs that a minion
speaks of by itself are in sessions that are over, and so must be ignored.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from limpet.common.control.requests import CancelJob
from limpet.common.identifiers import JobId, MinionKey, make_job_id
from limpet.common.messages.enrolment import EnrolRequest
from limpet.common.messages.jobs import (
    Accepted,
    BulkChunk,
    BulkOffer,
    CancelAnswer,
    Output,
    Return,
    Started,
)
from limpet.common.messages.session import Beat, Grains, Hello, SyncEntry, SyncPage
from limpet.common.messages.sources import Ask, Pull
from limpet.common.wire.codec import FromMinion
from limpet.master.core import effects as do
from limpet.master.core.machine import MasterCore
from limpet.master.store.operations import DeliveryRow, PutDelivery
from support.simulator.checking import Scene
from support.simulator.master_host import ADDRESS
from support.simulator.minion_host import MinionHost
from support.simulator.network import Connection, Weather
from support.simulator.watching import Watcher
from support.simulator.world import WALL_AT_START_S

REMEMBERED_MAX = 40
STRANGER = MinionKey("ee" * 32)

MESSAGES = (
    Hello,
    Beat,
    SyncPage,
    Grains,
    Accepted,
    Started,
    Return,
    BulkOffer,
    BulkChunk,
    CancelAnswer,
    Output,
    Ask,
    Pull,
)
AT_ONCE = (BulkOffer, BulkChunk, Return)
"""What is sometimes said twice, one time just after the other."""
JOB_EVENTS = (
    "Accepted",
    "Started",
    "Return",
    "BulkOffer",
    "BulkChunk",
    "CancelAnswer",
    "Output",
    "SyncPage",
    "SyncPage",
    "SyncPage",
    "CancelJob",
)
"""Events that are about one job."""
RARE = {
    "created": 0.15,
    "bound": 0.15,
    "accepted": 0.5,
    "interrupted": 40.0,
    "refused": 24.0,
    "expired": 9.0,
    "lost": 12.0,
    "offline": 8.0,
    "cancelled": 2.0,
    "failed": 2.0,
    "ok": 1.0,
}
"""States of deliveries that are spoken of as soon as they are entered, and how often."""
MASTER_EVENTS: tuple[str, ...] = (
    *(message.__name__ for message in MESSAGES),
    "bad_frame",
    "peer_gone",
    "send_failed",
    "enrolment",
    "CancelJob",
)
"""Events of the master that are about one minion, by the names under which they are counted."""


class MasterGremlin(Watcher):
    """Lets something happen to the master every now and then."""

    def __init__(self, scene: Scene, end: float, every_s: float) -> None:
        self._scene = scene
        self._world = scene.world
        self._chance = scene.world.chance
        self._end = end
        self._every_s = every_s
        self._said: dict[str, dict[type, deque[tuple[bytes, FromMinion]]]] = {}
        self._world.later(1.0, self._tick)

    def on_master_heard(
        self, connection: Connection, message: FromMinion, effects: list[do.Effect]
    ) -> None:
        by_kind = self._said.setdefault(connection.key, {})
        said = by_kind.setdefault(type(message), deque(maxlen=REMEMBERED_MAX))
        said.append((connection.peer, message))
        is_first = connection.number > 0 and self._world.t < self._end
        if is_first and isinstance(message, AT_ONCE) and self._chance.random() < 0.05:
            key, peer, weather = connection.key, do.Peer(connection.peer), connection.weather
            self._world.later(
                self._chance.random() * 0.01,
                lambda: self._scene.master.step(
                    lambda core: self._bring(core, key, peer, weather, message)
                ),
            )

    def on_master_effect(self, effect: do.Effect) -> None:
        """Speak of a delivery whose state is rare while it is still in memory."""
        if not isinstance(effect, do.Persist) or self._world.t >= self._end:
            return
        for operation in effect.operations:
            if isinstance(operation, PutDelivery) and operation.row.state in RARE:
                row = operation.row
                share = RARE[row.state]
                for _ in range(int(share) + (self._chance.random() < share % 1)):
                    delay_s = self._chance.choice((0.0, 0.0, 0.05, 2.0)) * self._chance.random()
                    self._world.later(delay_s, partial(self._speak_of, row))

    def _speak_of(self, row: DeliveryRow) -> None:
        host = next(
            (each for each in self._scene.minions if each.settings.minion_id == row.minion), None
        )
        if host is None or not self._scene.master.is_alive or self._world.t >= self._end:
            return
        event = self._chance.choice(JOB_EVENTS)
        if row.state == "expired" and self._chance.random() < 0.3:
            event = "Return"
        found: MinionHost = host
        self._scene.master.step(lambda core: self._inject(core, found, found.key, event, row.jid))

    def _tick(self) -> None:
        if self._world.t >= self._end:
            return
        self._world.later(self._every_s * self._chance.uniform(0.2, 1.8), self._tick)
        if self._scene.master.is_alive:
            self.act()

    def act(self) -> None:
        """Let one random event happen."""
        core = self._scene.master.core
        assert core is not None
        hosts = self._scene.minions
        away = [host for host in hosts if self._presence(core, host) != "ready"]
        host = self._chance.choice(away if away and self._chance.random() < 0.7 else hosts)
        key = STRANGER if self._chance.random() < 0.03 else host.key
        event = self._chance.choice(MASTER_EVENTS)
        self._world.note("gremlin", f"master: {event} of {host.name}")
        self._scene.master.step(lambda core: self._inject(core, host, key, event))

    @staticmethod
    def _presence(core: MasterCore, host: MinionHost) -> str:
        minion = core._registry.by_key.get(host.key)
        return "no minion" if minion is None else minion.presence

    def _inject(
        self,
        core: MasterCore,
        host: MinionHost,
        key: MinionKey,
        event: str,
        about: JobId | None = None,
    ) -> list[do.Effect]:
        now, peer = self._scene.master.clock.now(), self._peer(core, key)
        acts: dict[str, Callable[[], list[do.Effect]]] = {
            "bad_frame": lambda: core.on_bad_frame(now, peer, key, "bad_schema"),
            "peer_gone": lambda: core.on_peer_gone(now, peer),
            "send_failed": lambda: core.on_send_failed(
                now, peer, self._chance.choice(("gone", "full"))
            ),
            "enrolment": lambda: core.on_enrolment(now, 10**9, key, ADDRESS, self._request(host)),
        }
        act = acts.get(event)
        if act is not None:
            return act()
        if event == "CancelJob":
            return self._cancel(core, about or self._jid(core, host))
        kind = next(each for each in MESSAGES if each.__name__ == event)
        repeated = self._repeat(core, host, key, kind, about)
        if repeated is not None:
            from_peer, message = repeated
            peer = do.Peer(from_peer) if self._chance.random() < 0.8 else peer
        elif kind is Hello:
            return core.on_bad_frame(now, peer, key, "bad_schema")  # a Hello can't be made up
        else:
            message = self._make(kind, about or self._jid(core, host))
        return self._bring(core, key, peer, host.weather, message)

    def _bring(
        self, core: MasterCore, key: MinionKey, peer: do.Peer, weather: Weather, message: FromMinion
    ) -> list[do.Effect]:
        """Let the master hear a message, whatever has become of the connection that it names."""
        connection = Connection(
            number=0,
            key=key,
            peer=peer,
            weather=weather,
            to_master=lambda _frame: None,
            to_minion=lambda _frame: None,
            tell_minion=lambda _what: None,
            tell_master=lambda: None,
        )
        return self._scene.master.hear(core, connection, message)

    def _peer(self, core: MasterCore, key: MinionKey) -> do.Peer:
        """Pick the present connection, or one that nobody knows."""
        minion = core._registry.by_key.get(key)
        session = None if minion is None else minion.session
        if session is not None and self._chance.random() < 0.5:
            return session.peer
        return do.Peer(self._chance.randbytes(5))

    def _request(self, host: MinionHost) -> EnrolRequest:
        return EnrolRequest(1, 1, "1", host.settings.minion_id, bytes(16), 0, "", b"")

    def _repeat(
        self,
        core: MasterCore,
        host: MinionHost,
        key: MinionKey,
        kind: type,
        about: JobId | None,
    ) -> tuple[bytes, FromMinion] | None:
        """Pick something that was said before; jobs in states that are rare as often as others."""
        said = self._said.get(key, {}).get(kind)
        if about is not None:
            exact = [each for each in said or () if getattr(each[1], "jid", "") == about]
            return self._chance.choice(exact) if exact else None
        if not said or self._chance.random() < 0.3:
            return None
        by_state: dict[str, list[tuple[bytes, FromMinion]]] = {}
        for each in said:
            jid = getattr(each[1], "jid", "")
            by_state.setdefault(self._state(core, host, jid), []).append(each)
        return self._chance.choice(by_state[self._chance.choice(sorted(by_state))])

    @staticmethod
    def _state(core: MasterCore, host: MinionHost, jid: str) -> str:
        found = core._job_table.find(jid, host.settings.minion_id)
        return "" if found is None else found[1].state

    def _jid(self, core: MasterCore, host: MinionHost) -> JobId:
        """Pick a job of this minion, each state as often as the others, or one nobody knows."""
        by_state: dict[str, list[JobId]] = {
            "unknown": [make_job_id(WALL_AT_START_S + self._world.t, self._chance)]
        }
        for jid, rows in self._scene.master.store.deliveries.items():
            if host.settings.minion_id in rows:
                by_state.setdefault(self._state(core, host, jid), []).append(jid)
        return self._chance.choice(by_state[self._chance.choice(sorted(by_state))])

    def _cancel(self, core: MasterCore, jid: JobId) -> list[do.Effect]:
        """Let somebody cancel a job, whatever has become of it."""
        self._scene.truth.cancelled_by_others.add(jid)
        client = do.Client(10**9)
        return core.on_request(self._scene.master.clock.now(), client, 0, "root", CancelJob(jid))

    def _entry(self, jid: JobId) -> SyncEntry:
        return SyncEntry(jid, self._chance.choice(("accepted", "running", "finished")))

    def _make(self, kind: type, jid: JobId) -> FromMinion:
        """Make a message of a session that is over; a return is of a job that nobody knows."""
        session = self._chance.getrandbits(52) or 1
        digest = "cd" * 32
        unknown = make_job_id(WALL_AT_START_S + self._world.t, self._chance)
        makers: dict[type, Callable[[], Any]] = {
            Beat: lambda: Beat(session, 1, 0, (), ""),
            SyncPage: lambda: SyncPage(session, 0, True, (self._entry(jid),)),
            Grains: lambda: Grains(session, digest, b"{}", 0),
            Accepted: lambda: Accepted(session, jid),
            Started: lambda: Started(session, jid, 0),
            Return: lambda: Return(session, unknown, "ok", 0, "", 0, 0, b"x", "", 0, False),
            BulkOffer: lambda: BulkOffer(session, jid, digest, 500_000),
            BulkChunk: lambda: BulkChunk(session, jid, digest, 77, b"x"),
            CancelAnswer: lambda: CancelAnswer(session, jid, "cancelled"),
            Output: lambda: Output(session, jid, 0, b"x", 0),
            Ask: lambda: Ask(session, 1, "file", "base", "large", b"", "", 1000),
            Pull: lambda: Pull(session, 1, "file", "base", "large", digest, 0, 1000),
        }
        message: FromMinion = makers[kind]()
        return message
