"""Token buckets."""

from limpet.common.clock import Instant
from limpet.master.sessions.rate_limits import Rates


def test_a_burst_passes_and_then_only_the_rate() -> None:
    rates = Rates({"Beat": (1.0, 3.0)})
    assert [rates.take("Beat", Instant(10)) for _ in range(5)] == [True] * 3 + [False] * 2
    assert rates.take("Beat", Instant(11))
    assert not rates.take("Beat", Instant(11.5))
    assert [rates.take("Beat", Instant(1000)) for _ in range(4)] == [True] * 3 + [False]


def test_what_is_not_limited_always_passes() -> None:
    rates = Rates({})
    assert all(rates.take("Odd", Instant(1)) for _ in range(1000))


def test_what_does_not_fit_takes_nothing() -> None:
    rates = Rates({"bytes": (1.0, 100.0)})
    assert not rates.take("bytes", Instant(0), 101)
    assert rates.take("bytes", Instant(0), 100)


def test_a_clock_that_stands_still_or_steps_back_gives_nothing_away() -> None:
    rates = Rates({"Beat": (1.0, 1.0)})
    assert rates.take("Beat", Instant(10))
    assert not rates.take("Beat", Instant(5))
