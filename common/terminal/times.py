"""Times and durations as people write and read them. Wall times are seconds since 1970."""

import re
from typing import Final

from limpet.common.errors import UsageError

_UNITS_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")
_PIECE: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")

_WALL_MAX_S: Final = 253_402_300_799.0  # the last second of the year 9999


def parse_duration(text: str) -> float:
    """Turn `90`, `90s`, `15m`, `1h30m`, `2d`, `1w` into seconds. Raises `UsageError`."""
    word = text.strip().lower()
    if _NUMBER.fullmatch(word):
        return float(word)
    if not _DURATION.fullmatch(word):
        raise UsageError(
            f"{text[:40]!a} is not a duration: write seconds, or numbers with s, m, h, d or w, "
            "as in 90, 15m or 1h30m"
        )
    return sum(float(number) * _UNITS_S[unit] for number, unit in _PIECE.findall(word))


def duration_text(seconds: float) -> str:
    """Give a duration in at most two units: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds < 0:
        seconds = 0.0
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    for unit_s, unit, part_s, part in ((60, "min", 1, "s"), (3600, "h", 60, "min")):
        if whole < unit_s * (60 if unit == "min" else 24):
            rest = whole % unit_s // part_s
            return f"{whole // unit_s} {unit}" + (f" {rest} {part}" if rest else "")
    rest = whole % 86400 // 3600
    return f"{whole // 86400} d" + (f" {rest} h" if rest else "")


def iso_utc(wall_s: float) -> str | None:
    """Give a time in ISO 8601, UTC, with milliseconds; None for 0 (never) and for nonsense."""
    import time

    if not 0 < wall_s < _WALL_MAX_S:
        return None
    whole, milliseconds = divmod(int(wall_s * 1000), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{milliseconds:03d}Z"


def local_text(wall_s: float, now_s: float) -> str:
    """Give a time in this host's zone: `12:04:05` within the last 18 hours, else with the date."""
    import time

    if not 0 < wall_s < _WALL_MAX_S:
        return "never"
    form = "%H:%M:%S" if abs(now_s - wall_s) < 18 * 3600 else "%Y-%m-%d %H:%M:%S"
    return time.strftime(form, time.localtime(wall_s))


def since_text(wall_s: float, now_s: float) -> str:
    """Give `since 12:04:05 (3 min 2 s)`, or nothing where the time is not known."""
    if not 0 < wall_s < _WALL_MAX_S:
        return ""
    return f"since {local_text(wall_s, now_s)} ({duration_text(now_s - wall_s)})"
