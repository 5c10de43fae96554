"""Carries the effects of the minion's core out, in order; holds back what waits for the disk."""

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from limpet.common.clock import Clock, Instant, Moment
from limpet.common.errors import HostError
from limpet.common.identifiers import Attempt, Commit
from limpet.common.messages.enrolment import EnrolRequest
from limpet.common.observability.logs import Log
from limpet.minion.control import messages as local
from limpet.minion.control.server import LocalServer
from limpet.minion.core import effects
from limpet.minion.grains.io.collector import (
    ANSWER_BYTES_MAX,
    LIMIT_S,
    CollectedGrains,
    read_answer,
)
from limpet.minion.grains.io.collector import command as grains_command
from limpet.minion.journal.io.journal_thread import Journal
from limpet.minion.journal.records import JobFinished
from limpet.minion.master_keys.io.key_writer import KeyWriter
from limpet.minion.process.child_process import ShortChild
from limpet.minion.process.master_socket import MasterSocket
from limpet.minion.process.plan import Plan
from limpet.minion.process.resolver import Resolver
from limpet.minion.workers.job_processes import JobProcesses

SIGN_S: Final = 4.5
"""Less than the core gives an enrolment."""
SIGN_BYTES_MAX: Final = 4096

Waiting = effects.Send | effects.SpawnJob | effects.ReleaseJob | effects.KillJob | effects.DropSpool


class EffectRunner:
    """Runs the effects of one core."""

    def __init__(
        self,
        plan: Plan,
        log: Log,
        clock: Clock,
        *,
        socket: MasterSocket,
        journal: Journal,
        workers: JobProcesses,
        server: LocalServer,
        trust: KeyWriter,
    ) -> None:
        self._plan = plan
        self._log = log
        self._clock = clock
        self._socket = socket
        self._journal = journal
        self._workers = workers
        self._server = server
        self.trust = trust
        self._durable = Commit(0)
        self._held: deque[Waiting] = deque()
        self.resolver = Resolver()
        self.outcomes: Counter[str] = Counter()
        """Jobs that ended, by how, for people."""
        self.job_seconds = 0.0
        """How long they ran, all together."""
        self.grains: ShortChild | None = None
        self.signer: ShortChild | None = None
        self._signing: tuple[Attempt, EnrolRequest] | None = None
        self._failures: list[tuple[Attempt, str]] = []
        self._grains_failure = ""
        self.reexec_reason = ""
        """Not empty: the process is to be started afresh."""
        self._handlers: dict[type, Callable[..., None]] = {
            effects.Persist: self._persist,
            effects.Resolve: self._resolve,
            effects.OpenSocket: self._open,
            effects.CloseSocket: self._close_socket,
            effects.Send: self._send,
            effects.Prove: self._prove,
            effects.KeepServerKey: trust.keep_server_key,
            effects.KeepTrust: trust.keep_trust,
            effects.SpawnJob: self._spawn,
            effects.ReleaseJob: self._release,
            effects.AdoptJob: self._adopt,
            effects.KillJob: self._kill,
            effects.ReadBody: self._read_body,
            effects.DropSpool: self._drop_spool,
            effects.CollectGrains: self._collect_grains,
            effects.Reexec: self._reexec,
            effects.Report: self._report,
            effects.LocalAnswer: self._local_answer,
            effects.LocalStored: self._local_stored,
            effects.LocalRefused: self._local_refused,
            effects.LocalReply: self._local_reply,
        }

    @property
    def next_deadline(self) -> Instant:
        """Give when one of the children, or a failure to start one, is to be looked at."""
        if self._failures or self._grains_failure:
            return Instant(0.0)
        children = (child.deadline for child in (self.grains, self.signer) if child is not None)
        return min((self.trust.next_deadline, *children))

    def filenos(self) -> tuple[int, ...]:
        """Give what to poll for reading."""
        children = (child.fileno() for child in (self.grains, self.signer) if child is not None)
        return (self.resolver.fileno(), *self.trust.filenos(), *children)

    def carry_out(self, asked: list[effects.Effect]) -> None:
        """Carry out, in order; what waits for a commit is passed by what does not."""
        for effect in asked:
            after: Commit = getattr(effect, "after", effects.NOW)
            if after > self._durable:
                self._held.append(effect)  # type: ignore[arg-type]  # only these have `after`
            else:
                self._handlers[type(effect)](effect)

    def on_durable(self, commit: Commit) -> None:
        """Carry out what has waited for this commit or an earlier one."""
        self._durable = commit
        held, self._held = self._held, deque()
        for effect in held:
            if effect.after <= commit:
                self._handlers[type(effect)](effect)
            else:
                self._held.append(effect)

    def take_grains(self, now: Moment) -> CollectedGrains | None:
        """Give the grains once they are there, or why they are not."""
        if self._grains_failure:
            problem, self._grains_failure = self._grains_failure, ""
            return CollectedGrains(b"", "", problem)
        answer = None if self.grains is None else self.grains.collect(now)
        if answer is None:
            return None
        self.grains = None
        return read_answer(answer.data, answer.problem)

    def take_proof_failures(self, now: Moment) -> list[tuple[Attempt, str]]:
        """Send the request that was signed; give those that could not be."""
        answer = None if self.signer is None else self.signer.collect(now)
        if answer is not None:
            self.signer = None
            self._send_signed(answer.data, answer.problem)
        failures, self._failures = self._failures, []
        return failures

    def close(self) -> None:
        """End the children and hear no resolver any more."""
        for child in (self.grains, self.signer):
            if child is not None:
                child.close()
        self.grains = self.signer = None
        self.trust.close()
        self.resolver.close()

    # --- each effect --------------------------------------------------------------------------

    def _persist(self, effect: effects.Persist) -> None:
        self._journal.persist(effect.commit, effect.records)
        for record in effect.records:
            if isinstance(record, JobFinished):
                self.outcomes[record.outcome] += 1
                self.job_seconds += record.duration_s

    def _resolve(self, effect: effects.Resolve) -> None:
        self.resolver.ask(effect.attempt, effect.host)

    def _open(self, effect: effects.OpenSocket) -> None:
        self._socket.open(effect)

    def _close_socket(self, effect: effects.CloseSocket) -> None:
        self._socket.close(effect.attempt)

    def _send(self, effect: effects.Send) -> None:
        self._socket.send(effect.attempt, effect.message)

    def _prove(self, effect: effects.Prove) -> None:
        from limpet.common.crypto import sign_child
        from limpet.common.crypto.proof import Statement

        statement = Statement.of(
            effect.request,
            master_key=bytes.fromhex(effect.server_key),
            minion_key=self._plan.public_key,
        )
        if self.signer is not None:
            self.signer.close()
        try:
            self.signer = ShortChild(
                self._clock.now(),
                sign_child.command(),
                name="the process that signs the join request",
                limit_s=SIGN_S,
                bytes_max=SIGN_BYTES_MAX,
                stdin=sign_child.encode_request(self._plan.join_secret, statement),
            )
            self._signing = (effect.attempt, effect.request)
        except HostError as error:
            self.signer = None
            self._failures.append((effect.attempt, str(error)))

    def _send_signed(self, data: bytes, problem: str) -> None:
        import msgspec

        from limpet.common.crypto.sign_child import decode_answer

        assert self._signing is not None
        attempt, request = self._signing
        self._signing = None
        try:
            signature = decode_answer(data)
        except HostError as error:
            self._failures.append((attempt, problem or str(error)))
            return
        self._socket.send(attempt, msgspec.structs.replace(request, signature=signature))

    def _spawn(self, effect: effects.SpawnJob) -> None:
        self._workers.spawn(self._clock.now(), effect)

    def _release(self, effect: effects.ReleaseJob) -> None:
        self._workers.release(self._clock.now(), effect.jid)

    def _adopt(self, effect: effects.AdoptJob) -> None:
        self._workers.adopt(
            self._clock.now(),
            effect.jid,
            effect.pid,
            effect.process_start,
            is_streamed=effect.is_streamed,
        )

    def _kill(self, effect: effects.KillJob) -> None:
        self._workers.kill(self._clock.now(), effect.jid, effect.reason)

    def _read_body(self, effect: effects.ReadBody) -> None:
        self._workers.read_body(effect.jid, effect.offset, effect.size)

    def _drop_spool(self, effect: effects.DropSpool) -> None:
        self._workers.drop(effect.jid)

    def _collect_grains(self, _: effects.CollectGrains) -> None:
        if self.grains is not None:
            return  # the answer of the one that runs is as good
        try:
            self.grains = ShortChild(
                self._clock.now(),
                grains_command(self._plan.root, self._plan.minion_id),
                name="collecting the grains",
                limit_s=LIMIT_S,
                bytes_max=ANSWER_BYTES_MAX,
            )
        except HostError as error:
            self._grains_failure = str(error)

    def _reexec(self, effect: effects.Reexec) -> None:
        self.reexec_reason = effect.reason

    def _report(self, effect: effects.Report) -> None:
        self._log.report(effect.level, effect.topic, effect.text)

    def _local_answer(self, effect: effects.LocalAnswer) -> None:
        ending = effect.ending
        descriptor = None
        error = ending.error
        body_bytes = ending.body_bytes
        if body_bytes > len(ending.body):
            try:
                descriptor = self._workers.open_body(effect.jid)
            except HostError as failure:
                error = f"{error}; {failure}" if error else str(failure)
                body_bytes = len(ending.body)
        reply = local.LocalEnded(
            jid=effect.jid,
            outcome=ending.outcome,  # type: ignore[arg-type]  # the record holds an Outcome
            retcode=ending.retcode,
            error=error,
            body=ending.body,
            body_bytes=body_bytes,
            is_cut=ending.is_cut,
            started_wall_s=ending.started_wall_s,
            duration_s=ending.duration_s,
        )
        self._server.answer(effect.client, reply, descriptor)

    def _local_stored(self, effect: effects.LocalStored) -> None:
        self._server.answer(effect.client, local.LocalStored(effect.jid))

    def _local_refused(self, effect: effects.LocalRefused) -> None:
        self._server.answer(effect.client, local.LocalRefused(effect.reason, effect.text))

    def _local_reply(self, effect: effects.LocalReply) -> None:
        self._server.answer(effect.client, effect.reply)
