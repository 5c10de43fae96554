"""The whole master as one machine: events in, effects out.

It composes: who is trusted decides `enrolment`, who is there `sessions`, what becomes of jobs
`jobs`, what clients ask `requests`. Here events are handed to the one that they concern, all that
one event changes becomes one commit, and `next_deadline` is the earliest of all deadlines.

It reads no clock, never sleeps or logs, and touches neither sockets nor disks; its contract is
`docs/protocol.md`.
"""

import random
from collections.abc import Callable, Iterable
from typing import Final, Literal

from limpet.common.clock import Instant, Moment, to_micros
from limpet.common.control.replies import MasterStatus
from limpet.common.control.requests import Request
from limpet.common.identifiers import Commit, MinionId, MinionKey
from limpet.common.messages.enrolment import EnrolRequest
from limpet.common.messages.session import Drain
from limpet.common.wire.codec import FromMinion
from limpet.master.core.dispatch import Dispatcher
from limpet.master.core.effects import AnswerEnrolment, Client, Effect, Peer, StartAfresh
from limpet.master.core.key_changes import KeyChanges
from limpet.master.core.port_events import BadFrame, PeerLeft, PortEvent, Received
from limpet.master.core.settings import Changes, MasterSettings
from limpet.master.core.step import Step
from limpet.master.core.store_identity import RESTORED_NOTE, StoreIdentity
from limpet.master.core.timers import Timers
from limpet.master.enrolment.authority import EnrolmentAuthority
from limpet.master.enrolment.tokens import Verifier
from limpet.master.events.tags import master_event
from limpet.master.files.reads import Result
from limpet.master.files.requests import FileRequests
from limpet.master.jobs.job_table import JobTable
from limpet.master.jobs.presence import PresenceChanges
from limpet.master.jobs.reports import JobReports
from limpet.master.master_keys.announced import Announced
from limpet.master.master_keys.announcements import Announcements
from limpet.master.master_keys.key_work import KeysWritten
from limpet.master.master_keys.rotation import MasterRotation
from limpet.master.pillar.messages import Rendered
from limpet.master.pillar.requests import PillarRequests
from limpet.master.requests.context import Caller
from limpet.master.requests.dispatch import Requests
from limpet.master.sessions.greeting import Greeter
from limpet.master.sessions.minion import Minion
from limpet.master.sessions.registry import Due, MinionRegistry
from limpet.master.sessions.session import SessionHandler
from limpet.master.store.operations import PutNote, Snapshot

DUE_AT_ONCE_MAX: Final = 500
"""Deadlines acted on in one turn; the rest are due at once in the next."""
DRAIN_BACK_S: Final = 0.5


class MasterCore:
    """The master's decisions. Each `on_…` gives the effects, to be carried out in order."""

    def __init__(
        self,
        settings: MasterSettings,
        snapshot: Snapshot,
        *,
        now: Moment,
        chance: random.Random,
        verifier: Verifier,
        announced: Announced | None = None,
    ) -> None:
        """Begin with what the store holds; nothing is sent before `start`.

        `announced`: what minions are told of this master's keys; None: nothing.
        """
        self._settings = settings
        self._sources = FileRequests(settings.sources)
        self._commit = Commit(snapshot.commit)
        self._durable = Commit(snapshot.commit)
        self._rejected: dict[str, int] = {}
        self._wall_high_s = _number(snapshot.notes.get("wall_high_s", ""))
        self._timers: Timers[Due] = Timers()
        minions: dict[MinionId, Minion] = {}
        authority = EnrolmentAuthority(snapshot, now=now, chance=chance, verifier=verifier)
        self._authority = authority

        def grains_of(key: MinionKey) -> bytes:
            row = authority.row(key)
            return b"" if row is None else row.grains

        self._pillar = PillarRequests(settings.pillar, self._timers, grains_of)
        self._job_table = JobTable(
            settings, snapshot, self._timers, minions, now=now, chance=chance
        )
        self._reports = JobReports(self._job_table)
        self._presence = PresenceChanges(self._job_table, self._reports)
        self._identity = StoreIdentity(
            snapshot.notes.get("store_id", ""),
            snapshot.notes.get("store_secret", ""),
            chance,
            self._presence.on_store_restored,
        )
        self._is_restored = bool(snapshot.notes.get(RESTORED_NOTE))
        self._registry = MinionRegistry(
            settings,
            authority,
            self._timers,
            self._presence,
            by_id=minions,
            now=now,
            alive_s=_number(snapshot.notes.get("alive_s", "")),
        )
        self._announcements = Announcements(announced, snapshot.notes, self._timers)
        self._greeter = Greeter(self._registry, self._identity, self._announcements, chance)
        self._session_handler = SessionHandler(self._registry, self._greeter)
        self._keys = KeyChanges(
            authority, self._registry, self._presence, self._announcements, self._pillar
        )
        self._rotation = MasterRotation(self._announcements, self._registry, self._keys)
        self._dispatcher = Dispatcher(
            registry=self._registry,
            greeter=self._greeter,
            session_handler=self._session_handler,
            reports=self._reports,
            sources=self._sources,
            pillar=self._pillar,
            announcements=self._announcements,
            rotation=self._rotation,
        )
        self._requests = Requests(
            settings,
            self._keys,
            self._registry,
            self._job_table,
            self._identity,
            self._rejected,
            self._pillar,
            self._rotation,
            self._announcements,
            now=now,
            public_key=verifier.master_key.hex(),
        )
        self._on_due = self._due_handlers()
        self._told_deadline: Instant = now.boot
        """What `next_deadline` was when the loop last asked."""

    @property
    def next_deadline(self) -> Instant:
        """Give when `on_deadline` is wanted; to be asked for before each wait of the loop.

        How late the loop is goes by what it was told here last.
        """
        self._told_deadline = min(
            self._timers.next_deadline,
            self._authority.next_deadline,
            self._sources.next_deadline,
            self._pillar.next_deadline,
        )
        return self._told_deadline

    def start(self, now: Moment) -> list[Effect]:
        """Give the first effects: to be called once, before any event."""
        step = self._step(now)
        self._identity.start(step, is_restored=self._is_restored)
        self._note_alive(step)
        self._timers.set(("prune", "", ""), now.after(self._settings.prune_every_s))
        for job in list(self._job_table.jobs.values()):
            for delivery in list(job.deliveries.values()):
                if delivery.is_open and delivery.key not in self._registry.by_key:
                    self._presence.on_stranger(step, delivery)
            if job.row.ended_s == 0:
                self._job_table.end_if_over(step, job)
        for minion in self._registry.by_key.values():
            if minion.presence in ("offline", "never seen"):  # nobody will say so again
                self._presence.on_offline(step, minion)
        step.publish(master_event("start", now.wall, version=self._settings.version))
        return self._close(step)

    def is_key_accepted(self, key: MinionKey) -> bool:
        """Say whether a key may connect to the main port: asked by ZAP at every handshake."""
        return self._authority.is_accepted(key)

    @property
    def is_at_rest(self) -> bool:
        """Say whether no job is open: nobody waits for what minions say now."""
        return not self._job_table.open_deliveries

    # -- turns --------------------------------------------------------------------------------

    def _step(self, now: Moment) -> Step:
        late_s = now.boot - self._told_deadline
        if late_s > self._settings.late_loop_s:
            self._registry.on_late_loop(now, late_s)
        return Step(now, Commit(self._commit + 1), self._durable, self._rejected)

    def _close(self, step: Step) -> list[Effect]:
        self._greeter.admit_waiting(step)
        effects = step.close()
        if step.operations:
            self._commit = step.commit
        return effects

    # -- time ---------------------------------------------------------------------------------

    def on_deadline(self, now: Moment) -> list[Effect]:
        """Act on all that is due. Too early or twice: nothing happens."""
        step = self._step(now)
        for _ in range(DUE_AT_ONCE_MAX):
            due = self._timers.take_due(now.boot)
            if due is None:
                break
            self._on_due[due[0]](step, due)
        self._keys.on_deadline(step)
        self._sources.on_deadline(step)
        self._pillar.on_deadline(step)
        return self._close(step)

    def _due_handlers(self) -> dict[str, Callable[[Step, Due], None]]:
        """Give who acts on a timer, by what it is for: the first word of its name."""
        session, jobs = self._session_handler.on_due, self._job_table.on_due
        return {
            "session": session,
            "offline": session,
            "lost": session,
            "probe": session,
            "waiting": session,
            "delivery": jobs,
            "cancel": jobs,
            "partial": jobs,
            "trust": self._tell_again,
            "rotation": self._rotation.on_due,
            "pillar": self._pillar.on_due,
            "targets": self._requests.on_due,
            "alive": self._note_alive,
            "prune": self._prune,
        }

    def _tell_again(self, step: Step, due: Due) -> None:
        self._announcements.on_due(step, self._registry.by_key.get(MinionKey(due[1])))

    def _prune(self, step: Step, due: Due) -> None:
        """Drop what of the history is over its limits."""
        self._timers.set(due, step.now.after(self._settings.prune_every_s))
        self._job_table.prune(step)

    def _note_alive(self, step: Step, due: Due = ("alive", "", "")) -> None:
        """Let the next start know until when minions were heard: one small write for them all."""
        self._timers.set(due, step.now.after(self._settings.alive_note_s))
        step.keep(PutNote("alive_s", repr(step.now.wall)))
        if step.now.wall > self._wall_high_s:
            self._wall_high_s = step.now.wall
            step.keep(PutNote("wall_high_s", repr(step.now.wall)))

    def on_committed(self, now: Moment, commit: Commit) -> list[Effect]:
        """Take note that a commit, and all before it, is durable."""
        self._durable = max(self._durable, commit)
        self._job_table.on_committed(self._durable)
        return self._close(self._step(now))

    def on_store_trouble(self, now: Moment, text: str) -> list[Effect]:
        """Refuse new jobs as long as the disk does not take them; '' when it is over."""
        step = self._step(now)
        if text != self._requests.context.store_trouble:
            self._requests.context.store_trouble = text
            step.publish(master_event("store", now.wall, trouble=text))
            level: Literal["info", "error"] = "error" if text else "info"
            step.report(level, "store", text or "the store takes writes again")
        return self._close(step)

    def on_configured(self, now: Moment, changes: Changes) -> list[Effect]:
        """Go by another configuration from now on; history over its new limits goes at once."""
        step = self._step(now)
        self._settings.take_over(changes)
        self._job_table.prune(step)
        return self._close(step)

    def status(self, now: Moment) -> MasterStatus:
        """Say how the master is, as a client is told who asks. Nothing changes."""
        step = Step(now, Commit(self._commit + 1), self._durable, self._rejected)
        return self._requests.status(step)

    # -- the main port ------------------------------------------------------------------------

    def on_port(self, now: Moment, events: Iterable[PortEvent]) -> list[Effect]:
        """Hear what came at the main port, in order; all that it changes becomes one commit."""
        step = self._step(now)
        for event in events:
            self._dispatcher.hear(step, event)
        return self._close(step)

    def on_message(
        self, now: Moment, peer: Peer, key: MinionKey, address: str, message: FromMinion
    ) -> list[Effect]:
        """Hear a minion. A key that is not accepted now is not heard, and its connection shut."""
        return self.on_port(now, (Received(peer, key, address, message),))

    def on_bad_frame(self, now: Moment, peer: Peer, key: MinionKey, reason: str) -> list[Effect]:
        """Count a frame that could not be decoded; the conversation goes on."""
        return self.on_port(now, (BadFrame(peer, key, reason),))

    def on_peer_gone(self, now: Moment, peer: Peer) -> list[Effect]:
        """Take the transport's hint that a connection has ended."""
        return self.on_port(now, (PeerLeft(peer),))

    def on_source_read(self, now: Moment, ticket: int, result: Result) -> list[Effect]:
        """Take what was read for a `ReadSource`, and answer the minions that asked for it."""
        step = self._step(now)
        self._sources.on_done(step, ticket, result)
        return self._close(step)

    def on_keys_written(self, now: Moment, written: KeysWritten) -> list[Effect]:
        """Take what a `WriteKeys` came to; after a rotation this process is started afresh."""
        step = self._step(now)
        self._rotation.on_written(step, written)
        effects = self._close(step)
        if any(isinstance(each, StartAfresh) for each in effects):
            effects += self.on_stop(now)
        return effects

    def on_rendered(self, now: Moment, rendered: Rendered) -> list[Effect]:
        """Take what a `Render` came to, and answer those that asked for it."""
        step = self._step(now)
        self._pillar.on_rendered(step, rendered)
        return self._close(step)

    def on_send_failed(self, now: Moment, peer: Peer, why: Literal["gone", "full"]) -> list[Effect]:
        """Take note that a message was not sent. What matters is sent again by its deadline."""
        step = self._step(now)
        if why == "gone":
            self._session_handler.on_peer_gone(step, peer)
        else:
            step.count("slow_peer")
            minion = self._registry.of_peer(peer)
            name = "a minion" if minion is None else minion.minion
            step.report("warning", f"slow {name}", f"{name} does not read what is sent to it")
        return self._close(step)

    # -- the enrolment port -------------------------------------------------------------------

    def on_enrolment(
        self, now: Moment, handle: int, key: MinionKey, address: str, request: EnrolRequest
    ) -> list[Effect]:
        """Answer a question that came through the enrolment process."""
        step = self._step(now)
        answer = self._keys.decide(step, key, address, request)
        step.effects.append(AnswerEnrolment(handle, answer, self._keys.commit))
        return self._close(step)

    # -- the command line ---------------------------------------------------------------------

    def on_request(
        self, now: Moment, client: Client, uid: int, user: str, request: Request
    ) -> list[Effect]:
        """Answer a client of the Unix socket."""
        step = self._step(now)
        self._requests.on_request(step, Caller(client, uid, user), request)
        return self._close(step)

    def on_client_gone(self, now: Moment, client: Client) -> list[Effect]:
        """Forget a client. Its jobs go on."""
        step = self._step(now)
        self._job_table.followers.leave(client)
        self._requests.on_client_gone(client)
        self._rotation.on_client_gone(client)
        return self._close(step)

    # -- the end ------------------------------------------------------------------------------

    def on_stop(self, now: Moment) -> list[Effect]:
        """Send all minions away, spread out; refuse new ones and new jobs. The shell then ends."""
        step = self._step(now)
        self._greeter.is_stopping = self._requests.context.is_stopping = True
        spread_s = min(max(self._registry.fleet / 300, 1.0), 60.0)
        for minion in self._registry.by_key.values():
            if minion.session is not None:
                step.send(
                    minion.session.peer,
                    minion.key,
                    Drain(minion.session.number, to_micros(DRAIN_BACK_S), to_micros(spread_s)),
                )
        step.publish(master_event("stop", now.wall))
        return self._close(step)


def _number(text: str) -> float:
    """Read a time from a note; a note that is none says nothing."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if 0.0 <= number < 1e12 else 0.0
