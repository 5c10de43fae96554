"""`python -I -m limpet.minion.process.loop FD`: the running minion.

A plain loop: wait until something happens or is due, tell the core, carry out what it answers. It
decides nothing about the protocol. FD is the plan that `limpet minion` worked out (`plan.py`).
"""

import os
import random
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Literal

import msgspec

from limpet.common.clock import Clock, Moment, SystemClock
from limpet.common.errors import LimpetError, SourceError
from limpet.common.identifiers import JobId
from limpet.common.messages.jobs import Deliver
from limpet.common.observability.logs import Level, Log
from limpet.common.service import watchdog
from limpet.common.service.locks import InstanceLock
from limpet.common.service.notify import Notifier, watchdog_s
from limpet.common.service.paths import Roots, tighten_umask
from limpet.common.service.signals import SignalPipe
from limpet.common.transport.sockets import Poller, check_library, public_key_of
from limpet.minion.control import messages as local
from limpet.minion.control.requests import LocalRequests
from limpet.minion.control.server import LocalGone, LocalServer
from limpet.minion.core.effects import Effect
from limpet.minion.core.machine import MinionCore
from limpet.minion.jobs import events as job_events
from limpet.minion.jobs.instant import Instants
from limpet.minion.journal.io.journal_thread import Journal
from limpet.minion.master_keys.io.key_files import read_keys
from limpet.minion.master_keys.io.key_writer import KeyWriter
from limpet.minion.observability.status_file import StatusFile
from limpet.minion.observability.status_report import StatusReport
from limpet.minion.process import plan as plans
from limpet.minion.process.effect_runner import EffectRunner
from limpet.minion.process.master_socket import BadFrame, MasterSocket
from limpet.minion.process.plan import Plan
from limpet.minion.process.planned_settings import permitted, settings_of
from limpet.minion.process.reload import Reloading, Verdict
from limpet.minion.workers.job_processes import JobProcesses
from limpet.states.functions.instant import INSTANT

TURN_S_MAX: Final = 5.0
"""The loop turns at least this often, so that the watchdog knows that it does."""
FRAMES_A_TURN: Final = 100
SWEEP_S: Final = 60.0
"""How often the log tells of what it held back."""
CLOSE_S: Final = 1.0
"""How long the disk may take at the end for what has not been promised to anybody."""

End = Literal["stopped", "afresh"]


class Daemon:
    """One running minion; its lock is held by the caller."""

    def __init__(
        self,
        plan: Plan,
        log: Log,
        *,
        clock: Clock | None = None,
        turned: Callable[[], None] = lambda: None,
        instant: Instants = INSTANT,
    ) -> None:
        self._plan = plan
        self._log = log
        self._clock = clock if clock is not None else SystemClock()
        self._turned = turned
        self._poller = Poller()
        self._polled: dict[int, bool] = {}
        self._signals = SignalPipe()
        self._notifier = Notifier()
        self._status = StatusFile(plan.status_path)
        self._journal = Journal.open(plan.journal_dir)
        for finding in (*plan.notices, *self._journal.findings):
            log.warning(finding)
        jobs = {JobId(jid) for jid in self._journal.state.jobs}
        spool = plan.worker_setup.spool
        self._workers = JobProcesses(Path(spool), plan.worker_setup)
        self._workers.tidy(jobs)
        self._server = LocalServer(Path(plan.socket_path))
        self._socket = MasterSocket(plan, self._poller)
        self._effect_runner = EffectRunner(
            plan,
            log,
            self._clock,
            socket=self._socket,
            journal=self._journal,
            workers=self._workers,
            server=self._server,
            trust=KeyWriter(plan.keys_dir, plan.told, self._clock, log),
        )
        known = read_keys(plan.keys_dir)
        for finding in known.notices:
            log.warning(finding)
        self._core = MinionCore(
            settings_of(plan, known),
            self._journal.state,
            now=self._clock.now(),
            boot_id=plan.boot_id,
            chance=random.SystemRandom(),
            instant=permitted(instant, plan),
        )
        self._turn_s_max = watchdog.turn_s_max(TURN_S_MAX, watchdog_s())
        self.held: tuple[signal.Signals, ...] = ()
        """Signals that wait for whoever is started afresh."""
        self._is_stopping = False
        self._swept = self._clock.now().boot
        self._reloading = Reloading(plan, log)
        self._status_report = StatusReport(
            plan,
            self._core,
            socket=self._socket,
            effect_runner=self._effect_runner,
            log=log,
            notifier=self._notifier,
            status=self._status,
            problem=lambda: self._reloading.problem,
        )
        self._local_requests = LocalRequests(
            self._core, self._workers, self._server, status=self._status_report.local_status
        )

    @property
    def next_plan(self) -> Plan:
        """Give the plan to start afresh with."""
        return self._reloading.plan or self._plan

    def run(self) -> End:
        """Run until told to stop or to start afresh, with `next_plan`."""
        now = self._clock.now()
        self._log.info(
            f"minion {self._plan.minion_id} starts",
            version=self._plan.version,
            master=self._plan.places[0].host,
        )
        self._do(self._core.start(now))
        self._notifier.ready(f"minion {self._plan.minion_id} runs")
        while not (self._is_stopping or self._effect_runner.reexec_reason or self._reloading.plan):
            self._turn()
        return "stopped" if self._is_stopping else "afresh"

    def close(self) -> None:
        """Let go of everything within two seconds; jobs that run go on."""
        if self._is_stopping:
            self._notifier.stopping()
        else:
            self.held = self._signals.hold_over_exec()
        self._status_report.show(self._clock.now())
        self._status_report.close()
        self._reloading.close()
        self._effect_runner.close()
        self._socket.end()
        self._server.close()
        self._workers.close(0.2)
        self._journal.close(CLOSE_S)
        self._status.close()
        self._signals.close()

    # --- one turn -----------------------------------------------------------------------------

    def _turn(self) -> None:
        self._register()
        self._poller.wait(self._pause_s(self._clock.now()))
        self._turned()
        began = self._clock.now()
        self._hear_signals()
        self._hear_master()
        self._hear_disk()
        self._hear_jobs()
        self._hear_clients()
        self._hear_helpers()
        now = self._clock.now()
        if now.boot >= self._core.next_deadline:
            self._do(self._core.on_deadline(now))
        self._socket.flush()
        self._status_report.show(now)
        self._status.collect(now)
        if now.boot - self._swept >= SWEEP_S:
            self._swept = now.boot
            self._log.sweep()
        self._status_report.note_turn(began, self._clock.now())

    def _pause_s(self, now: Moment) -> float:
        first = min(
            self._core.next_deadline,
            self._journal.next_deadline,
            self._workers.next_deadline,
            self._server.next_deadline,
            self._effect_runner.next_deadline,
            self._reloading.next_deadline,
            self._status.next_deadline,
            self._socket.next_deadline(now),
        )
        return min(max(0.0, first - now.boot), self._turn_s_max)

    def _register(self) -> None:
        """Poll what is open now: descriptors come and go with jobs and clients."""
        wanted = dict.fromkeys(
            (
                self._signals.fileno(),
                self._status.fileno(),
                *self._journal.filenos(),
                *self._workers.filenos(),
                *self._server.filenos(),
                *self._effect_runner.filenos(),
                *self._reloading.filenos(),
            ),
            False,
        )
        for fd in (*self._workers.wants_write(), *self._server.wants_write()):
            wanted[fd] = True
        if wanted == self._polled:
            return
        for fd in self._polled:
            if fd not in wanted:
                self._poller.unregister(fd)
        for fd, writable in wanted.items():
            if self._polled.get(fd) is not writable:
                self._poller.register(fd, writable=writable)
        self._polled = wanted

    def _do(self, effects: list[Effect]) -> None:
        self._effect_runner.carry_out(effects)

    # --- who has something to say -----------------------------------------------------------------

    def _hear_signals(self) -> None:
        for number in self._signals.take():
            now = self._clock.now()
            if number is signal.SIGHUP:
                self._log.info("SIGHUP: the configuration is read again")
                self._notifier.reloading("the configuration is read again")
                self._on_reread(self._reloading.begin(now), now)
            else:
                self._log.info(f"{number.name}: the minion ends; running jobs go on")
                self._do(self._core.on_stop(now))
                self._is_stopping = True

    def _on_reread(self, verdict: Verdict | None, now: Moment) -> None:
        """Go on after the configuration was read again; another plan ends this loop."""
        if verdict is None:
            return
        if verdict == "other":
            self._log.info("the configuration has changed: the minion starts itself afresh with it")
            return
        if verdict == "as before":
            self._log.info("the configuration is as before: the grains are collected anew")
            self._do(self._core.on_refresh_grains(now))
        self._notifier.ready(self._status_report.line())

    def _hear_master(self) -> None:
        attempt = self._socket.attempt
        for what in self._socket.events():
            self._do(self._core.on_link(self._clock.now(), attempt, what))
        for message in self._socket.messages(FRAMES_A_TURN):
            now = self._clock.now()
            attempt = self._socket.attempt
            if isinstance(message, BadFrame):
                self._do(self._core.on_bad_frame(now, attempt, message.reason))
                if message.is_fatal:
                    self._do(self._core.on_link(now, attempt, "disconnected"))
                continue
            if isinstance(message, Deliver):
                self._tell_trouble(now)
            self._do(self._core.on_message(now, attempt, message))

    def _tell_trouble(self, now: Moment) -> None:
        """Tell the core of a full disk before it accepts one job more."""
        trouble = self._journal.trouble
        if trouble != self._core.job_table.condition:
            self._do(self._core.on_journal_trouble(now, trouble))

    def _hear_disk(self) -> None:
        for event in self._journal.collect(self._clock.now()):
            now = self._clock.now()
            if isinstance(event, job_events.Durable):
                self._effect_runner.on_durable(event.commit)
                self._do(self._core.on_committed(now, event.commit))
            else:
                self._do(self._core.on_journal_trouble(now, event.text))

    def _hear_jobs(self) -> None:
        core = self._core
        for event in self._workers.collect(self._clock.now()):
            now = self._clock.now()
            if isinstance(event, job_events.Spawned):
                self._do(core.on_job_spawned(now, event.jid, event.pid, event.process_start))
            elif isinstance(event, job_events.SpawnFailed):
                self._do(core.on_job_spawn_failed(now, event.jid, event.reason))
            elif isinstance(event, job_events.Ended):
                self._do(core.on_job_ended(now, event.jid, event.result))
            elif isinstance(event, job_events.WithoutScope):
                text = f"job {event.jid} has no scope of its own: {event.problem}"
                self._log.report("warning", "scope", text)
            elif isinstance(event, job_events.OutputRead):
                self._do(core.on_output(now, event.jid, event.data, event.dropped))
            else:
                if event.problem:
                    self._log.report("error", "spool", event.problem)
                self._do(core.on_body(now, event.jid, event.offset, event.data))

    def _hear_clients(self) -> None:
        for event in self._server.collect(self._clock.now()):
            now = self._clock.now()
            if isinstance(event, LocalGone):
                self._do(self._core.on_local_gone(now, event.client))
                continue
            if isinstance(event.request, local.RunLocal):
                self._tell_trouble(now)
            self._do(self._local_requests.on_request(now, event.client, event.request))

    def _hear_helpers(self) -> None:
        """Hear the resolver, and the children that collect grains and sign."""
        for attempt, addresses in self._effect_runner.resolver.collect():
            self._do(self._core.on_resolved(self._clock.now(), attempt, addresses))
        now = self._clock.now()
        self._on_reread(self._reloading.collect(now), now)
        for attempt, reason in self._effect_runner.take_proof_failures(now):
            self._do(self._core.on_proof_failed(now, attempt, reason))
        for serial, verdict, text in self._effect_runner.trust.collect(now):
            self._do(self._core.on_trust_kept(now, serial, verdict, text))
        grains = self._effect_runner.take_grains(now)
        if grains is not None:
            self._do(self._core.on_grains(now, grains.body, grains.digest, grains.problem))


def check_pair(plan: Plan) -> Plan:
    """See to it that the library will do and the public key belongs to the secret one.

    Gives the plan, with the right public key where the file's was damaged; that is written anew.
    Raises `UsageError` and `SourceError`.
    """
    check_library()
    public = public_key_of(plan.secret_key)
    if public == plan.public_key:
        return plan
    from limpet.common.crypto.keyfiles import is_damaged  # wanted once in a disk's life

    path = f"{plan.state_dir}/keys/minion.public"
    if not is_damaged(plan.public_key, public):
        raise SourceError(
            "the public key does not belong to the secret beside it: put the right pair there, "
            f"or `rm {path}` if the secret is the right one",
            path,
        )
    Path(path).unlink(missing_ok=True)  # the next start writes it from the secret
    notice = f"{path} was damaged (a character or two): the next start writes it anew"
    return msgspec.structs.replace(plan, public_key=public, notices=(*plan.notices, notice))


def run(plan_fd: int, *, limit_s: float = watchdog.LIMIT_S, instant: Instants = INSTANT) -> int:
    """Run the minion of a plan; gives the exit code, or does not come back (started afresh)."""
    plan = plans.take_over(plan_fd)
    marks = {"minion": plan.minion_id}
    log = Log(level=Level(plan.log_level), identifier="limpet-minion", marks=marks)
    plan = check_pair(plan)
    tighten_umask()

    def start_afresh(fd: int = plan_fd, held: Iterable[signal.Signals] = ()) -> None:
        os.set_inheritable(fd, True)
        watchdog.exec_process(plans.program_of(plan, fd), held=held)()

    # Not $INVOCATION_ID: terminals of a desktop hand that on to whatever is started in them.
    is_supervised = "NOTIFY_SOCKET" in os.environ
    notifier = Notifier()
    guard = watchdog.Watchdog(
        limit_s=limit_s,
        on_hang=watchdog.exit_process() if is_supervised else start_afresh,
        on_alive=notifier.alive,
        fed_within_s=watchdog_s(),
    )
    with InstanceLock(Path(plan.lock_path), "a limpet minion"), guard:
        daemon = Daemon(plan, log, turned=guard.turned, instant=instant)
        try:
            end = daemon.run()
        finally:
            daemon.close()
    if end == "afresh":
        log.warning("the minion starts itself afresh; running jobs go on")
        is_same = daemon.next_plan is plan
        fd = plan_fd if is_same else plans.hand_over(daemon.next_plan)
        start_afresh(fd, daemon.held)
    return 0


def main() -> int:
    """Run with the plan whose descriptor is on the command line."""
    try:
        return run(int(sys.argv[1]))
    except LimpetError as error:
        from limpet.common.service.misconfigured import stay  # loads what a minion does not need

        if not stay(error, Roots.locate("minion").config_file, "limpet-minion"):
            sys.stderr.write(f"limpet: {error}\n")
        return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main())
