"""The minion's metrics: docs/metrics.md is the reference. Loaded only where they are served."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from limpet.common.observability.metrics import (
    Family,
    Row,
    by_figure,
    by_label,
    counter,
    gauge,
    information,
    summary,
)
from limpet.common.observability.process_gauges import process_families
from limpet.minion.sessions.states import State

_FIGURES: Final[tuple[Row, ...]] = (
    (
        "failures_in_a_row",
        "failures_in_a_row",
        "gauge",
        "Attempts that failed since the last READY.",
    ),
    ("sockets_opened", "sockets_opened_total", "counter", "Sockets opened to the master."),
    ("bad_frames", "bad_frames_total", "counter", "Frames of the master that could not be read."),
    ("frames_dropped", "frames_dropped_total", "counter", "Frames that could not be sent."),
    ("jobs_queued", "jobs_queued", "gauge", "Jobs that wait."),
    ("jobs_running", "jobs_running", "gauge", "Jobs that run."),
    (
        "returns_waiting",
        "returns_waiting",
        "gauge",
        "Returns that the master has not acknowledged.",
    ),
)
"""What `StatusReport.figures` counts."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a minion is."""

    version: str
    now_wall_s: float
    state: str
    since_wall_s: float
    figures: Mapping[str, int]
    sessions: int
    denials: int
    losses: Mapping[str, float]
    failures: Mapping[str, float]
    outcomes: Mapping[str, float]
    job_seconds: float
    is_troubled: bool
    is_configuration_broken: bool
    lag_s: float
    log_lines_dropped: int


def families(shown: Shown) -> list[Family]:
    """Give all metrics."""
    return [
        *_release(shown),
        *_link(shown),
        *_sessions(shown),
        *by_figure("limpet_minion_", _FIGURES, shown.figures),
        *_jobs(shown),
        *_process(shown),
        *process_families(),
    ]


def _release(shown: Shown) -> list[Family]:
    """Give what runs, and of when the page is."""
    return [
        information(
            "limpet_build_info",
            "The release that runs.",
            program="minion",
            version=shown.version,
            python="{}.{}.{}".format(*sys.version_info[:3]),
        ),
        gauge("limpet_minion_snapshot_seconds", "When these figures were taken.", shown.now_wall_s),
    ]


def _link(shown: Shown) -> list[Family]:
    """Give how the link is now."""
    return [
        gauge("limpet_minion_ready", "1: the link is READY.", float(shown.state == "ready")),
        by_label(
            "limpet_minion_link_state",
            "gauge",
            "1 for the state that the link is in.",
            "state",
            {each.value: float(each.value == shown.state) for each in State},
        ),
        gauge("limpet_minion_link_since_seconds", "Since when it is.", shown.since_wall_s),
    ]


def _sessions(shown: Shown) -> list[Family]:
    """Give how often it was made, lost and refused."""
    return [
        counter("limpet_minion_sessions_total", "Times the link became READY.", shown.sessions),
        by_label(
            "limpet_minion_losses_total",
            "counter",
            "Sessions that were lost, by why.",
            "reason",
            shown.losses,
        ),
        by_label(
            "limpet_minion_failures_total",
            "counter",
            "Attempts to connect that came to nothing, by why.",
            "reason",
            shown.failures,
        ),
        counter("limpet_minion_denials_total", "Times the master refused.", shown.denials),
    ]


def _jobs(shown: Shown) -> list[Family]:
    """Give how jobs ended, and how long they ran."""
    return [
        by_label(
            "limpet_minion_jobs_total",
            "counter",
            "Jobs that ended, by how; not those that the link answers by itself.",
            "outcome",
            shown.outcomes,
        ),
        summary(
            "limpet_minion_job_seconds",
            "How long jobs ran.",
            shown.job_seconds,
            sum(shown.outcomes.values()),
        ),
    ]


def _process(shown: Shown) -> list[Family]:
    """Give what may be wrong with the minion itself."""
    return [
        gauge(
            "limpet_minion_trouble",
            "1: the disk takes no new jobs.",
            float(shown.is_troubled),
        ),
        gauge(
            "limpet_minion_configuration_broken",
            "1: the configuration in the file is not in force, because it is broken.",
            float(shown.is_configuration_broken),
        ),
        gauge(
            "limpet_minion_loop_lag_seconds",
            "The longest turn of the loop in the last minute.",
            shown.lag_s,
        ),
        counter(
            "limpet_minion_log_lines_dropped_total",
            "Lines that neither the journal nor stderr took.",
            shown.log_lines_dropped,
        ),
    ]
