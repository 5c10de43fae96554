"""How a swarm's figures are shown: a live line, lines at the end, and JSON."""

from collections import deque
from typing import Any, Final

from limpet.common.clock import Instant
from limpet.common.terminal.escape import escape_line
from limpet.common.terminal.times import duration_text
from limpet.minion.swarm.figures import COUNTERS, GAUGES, HISTOGRAMS, Figures
from limpet.minion.swarm.histogram import Histogram

RECENT_S: Final = 5.0
"""Rates and latencies of the live line are those of so many seconds."""
SAMPLES_MAX: Final = 64
PERCENTS: Final = (50, 90, 99)


class Recent:
    """What happened lately, from the figures of now and of a while ago."""

    def __init__(self) -> None:
        self._samples: deque[tuple[Instant, Figures]] = deque(maxlen=SAMPLES_MAX)

    def add(self, at: Instant, figures: Figures) -> None:
        """Take the present figures; they must not change any more."""
        self._samples.append((at, figures))
        while len(self._samples) > 2 and at - self._samples[1][0] >= RECENT_S:
            self._samples.popleft()

    def rate(self, name: str) -> float:
        """Give how often something is counted in a second."""
        if len(self._samples) < 2:
            return 0.0
        (first_at, first), (last_at, last) = self._samples[0], self._samples[-1]
        more = float(getattr(last, name) - getattr(first, name))
        return max(0.0, more) / max(1e-3, last_at - first_at)

    def beat_s(self) -> Histogram:
        """Give how long beats took."""
        if not self._samples:
            return Histogram()
        return self._samples[-1][1].beat_s.since(self._samples[0][1].beat_s)


def live_lines(figures: Figures, recent: Recent) -> list[str]:
    """Give what stands at the bottom of a terminal."""
    jobs = sum(recent.rate(name) for name in ("jobs_at_once", "jobs_ok", "jobs_failed"))
    beat_s = recent.beat_s()
    waits = " / ".join(f"{beat_s.percentile_s(each) * 1000:.1f}" for each in PERCENTS)
    lines = [
        f"{figures.minions} minions, {figures.connected} connected, {figures.ready} ready",
        f"{recent.rate('logins'):.0f} logins/s, {recent.rate('beats'):.0f} beats/s, "
        f"{jobs:.0f} jobs/s; beat p50/p90/p99 {waits} ms",
    ]
    if (rate := recent.rate("file_bytes")) or figures.files:
        lines.append(f"{figures.files} files, {rate / 2**20:.1f} MiB/s")
    if figures.failures:
        lines.append("failures: " + _listed(figures.failures, 4))
    return lines


def summary_lines(figures: Figures, *, seconds: float, problems: list[str]) -> list[str]:
    """Give what is told at the end."""
    login_s, beat_s = figures.login_s, figures.beat_s
    all_ready_s = figures.all_ready_s
    whole = "never" if all_ready_s is None else f"after {all_ready_s:.3g} s"
    ends = f"{figures.jobs_ok} ok, {figures.jobs_failed} failed, {figures.jobs_cancelled} cancelled"
    lines = [
        f"{figures.ready} of {figures.minions} minions were ready at the end, "
        f"after {duration_text(seconds)}",
        f"logins: {figures.logins}, {_waits(login_s)}; sessions lost: {figures.losses}; "
        f"attempts: {figures.sockets_opened}; all were ready together {whole}",
        f"beats: {figures.beats}, {_waits(beat_s)}",
        f"the swarm itself: {figures.cpu_s:.1f} s of CPU, {figures.rss_bytes / 2**20:.0f} MiB; "
        f"turns of its loops: {_waits(figures.turn_s)}",
        f"jobs: {figures.jobs_delivered} delivered, {figures.jobs_at_once} at once, {ends}",
    ]
    if figures.files or figures.files_unchanged:
        lines.append(
            f"files: {figures.files} brought, {figures.file_bytes / 2**20:.1f} MiB, "
            f"{_waits(figures.file_s)}; {figures.files_unchanged} were there"
        )
    if figures.pillars:
        lines.append(f"pillars: {figures.pillars}, {_waits(figures.pillar_s)}")
    if figures.questions_failed or figures.digests_wrong:
        lines.append(
            f"questions that failed: {figures.questions_failed}; "
            f"bodies with another digest than promised: {figures.digests_wrong}"
        )
    if figures.failures:
        lines.append("failures: " + _listed(figures.failures, 10))
    if figures.warnings:
        lines.append("warnings: " + _listed(figures.warnings, 10))
    return [*lines, *(f"problem: {escape_line(problem)}" for problem in problems)]


def document(figures: Figures, *, seconds: float, processes: int, problems: list[str]) -> Any:  # noqa: ANN401
    """Give the JSON of the end (docs/swarm.md)."""
    return {
        "seconds": round(seconds, 3),
        "processes": processes,
        "all_ready_s": None if figures.all_ready_s is None else round(figures.all_ready_s, 4),
        **{name: round(getattr(figures, name), 3) for name in (*GAUGES, *COUNTERS)},
        "failures": dict(sorted(figures.failures.items())),
        "warnings": dict(sorted(figures.warnings.items())),
        **{name: _percentiles(getattr(figures, name)) for name in HISTOGRAMS},
        "problems": problems,
    }


def _percentiles(histogram: Histogram) -> dict[str, float]:
    found = {f"p{each}": round(histogram.percentile_s(each), 6) for each in PERCENTS}
    return {**found, "max": round(histogram.largest_s, 6), "count": histogram.total}


def _waits(histogram: Histogram) -> str:
    if not histogram.total:
        return "no times"
    times = " / ".join(f"{histogram.percentile_s(each):.3g}" for each in PERCENTS)
    return f"p50/p90/p99 {times} s, at most {histogram.largest_s:.3g} s"


def _listed(table: dict[str, int], most: int) -> str:
    rows = sorted(table.items(), key=lambda row: (-row[1], row[0]))
    shown = ", ".join(f"{count} {escape_line(name)}" for name, count in rows[:most])
    return shown + (f", and {len(rows) - most} more" if len(rows) > most else "")
