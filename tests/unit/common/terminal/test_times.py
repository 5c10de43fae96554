"""Times and durations as people write and read them."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.errors import UsageError
from limpet.common.terminal.times import duration_text, iso_utc, parse_duration, since_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0.5", 0.5), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("2D", 172800)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-5", "1x", "h", "1 h", "nan", "inf", "1e3", "never"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.42, "0.4 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (185, "3 min 5 s"),
        (3600, "1 h"),
        (7800, "2 h 10 min"),
        (90000, "1 d 1 h"),
        (86400 * 400, "400 d"),
    ],
)
def test_a_duration_is_shown_in_at_most_two_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@given(st.floats(1, 4e9))
def test_a_time_in_iso_8601_is_read_back_by_python(wall_s: float) -> None:
    text = iso_utc(wall_s)

    assert text is not None
    assert abs(datetime.datetime.fromisoformat(text).timestamp() - wall_s) < 0.002


def test_an_unknown_time_is_none_and_shows_nothing() -> None:
    for wall_s in (0.0, -1.0, float("inf"), float("nan"), 1e18):
        assert iso_utc(wall_s) is None
        assert since_text(wall_s, 10.0) == ""
