"""One minion of the swarm: the production core and socket, and a made-up environment.

Here the core is told what came and what is due; `effect_runner.py` does what it decides.
"""

from typing import Final

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import Attempt, MinionId
from limpet.common.messages.jobs import Deliver, Return, ReturnAck
from limpet.common.messages.session import MasterBeat
from limpet.minion.core import effects as do
from limpet.minion.core.machine import MinionCore
from limpet.minion.core.settings import LinkSettings
from limpet.minion.process.master_socket import BadFrame
from limpet.minion.sessions.states import State
from limpet.minion.swarm.minions.effect_runner import EffectRunner
from limpet.minion.swarm.minions.shared import SharedWorld
from limpet.minion.swarm.plan import Member
from limpet.minion.swarm.watch import OneWatch
from limpet.states.functions.instant import INSTANT

FRAMES_A_TURN: Final = 10
"""Frames of one minion, before the others have their turn."""
ROUNDS_MAX: Final = 1_000
"""Answers of the core to what its own effects came to, in one event."""

_TROUBLED: Final = (State.BACKOFF, State.DENIED, State.PENDING)


class SwarmMinion:
    """One minion; the loop tells it what came and what is due."""

    __slots__ = (
        "_core",
        "_effect_runner",
        "_member",
        "_shared",
        "_since",
        "_state",
        "is_started",
    )

    def __init__(self, number: int, member: Member, shared: SharedWorld, watch: OneWatch) -> None:
        """Take the place of this number in its process."""
        self._member = member
        self._shared = shared
        self._effect_runner = EffectRunner(number, member, shared, watch)
        self._core: MinionCore | None = None
        self._state = State.BACKOFF
        self._since = Instant(0.0)
        """When it began to be without a session."""
        self.is_started = False

    @property
    def is_ready(self) -> bool:
        """Say whether its link is READY."""
        return self._state is State.READY

    def next_deadline(self, now: Moment) -> Instant:
        """Give when `on_due` is wanted."""
        assert self._core is not None
        return min(
            self._core.next_deadline,
            self._effect_runner.jobs.next_deadline,
            self._effect_runner.socket.next_deadline(now),
        )

    # --- what the loop tells ------------------------------------------------------------------

    def start(self, now: Moment) -> None:
        """Begin to connect."""
        self.is_started = True
        self._since = now.boot
        self._make_core(now)
        self._do(now, self._the_core.start(now))

    def on_word(self) -> bool:
        """Hear what the transport noticed of the connection.

        True: that led to something, so that frames may have come which no descriptor tells of.
        """
        attempt = self._effect_runner.socket.attempt
        is_busy = False
        for what in self._effect_runner.socket.events():
            now = self._now()
            if what == "ready":
                self._effect_runner.on_handshake()
            effects = self._the_core.on_link(now, attempt, what)
            is_busy = is_busy or bool(effects)
            self._do(now, effects)
        return is_busy

    def on_frames(self) -> bool:
        """Hear the master; True: there may be more."""
        heard = 0
        now = self._now()
        socket = self._effect_runner.socket
        for message in socket.messages(FRAMES_A_TURN):
            heard += 1
            core, attempt, kind = self._the_core, socket.attempt, type(message)
            if isinstance(message, BadFrame):
                self._on_bad_frame(now, message)
                continue
            effects = core.on_message(now, attempt, message)
            if kind is Deliver:
                self._on_deliver(effects)
            elif kind is ReturnAck:
                self._shared.figures.returns_acknowledged += 1
            elif isinstance(message, MasterBeat):
                self._effect_runner.on_echo(now, message.echo)
            self._do(now, effects)
        return heard == FRAMES_A_TURN

    def _on_bad_frame(self, now: Moment, bad: BadFrame) -> None:
        self._shared.figures.bad_frames += 1
        attempt = self._effect_runner.socket.attempt
        self._do(now, self._the_core.on_bad_frame(now, attempt, bad.reason))
        if bad.is_fatal:
            self._do(now, self._the_core.on_link(now, attempt, "disconnected"))

    def on_due(self) -> bool:
        """Do what is due; True: there may be frames that nobody announces."""
        now = self._now()
        if self._effect_runner.socket.next_deadline(now) <= now.boot:
            self.on_word()
        for jid, result in self._effect_runner.jobs.collect(now):
            self._do(now, self._the_core.on_job_ended(now, jid, result))
        for client in self._effect_runner.jobs.take_gone():
            self._do(now, self._the_core.on_local_gone(now, client))
        for client, question in self._effect_runner.jobs.questions(now):
            self._do(now, self._the_core.on_local_question(now, client, question))
        if now.boot >= self._the_core.next_deadline:
            self._do(now, self._the_core.on_deadline(now))
        self._effect_runner.socket.flush()
        return self.on_frames()

    def on_resolved(self, attempt: Attempt, addresses: tuple[str, ...]) -> None:
        """Hear what the master's name is."""
        now = self._now()
        self._do(now, self._the_core.on_resolved(now, attempt, addresses))

    def stop(self) -> None:
        """Close the link."""
        if self._core is not None:
            now = self._now()
            self._do(now, self._core.on_stop(now))
        self._effect_runner.socket.end()

    def kept(self) -> Member:
        """Give what is to be kept of it for the next run."""
        self._member.notes = dict(self._effect_runner.journal.notes)
        return self._member

    # --- inside -------------------------------------------------------------------------------

    @property
    def _the_core(self) -> MinionCore:
        assert self._core is not None
        return self._core

    def _now(self) -> Moment:
        return self._shared.clock.now()

    def _make_core(self, now: Moment) -> None:
        order, member = self._shared.order, self._member
        self._core = MinionCore(
            LinkSettings(
                minion_id=MinionId(member.minion_id),
                master_host=order.host,
                server_key=member.server_key or order.server_key,
                port=order.port,
                enrol_port=order.enrol_port,
                join_token_id=order.join_token_id,
                version=order.version,
                trust=member.trust,
            ),
            self._effect_runner.journal,
            now=now,
            boot_id=self._shared.boot_id,
            chance=self._shared.chance,
            instant=INSTANT,
        )

    def _do(self, now: Moment, effects: list[do.Effect]) -> None:
        """Carry effects out, and tell the core what they came to, until nothing is left."""
        effect_runner = self._effect_runner
        if not effects and not effect_runner.follow:
            return  # nor can the state have changed: that is always told of
        for _ in range(ROUNDS_MAX):
            effect_runner.carry_out(now, effects)
            if effect_runner.is_afresh:
                effect_runner.start_afresh()
                self._make_core(now)
                effects = self._the_core.start(now)
                continue
            if not effect_runner.follow:
                break
            effects = effect_runner.follow.popleft()(self._the_core, now)
        self._notice_state(now)

    def _notice_state(self, now: Moment) -> None:
        state = self._the_core.state
        if state is self._state:
            return
        before, self._state = self._state, state
        figures = self._shared.figures
        if state is State.READY:
            figures.logins += 1
            figures.ready += 1
            figures.login_s.add(now.boot - self._since)
        elif before is State.READY:
            figures.ready -= 1
            self._since = now.boot
            if state is not State.STOPPED:
                figures.losses += 1
        if state in _TROUBLED:
            changes = self._the_core.link.connection.changes
            figures.count_failure(changes[-1].reason if changes else state.value)

    def _on_deliver(self, effects: list[do.Effect]) -> None:
        figures = self._shared.figures
        figures.jobs_delivered += 1
        for effect in effects:
            if type(effect) is do.Send and type(effect.message) is Return:
                figures.jobs_at_once += 1
