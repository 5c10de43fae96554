"""How the master is, as only its shell can measure it: completes what the core says."""

import os
import resource
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from limpet.common.clock import Instant, Moment
from limpet.common.control.replies import MasterStatus
from limpet.master.master_keys.hint import why_nobody_comes
from limpet.master.process import descriptors
from limpet.master.process.effect_runner import merged
from limpet.master.process.memory import open_descriptors, resident_bytes
from limpet.master.process.parts import Parts

LAG_WINDOW_S: Final = 60.0


class Effects(Protocol):
    """What carries effects out."""

    @property
    def counts(self) -> Counter[str]:
        """What was turned away or dropped, by reason."""
        ...

    @property
    def held(self) -> int:
        """How many effects wait for a commit."""
        ...


class ProcessGauges:
    """The gauges and counters of one master process."""

    def __init__(
        self,
        parts: Parts,
        *,
        problems: Callable[[], tuple[str, ...]],
        place: Path,
        memory_bytes_max: int,
    ) -> None:
        """Take what is measured. `problems` gives more of them: of the configuration, say.

        `place` is on the file system whose room is told. `memory_bytes_max` is what the memory's
        guard keeps to.
        """
        self._store = parts.store
        self._port = parts.port
        self._control = parts.control
        self._enrolment = parts.enrolment
        self._check = parts.check
        self._sources = parts.sources
        self._pillar = parts.pillar
        self._clock = parts.clock
        self._log = parts.log
        self._problems = problems
        self._place = place
        self._memory_bytes_max = memory_bytes_max
        self._lag_s = 0.0
        self._lag_since = Instant(0.0)

    def note_lag(self, started: Moment, ended: Moment) -> None:
        """Keep the longest turn of the last minute."""
        if ended.boot - self._lag_since > LAG_WINDOW_S:
            self._lag_since = ended.boot
            self._lag_s = 0.0
        self._lag_s = max(self._lag_s, ended.boot - started.boot)

    def added(self, status: MasterStatus, effects: Effects) -> MasterStatus:
        """Give the status with all that is measured here."""
        rejected = self._port.rejected + self._control.rejected
        for reason, number in self._enrolment.rejected.items():
            rejected[f"enrol.{reason}"] += number
        for reason in ("own_frame_too_large", "events_dropped", "cli_output_dropped"):
            rejected[reason] += effects.counts[reason]
        stalled = self._store.problem(self._clock.now())
        figures = {
            "loop_lag_s": self._lag_s,
            "clients": float(len(self._control)),
            "connections": float(len(self._port)),
            "enrol_connections": float(self._enrolment.connections),
            "enrol_starts": float(self._enrolment.starts),
            "pillar_starts": float(self._pillar.starts),
            "effects_held": float(effects.held),
            "self_checks_passed": float(self._check.passed),
            "self_check_failures": float(self._check.failures),
            "log_lines_dropped": float(self._log.lines_dropped),
            "fds": float(open_descriptors()),
            **descriptor_limit(),
            "rss_bytes": float(resident_bytes()),
            "memory_bytes_max": float(self._memory_bytes_max),
            **room(self._place),
            "store_stalled": float(bool(stalled)),
            **self._store.figures(),
            **self._sources.figures(),
        }
        problems = [
            *self._problems(),
            descriptors.problem(status.fleet),
            self._enrolment.problem,
            self._pillar.problem,
            stalled,
            why_nobody_comes(status, rejected, self._clock.now().wall),
        ]
        problems = [text for text in problems if text]
        return merged(status, rejected=rejected, figures=figures, problems=problems)


def room(place: Path) -> dict[str, float]:
    """Give the size of the file system that a place is on, and what this process may still take.

    Nothing where it can't be looked at. What is kept back for root counts as taken, but for root.
    """
    try:
        found = os.statvfs(place)
    except OSError:
        return {}
    free = found.f_bfree if os.geteuid() == 0 else found.f_bavail
    return {
        "disk_bytes": float(found.f_blocks * found.f_frsize),
        "disk_free_bytes": float(free * found.f_frsize),
    }


def descriptor_limit() -> dict[str, float]:
    """Give how many descriptors this process may have; nothing where there is no limit."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {} if soft == resource.RLIM_INFINITY else {"fds_max": float(soft)}
