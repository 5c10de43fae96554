"""The master's metrics, made of its status: docs/metrics.md is the reference."""

import platform
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from limpet.common.control.replies import MasterStatus
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
from limpet.master.observability.counters import EventCounters

_FIGURES: Final[tuple[Row, ...]] = (
    ("loop_lag_s", "loop_lag_seconds", "gauge", "The longest turn of the loop in the last minute."),
    ("connections", "connections", "gauge", "Connections at the main port."),
    ("enrol_connections", "enrol_connections", "gauge", "Connections at the enrolment port."),
    ("clients", "clients", "gauge", "Connections at the Unix socket."),
    ("syncing", "syncing", "gauge", "Minions in SYNC."),
    ("waiting_for_sync", "waiting_for_sync", "gauge", "Minions that wait for their turn of SYNC."),
    ("jobs_open", "jobs_open", "gauge", "Jobs that are not over."),
    ("deliveries_open", "deliveries_open", "gauge", "Results of minions that are outstanding."),
    (
        "minions_with_next_keys",
        "minions_with_next_keys",
        "gauge",
        "Minions that will follow the master's next key.",
    ),
    ("oldest_job_s", "oldest_job_seconds", "gauge", "Age of the oldest job that is not over."),
    ("effects_held", "effects_held", "gauge", "Messages that wait for a commit of the store."),
    ("store_waiting", "store_waiting", "gauge", "Batches that wait for the store's writer."),
    ("store_bytes", "store_bytes", "gauge", "Size of the database, without its log."),
    ("store_trouble", "store_trouble", "gauge", "1: the store takes no writes now."),
    ("store_stalled", "store_stalled", "gauge", "1: the disk does not answer a write."),
    ("store_commit_slowest_s", "store_commit_slowest_seconds", "gauge", "The slowest commit."),
    ("file_server_reading", "files_reading", "gauge", "Files that are read for minions now."),
    (
        "file_server_hashed_bytes",
        "files_hashed_bytes_total",
        "counter",
        "Bytes of the file roots that were read for their digest.",
    ),
    ("pillar_waiting", "pillar_waiting", "gauge", "Pillars that wait to be rendered."),
    ("pillar_rendering", "pillar_rendering", "gauge", "Pillars that are rendered now, or next."),
    ("pillar_starts", "pillar_starts_total", "counter", "Starts of the rendering process."),
    ("enrol_starts", "enrol_starts_total", "counter", "Lines opened to the enrolment process."),
    (
        "self_checks_passed",
        "self_checks_passed_total",
        "counter",
        "Logins of the master at its own main port that worked.",
    ),
    ("self_check_failures", "self_check_failures", "gauge", "Those that failed, in a row."),
    (
        "log_lines_dropped",
        "log_lines_dropped_total",
        "counter",
        "Lines that neither the journal nor stderr took.",
    ),
)
"""Figures of `limpet status`."""
_STATES: Final = ("ready", "syncing", "reconnecting", "offline", "never_seen")
"""Of minions, which are counted in the figures `minions_…`."""


def families(status: MasterStatus, counters: EventCounters, *, now_wall_s: float) -> list[Family]:
    """Give all metrics."""
    figures = defaultdict(float, status.figures)
    return [
        *_release(status, now_wall_s),
        *_sessions(figures, counters),
        *_jobs(counters),
        *_store(figures),
        *_trouble(status),
        *by_figure("limpet_master_", _FIGURES, figures),
        *process_families(rss_bytes=status.figures.get("rss_bytes"), fds=status.figures.get("fds")),
    ]


def _release(status: MasterStatus, now_wall_s: float) -> list[Family]:
    """Give what runs, since when, and of when the page is."""
    return [
        information(
            "limpet_build_info",
            "The release that runs.",
            program="master",
            version=status.version,
            python=platform.python_version(),
        ),
        gauge(
            "limpet_master_up_since_seconds", "When the master began, since 1970.", status.since_s
        ),
        gauge("limpet_master_snapshot_seconds", "When these figures were taken.", now_wall_s),
    ]


def _sessions(figures: Mapping[str, float], counters: EventCounters) -> list[Family]:
    """Give how minions are, and how often they came and were lost."""
    return [
        by_label(
            "limpet_master_minions",
            "gauge",
            "Minions whose key is accepted, by how they are.",
            "state",
            {state: figures[f"minions_{state}"] for state in _STATES},
        ),
        counter("limpet_master_sessions_total", "Times a minion became READY.", counters.sessions),
        by_label(
            "limpet_master_losses_total",
            "counter",
            "Sessions that were lost, by why.",
            "reason",
            counters.losses,
        ),
    ]


def _jobs(counters: EventCounters) -> list[Family]:
    """Give what became of jobs, and how long minions took."""
    return [
        counter("limpet_master_jobs_total", "Jobs that were made.", counters.jobs_new),
        counter("limpet_master_jobs_ended_total", "Jobs that are over.", counters.jobs_ended),
        by_label(
            "limpet_master_results_total",
            "counter",
            "Final statuses of minions in jobs, by status.",
            "status",
            counters.returns,
        ),
        counters.seconds.family(
            "limpet_master_return_seconds", "From the making of a job to a minion's return."
        ),
    ]


def _store(figures: Mapping[str, float]) -> list[Family]:
    """Give how long commits took."""
    return [
        summary(
            "limpet_master_store_commit_seconds",
            "Commits of the store, each with its fsync.",
            figures["store_commit_s"],
            figures["store_commits"],
        ),
    ]


def _trouble(status: MasterStatus) -> list[Family]:
    """Give what is wrong, and what was turned away."""
    return [
        gauge(
            "limpet_master_problems", "Problems that `limpet status` names.", len(status.problems)
        ),
        by_label(
            "limpet_master_rejected_total",
            "counter",
            "What was turned away, by reason; of the enrolment port: `enrol.…`.",
            "reason",
            {reason: float(number) for reason, number in status.rejected.items()},
        ),
    ]
