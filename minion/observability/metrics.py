"""The minion's metrics: docs/metrics.md is the reference. Loaded only where they are served."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from limpet.common.observability.metrics import (
    Family,
    by_label,
    counter,
    gauge,
    information,
    summary,
)
from limpet.common.observability.process_gauges import process_families
from limpet.minion.sessions.states import State


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
    figures = shown.figures
    return [
        information(
            "limpet_build_info",
            "The release that runs.",
            program="minion",
            version=shown.version,
            python="{}.{}.{}".format(*sys.version_info[:3]),
        ),
        gauge("limpet_minion_snapshot_seconds", "When these figures were taken.", shown.now_wall_s),
        gauge("limpet_minion_ready", "1: the link is READY.", float(shown.state == "ready")),
        by_label(
            "limpet_minion_link_state",
            "gauge",
            "1 for the state that the link is in.",
            "state",
            {each.value: float(each.value == shown.state) for each in State},
        ),
        gauge("limpet_minion_link_since_seconds", "Since when it is.", shown.since_wall_s),
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
        gauge(
            "limpet_minion_failures_in_a_row",
            "Attempts that failed since the last READY.",
            figures["failures_in_a_row"],
        ),
        counter(
            "limpet_minion_sockets_opened_total",
            "Sockets opened to the master.",
            figures["sockets_opened"],
        ),
        counter(
            "limpet_minion_bad_frames_total",
            "Frames of the master that could not be read.",
            figures["bad_frames"],
        ),
        counter(
            "limpet_minion_frames_dropped_total",
            "Frames that could not be sent.",
            figures["frames_dropped"],
        ),
        gauge("limpet_minion_jobs_queued", "Jobs that wait.", figures["jobs_queued"]),
        gauge("limpet_minion_jobs_running", "Jobs that run.", figures["jobs_running"]),
        gauge(
            "limpet_minion_returns_waiting",
            "Returns that the master has not acknowledged.",
            figures["returns_waiting"],
        ),
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
        *process_families(),
    ]
