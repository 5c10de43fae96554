"""The master's process: one poll loop that carries events to the core and its effects back.

    lock ─▶ keys ─▶ store ─▶ core ─▶ ports ─▶ Unix socket ─▶ loop ─ SIGTERM ─▶ drain ─▶ end
                                                           └─ store failed, no login works ─▶ end

Everything in the loop is bounded and nothing in it waits; what may wait lives in threads (the
store, the user database) or in processes (enrolment). Decisions are the core's.
"""

import signal
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from limpet.common.clock import Instant, Moment
from limpet.common.control.packages import PackageKept, PackageRequest
from limpet.common.control.replies import MasterStatus
from limpet.common.errors import LimpetError
from limpet.common.identifiers import Commit
from limpet.common.service.notify import Notifier
from limpet.common.service.signals import STOP_SIGNALS, SignalPipe
from limpet.common.service.watchdog import Watchdog
from limpet.common.transport.polling import Pollable as Polled
from limpet.common.transport.sockets import Poller
from limpet.master.control.server import Asked, ClientGone
from limpet.master.core.coalescing import Coalescing
from limpet.master.core.effects import Effect
from limpet.master.core.port_events import PortEvent
from limpet.master.enrolment.io.launchers import Pollable
from limpet.master.observability.counters import EventCounters
from limpet.master.observability.gauges import ProcessGauges
from limpet.master.observability.status_report import StatusReport
from limpet.master.process.effect_runner import EffectRunner
from limpet.master.process.memory import ceiling_bytes
from limpet.master.process.memory_guard import MemoryGuard, NobodyLetIn
from limpet.master.process.parts import Parts
from limpet.master.process.reload import Reloader
from limpet.master.store.reader import Answered
from limpet.master.store.writer import Committed, Failed, Trouble
from limpet.master.upgrading.io.package_thread import Shelved

FRAMES_A_TURN: Final = 256
HEARD_AT_ONCE: Final = 32
"""Frames that the core hears in one step: what they change is one commit, of 5 MiB at most."""
HEARING_S_MAX: Final = 0.05
"""After this long on frames of minions the others have their turn."""
TURN_S_MAX: Final = 1.0
"""The longest wait of one turn: lost wake-ups cost no more than this."""
DEADLINES_APART_S: Final = 0.01
"""No turn is begun for the core's deadlines alone sooner after the last were looked at. Those of
thousands of sessions are seconds long, and fall due one by one: a turn costs more than ten of them.
"""
LINES_APART_S: Final = 0.05
"""Clients, the enrolment process and the fork server are heard as soon as they speak or something
of theirs is due; where nothing tells of them, no sooner after the last time than this."""
DRAIN_S_MIN: Final = 0.3
"""How long the last messages may take to leave."""
DRAIN_S_MAX: Final = 1.0
LOG_SWEEP_S: Final = 60.0
FAILED_SENDS_A_TURN: Final = 1_000


End = Literal["stopped", "afresh"]


class StoreFailed(LimpetError):
    """The store can't be written any more; the next process starts from what is on disk."""


class Master:
    """The loop of one master process; `run` returns when it was asked to stop."""

    def __init__(
        self,
        parts: Parts,
        *,
        committed: int,
        watchdog: Watchdog,
        reloader: Reloader,
        reopen: Callable[[], object],
        place: Path,
        memory_bytes_max: int | None = None,
    ) -> None:
        """Take over what is open and ready; it is the caller's to close.

        `place` is where the store is: of its file system the room is told. `reopen` opens the main
        port again when all its connections were ended for want of memory.
        """
        self._core = parts.core
        self._store = parts.store
        self._port = parts.port
        self._control = parts.control
        self._enrolment = parts.enrolment
        self._check = parts.check
        self._sources = parts.sources
        self._pillar = parts.pillar
        self._packages = parts.packages
        self._keys = parts.keys
        self._clock = parts.clock
        self._log = parts.log
        self._metrics = parts.metrics
        self._watchdog = watchdog
        self._reloader = reloader
        self._counters = EventCounters()
        self._effect_runner = EffectRunner(
            port=parts.port,
            store=parts.store,
            control=parts.control,
            enrolment=parts.enrolment,
            sources=parts.sources,
            pillar=parts.pillar,
            keys=parts.keys,
            log=parts.log,
            add_figures=self._add_figures,
            counters=self._counters,
            committed=Commit(committed),
        )
        bytes_max = ceiling_bytes() if memory_bytes_max is None else memory_bytes_max
        self._gauges = ProcessGauges(
            parts,
            problems=lambda: (*reloader.problems, parts.metrics.problem),
            place=place,
            memory_bytes_max=bytes_max,
        )
        self._poller = Poller()
        self._guard = MemoryGuard(
            parts.port,
            self._poller,
            reopen=reopen,
            on_left=self._on_port_events,
            log=parts.log,
            bytes_max=bytes_max,
        )
        self._others = Poller()
        """All that must not wait while beats and logins are gathered."""
        self._coalescing = Coalescing()
        self._lines_polled: dict[str, tuple[Pollable, bool]] = {}
        self._stop_at: Instant | None = None
        self._is_stop_asked = False
        self._drain_until = Instant(0.0)
        self._deadlines_from = Instant(0.0)
        self._lines_at = self._lines_from = Instant(0.0)
        self._log_sweep_at = Instant(0.0)

    def run(self, signals: SignalPipe, notifier: Notifier) -> End:
        """Serve until a stop is asked for, or the process is to be started afresh.

        Raises `StoreFailed`, `NobodyLetIn`, and `UsageError` if the enrolment port stays taken.
        """
        self._poller.register(self._port.router)
        self._poller.register(self._port.authenticator)
        for thing in (signals, self._store, self._control, self._sources, self._packages):
            self._poller.register(thing)
            self._others.register(thing)
        self._poller.register(self._keys)
        now = self._clock.now()
        self._log_sweep_at = now.after(LOG_SWEEP_S)
        self._carry(self._core.start(now), now)
        status_report = StatusReport(
            status=lambda at: self._add_figures(self._core.status(at)),
            counters=self._counters,
            metrics=self._metrics,
            notifier=notifier,
            port=self._check.port,
        )
        notifier.ready(status_report.line(now))
        while not self._is_over(self._clock.now()):
            self._watchdog.turned()
            ready = self._wait()
            started = self._clock.now()
            for number in signals.take() if signals in ready else ():
                self._on_signal(number, notifier, status_report, started)
            self._turn(started, ready)
            status_report.on_turn(started)
            self._gauges.note_lag(started, self._clock.now())
        is_afresh = self._effect_runner.is_afresh_wanted and not self._is_stop_asked
        return "afresh" if is_afresh else "stopped"

    # -- one turn -----------------------------------------------------------------------------

    def _wait(self) -> set[Polled]:
        """Wait for something to happen or to be due; gives what has something to say."""
        if pause_s := self._coalescing.take():
            self._others.wait(pause_s)
        self._follow_lines()
        now = self._clock.now().boot
        self._lines_at = min(
            self._control.next_deadline,
            self._enrolment.next_deadline,
            self._pillar.next_deadline,
        )
        soonest = min(
            max(self._core.next_deadline, self._deadlines_from),
            self._lines_at,
            self._port.next_sweep,
            self._check.next_deadline,
            now + TURN_S_MAX,
        )
        if self._stop_at is not None:
            soonest = min(soonest, now + 0.05)
        self._lines_at = min(self._lines_at, self._lines_from)
        return self._poller.wait(0.0 if self._effect_runner.can_go_on else max(0.0, soonest - now))

    def _turn(self, now: Moment, ready: set[Polled]) -> None:
        """Look at every side once, each with its bound; logins and commits come first.

        Most turns are one beat's: those that only ever speak through their descriptor are looked at
        when that is ready.
        """
        is_heard = self._port.authenticator in ready
        if is_heard:
            self._check.on_handshakes(self._port.serve_handshakes())
        for outcome in self._store.collect() if self._store in ready else ():
            self._on_outcome(outcome, now)
        for read in self._sources.collect() if self._sources in ready else ():
            self._carry(self._core.on_source_read(now, read.ticket, read.result), now)
        for written in self._keys.collect() if self._keys in ready else ():
            self._carry(self._core.on_keys_written(now, written), now)
        self._on_port_events(self._port.departures(now.boot), now)
        hearing_until = now.boot + HEARING_S_MAX
        hearing = self._port.hear(now.boot, FRAMES_A_TURN)
        while now.boot < hearing_until and (heard := tuple(islice(hearing, HEARD_AT_ONCE))):
            is_heard = True
            now = self._clock.now()
            self._carry(self._core.on_port(now, heard), now)
        now = self._clock.now()
        if is_heard:
            is_at_rest = self._core.is_at_rest and self._stop_at is None
            self._coalescing.on_heard(now.boot, is_at_rest=is_at_rest)
        if now.boot >= self._deadlines_from and now.boot >= self._core.next_deadline:
            self._carry(self._core.on_deadline(now), now)
            self._deadlines_from = now.after(DEADLINES_APART_S)
        for shelved in self._packages.collect() if self._packages in ready else ():
            self._on_shelved(shelved, now)
        lines = (self._control, self._enrolment.pollable, self._pillar.line)
        if now.boot >= self._lines_at or not ready.isdisjoint(lines):
            self._hear_lines(now)
        self._tell_failed_sends(now)
        self._control.flush(now)
        if self._effect_runner.go_on(now):
            self._control.flush(now)
        self._port.sweep(now.boot)
        if self._port.authenticator.tidy(now.boot):
            self._poller.register(self._port.authenticator)
        self._guard.look(now)
        self._check_oneself(now)
        if now.boot >= self._log_sweep_at:
            self._log_sweep_at = now.after(LOG_SWEEP_S)
            self._log.sweep()

    def _hear_lines(self, now: Moment) -> None:
        """Hear clients, the enrolment process and the pillar fork server."""
        for asked in self._control.collect(now):
            self._on_client(asked, now)
        for question in self._enrolment.collect(now):
            effects = self._core.on_enrolment(
                now, question.handle, question.key, question.address, question.request
            )
            self._carry(effects, now)
        self._enrolment.raise_if_never_open(now)
        for rendered in self._pillar.collect(now):
            self._carry(self._core.on_rendered(now, rendered), now)
        self._lines_from = now.after(LINES_APART_S)

    def _carry(self, effects: list[Effect], now: Moment) -> None:
        self._effect_runner.carry_out(effects, now)

    def _on_outcome(self, outcome: Committed | Trouble | Failed | Answered, now: Moment) -> None:
        match outcome:
            case Committed(commit=last):
                # One step for all commits of a group: what they let go leaves in their order.
                self._effect_runner.on_committed(last, now)
                self._carry(self._core.on_committed(now, last), now)
            case Trouble(text=text):
                self._carry(self._core.on_store_trouble(now, text), now)
            case Answered(client=client, replies=replies):
                self._effect_runner.on_answered(client, replies, now)
            case Failed(text=text):
                raise StoreFailed(text)

    def _on_port_events(self, events: Sequence[PortEvent], now: Moment) -> None:
        for first in range(0, len(events), HEARD_AT_ONCE):
            self._carry(self._core.on_port(now, events[first : first + HEARD_AT_ONCE]), now)

    def _on_client(self, event: Asked | ClientGone, now: Moment) -> None:
        client = event.client
        if isinstance(event, Asked) and isinstance(event.request, PackageRequest):
            self._packages.ask(client, event.request)  # files of the store: nothing to decide
            return
        if isinstance(event, Asked):
            effects = self._core.on_request(now, client, event.uid, event.user, event.request)
        else:
            self._effect_runner.on_client_gone(client)
            effects = self._core.on_client_gone(now, client)
        self._carry(effects, now)

    def _on_shelved(self, shelved: Shelved, now: Moment) -> None:
        if isinstance(shelved.reply, PackageKept):
            package = shelved.reply.package
            self._log.info(f"{package.name} {package.version} is kept for upgrades")
        self._control.answer(shelved.client, shelved.reply, now)

    def _tell_failed_sends(self, now: Moment) -> None:
        failed = self._effect_runner.failed
        for _ in range(min(len(failed), FAILED_SENDS_A_TURN)):
            peer, why = failed.popleft()
            self._carry(self._core.on_send_failed(now, peer, why), now)

    def _check_oneself(self, now: Moment) -> None:
        self._check.step(now)
        if self._check.is_failed:
            raise NobodyLetIn(
                "the main port lets nobody in any more, not even this process: it is started afresh"
            )

    def _follow_lines(self) -> None:
        """Poll the lines to the present enrolment process and the present pillar fork server."""
        lines: tuple[tuple[str, Pollable | None], ...] = (
            ("enrolment", self._enrolment.pollable),
            ("pillar", self._pillar.line),
        )
        for name, line in lines:
            wish = None if line is None else (line, line.wants_write)
            polled = self._lines_polled.get(name)
            if wish == polled:
                continue
            if polled is not None:
                self._poller.unregister(self._lines_polled.pop(name)[0])
            if wish is not None:
                self._poller.register(wish[0], writable=wish[1])
                self._lines_polled[name] = wish

    # -- signals, the end ---------------------------------------------------------------------

    def _on_signal(
        self, number: signal.Signals, notifier: Notifier, status_report: StatusReport, now: Moment
    ) -> None:
        if number == signal.SIGHUP:
            notifier.reloading("the configuration is read again")
            changes = self._reloader.reload()
            if changes is not None:
                self._carry(self._core.on_configured(now, changes), now)
            notifier.ready(status_report.line(now))
        elif number in STOP_SIGNALS and not self._is_stop_asked:
            self._log.info(f"asked to stop ({number.name})")
            self._is_stop_asked = True
            notifier.stopping()
            if self._stop_at is None:  # else it is about to start itself afresh, and only ends
                self._end_after_drain(now)
                self._carry(self._core.on_stop(now), now)

    def _end_after_drain(self, now: Moment) -> None:
        """End when what was said has left."""
        self._stop_at = now.after(DRAIN_S_MAX)
        self._drain_until = now.after(DRAIN_S_MIN)

    def _is_over(self, now: Moment) -> bool:
        if self._stop_at is None and self._effect_runner.is_afresh_wanted:
            self._log.info("the master has another key: it starts itself afresh")
            self._end_after_drain(now)
        if self._stop_at is None:
            return False
        is_quiet = now.boot >= self._drain_until and not self._effect_runner.held
        return is_quiet or now.boot >= self._stop_at

    # -- gauges -------------------------------------------------------------------------------

    def _add_figures(self, status: MasterStatus) -> MasterStatus:
        return self._gauges.added(status, self._effect_runner)
