"""A strict reader of Prometheus' text format, which knows nothing of the code that writes it."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
Row = tuple[str, str, tuple[str, ...]]
"""Type, help, labels."""

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
_HELP = re.compile(rf"# HELP ({_NAME}) (.+)")
_TYPE = re.compile(rf"# TYPE ({_NAME}) (counter|gauge|histogram|summary)")
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (\S+)")
_PARTS = {
    "counter": ("",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
}


@dataclass
class Metric:
    """One metric of a page; samples by suffix and labels."""

    name: str
    kind: str
    help: str
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)

    @property
    def labels(self) -> set[str]:
        """Give the names of its labels, without the bounds of histograms."""
        return {name for _, labels in self.samples for name, _ in labels} - {"le"}

    def value(self, suffix: str = "", **labels: str) -> float:
        """Give one sample. Raises `KeyError`."""
        return self.samples[suffix, tuple(sorted(labels.items()))]


def parse(page: bytes) -> dict[str, Metric]:
    """Read a page. Raises `ValueError` naming the line that breaks a rule of the format."""
    text = page.decode("utf-8")
    if not text.endswith("\n"):
        raise ValueError("the last line has no end")
    found: dict[str, Metric] = {}
    lines = text[:-1].split("\n")
    number = 0
    while number < len(lines):
        described = _HELP.fullmatch(lines[number])
        if described is None:
            raise ValueError(f"line {number + 1}: HELP is expected: {lines[number]!r}")
        typed = _TYPE.fullmatch(lines[number + 1]) if number + 1 < len(lines) else None
        if typed is None or typed[1] != described[1]:
            raise ValueError(f"line {number + 2}: TYPE of {described[1]} is expected")
        if described[1] in found:
            raise ValueError(f"line {number + 1}: {described[1]} stands there twice")
        metric = found[described[1]] = Metric(described[1], typed[2], described[2])
        number += 2
        while number < len(lines) and not lines[number].startswith("#"):
            _add(metric, lines[number], number + 1)
            number += 1
        _check(metric)
    return found


def documented(heading: str) -> dict[str, Row]:
    """Give the rows of docs/metrics.md below a heading, by name."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| ([^|]*) \| (.*) \|$", text, re.MULTILINE)
    assert len({name for name, *_ in cells}) == len(cells), "a metric stands there twice"
    return {
        name: (kind, text, tuple(sorted(re.findall(r"`(\w+)`", labels))))
        for name, kind, labels, text in cells
    }


def row_of(metric: Metric) -> Row:
    """Give what the page should say of a metric."""
    return metric.kind, metric.help, tuple(sorted(metric.labels))


def _add(metric: Metric, line: str, number: int) -> None:
    match = _SAMPLE.fullmatch(line)
    if match is None or not match[1].startswith(metric.name):
        raise ValueError(f"line {number}: a sample of {metric.name} is expected: {line!r}")
    suffix = match[1].removeprefix(metric.name)
    if suffix not in _PARTS[metric.kind]:
        raise ValueError(f"line {number}: a {metric.kind} has no {suffix!r}")
    pairs = re.findall(r'([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"', match[2] or "")
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError(f"line {number}: a label stands there twice")
    key = (suffix, tuple(sorted((name, value) for name, value in pairs)))
    if key in metric.samples:
        raise ValueError(f"line {number}: the sample stands there twice")
    if match[3] not in ("+Inf", "-Inf", "NaN") and not re.fullmatch(
        r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", match[3]
    ):
        raise ValueError(f"line {number}: {match[3]!r} is no number")
    metric.samples[key] = float(match[3])


def _check(metric: Metric) -> None:
    if not metric.samples:
        raise ValueError(f"{metric.name} has no samples")
    if metric.kind == "counter" and not metric.name.endswith("_total"):
        raise ValueError(f"{metric.name}: the name of a counter ends with _total")
    if metric.kind == "counter" and min(metric.samples.values()) < 0:
        raise ValueError(f"{metric.name} is below 0")
    if metric.kind == "histogram":
        buckets = [
            (math.inf if bound == "+Inf" else float(bound), value)
            for (suffix, labels), value in metric.samples.items()
            if suffix == "_bucket"
            for name, bound in labels
            if name == "le"
        ]
        if not buckets or buckets != sorted(buckets) or buckets[-1][0] != math.inf:
            raise ValueError(f"{metric.name}: buckets in order, with +Inf at the end, are expected")
        if [value for _, value in buckets] != sorted(value for _, value in buckets):
            raise ValueError(f"{metric.name}: buckets add up")
        if metric.value("_count") != buckets[-1][1]:
            raise ValueError(f"{metric.name}: the count is that of the last bucket")
