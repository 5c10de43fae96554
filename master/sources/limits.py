"""Bounds of the file server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """What the file server takes on."""

    at_once: int = 4
    """Questions read at the same time: as many as the shell has threads."""
    open_max: int = 4096
    """Questions that wait or are read, of all minions."""
    open_of_one_max: int = 128
    """The same, of one minion; an honest one has 64 at most, and as many of a session before."""
    shelf_bytes_max: int = 64 * 1024 * 1024
    shelf_s: float = 60.0
    """How long a listing is kept after it was last pulled of."""
