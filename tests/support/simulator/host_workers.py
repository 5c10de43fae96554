"""The processes and spool files of one host: they outlive the link that started them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from limpet.common.identifiers import JobId
from limpet.minion.core import effects as do
from limpet.minion.jobs.results import RESULT_BODY_BYTES_MAX, WorkerResult
from support.simulator.truth import Run

if TYPE_CHECKING:
    from support.simulator.minion_host import MinionHost

LINES_MAX = 40


@dataclass
class Worker:
    """A job's process tree."""

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


class HostWorkers:
    """Makes, watches and ends the workers of one host."""

    def __init__(self, host: "MinionHost") -> None:
        self._host = host
        self._world = host.world
        self.by_jid: dict[str, Worker] = {}
        self.spool: dict[str, WorkerResult] = {}
        self.bodies: dict[str, bytes] = {}
        self.can_spawn = True
        self.spawning_s = 0.0
        self.frozen_until = 0.0
        """The host is suspended until then: no process of it goes on."""
        self._pid = 100

    def drop(self, jid: str) -> None:
        """Delete a job's spool files."""
        self.spool.pop(jid, None)
        self.bodies.pop(jid, None)

    def on_link_died(self) -> None:
        """Workers held on a pipe whose other end is gone end; the others go on."""
        for worker in list(self.by_jid.values()):
            worker.watchers.clear()
            if not worker.is_released:
                worker.is_gone = True
                del self.by_jid[worker.jid]

    def kill_all(self) -> None:
        """End every process without a word."""
        for worker in self.by_jid.values():
            worker.is_gone = True
            if worker.run is not None and not worker.run.ended:
                worker.run.ended = "died"
        self.by_jid.clear()

    def spawn(self, effect: do.SpawnJob) -> None:
        """Make a worker, held before its first step."""
        host, jid, life = self._host, effect.jid, self._host.life
        if not self.can_spawn:
            host.step_later(
                0.02, lambda core: core.on_job_spawn_failed(host.now(), jid, "no memory")
            )
            return
        self._pid += 1
        _args, options = msgspec.msgpack.decode(effect.arguments)
        seconds = options.get("seconds", 0.1)
        is_too_long = seconds > effect.job_timeout_s
        worker = Worker(
            jid,
            self._pid,
            int(self._world.t * 100),
            min(seconds, effect.job_timeout_s),
            "failed" if is_too_long else options.get("outcome", "ok"),
            options.get("size", 10),
            effect.is_streamed,
        )

        def spawned() -> None:
            if life == host.life and host.is_alive:
                self.by_jid[jid] = worker
                host.step(
                    lambda core: core.on_job_spawned(
                        host.now(), jid, worker.pid, worker.process_start
                    )
                )

        self._world.later(0.01 + self._world.chance.random() * 0.02 + self.spawning_s, spawned)

    def release(self, jid: str) -> None:
        """Let a held worker go."""
        worker = self.by_jid.get(jid)
        if worker is None or worker.is_released:
            return
        host = self._host
        worker.is_released = True
        worker.run = Run(jid, host.settings.minion_id, host.name, self._world.t, worker.size)
        host.truth.add_run(worker.run)
        host.watcher.on_run(host, worker.run)
        self._world.note(host.name, f"runs {jid}")
        self._watch(worker)
        if worker.is_streamed:
            self._talk(worker, 0)
        started = host.now().wall

        def end() -> None:
            if self._world.t < self.frozen_until:
                self._world.at(self.frozen_until + 0.01, end)
            elif not worker.is_gone:
                self._end(worker, worker.outcome, started)

        self._world.later(worker.seconds, end)

    def _talk(self, worker: Worker, turn: int) -> None:
        """Let a streamed job print a line now and then."""
        if worker.is_gone or turn > LINES_MAX:
            return
        host, jid = self._host, JobId(worker.jid)
        host.step(lambda core: core.on_output(host.now(), jid, b"a line\n", 0))
        self._world.later(0.3, lambda: self._talk(worker, turn + 1))

    def _end(self, worker: Worker, outcome: str, started: float) -> None:
        worker.is_gone = True
        self.by_jid.pop(worker.jid, None)
        assert worker.run is not None
        worker.run.ended = outcome
        body = body_of(worker.jid, worker.size)
        is_large = worker.size > RESULT_BODY_BYTES_MAX
        if is_large:
            self.bodies[worker.jid] = body
        self.spool[worker.jid] = WorkerResult(
            outcome=outcome,  # type: ignore[arg-type]
            retcode=0 if outcome == "ok" else 1,
            error="" if outcome == "ok" else "it failed",
            body=b"" if is_large else body,
            body_bytes=worker.size,
            body_digest=hashlib.sha256(body).hexdigest(),
            started_wall_s=started,
            duration_s=worker.seconds,
        )
        for watcher in worker.watchers:
            watcher()

    def _watch(self, worker: Worker) -> None:
        host, life, jid = self._host, self._host.life, JobId(worker.jid)

        def tell() -> None:
            result = self.spool[jid]
            if life == host.life:
                host.step_later(0.002, lambda core: core.on_job_ended(host.now(), jid, result))

        worker.watchers.append(tell)

    def adopt(self, effect: do.AdoptJob) -> None:
        """Watch a worker of before; tell at once if it is gone."""
        worker, host, jid = self.by_jid.get(effect.jid), self._host, effect.jid
        if worker is not None and (worker.pid, worker.process_start) == (
            effect.pid,
            effect.process_start,
        ):
            self._watch(worker)
            return
        result = self.spool.get(jid) or WorkerResult(
            "interrupted", 1, "its worker died without a result"
        )
        host.step_later(0.002, lambda core: core.on_job_ended(host.now(), jid, result))

    def kill(self, jid: JobId, reason: str) -> None:
        """End a job's whole process tree."""
        host, worker = self._host, self.by_jid.get(jid)
        outcome = "cancelled" if reason == "cancelled" else "failed"
        if worker is None or not worker.is_released:
            if worker is not None:
                worker.is_gone = True
                del self.by_jid[jid]
            never = WorkerResult(
                outcome,  # type: ignore[arg-type]
                1,
                "ended before its first step",
            )
            host.step_later(0.01, lambda core: core.on_job_ended(host.now(), jid, never))
            return
        started, found = host.now().wall, worker

        def end() -> None:
            if not found.is_gone:
                self._end(found, outcome, started)

        self._world.later(0.05, end)

    def read(self, effect: do.ReadBody) -> None:
        """Read a piece of a body."""
        host, jid, offset = self._host, effect.jid, effect.offset
        data = self.bodies.get(jid, b"")[offset : offset + effect.size]
        host.step_later(0.001, lambda core: core.on_body(host.now(), jid, offset, data))


def body_of(jid: str, size: int) -> bytes:
    """Give what a job of this size returns: every piece of it differs from every other."""
    return (jid.encode() + bytes(range(251))) * (size // 277) + b"r" * (size % 277)
