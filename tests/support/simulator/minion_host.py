"""A host with a minion on it: carries out the effects of the production core."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import msgspec

from limpet.common.clock import Moment
from limpet.common.identifiers import Attempt, Commit, JobId, MinionId, MinionKey
from limpet.common.messages.enrolment import EnrolRequest
from limpet.common.wire.codec import (
    encode,
    enrol_answer_decoder,
    enrol_request_decoder,
    minion_decoder,
)
from limpet.minion import effects as do
from limpet.minion.core import MinionCore
from limpet.minion.jobs.records import AnyRecord, JournalState, Record, compact, replay
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.settings import LinkSettings
from support.simulator.coverage import Counted, Pairs
from support.simulator.disks import Disk
from support.simulator.network import Connection, Network, Weather
from support.simulator.truth import Run, Truth
from support.simulator.world import HostClock, Process, World

INSTANT = {"test.ping": lambda _args, _kwargs: True}
_records = msgspec.msgpack.Decoder(AnyRecord)


@dataclass
class Worker:
    """A job's process tree; it outlives the link."""

    jid: str
    pid: int
    process_start: int
    seconds: float
    outcome: str
    size: int
    is_streamed: bool
    is_released: bool = False
    is_gone: bool = False
    run: Run | None = None
    watchers: list[Callable[[], None]] = field(default_factory=list)


class MinionHost(Process):
    """One host: `records` is its journal, `workers` and `spool` its processes and files."""

    def __init__(
        self,
        world: World,
        network: Network,
        master: "MasterDoor",
        truth: Truth,
        *,
        name: str,
        minion_id: str,
        key: str,
        host_master: str = "192.0.2.1",
    ) -> None:
        super().__init__(world, name)
        self.network = network
        self.master = master
        self.truth = truth
        self.key = MinionKey(key)
        self.settings = LinkSettings(
            minion_id=MinionId(minion_id),
            master_host=host_master,
            server_key="ab" * 32,
            join_token_id="tok",
            version="1",
        )
        self.weather = Weather()
        self.clock = HostClock(world, up_since=world.t - 100.0 - world.chance.random() * 1000)
        self.boot_id = f"{world.chance.getrandbits(128):032x}"
        self.records: list[Record] = []
        self.disk: Disk[Record] = Disk(world, name, self._append)
        self.workers: dict[str, Worker] = {}
        self.spool: dict[str, WorkerResult] = {}
        self.bodies: dict[str, bytes] = {}
        self.core: MinionCore | None = None
        self.connection: Connection | None = None
        self.connected_attempt = Attempt(0)
        self.ready_at: float | None = None
        self._pid = 100
        self._wake = 0
        self._held: list[tuple[int, do.Effect]] = []
        self._committed = 0
        self.restart_after_s = 1.0
        self.is_on = True
        self.resolver_works = True
        self.spawning_works = True
        self.proving_works = True
        self.garbles = False
        self.cores_seen = 0
        self.count_into: Pairs | None = None

    # -- disk ---------------------------------------------------------------------------------

    def _append(self, _commit: int, items: tuple[Record, ...]) -> None:
        for item in items:
            decoded = _records.decode(msgspec.msgpack.encode(item))
            self.records.append(decoded)
        if len(self.records) > 400:
            self.records = compact(self.journal())

    def journal(self) -> JournalState:
        """Replay what is on the disk."""
        state = JournalState()
        for record in self.records:
            replay(state, record)
        return state

    # -- life ---------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start the minion's link process."""
        if self.is_alive or not self.is_on:
            return
        self.is_alive = True
        self.cores_seen += 1
        self._held = []
        self._committed = 0
        self.disk.tell_trouble = self._trouble
        self.world.note(self.name, "starts")
        kept = {j for j, e in self.journal().jobs.items() if not e.is_acknowledged}
        for jid in [jid for jid in self.spool if jid not in kept]:  # as the shell tidies up
            del self.spool[jid]
        self.core = MinionCore(
            self.settings,
            self.journal(),
            now=self.clock.now(),
            boot_id=self.boot_id,
            chance=random.Random(self.world.chance.getrandbits(64)),
            instant=INSTANT,
        )
        core = self.core
        if self.count_into is not None:
            self.core = cast(
                MinionCore, Counted(core, self.count_into, lambda core, _: core.state.name)
            )
        self.let(self.life, lambda: self._carry_out(core.start(self.now())))

    def on_killed(self) -> None:
        """The link process is gone: its socket closes, its disk loses what was not synced."""
        super().on_killed()
        self.core = None
        self.ready_at = None
        self.disk.crash()
        self._drop_connection()
        for worker in list(self.workers.values()):
            worker.watchers.clear()
            if not worker.is_released:
                worker.is_gone = True  # held on a pipe whose other end is gone
                self.workers.pop(worker.jid, None)
        if self.is_on:
            self.world.later(self.restart_after_s, self.boot)

    def power_off(self, seconds: float) -> None:
        """The host goes down without a word and boots again after a while."""
        self.world.note(self.name, f"loses power for {seconds:.1f} s")
        connection = self.connection
        if connection is not None:
            connection.is_dead = connection.is_dead or self.world.chance.random() < 0.7
        self.is_on = False
        for worker in self.workers.values():
            worker.is_gone = True
            if worker.run is not None and not worker.run.ended:
                worker.run.ended = "died"
        self.workers.clear()
        self.kill()

        def up() -> None:
            self.is_on = True
            self.boot_id = f"{self.world.chance.getrandbits(128):032x}"
            self.clock.up_since = self.world.t - 1.0
            self.boot()

        self.world.later(seconds, up)

    def kill_tree(self) -> None:
        """Kill -9 the link and every worker."""
        for worker in self.workers.values():
            worker.is_gone = True
            if worker.run is not None and not worker.run.ended:
                worker.run.ended = "died"
        self.workers.clear()
        self.kill()

    def stop_and_start(self, seconds: float) -> None:
        """End the link as SIGTERM does, and start it again: jobs go on."""

        def stop() -> None:
            core = core_of(self)
            self._carry_out(core.on_stop(self.now()))
            self.restart_after_s = seconds
            self.world.later(0.3, self.kill)

        self.let(self.life, stop)

    def run_locally(self, seconds: float) -> None:
        """Run a job for `limpet call`, which may lose patience."""
        client = self.world.chance.getrandbits(30)
        arguments = msgspec.msgpack.encode([[], {"seconds": seconds}])
        self.step(lambda core: core.on_local_run(self.now(), client, "cmd.run", arguments, 60.0))
        if self.world.chance.random() < 0.5:
            self.world.later(
                seconds / 2, lambda: self.step(lambda core: core.on_local_gone(self.now(), client))
            )

    def reimage(self) -> None:
        """The host is installed anew with its old key: no journal, no jobs, no spool."""
        self.world.note(self.name, "is reimaged")
        self.truth.journals_replaced.add(self.settings.minion_id)
        self.power_off(3.0)
        self.records = []
        self.spool.clear()
        self.bodies.clear()

    def now(self) -> Moment:
        """Read the host's clocks."""
        return self.clock.now()

    # -- effects ------------------------------------------------------------------------------

    def step(self, act: Callable[[MinionCore], list[do.Effect]]) -> None:
        """Hand one event to the core, if it lives, and carry out what it says."""
        life = self.life

        def run() -> None:
            assert self.core is not None
            self._carry_out(act(self.core))

        self.let(life, run)

    def _carry_out(self, effects: list[do.Effect]) -> None:
        for effect in effects:
            after = getattr(effect, "after", 0)
            if after > self._committed:
                self._held.append((after, effect))
                continue
            self.count_effect()
            self._do(effect)
            if not self.is_alive:
                return
        self._set_alarm()
        self._watch_ready()

    def _watch_ready(self) -> None:
        assert self.core is not None
        if self.core.is_ready and self.ready_at is None:
            self.ready_at = self.world.t
            self.world.note(self.name, "READY")
        elif not self.core.is_ready and self.ready_at is not None:
            self.ready_at = None
            self.world.note(self.name, "not READY")

    def _set_alarm(self) -> None:
        assert self.core is not None
        deadline = self.core.next_deadline
        if not (deadline < 1e12):
            raise AssertionError(f"{self.name}: a state without a deadline: {deadline}")
        self._wake += 1
        wake = self._wake
        life = self.life

        def ring() -> None:
            if wake == self._wake and life == self.life:
                self.step(lambda core: core.on_deadline(self.now()))

        self.world.at(self.clock.at(deadline) + 1e-6, ring)

    def _committed_to(self, life: int, commit: int) -> None:
        def act() -> None:
            self._committed = max(self._committed, commit)
            due = [effect for after, effect in self._held if after <= self._committed]
            self._held = [
                (after, effect) for after, effect in self._held if after > self._committed
            ]
            for effect in due:
                self.count_effect()
                self._do(effect)
            if life == self.life:
                self._carry_out(core_of(self).on_committed(self.now(), Commit(commit)))

        self.let(life, act)

    def _trouble(self, text: str) -> None:
        if self.is_alive and self.core is not None:
            self.step(lambda core: core.on_journal_trouble(self.now(), text))

    def _do(self, effect: do.Effect) -> None:
        life = self.life
        if isinstance(effect, do.Persist):
            self.disk.write(
                effect.commit, effect.records, lambda commit: self._committed_to(life, commit)
            )
        elif isinstance(effect, do.Resolve):
            found = ("192.0.2.1",) if self.resolver_works else ()
            self.world.later(
                0.01 if self.resolver_works else self.world.chance.choice((0.01, 2.0, 9.0)),
                lambda: self.step(lambda core: core.on_resolved(self.now(), effect.attempt, found)),
            )
        elif isinstance(effect, do.OpenSocket):
            self._open(effect)
        elif isinstance(effect, do.CloseSocket):
            if effect.attempt == self.connected_attempt:
                self._drop_connection()
        elif isinstance(effect, do.Send):
            if effect.attempt == self.connected_attempt and self.connection is not None:
                self.network.send(self.connection, upwards=True, frame=encode(effect.message))
        elif isinstance(effect, do.Prove):
            request = effect.request
            if not self.proving_works:
                self.world.later(
                    0.1,
                    lambda: self.step(
                        lambda core: core.on_proof_failed(self.now(), effect.attempt, "no key")
                    ),
                )
                return
            signed = msgspec.structs.replace(request, signature=b"s" * 64)
            self.world.later(
                0.1, lambda: self.let(life, lambda: self._send_up(effect.attempt, signed))
            )
        elif isinstance(effect, do.SpawnJob):
            self._spawn(effect)
        elif isinstance(effect, do.ReleaseJob):
            self._release(effect.jid)
        elif isinstance(effect, do.AdoptJob):
            self._adopt(effect)
        elif isinstance(effect, do.KillJob):
            self._kill_job(effect.jid, effect.reason)
        elif isinstance(effect, do.ReadBody):
            data = self.bodies.get(effect.jid, b"")[effect.offset : effect.offset + effect.size]
            jid, offset = effect.jid, effect.offset
            self.world.later(
                0.001, lambda: self.step(lambda core: core.on_body(self.now(), jid, offset, data))
            )
        elif isinstance(effect, do.DropSpool):
            self.spool.pop(effect.jid, None)
            self.bodies.pop(effect.jid, None)
        elif isinstance(effect, do.CollectGrains):
            self.world.later(
                1.0,
                lambda: self.step(lambda core: core.on_grains(self.now(), b"{}", "00" * 32, "")),
            )
        elif isinstance(effect, do.Reexec):
            self.world.note(self.name, f"starts afresh: {effect.reason}")
            self.restart_after_s = 0.1
            self.kill()
        elif isinstance(effect, do.Report):
            self.world.note(self.name, f"[{effect.level}] {effect.text}")

    def _send_up(self, attempt: Attempt, request: EnrolRequest) -> None:
        if attempt == self.connected_attempt and self.connection is not None:
            self.network.send(self.connection, upwards=True, frame=encode(request))

    # -- the link -----------------------------------------------------------------------------

    def _drop_connection(self) -> None:
        if self.connection is not None:
            self.network.close_minion_end(self.connection)
        self.connection = None
        self.connected_attempt = Attempt(0)

    def _open(self, effect: do.OpenSocket) -> None:
        attempt, life = effect.attempt, self.life
        self._drop_connection()
        self.connected_attempt = attempt
        weather, chance = self.weather, self.world.chance

        def tell(what: str) -> None:
            def act() -> None:
                if attempt == self.connected_attempt:
                    assert self.core is not None
                    self._carry_out(self.core.on_link(self.now(), attempt, what))  # type: ignore[arg-type]

            self.let(life, act)

        def handshake() -> None:
            if life != self.life or attempt != self.connected_attempt:
                return
            if weather.is_dark:
                return  # SYN lost: silence
            if weather.is_refused or not self.master.is_listening(effect.port):
                tell("refused")
                return
            tell("connected")
            if weather.handshake_breaks:
                self.world.later(0.05, lambda: tell("handshake_failed"))
                return
            self.world.later(weather.latency_s * 4 + 0.002, finish)

        def finish() -> None:
            if life != self.life or attempt != self.connected_attempt or weather.is_dark:
                return
            if self.master.is_stopped:
                return  # the kernel answers, nobody else does
            if not self.master.is_listening(effect.port):
                tell("disconnected")
                return
            if effect.port == "main" and not self.master.allows(self.key):
                tell("denied")
                return
            self._connected(effect, tell)

        self.world.later(weather.latency_s * 2 + chance.random() * 0.002, handshake)

    def _connected(self, effect: do.OpenSocket, tell: Callable[[str], None]) -> None:
        attempt, life = effect.attempt, self.life
        decoder = minion_decoder() if effect.port == "main" else enrol_answer_decoder()

        def to_minion(frame: bytes) -> None:
            def act() -> None:
                if attempt == self.connected_attempt:
                    assert self.core is not None
                    if self.garbles:
                        self._carry_out(
                            core_of(self).on_bad_frame(self.now(), attempt, "bad_schema")
                        )
                        return
                    message = decoder.decode(frame)
                    self.world.note(self.name, f"<- {message}") if self.world.is_traced else None
                    self._carry_out(self.core.on_message(self.now(), attempt, message))

            self.let(life, act)

        self.connection = self.network.open(
            key=self.key,
            weather=self.weather,
            to_minion=to_minion,
            tell_minion=tell,
            **self.master.accept(effect.port, self.key),
        )
        self.master.opened(self.connection, effect.port)
        tell("ready")

    # -- workers ------------------------------------------------------------------------------

    def _spawn(self, effect: do.SpawnJob) -> None:
        if not self.spawning_works:
            self.world.later(
                0.02,
                lambda: self.step(
                    lambda core: core.on_job_spawn_failed(self.now(), effect.jid, "no memory")
                ),
            )
            return
        self._pid += 1
        _args, options = msgspec.msgpack.decode(effect.arguments)
        worker = Worker(
            effect.jid,
            self._pid,
            int(self.world.t * 100),
            min(options.get("seconds", 0.1), effect.job_timeout_s),
            options.get("outcome", "ok"),
            options.get("size", 10),
            effect.is_streamed,
        )
        if options.get("seconds", 0.1) > effect.job_timeout_s:
            worker.outcome = "timeout"
        life = self.life

        def spawned() -> None:
            if life != self.life:
                return
            self.workers[effect.jid] = worker
            self.step(
                lambda core: core.on_job_spawned(
                    self.now(), JobId(effect.jid), worker.pid, worker.process_start
                )
            )

        self.world.later(0.01 + self.world.chance.random() * 0.02, spawned)

    def _release(self, jid: str) -> None:
        worker = self.workers.get(jid)
        if worker is None or worker.is_released:
            return
        worker.is_released = True
        worker.run = Run(jid, self.settings.minion_id, self.name, self.world.t)
        self.truth.runs.append(worker.run)
        self.world.note(self.name, f"runs {jid}")
        self._watch(worker)
        if worker.is_streamed:
            self._talk(worker, 0)
        started = self.now().wall

        def end() -> None:
            if not worker.is_gone:
                self._end(
                    worker, "failed" if worker.outcome == "timeout" else worker.outcome, started
                )

        self.world.later(worker.seconds, end)

    def _talk(self, worker: Worker, turn: int) -> None:
        """Let a streamed job print a line now and then."""
        if worker.is_gone or turn > 40:
            return
        jid = JobId(worker.jid)
        self.step(lambda core: core.on_output(self.now(), jid, b"a line\n", 0))
        self.world.later(0.3, lambda: self._talk(worker, turn + 1))

    def _end(self, worker: Worker, outcome: str, started: float) -> None:
        worker.is_gone = True
        self.workers.pop(worker.jid, None)
        assert worker.run is not None
        worker.run.ended = outcome
        body = b"r" * worker.size
        if worker.size > 16 * 1024:
            self.bodies[worker.jid] = body
        self.spool[worker.jid] = WorkerResult(
            outcome=outcome,  # type: ignore[arg-type]
            retcode=0 if outcome == "ok" else 1,
            error="" if outcome == "ok" else "it failed",
            body=b"" if worker.size > 16 * 1024 else body,
            body_bytes=worker.size,
            body_digest=digest_of(body),
            started_wall_s=started,
            duration_s=worker.seconds,
        )
        for watcher in worker.watchers:
            watcher()

    def _watch(self, worker: Worker) -> None:
        life, jid = self.life, worker.jid
        worker.watchers.append(
            lambda: self.world.later(
                0.002,
                lambda: (
                    self.step(
                        lambda core: core.on_job_ended(self.now(), JobId(jid), self.spool[jid])
                    )
                    if life == self.life
                    else None
                ),
            )
        )

    def _adopt(self, effect: do.AdoptJob) -> None:
        worker = self.workers.get(effect.jid)
        if worker is not None and (worker.pid, worker.process_start) == (
            effect.pid,
            effect.process_start,
        ):
            self._watch(worker)
            return
        jid = effect.jid
        result = self.spool.get(jid) or WorkerResult(
            "interrupted", 1, "its worker died without a result"
        )
        self.world.later(
            0.002, lambda: self.step(lambda core: core.on_job_ended(self.now(), JobId(jid), result))
        )

    def _kill_job(self, jid: str, reason: str) -> None:
        worker = self.workers.get(jid)
        outcome = "cancelled" if reason == "cancelled" else "failed"
        if worker is None or not worker.is_released:
            if worker is not None:
                worker.is_gone = True
                del self.workers[jid]
            never = WorkerResult(outcome, 1, "ended before its first step")
            self.world.later(
                0.01, lambda: self.step(lambda c: c.on_job_ended(self.now(), JobId(jid), never))
            )
            return
        started = self.now().wall
        self.world.later(
            0.05, lambda: None if worker.is_gone else self._end(worker, outcome, started)
        )


def core_of(host: "MinionHost") -> MinionCore:
    """Give the core of a host that lives."""
    assert host.core is not None
    return host.core


def digest_of(body: bytes) -> str:
    """SHA-256 in hex."""
    import hashlib

    return hashlib.sha256(body).hexdigest()


class MasterDoor:
    """What a minion's host can see of the master's; `master_host.MasterHost` is the only one."""

    is_stopped: bool

    def is_listening(self, port: str) -> bool:
        """Say whether the port is open."""
        raise NotImplementedError

    def allows(self, key: MinionKey) -> bool:
        """Answer as ZAP does."""
        raise NotImplementedError

    def accept(self, port: str, key: MinionKey) -> dict[str, object]:
        """Give the master's end of a new connection."""
        raise NotImplementedError

    def opened(self, connection: Connection, port: str) -> None:
        """Take note of the new connection."""
        raise NotImplementedError


__all__ = ["INSTANT", "MasterDoor", "MinionHost", "digest_of", "enrol_request_decoder"]
