"""Percentiles of any number of values, in bounded memory."""

import random

import pytest

from limpet.minion.swarm.histogram import BUCKETS_MAX, Histogram, added_up, bucket_of


def filled(values: list[float]) -> Histogram:
    histogram = Histogram({})
    for each in values:
        histogram.add(each)
    return histogram


@pytest.mark.parametrize("percent", [1, 50, 90, 99, 100])
def test_percentiles_are_a_few_percent_off_at_most(percent: int) -> None:
    chance = random.Random(7)
    values = [chance.lognormvariate(-4, 1.5) for _ in range(5_000)]
    exact = sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]
    assert filled(values).percentile_s(percent) == pytest.approx(exact, rel=0.045)


def test_nothing_was_seen() -> None:
    assert Histogram().percentile_s(99) == 0.0


def test_one_value_is_told_exactly_where_it_is_the_largest() -> None:
    assert filled([0.1]).percentile_s(50) <= 0.1
    assert filled([0.1]).largest_s == 0.1


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e-9, 1e-5, 1e9, float("inf")])
def test_no_value_needs_a_bucket_of_its_own(seconds: float) -> None:
    assert 0 <= bucket_of(seconds) < BUCKETS_MAX


def test_memory_is_bounded() -> None:
    histogram = filled([2.0**exponent for exponent in range(-40, 40)] * 50)
    assert len(histogram.counts) <= BUCKETS_MAX
    assert histogram.total == 80 * 50


def test_parts_add_up_to_the_whole() -> None:
    values = [0.001 * each for each in range(1, 400)]
    parts = [filled(values[:100]), filled(values[100:]), Histogram()]
    assert added_up(parts) == filled(values)
    assert sum(parts[0].counts.values()) == 100  # the parts are as they were


def test_what_came_since_an_earlier_copy() -> None:
    earlier = filled([0.001] * 10)
    later = filled([0.001] * 10 + [0.5] * 3)
    since = later.since(earlier)
    assert since.total == 3
    assert since.percentile_s(50) == pytest.approx(0.5, rel=0.05)
