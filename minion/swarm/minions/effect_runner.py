"""What carries out the effects of one minion of the swarm, and keeps what it carries.

Its journal is in memory, so a commit is durable as soon as it is asked for; jobs are answered by
`jobs.py`, facts come from templates, cryptography is done on the spot. What an effect comes to is
told to the core as the next step: `follow`.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import JobId
from limpet.common.messages.session import Beat
from limpet.common.messages.trust import Verdict
from limpet.minion.core import effects as do
from limpet.minion.core.machine import MinionCore
from limpet.minion.core.settings import HeldTrust
from limpet.minion.journal.records import (
    JobAcknowledged,
    JobEntry,
    JobFinished,
    JournalState,
    replay,
)
from limpet.minion.process.master_socket import MasterSocket
from limpet.minion.swarm.minions.fetching import Fetching
from limpet.minion.swarm.minions.grains import MadeGrains, grains_of
from limpet.minion.swarm.minions.held_files import Held
from limpet.minion.swarm.minions.jobs import PID, Asked, MadeJobs
from limpet.minion.swarm.minions.questions import Questions
from limpet.minion.swarm.minions.shared import SharedWorld
from limpet.minion.swarm.plan import Identity, Member
from limpet.minion.swarm.watch import OneWatch

Step = Callable[[MinionCore, Moment], list[do.Effect]]


class EffectRunner:
    """One minion's socket, journal and jobs; `carry_out` does what its core decided."""

    __slots__ = (
        "_beat",
        "_held",
        "_is_up",
        "_member",
        "_number",
        "_shared",
        "follow",
        "is_afresh",
        "jobs",
        "journal",
        "socket",
    )

    def __init__(self, number: int, member: Member, shared: SharedWorld, watch: OneWatch) -> None:
        """Be ready for a minion that has not started."""
        self._number = number
        self._member = member
        self._shared = shared
        identity = Identity(member.public_key, member.secret_key)
        self.socket = MasterSocket(identity, watch, shared=shared.context)
        self._held = Held()
        self.jobs = MadeJobs(shared.order.behaviour, member.minion_id, self._begin_fetching)
        self.journal = JournalState(notes=dict(member.notes))
        self._is_up = False
        """The present socket's handshake was counted as done."""
        self._beat: tuple[int, Instant] = (0, Instant(0.0))
        """The last own beat, until it comes back, and when it left."""
        self.follow: deque[Step] = deque()
        """What the core has to be told as a result of its own effects."""
        self.is_afresh = False
        """Its process would be started afresh now."""

    def carry_out(self, now: Moment, effects: list[do.Effect]) -> None:
        """Carry effects out in order."""
        for effect in effects:
            _HANDS[type(effect)](self, now, effect)

    def start_afresh(self) -> None:
        """Keep the journal and nothing else, as a process that starts afresh."""
        self.is_afresh = False
        self.follow.clear()
        self.socket.close(self.socket.attempt)

    def on_handshake(self) -> None:
        """Count a handshake that was done."""
        self._shared.figures.handshakes += 1
        if not self._is_up:
            self._is_up = True
            self._shared.figures.connected += 1

    def on_echo(self, now: Moment, echo: int) -> None:
        """Measure how long the last own beat took to be heard and told."""
        number, left_at = self._beat
        if number and echo >= number:
            self._beat = (0, now.boot)
            self._shared.figures.beats += 1
            self._shared.figures.beat_s.add(now.boot - left_at)

    # --- what jobs need -----------------------------------------------------------------------

    def _grains(self) -> MadeGrains:
        order, member = self._shared.order, self._member
        return grains_of(order.templates, member.minion_id, member.number, order.behaviour.seed)

    def _begin_fetching(self, questions: Questions) -> Fetching:
        shared = self._shared
        return Fetching(
            questions, self._held, shared.readings, shared.figures, lambda: self._grains().body
        )

    def _ask(self, asked: Asked | None) -> None:
        """Put a question of a job to the link, as if it came over a real minion's socket."""
        if asked is not None:
            client, question = asked
            self.follow.append(lambda core, now: core.on_local_question(now, client, question))

    def _forget(self, client: int) -> None:
        self.follow.append(lambda core, now: core.on_local_gone(now, client))

    # --- each effect --------------------------------------------------------------------------

    def _persist(self, now: Moment, effect: do.Persist) -> None:
        for record in effect.records:
            replay(self.journal, record)
            if isinstance(record, JobFinished):
                self._count_end(record.outcome)
            elif isinstance(record, JobAcknowledged):
                # Only that it was here matters from now on.
                jid = JobId(record.jid)
                self.journal.jobs[jid] = JobEntry(
                    jid, is_acknowledged=True, touched_wall_s=record.at_wall_s
                )
        self.follow.append(lambda core, now: core.on_committed(now, effect.commit))

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
        self.socket.open(effect)
        self._shared.wants_look(self._number)

    def _close(self, now: Moment, effect: do.CloseSocket) -> None:
        self._beat = (0, now.boot)
        if self._is_up:
            self._is_up = False
            self._shared.figures.connected -= 1
        self.socket.close(effect.attempt)

    def _send(self, now: Moment, effect: do.Send) -> None:
        message = effect.message
        if type(message) is Beat and not self._beat[0]:
            self._beat = (message.number, now.boot)
        self.socket.send(effect.attempt, message)

    def _prove(self, now: Moment, effect: do.Prove) -> None:
        self._shared.figures.enrolments_asked += 1
        signed = self._shared.prover.signed(
            effect.request, server_key=effect.server_key, minion_key=self._member.public_key
        )
        self.socket.send(effect.attempt, signed)

    def _keep_server_key(self, now: Moment, effect: do.KeepServerKey) -> None:
        self._member.server_key = effect.key

    def _keep_trust(self, now: Moment, effect: do.KeepTrust) -> None:
        why = self._shared.prover.why_untrusted(effect.trust, effect.pinned)
        if not why:
            self._member.trust = HeldTrust.of(effect.trust)
        verdict: Verdict = "refused" if why else "kept"
        serial = effect.trust.serial
        self.follow.append(lambda core, now: core.on_trust_kept(now, serial, verdict, why))

    def _spawn(self, now: Moment, effect: do.SpawnJob) -> None:
        jid = effect.jid
        self.jobs.spawn(jid, effect.job_timeout_s, effect.function, effect.arguments)
        start = int(now.boot * 100)
        self.follow.append(lambda core, now: core.on_job_spawned(now, jid, PID, start))

    def _release(self, now: Moment, effect: do.ReleaseJob) -> None:
        self._ask(self.jobs.release(now, effect.jid))

    def _adopt(self, now: Moment, effect: do.AdoptJob) -> None:
        jid, result = effect.jid, self.jobs.adopt(effect.jid)
        self.follow.append(lambda core, now: core.on_job_ended(now, jid, result))

    def _kill(self, now: Moment, effect: do.KillJob) -> None:
        jid, result = effect.jid, self.jobs.kill(now, effect.jid, effect.reason)
        self.follow.append(lambda core, now: core.on_job_ended(now, jid, result))
        for client in self.jobs.take_gone():
            self._forget(client)

    def _read_body(self, now: Moment, effect: do.ReadBody) -> None:
        jid, offset = effect.jid, effect.offset
        data = self.jobs.read_body(jid, offset, effect.size)
        self.follow.append(lambda core, now: core.on_body(now, jid, offset, data))

    def _drop_spool(self, now: Moment, effect: do.DropSpool) -> None:
        self.jobs.drop(effect.jid)

    def _collect_grains(self, now: Moment, effect: do.CollectGrains) -> None:
        made = self._grains()
        self.follow.append(lambda core, now: core.on_grains(now, made.body, made.digest, ""))

    def _reexec(self, now: Moment, effect: do.Reexec) -> None:
        """Keep the journal and nothing else, as a process that starts afresh."""
        self._shared.figures.restarts += 1
        self.is_afresh = True

    def _report(self, now: Moment, effect: do.Report) -> None:
        if effect.level in ("warning", "error"):
            self._shared.figures.count_warning(effect.topic)

    def _reply(self, now: Moment, effect: do.LocalReply) -> None:
        self._ask(self.jobs.on_reply(now, effect.client, effect.reply))

    def _refuse(self, now: Moment, effect: do.LocalRefused) -> None:
        self.jobs.on_refused(now, effect.client, effect.reason, effect.text)

    def _local(self, now: Moment, effect: do.Effect) -> None:
        raise AssertionError(f"nobody runs anything locally on a minion of the swarm: {effect}")


_HANDS: Final[dict[type, Callable[..., None]]] = {
    do.Persist: EffectRunner._persist,
    do.Resolve: EffectRunner._resolve,
    do.OpenSocket: EffectRunner._open,
    do.CloseSocket: EffectRunner._close,
    do.Send: EffectRunner._send,
    do.Prove: EffectRunner._prove,
    do.KeepServerKey: EffectRunner._keep_server_key,
    do.KeepTrust: EffectRunner._keep_trust,
    do.SpawnJob: EffectRunner._spawn,
    do.ReleaseJob: EffectRunner._release,
    do.AdoptJob: EffectRunner._adopt,
    do.KillJob: EffectRunner._kill,
    do.ReadBody: EffectRunner._read_body,
    do.DropSpool: EffectRunner._drop_spool,
    do.CollectGrains: EffectRunner._collect_grains,
    do.Reexec: EffectRunner._reexec,
    do.Report: EffectRunner._report,
    do.LocalAnswer: EffectRunner._local,
    do.LocalStored: EffectRunner._local,
    do.LocalRefused: EffectRunner._refuse,
    do.LocalReply: EffectRunner._reply,
}
