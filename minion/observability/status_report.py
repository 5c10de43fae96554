"""What people see of a minion: the status file, systemd's line, `limpet call`, and metrics."""

import os
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from limpet.common.clock import Instant, Moment
from limpet.common.observability.logs import Log
from limpet.common.service.notify import Notifier
from limpet.minion.control.messages import LocalStatus
from limpet.minion.core.machine import MinionCore
from limpet.minion.observability.status_file import StatusFile
from limpet.minion.process.effect_runner import EffectRunner
from limpet.minion.process.master_socket import MasterSocket
from limpet.minion.process.plan import Plan
from limpet.minion.sessions.states import Change, State

if TYPE_CHECKING:
    from limpet.common.observability.metrics_port import MetricsPort

METRICS_S: Final = 5.0
"""How old the page of metrics may be."""
LAG_WINDOW_S: Final = 60.0


class LinkCounters:
    """What the link went through, counted from its changes."""

    def __init__(self) -> None:
        self.sessions = 0
        self.denials = 0
        self.losses: Counter[str] = Counter()
        """Sessions that were lost, by why."""
        self.failures: Counter[str] = Counter()
        """Attempts that came to nothing, by why."""
        self._seen: Change | None = None

    def take(self, changes: list[Change]) -> None:
        """Count the changes that are new; the newest stands last."""
        news: list[Change] = []
        for change in reversed(changes):
            if change is self._seen:
                break
            news.append(change)
        before = self._seen
        for change in reversed(news):
            if change.state is State.READY:
                self.sessions += 1
            elif change.state is State.DENIED:
                self.denials += 1
            elif change.state is State.LOST:
                self.losses[str(change.reason)] += 1
            elif change.state is State.BACKOFF and not (before and before.state is State.LOST):
                self.failures[str(change.reason)] += 1
            before = change
        self._seen = before


class StatusReport:
    """Asked in every turn of the loop."""

    def __init__(
        self,
        plan: Plan,
        core: MinionCore,
        *,
        socket: MasterSocket,
        effect_runner: EffectRunner,
        log: Log,
        notifier: Notifier,
        status: StatusFile,
        problem: Callable[[], str],
    ) -> None:
        """Take what is shown. `problem` says what ails the configuration."""
        self.counters = LinkCounters()
        self.lag_s = 0.0
        """The longest turn of the last minute."""
        self._plan = plan
        self._core = core
        self._socket = socket
        self._effect_runner = effect_runner
        self._log = log
        self._notifier = notifier
        self._status = status
        self._problem = problem
        self._line = ""
        self._lag_since = Instant(0.0)
        self._metrics_at = Instant(0.0)
        self._metrics = None if plan.metrics is None else _metrics_port(plan.metrics, log)

    def figures(self) -> dict[str, int]:
        """Give counters and gauges for people."""
        link = self._core.link
        return {
            "sockets_opened": link.connection.sockets_opened,
            "new_contexts": link.reconnect.failures.contexts,
            "failures_in_a_row": link.reconnect.failures.in_a_row,
            "bad_frames": link.bad_frames,
            "frames_dropped": self._socket.frames_dropped,
            **self._core.job_table.counts(),
        }

    def note_turn(self, began: Moment, ended: Moment) -> None:
        """Keep the longest turn of the last minute."""
        if ended.boot - self._lag_since > LAG_WINDOW_S:
            self._lag_since = ended.boot
            self.lag_s = 0.0
        self.lag_s = max(self.lag_s, ended.boot - began.boot)

    def show(self, now: Moment) -> None:
        """Show what has changed."""
        link = self._core.link
        facts: dict[str, Any] = {
            "minion_id": self._plan.minion_id,
            "pid": os.getpid(),
            "version": self._plan.version,
            "master": [place.host for place in self._plan.places],
            "address": link.address,
            "trouble": self._core.job_table.condition,
            "advice": link.advice,
            "last_upgrade": self._plan.last_upgrade,
            "configuration": self._problem(),
            "figures": self.figures(),
        }
        self._status.note(link.connection.changes, facts)
        self.counters.take(list(link.connection.changes))
        line = self.line()
        if line != self._line:
            self._line = line
            self._notifier.status(line)
        if self._metrics is not None and now.boot >= self._metrics_at:
            self._metrics_at = now.after(METRICS_S)
            self._publish(self._metrics, now)

    def line(self) -> str:
        """Say in one line how the minion is."""
        last = self._core.link.connection.changes[-1]
        words = [f"{last.state.value}: {last.reason}" if last.reason else last.state.value]
        words += [each for each in (self._core.job_table.condition, self._problem()) if each]
        return "; ".join(words)

    def local_status(self) -> LocalStatus:
        """Say it to a client of the Unix socket."""
        last = self._core.link.connection.changes[-1]
        return LocalStatus(
            minion_id=self._plan.minion_id,
            state=last.state.value.upper(),
            master=self._core.link.address or self._plan.places[0].host,
            since_wall_s=last.at_wall_s,
            version=self._plan.version,
            trouble=self._core.job_table.condition or self._core.link.advice,
            figures=self.figures(),
        )

    def close(self) -> None:
        """Serve no metrics any more."""
        if self._metrics is not None:
            self._metrics.close()

    def _publish(self, metrics: "MetricsPort", now: Moment) -> None:
        from limpet.common.observability.metrics import written
        from limpet.minion.observability.metrics import Shown, families

        last = self._core.link.connection.changes[-1]
        shown = Shown(
            version=self._plan.version,
            now_wall_s=now.wall,
            state=last.state.value,
            since_wall_s=last.at_wall_s,
            figures=self.figures(),
            sessions=self.counters.sessions,
            denials=self.counters.denials,
            losses=self.counters.losses,
            failures=self.counters.failures,
            outcomes=self._effect_runner.outcomes,
            job_seconds=self._effect_runner.job_seconds,
            is_troubled=bool(self._core.job_table.condition),
            is_configuration_broken=bool(self._problem()),
            lag_s=self.lag_s,
            log_lines_dropped=self._log.lines_dropped,
        )
        metrics.publish(written(families(shown)))


def _metrics_port(address: tuple[str, int], log: Log) -> "MetricsPort":
    """Open the port; what that needs is loaded only where metrics are wanted."""
    from limpet.common.observability.metrics_port import MetricsPort

    port = MetricsPort(log)
    port.configure(address)
    return port
