"""One minion of the swarm: the production core and socket, and made-up surroundings.

Its journal is in memory, so a commit is durable as soon as it is asked for; jobs are answered by
`jobs.py`, facts come from templates, cryptography is done on the spot.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from limpet.common.clock import Clock, Instant, Moment
from limpet.common.identifiers import Attempt, JobId, MinionId
from limpet.common.messages.jobs import Deliver, Return, ReturnAck
from limpet.common.messages.session import Beat, MasterBeat
from limpet.common.messages.trust import Verdict
from limpet.common.transport.sockets import Context
from limpet.minion import effects as do
from limpet.minion.core import MinionCore
from limpet.minion.jobs.records import (
    JobAcknowledged,
    JobEntry,
    JobFinished,
    JournalState,
    replay,
)
from limpet.minion.link.states import State
from limpet.minion.master_socket import BadFrame, MasterSocket
from limpet.minion.settings import HeldTrust, LinkSettings
from limpet.minion.swarm.fetching import Fetching
from limpet.minion.swarm.figures import Figures
from limpet.minion.swarm.grains import MadeGrains, grains_of
from limpet.minion.swarm.holding import Held, Shared
from limpet.minion.swarm.jobs import PID, Asked, MadeJobs
from limpet.minion.swarm.plan import Identity, Member, Order
from limpet.minion.swarm.proving import Prover
from limpet.minion.swarm.wants import Wants
from limpet.minion.swarm.watch import OneWatch
from limpet.states.functions.instant import INSTANT

FRAMES_A_TURN: Final = 10
"""Frames of one minion, before the others have their turn."""
ROUNDS_MAX: Final = 1_000
"""Answers of the core to what its own effects came to, in one event."""

_TROUBLED: Final = frozenset({State.BACKOFF, State.DENIED, State.PENDING})

Step = Callable[[Moment], list[do.Effect]]


@dataclass(slots=True)
class Surroundings:
    """What the minions of one process share."""

    order: Order
    context: Context
    clock: Clock
    chance: random.Random
    boot_id: str
    figures: Figures
    wants_name: Callable[[int, Attempt], None]
    """Called where the master's name has to be looked up for a minion."""
    wants_look: Callable[[int], None]
    """Called where a minion's new socket has to be looked at once, before its descriptors tell."""
    prover: Prover
    readings: Shared = field(default_factory=Shared)


class SwarmMinion:
    """One minion; the loop tells it what came and what is due."""

    __slots__ = (
        "_beat",
        "_core",
        "_follow",
        "_held",
        "_is_afresh",
        "_jobs",
        "_journal",
        "_member",
        "_number",
        "_shared",
        "_since",
        "_socket",
        "_state",
        "_told_ready",
        "is_started",
    )

    def __init__(self, number: int, member: Member, shared: Surroundings, watch: OneWatch) -> None:
        """Take the place of this number in its process."""
        self._number = number
        self._member = member
        self._shared = shared
        identity = Identity(member.public_key, member.secret_key)
        self._socket = MasterSocket(identity, watch, shared=shared.context)
        self._held = Held()
        self._jobs = MadeJobs(shared.order.behaviour, member.minion_id, self._begin_fetching)
        self._journal = JournalState(notes=dict(member.notes))
        self._core: MinionCore | None = None
        self._state = State.BACKOFF
        self._since = Instant(0.0)
        """When it began to be without a session."""
        self._told_ready = False
        """The present socket's handshake was counted as done."""
        self._beat: tuple[int, Instant] = (0, Instant(0.0))
        """The last own beat, until it comes back, and when it left."""
        self._follow: deque[Step] = deque()
        """What the core has to be told as a result of its own effects."""
        self._is_afresh = False
        """Its process would be started afresh now."""
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
            self._jobs.next_deadline,
            self._socket.next_deadline(now),
        )

    # --- what the loop tells ------------------------------------------------------------------

    def start(self, now: Moment) -> None:
        """Begin to connect."""
        self.is_started = True
        self._since = now.boot
        self._make_core(now)
        self._do(now, self._the_core.start(now))

    def on_word(self) -> None:
        """Hear what the transport noticed of the connection."""
        attempt = self._socket.attempt
        for what in self._socket.events():
            now = self._now()
            if what == "ready":
                self._shared.figures.handshakes += 1
                if not self._told_ready:
                    self._told_ready = True
                    self._shared.figures.connected += 1
            self._do(now, self._the_core.on_link(now, attempt, what))

    def on_frames(self) -> bool:
        """Hear the master; True: there may be more."""
        heard = 0
        for message in self._socket.messages(FRAMES_A_TURN):
            heard += 1
            now = self._now()
            attempt = self._socket.attempt
            core = self._the_core
            if isinstance(message, BadFrame):
                self._shared.figures.bad_frames += 1
                self._do(now, core.on_bad_frame(now, attempt, message.reason))
                if message.is_fatal:
                    self._do(now, self._the_core.on_link(now, attempt, "disconnected"))
                continue
            effects = core.on_message(now, attempt, message)
            if isinstance(message, MasterBeat):
                self._on_echo(now, message.echo)
            elif isinstance(message, Deliver):
                self._on_deliver(effects)
            elif isinstance(message, ReturnAck):
                self._shared.figures.returns_acknowledged += 1
            self._do(now, effects)
        return heard == FRAMES_A_TURN

    def on_due(self) -> bool:
        """Do what is due; True: there may be frames that nobody announces."""
        now = self._now()
        if self._socket.next_deadline(now) <= now.boot:
            self.on_word()
        for jid, result in self._jobs.collect(now):
            self._do(now, self._the_core.on_job_ended(now, jid, result))
        for client in self._jobs.take_gone():
            self._do(now, self._the_core.on_local_gone(now, client))
        for client, question in self._jobs.questions(now):
            self._do(now, self._the_core.on_local_question(now, client, question))
        if now.boot >= self._the_core.next_deadline:
            self._do(now, self._the_core.on_deadline(now))
        self._socket.flush()
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
        self._socket.end()

    def kept(self) -> Member:
        """Give what is to be kept of it for the next run."""
        self._member.notes = dict(self._journal.notes)
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
            self._journal,
            now=now,
            boot_id=self._shared.boot_id,
            chance=self._shared.chance,
            instant=INSTANT,
        )

    def _do(self, now: Moment, effects: list[do.Effect]) -> None:
        """Carry effects out, and tell the core what they came to, until nothing is left."""
        for _ in range(ROUNDS_MAX):
            for effect in effects:
                _HANDS[type(effect)](self, now, effect)
            if self._is_afresh:
                self._is_afresh = False
                self._follow.clear()
                self._socket.close(self._socket.attempt)
                self._make_core(now)
                effects = self._the_core.start(now)
                continue
            if not self._follow:
                break
            effects = self._follow.popleft()(now)
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
            changes = self._the_core.link.seat.changes
            figures.count_failure(changes[-1].reason if changes else state.value)

    def _on_echo(self, now: Moment, echo: int) -> None:
        number, left_at = self._beat
        if number and echo >= number:
            self._beat = (0, now.boot)
            self._shared.figures.beats += 1
            self._shared.figures.beat_s.add(now.boot - left_at)

    def _on_deliver(self, effects: list[do.Effect]) -> None:
        figures = self._shared.figures
        figures.jobs_delivered += 1
        for effect in effects:
            if isinstance(effect, do.Send) and isinstance(effect.message, Return):
                figures.jobs_at_once += 1

    def _grains(self) -> MadeGrains:
        order, member = self._shared.order, self._member
        return grains_of(order.templates, member.minion_id, member.number, order.behaviour.seed)

    def _begin_fetching(self, wants: Wants) -> Fetching:
        shared = self._shared
        return Fetching(
            wants, self._held, shared.readings, shared.figures, lambda: self._grains().body
        )

    def _ask(self, asked: Asked | None) -> None:
        """Put a question of a job to the link, as if it came over a real minion's socket."""
        if asked is not None:
            client, question = asked
            self._follow.append(lambda now: self._the_core.on_local_question(now, client, question))

    def _forget(self, client: int) -> None:
        self._follow.append(lambda now: self._the_core.on_local_gone(now, client))

    # --- the hands ----------------------------------------------------------------------------

    def _persist(self, now: Moment, effect: do.Persist) -> None:
        for record in effect.records:
            replay(self._journal, record)
            if isinstance(record, JobFinished):
                self._count_end(record.outcome)
            elif isinstance(record, JobAcknowledged):
                # Only that it was here matters from now on.
                jid = JobId(record.jid)
                self._journal.jobs[jid] = JobEntry(
                    jid, is_acknowledged=True, touched_wall_s=record.at_wall_s
                )
        self._follow.append(lambda now: self._the_core.on_committed(now, effect.commit))

    def _count_end(self, outcome: str) -> None:
        figures = self._shared.figures
        if outcome == "ok":
            figures.jobs_ok += 1
        elif outcome == "failed":
            figures.jobs_failed += 1
        else:
            figures.jobs_cancelled += 1

    def _resolve(self, now: Moment, effect: do.Resolve) -> None:
        self._shared.wants_name(self._number, effect.attempt)

    def _open(self, now: Moment, effect: do.OpenSocket) -> None:
        self._shared.figures.sockets_opened += 1
        self._socket.open(effect)
        self._shared.wants_look(self._number)

    def _close(self, now: Moment, effect: do.CloseSocket) -> None:
        self._beat = (0, now.boot)
        if self._told_ready:
            self._told_ready = False
            self._shared.figures.connected -= 1
        self._socket.close(effect.attempt)

    def _send(self, now: Moment, effect: do.Send) -> None:
        if isinstance(effect.message, Beat) and not self._beat[0]:
            self._beat = (effect.message.number, now.boot)
        self._socket.send(effect.attempt, effect.message)

    def _prove(self, now: Moment, effect: do.Prove) -> None:
        self._shared.figures.enrolments_asked += 1
        signed = self._shared.prover.signed(
            effect.request, server_key=effect.server_key, minion_key=self._member.public_key
        )
        self._socket.send(effect.attempt, signed)

    def _keep_server_key(self, now: Moment, effect: do.KeepServerKey) -> None:
        self._member.server_key = effect.key

    def _keep_trust(self, now: Moment, effect: do.KeepTrust) -> None:
        why = self._shared.prover.why_untrusted(effect.trust, effect.pinned)
        if not why:
            self._member.trust = HeldTrust.of(effect.trust)
        verdict: Verdict = "refused" if why else "kept"
        serial = effect.trust.serial
        self._follow.append(lambda now: self._the_core.on_trust_kept(now, serial, verdict, why))

    def _spawn(self, now: Moment, effect: do.SpawnJob) -> None:
        jid = effect.jid
        self._jobs.spawn(jid, effect.job_timeout_s, effect.function, effect.arguments)
        start = int(now.boot * 100)
        self._follow.append(lambda now: self._the_core.on_job_spawned(now, jid, PID, start))

    def _release(self, now: Moment, effect: do.ReleaseJob) -> None:
        self._ask(self._jobs.release(now, effect.jid))

    def _adopt(self, now: Moment, effect: do.AdoptJob) -> None:
        jid, result = effect.jid, self._jobs.adopt(effect.jid)
        self._follow.append(lambda now: self._the_core.on_job_ended(now, jid, result))

    def _kill(self, now: Moment, effect: do.KillJob) -> None:
        jid, result = effect.jid, self._jobs.kill(now, effect.jid, effect.reason)
        self._follow.append(lambda now: self._the_core.on_job_ended(now, jid, result))
        for client in self._jobs.take_gone():
            self._forget(client)

    def _read_body(self, now: Moment, effect: do.ReadBody) -> None:
        jid, offset = effect.jid, effect.offset
        data = self._jobs.read_body(jid, offset, effect.size)
        self._follow.append(lambda now: self._the_core.on_body(now, jid, offset, data))

    def _drop_spool(self, now: Moment, effect: do.DropSpool) -> None:
        self._jobs.drop(effect.jid)

    def _collect_grains(self, now: Moment, effect: do.CollectGrains) -> None:
        made = self._grains()
        self._follow.append(lambda now: self._the_core.on_grains(now, made.body, made.digest, ""))

    def _reexec(self, now: Moment, effect: do.Reexec) -> None:
        """Keep the journal and nothing else, as a process that starts afresh."""
        self._shared.figures.restarts += 1
        self._is_afresh = True

    def _report(self, now: Moment, effect: do.Report) -> None:
        if effect.level in ("warning", "error"):
            self._shared.figures.count_warning(effect.topic)

    def _reply(self, now: Moment, effect: do.LocalReply) -> None:
        self._ask(self._jobs.on_reply(now, effect.client, effect.reply))

    def _refuse(self, now: Moment, effect: do.LocalRefused) -> None:
        self._jobs.on_refused(now, effect.client, effect.reason, effect.text)

    def _local(self, now: Moment, effect: do.Effect) -> None:
        raise AssertionError(f"nobody runs anything locally on a minion of the swarm: {effect}")


_HANDS: Final[dict[type, Callable[..., None]]] = {
    do.Persist: SwarmMinion._persist,
    do.Resolve: SwarmMinion._resolve,
    do.OpenSocket: SwarmMinion._open,
    do.CloseSocket: SwarmMinion._close,
    do.Send: SwarmMinion._send,
    do.Prove: SwarmMinion._prove,
    do.KeepServerKey: SwarmMinion._keep_server_key,
    do.KeepTrust: SwarmMinion._keep_trust,
    do.SpawnJob: SwarmMinion._spawn,
    do.ReleaseJob: SwarmMinion._release,
    do.AdoptJob: SwarmMinion._adopt,
    do.KillJob: SwarmMinion._kill,
    do.ReadBody: SwarmMinion._read_body,
    do.DropSpool: SwarmMinion._drop_spool,
    do.CollectGrains: SwarmMinion._collect_grains,
    do.Reexec: SwarmMinion._reexec,
    do.Report: SwarmMinion._report,
    do.LocalAnswer: SwarmMinion._local,
    do.LocalStored: SwarmMinion._local,
    do.LocalRefused: SwarmMinion._refuse,
    do.LocalReply: SwarmMinion._reply,
}
