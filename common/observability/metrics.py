"""Figures in Prometheus' text format (0.0.4), made by hand: there is little to it.

    # HELP limpet_jobs_total Deliveries that came to an end, by how.
    # TYPE limpet_jobs_total counter
    limpet_jobs_total{status="returned"} 12

Who hands them out is `metrics_server`; which there are is docs/metrics.md.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram", "summary"]
Labels = tuple[tuple[str, str], ...]
Row = tuple[str, str, Kind, str]
"""A metric in a table: the figure that it is, its name without the prefix, its kind and help."""

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LABEL_CHARACTERS_MAX: Final = 100
"""A longer value is cut: reasons and states are words."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One number; `suffix` is for the parts of histograms and summaries."""

    value: float
    labels: Labels = ()
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all its samples."""

    name: str
    kind: Kind
    help: str
    samples: Sequence[Sample]


def counter(name: str, help_text: str, value: float) -> Family:
    """Make what only grows, until the process is started anew."""
    return Family(name, "counter", help_text, (Sample(value),))


def gauge(name: str, help_text: str, value: float) -> Family:
    """Make what goes up and down."""
    return Family(name, "gauge", help_text, (Sample(value),))


def by_figure(prefix: str, rows: Iterable[Row], figures: Mapping[str, float]) -> list[Family]:
    """Make one family of one number for each row of a table."""
    return [
        Family(f"{prefix}{name}", kind, text, (Sample(figures[key]),))
        for key, name, kind, text in rows
    ]


def by_label(
    name: str, kind: Kind, help_text: str, label: str, values: Mapping[str, float]
) -> Family:
    """Make one family of many samples that differ in one label."""
    samples = tuple(Sample(value, ((label, key),)) for key, value in sorted(values.items()))
    return Family(name, kind, help_text, samples)


def summary(name: str, help_text: str, total: float, count: float) -> Family:
    """Make a sum and how many were summed up."""
    return Family(
        name, "summary", help_text, (Sample(total, suffix="_sum"), Sample(count, suffix="_count"))
    )


def information(name: str, help_text: str, **labels: str) -> Family:
    """Make a gauge that is 1 and says something in its labels."""
    return Family(name, "gauge", help_text, (Sample(1.0, tuple(sorted(labels.items()))),))


class Histogram:
    """How often something took how long: counts up to each bound, and the sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        assert list(bounds) == sorted(bounds)
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count one more."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def family(self, name: str, help_text: str) -> Family:
        """Make the metric of what was counted."""
        samples = []
        total = 0
        for bound, count in zip((*self._bounds, math.inf), self._counts, strict=True):
            total += count
            samples.append(Sample(total, (("le", _number(bound)),), "_bucket"))
        samples.append(Sample(self._sum, suffix="_sum"))
        samples.append(Sample(total, suffix="_count"))
        return Family(name, "histogram", help_text, samples)


def written(families: Iterable[Family]) -> bytes:
    """Give the text of a page. Families without samples are left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        text = family.help.replace("\\", r"\\").replace("\n", r"\n")
        lines.append(f"# HELP {family.name} {text}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for sample in family.samples:
            shown = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels)
            labels = f"{{{shown}}}" if shown else ""
            lines.append(f"{family.name}{sample.suffix}{labels} {_number(sample.value)}")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _escaped(value: str) -> str:
    value = value[:LABEL_CHARACTERS_MAX]
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return (
        str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
    )
