"""Time as a value that is handed in.

Machines never read a clock: they are given a `Moment`. Every wait is judged on `Moment.boot`
(CLOCK_BOOTTIME: it never jumps, and goes on while the host is suspended). `Moment.wall` is for
people and for what must outlive a reboot; no deadline of a conversation depends on it.
"""

import time
from functools import partial
from typing import Final, NamedTuple, NewType, Protocol

Instant = NewType("Instant", float)
"""Seconds on CLOCK_BOOTTIME."""

Micros = int
"""Microseconds; the unit of every time on the wire (floats never travel: NaN and infinity)."""

FOREVER = Instant(float("inf"))


class Moment(NamedTuple):
    """One reading of both clocks."""

    boot: Instant
    """Seconds since the host was started, suspension included."""
    wall: float
    """Seconds since 1970 (UTC) as this host believes."""

    def after(self, seconds: float) -> Instant:
        """Give the instant that lies `seconds` after this moment."""
        return Instant(self.boot + seconds)


class Clock(Protocol):
    """Whatever tells the time: the system, or a simulation."""

    def now(self) -> Moment:
        """Read both clocks."""
        ...


_BOOT_CLOCK: Final = time.CLOCK_BOOTTIME
_read_clock: Final = time.clock_gettime
_read_wall_clock: Final = time.time
_moment: Final = partial(tuple.__new__, Moment)
"""Makes a `Moment` of two numbers: done for every message, so each name looked up less counts."""


class SystemClock:
    """The clocks of this host."""

    def now(self) -> Moment:
        """Read both clocks."""
        return _moment((_read_clock(_BOOT_CLOCK), _read_wall_clock()))


def to_micros(seconds: float) -> Micros:
    """Turn seconds into whole microseconds."""
    return int(seconds * 1_000_000)


def to_seconds(micros: Micros) -> float:
    """Turn microseconds into seconds."""
    return micros / 1_000_000
