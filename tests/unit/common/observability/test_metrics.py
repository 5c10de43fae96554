"""Figures in Prometheus' format: read back by a strict reader that knows nothing of the writer."""

import math
import time

import pytest

from limpet.common.observability.metrics import (
    Family,
    Histogram,
    by_label,
    counter,
    gauge,
    information,
    summary,
    written,
)
from limpet.common.observability.process_gauges import process_families
from support.pages.metrics_page import parse


def test_a_page_reads_as_prometheus_writes_it() -> None:
    page = written(
        (
            counter("a_total", "How many.", 12),
            gauge("b_seconds", "How\nlong, with a \\.", 0.25),
            by_label("c_total", "counter", "By reason.", "reason", {"rate": 2, "bad": 1}),
        )
    )
    assert page.decode() == (
        "# HELP a_total How many.\n# TYPE a_total counter\na_total 12\n"
        "# HELP b_seconds How\\nlong, with a \\\\.\n# TYPE b_seconds gauge\nb_seconds 0.25\n"
        "# HELP c_total By reason.\n# TYPE c_total counter\n"
        'c_total{reason="bad"} 1\nc_total{reason="rate"} 2\n'
    )
    assert parse(page)["c_total"].value(reason="rate") == 2


@pytest.mark.parametrize(
    "text", ['a"b', "a\\b", "a\nb", 'a"} 1\nforged{x="', "é", "\udcff", "x" * 999]
)
def test_no_value_of_a_label_breaks_out_of_it(text: str) -> None:
    metrics = parse(written((information("a", "It.", reason=text),)))
    assert list(metrics) == ["a"]
    assert len(metrics["a"].samples) == 1


@pytest.mark.parametrize(
    "value, shown",
    [
        (0.0, "0"),
        (-3, "-3"),
        (1e20, "1e+20"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
        (1764414779.25, "1764414779.25"),
        (True, "1"),
    ],
)
def test_numbers_are_written_as_the_format_wants_them(value: float, shown: str) -> None:
    page = written((gauge("a", "It.", value),))
    assert page.decode().splitlines()[-1] == f"a {shown}"
    parse(page)


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram((0.1, 1, 10))
    for value in (0.05, 0.1, 0.5, 10, 11):
        histogram.add(value)
    metric = parse(written((histogram.family("a_seconds", "It."),)))["a_seconds"]
    assert [metric.value("_bucket", le=bound) for bound in ("0.1", "1", "10", "+Inf")] == [
        2,
        3,
        4,
        5,
    ]
    assert metric.value("_sum") == pytest.approx(21.65)
    assert metric.value("_count") == 5


def test_what_has_no_samples_is_left_out_and_a_summary_has_two() -> None:
    page = written(
        (by_label("a_total", "counter", "It.", "reason", {}), summary("b", "It.", 1.5, 3))
    )
    assert list(parse(page)) == ["b"]
    assert parse(page)["b"].value("_count") == 3


@pytest.mark.parametrize(
    "page, why",
    [
        ("a 1\n", "HELP is expected"),
        ("# HELP a b\na 1\n", "TYPE of a"),
        ("# HELP a b\n# TYPE a gauge\n", "no samples"),
        ("# HELP a b\n# TYPE a gauge\na one\n", "no number"),
        ("# HELP a b\n# TYPE a gauge\na 1", "no end"),
        ("# HELP a b\n# TYPE a gauge\na 1\na 1\n", "twice"),
        ("# HELP a b\n# TYPE a counter\na 1\n", "_total"),
        ('# HELP a b\n# TYPE a gauge\na{x="a"b"} 1\n', "a sample of a"),
        ('# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 1\na_count 1\n', r"\+Inf"),
    ],
)
def test_the_reader_of_the_tests_is_strict(page: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(page.encode())


def test_a_family_keeps_the_order_of_its_samples() -> None:
    assert written((Family("a", "gauge", "It.", ()),)) == b""


def test_the_process_is_shown_as_the_kernel_sees_it() -> None:
    metrics = parse(written(process_families()))
    started = metrics["process_start_time_seconds"].value()
    assert time.time() - 3600 < started < time.time()
    assert metrics["process_resident_memory_bytes"].value() > 5e6
    assert metrics["process_open_fds"].value() >= 3
    assert metrics["process_cpu_seconds_total"].value() > 0
    told = parse(written(process_families(rss_bytes=7, fds=8)))
    assert told["process_resident_memory_bytes"].value() == 7
    assert told["process_open_fds"].value() == 8
