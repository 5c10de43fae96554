"""Showing how the master is to those who did not ask: systemd's status line, and metrics."""

from collections.abc import Callable
from typing import Final

from limpet.common.clock import Instant, Moment
from limpet.common.control.replies import MasterStatus
from limpet.common.observability.metrics import written
from limpet.common.observability.metrics_port import MetricsPort
from limpet.common.service.notify import Notifier
from limpet.master.observability.counters import EventCounters
from limpet.master.observability.metrics import families

SHOW_S: Final = 5.0
"""How old what is shown may be."""


class StatusReport:
    """Asked in every turn of the loop; does something every few seconds, if anybody looks."""

    def __init__(
        self,
        *,
        status: Callable[[Moment], MasterStatus],
        counters: EventCounters,
        metrics: MetricsPort,
        notifier: Notifier,
        port: int,
    ) -> None:
        self._status = status
        self._counters = counters
        self._metrics = metrics
        self._notifier = notifier
        self._port = port
        self._line = ""
        self._due_at = Instant(0.0)

    def on_turn(self, now: Moment) -> None:
        """Show what is to be shown, if it is time."""
        if now.boot < self._due_at or not (self._metrics.is_wanted or self._notifier.is_there):
            return
        self._due_at = now.after(SHOW_S)
        status = self._status(now)
        if self._metrics.is_wanted:
            page = families(status, self._counters, now_wall_s=now.wall)
            self._metrics.publish(written(page))
        line = self.line_of(status)
        if line != self._line:
            self._line = line
            self._notifier.status(line)

    def line(self, now: Moment) -> str:
        """Give the line that systemd is to show; the rest is shown in the next turn."""
        self._due_at = now.boot
        self._line = self.line_of(self._status(now))
        return self._line

    def line_of(self, status: MasterStatus) -> str:
        """Say in one line how the master is."""
        ready = f"{status.ready} of {status.fleet} minions are ready, port {self._port}"
        return f"{ready}; {'; '.join(status.problems)}" if status.problems else ready
