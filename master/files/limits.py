"""Bounds of the file server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """What the file server takes on."""

    at_once: int = 4
    """Questions read at the same time: as many as the shell has threads."""
    open_max: int = 32_768
    """Questions that wait or are read, of all minions: a fleet may ask at the same time."""
    open_of_one_max: int = 128
    """The same, of one minion; an honest one has 64 at most, and as many of a session before."""
    cache_bytes_max: int = 64 * 1024 * 1024
    cache_s: float = 60.0
    """How long a listing is kept after it was last pulled of."""
    flight_bytes_max: int = 16 * 1024 * 1024
    """On the way to all minions together: what a line carries in the blink of an eye."""
    flight_s: float = 0.5
    """Bytes count no longer as under way, if their minion says nothing."""
