"""The whole master as one machine: events in, effects out.

It composes: who is trusted decides `enrolment`, who is there `sessions`, what becomes of jobs
`jobs`, what clients ask `requests`. Here events are handed to the one that they concern, all that
one event changes becomes one commit, and `next_deadline` is the earliest of all deadlines.

It reads no clock, never sleeps or logs, and touches neither sockets nor disks; its contract is
`docs/protocol.md`.
"""

import random
from collections.abc import Iterable
from typing import Final, Literal

from limpet.common.clock import Instant, Moment, to_micros
from limpet.common.control.replies import MasterStatus
from limpet.common.control.requests import Request
from limpet.common.identifiers import Commit, MinionId, MinionKey
from limpet.common.messages.enrolment import EnrolRequest
from limpet.common.messages.session import Drain
from limpet.common.wire.codec import FromMinion
from limpet.master.ear import Ear
from limpet.master.effects import AnswerEnrolment, Client, Effect, Peer, StartAfresh
from limpet.master.enrolment.desk import EnrolmentDesk
from limpet.master.enrolment.tokens import Verifier
from limpet.master.events.making import master_event
from limpet.master.heard import BadFrame, Heard, PeerLeft, PortEvent
from limpet.master.identity import RESTORED_NOTE, StoreIdentity
from limpet.master.jobs.absence import Absence
from limpet.master.jobs.book import Book
from limpet.master.jobs.hearing import Hearing
from limpet.master.keys import Keys
from limpet.master.pillar.desk import PillarDesk
from limpet.master.pillar.line import Rendered
from limpet.master.requests import Requests
from limpet.master.rotation.announced import Announced
from limpet.master.rotation.followers import Followers
from limpet.master.rotation.machine import MasterRotation
from limpet.master.rotation.work import KeysWritten
from limpet.master.sessions.door import Door
from limpet.master.sessions.minion import Minion
from limpet.master.sessions.roster import Due, Roster
from limpet.master.sessions.talk import Talk
from limpet.master.settings import Changes, MasterSettings
from limpet.master.sources.desk import SourceDesk
from limpet.master.sources.work import Result
from limpet.master.store.operations import PutNote, Snapshot
from limpet.master.timetable import Timetable
from limpet.master.turn import Turn

DUE_AT_ONCE_MAX: Final = 500
"""Deadlines acted on in one turn; the rest are due at once in the next."""
DRAIN_BACK_S: Final = 0.5

SESSION_KINDS: Final = frozenset(("session", "offline", "lost", "probe", "waiting"))


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
        self._sources = SourceDesk(settings.sources)
        self._commit = Commit(snapshot.commit)
        self._durable = Commit(snapshot.commit)
        self._rejected: dict[str, int] = {}
        self._wall_high_s = _number(snapshot.notes.get("wall_high_s", ""))
        self._timetable: Timetable[Due] = Timetable()
        minions: dict[MinionId, Minion] = {}
        desk = EnrolmentDesk(snapshot, now=now, chance=chance, verifier=verifier)
        self._desk = desk

        def grains_of(key: MinionKey) -> bytes:
            row = desk.row(key)
            return b"" if row is None else row.grains

        self._pillar = PillarDesk(settings.pillar, self._timetable, grains_of)
        self._book = Book(settings, snapshot, self._timetable, minions, now=now, chance=chance)
        self._hearing = Hearing(self._book)
        self._absence = Absence(self._book, self._hearing)
        self._identity = StoreIdentity(
            snapshot.notes.get("store_id", ""),
            snapshot.notes.get("store_secret", ""),
            chance,
            self._absence.on_store_restored,
        )
        self._is_restored = bool(snapshot.notes.get(RESTORED_NOTE))
        self._roster = Roster(
            settings,
            desk,
            self._timetable,
            self._absence,
            by_id=minions,
            now=now,
            alive_s=_number(snapshot.notes.get("alive_s", "")),
        )
        self._followers = Followers(announced, snapshot.notes, self._timetable)
        self._door = Door(self._roster, self._identity, self._followers, chance)
        self._talk = Talk(self._roster, self._door)
        self._keys = Keys(desk, self._roster, self._absence, self._followers, self._pillar)
        self._rotation = MasterRotation(self._followers, self._roster, self._keys)
        self._ear = Ear(
            roster=self._roster,
            door=self._door,
            talk=self._talk,
            hearing=self._hearing,
            sources=self._sources,
            pillar=self._pillar,
            followers=self._followers,
            rotation=self._rotation,
        )
        self._requests = Requests(
            settings,
            self._keys,
            self._roster,
            self._book,
            self._identity,
            self._rejected,
            self._pillar,
            self._rotation,
            self._followers,
            now=now,
            public_key=verifier.master_key.hex(),
        )
        self._told_deadline: Instant = now.boot
        """What `next_deadline` was when the loop last asked."""

    @property
    def next_deadline(self) -> Instant:
        """Give when `on_deadline` is wanted; to be asked for before each wait of the loop.

        How late the loop is goes by what it was told here last.
        """
        self._told_deadline = min(
            self._timetable.next_deadline,
            self._desk.next_deadline,
            self._sources.next_deadline,
            self._pillar.next_deadline,
        )
        return self._told_deadline

    def start(self, now: Moment) -> list[Effect]:
        """Give the first effects: to be called once, before any event."""
        turn = self._turn(now)
        self._identity.start(turn, is_restored=self._is_restored)
        self._note_alive(turn)
        self._timetable.set(("prune", "", ""), now.after(self._settings.prune_every_s))
        for job in list(self._book.jobs.values()):
            for delivery in list(job.deliveries.values()):
                if delivery.is_open and delivery.key not in self._roster.by_key:
                    self._absence.on_stranger(turn, delivery)
            if job.row.ended_s == 0:
                self._book.end_if_over(turn, job)
        for minion in self._roster.by_key.values():
            if minion.presence in ("offline", "never seen"):  # nobody will say so again
                self._absence.on_offline(turn, minion)
        turn.publish(master_event("start", now.wall, version=self._settings.version))
        return self._close(turn)

    def is_key_accepted(self, key: MinionKey) -> bool:
        """Say whether a key may connect to the main port: asked by ZAP at every handshake."""
        return self._desk.is_accepted(key)

    @property
    def is_at_rest(self) -> bool:
        """Say whether no job is open: nobody waits for what minions say now."""
        return not self._book.open_deliveries

    # -- turns --------------------------------------------------------------------------------

    def _turn(self, now: Moment) -> Turn:
        late_s = now.boot - self._told_deadline
        if late_s > self._settings.late_loop_s:
            self._roster.on_late_loop(now, late_s)
        return Turn(now, Commit(self._commit + 1), self._durable, self._rejected)

    def _close(self, turn: Turn) -> list[Effect]:
        self._door.admit_waiting(turn)
        effects = turn.close()
        if turn.operations:
            self._commit = turn.commit
        return effects

    # -- time ---------------------------------------------------------------------------------

    def on_deadline(self, now: Moment) -> list[Effect]:
        """Act on all that is due. Too early or twice: nothing happens."""
        turn = self._turn(now)
        for _ in range(DUE_AT_ONCE_MAX):
            due = self._timetable.take_due(now.boot)
            if due is None:
                break
            self._on_due(turn, due)
        self._keys.on_deadline(turn)
        self._sources.on_deadline(turn)
        self._pillar.on_deadline(turn)
        return self._close(turn)

    def _on_due(self, turn: Turn, due: Due) -> None:
        if due[0] in SESSION_KINDS:
            self._talk.on_due(turn, due)
        elif due[0] == "trust":
            self._followers.on_due(turn, self._roster.by_key.get(MinionKey(due[1])))
        elif due[0] == "rotation":
            self._rotation.on_due(turn)
        elif due[0] == "alive":
            self._note_alive(turn)
        elif due[0] == "pillar":
            self._pillar.on_due(turn, due)
        elif due[0] == "targets":
            self._requests.on_due(turn, due)
        elif due[0] == "prune":
            self._timetable.set(due, turn.now.after(self._settings.prune_every_s))
            self._book.prune(turn)
        else:
            self._book.on_due(turn, due)

    def _note_alive(self, turn: Turn) -> None:
        """Let the next start know until when minions were heard: one small write for them all."""
        self._timetable.set(("alive", "", ""), turn.now.after(self._settings.alive_note_s))
        turn.keep(PutNote("alive_s", repr(turn.now.wall)))
        if turn.now.wall > self._wall_high_s:
            self._wall_high_s = turn.now.wall
            turn.keep(PutNote("wall_high_s", repr(turn.now.wall)))

    def on_committed(self, now: Moment, commit: Commit) -> list[Effect]:
        """Take note that a commit, and all before it, is durable."""
        self._durable = max(self._durable, commit)
        self._book.on_committed(self._durable)
        return self._close(self._turn(now))

    def on_store_trouble(self, now: Moment, text: str) -> list[Effect]:
        """Refuse new jobs as long as the disk does not take them; '' when it is over."""
        turn = self._turn(now)
        if text != self._requests.store_trouble:
            self._requests.store_trouble = text
            turn.publish(master_event("store", now.wall, trouble=text))
            level: Literal["info", "error"] = "error" if text else "info"
            turn.report(level, "store", text or "the store takes writes again")
        return self._close(turn)

    def on_configured(self, now: Moment, changes: Changes) -> list[Effect]:
        """Go by another configuration from now on; history over its new limits goes at once."""
        turn = self._turn(now)
        self._settings.take_over(changes)
        self._book.prune(turn)
        return self._close(turn)

    def status(self, now: Moment) -> MasterStatus:
        """Say how the master is, as a client is told who asks. Nothing changes."""
        turn = Turn(now, Commit(self._commit + 1), self._durable, self._rejected)
        return self._requests.status(turn)

    # -- the main port ------------------------------------------------------------------------

    def on_port(self, now: Moment, events: Iterable[PortEvent]) -> list[Effect]:
        """Hear what came at the main port, in order; all that it changes becomes one commit."""
        turn = self._turn(now)
        for event in events:
            self._ear.hear(turn, event)
        return self._close(turn)

    def on_message(
        self, now: Moment, peer: Peer, key: MinionKey, address: str, message: FromMinion
    ) -> list[Effect]:
        """Hear a minion. A key that is not accepted now is not heard, and its connection shut."""
        return self.on_port(now, (Heard(peer, key, address, message),))

    def on_bad_frame(self, now: Moment, peer: Peer, key: MinionKey, reason: str) -> list[Effect]:
        """Count a frame that could not be decoded; the conversation goes on."""
        return self.on_port(now, (BadFrame(peer, key, reason),))

    def on_peer_gone(self, now: Moment, peer: Peer) -> list[Effect]:
        """Take the transport's hint that a connection has ended."""
        return self.on_port(now, (PeerLeft(peer),))

    def on_source_read(self, now: Moment, ticket: int, result: Result) -> list[Effect]:
        """Take what was read for a `ReadSource`, and answer the minions that asked for it."""
        turn = self._turn(now)
        self._sources.on_done(turn, ticket, result)
        return self._close(turn)

    def on_keys_written(self, now: Moment, written: KeysWritten) -> list[Effect]:
        """Take what a `WriteKeys` came to; after a rotation this process is started afresh."""
        turn = self._turn(now)
        self._rotation.on_written(turn, written)
        effects = self._close(turn)
        if any(isinstance(each, StartAfresh) for each in effects):
            effects += self.on_stop(now)
        return effects

    def on_rendered(self, now: Moment, rendered: Rendered) -> list[Effect]:
        """Take what a `Render` came to, and answer those that asked for it."""
        turn = self._turn(now)
        self._pillar.on_rendered(turn, rendered)
        return self._close(turn)

    def on_send_failed(self, now: Moment, peer: Peer, why: Literal["gone", "full"]) -> list[Effect]:
        """Take note that a message was not sent. What matters is sent again by its deadline."""
        turn = self._turn(now)
        if why == "gone":
            self._talk.on_peer_gone(turn, peer)
        else:
            turn.count("slow_peer")
            minion = self._roster.of_peer(peer)
            name = "a minion" if minion is None else minion.minion
            turn.report("warning", f"slow {name}", f"{name} does not read what is sent to it")
        return self._close(turn)

    # -- the enrolment port -------------------------------------------------------------------

    def on_enrolment(
        self, now: Moment, handle: int, key: MinionKey, address: str, request: EnrolRequest
    ) -> list[Effect]:
        """Answer a question that came through the enrolment process."""
        turn = self._turn(now)
        answer = self._keys.decide(turn, key, address, request)
        turn.effects.append(AnswerEnrolment(handle, answer, self._keys.commit))
        return self._close(turn)

    # -- the command line ---------------------------------------------------------------------

    def on_request(
        self, now: Moment, client: Client, uid: int, user: str, request: Request
    ) -> list[Effect]:
        """Answer a client of the Unix socket."""
        turn = self._turn(now)
        self._requests.on_request(turn, client, uid, user, request)
        return self._close(turn)

    def on_client_gone(self, now: Moment, client: Client) -> list[Effect]:
        """Forget a client. Its jobs go on."""
        turn = self._turn(now)
        self._book.gathering.leave(client)
        self._requests.on_client_gone(client)
        self._rotation.on_client_gone(client)
        return self._close(turn)

    # -- the end ------------------------------------------------------------------------------

    def on_stop(self, now: Moment) -> list[Effect]:
        """Send all minions away, spread out; refuse new ones and new jobs. The shell then ends."""
        turn = self._turn(now)
        self._door.is_stopping = self._requests.is_stopping = True
        spread_s = min(max(self._roster.fleet / 300, 1.0), 60.0)
        for minion in self._roster.by_key.values():
            if minion.session is not None:
                turn.send(
                    minion.session.peer,
                    minion.key,
                    Drain(minion.session.number, to_micros(DRAIN_BACK_S), to_micros(spread_s)),
                )
        turn.publish(master_event("stop", now.wall))
        return self._close(turn)


def _number(text: str) -> float:
    """Read a time from a note; a note that is none says nothing."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if 0.0 <= number < 1e12 else 0.0
