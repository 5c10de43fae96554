"""Bounds of what the master does for pillar."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PillarLimits:
    """What is taken on, and how long it waits."""

    at_once: int = 64
    """Renderings handed out, which are done two at a time; of one minion one."""
    at_once_bytes_max: int = 4 * 1024 * 1024
    """What comes with them; two are handed out whatever they come with."""
    open_max: int = 32_768
    """Questions that wait or are answered, of all minions: a fleet may ask at the same time."""
    open_of_one_max: int = 64
    waiting_bytes_max: int = 96 * 1024 * 1024
    """What comes with questions that wait, of all minions; equal words count once."""
    waiting_bytes_of_one_max: int = 1024 * 1024
    """The same, of one minion; its first question may be larger."""
    waits_s_max: float = 120.0
    """A question that nobody has repeated for so long is answered with `busy`: nobody listens."""
    answer_s_max: float = 60.0
    """Renderings are given up if the shell answers none of them for so long; it never happens."""
    cache_bytes_max: int = 64 * 1024 * 1024
    cache_s: float = 60.0
    """How long a body is kept after it was last pulled of."""
    known_bytes_max: int = 64 * 1024 * 1024
    """The last pillars of minions, for targets; beyond it those longest unused are forgotten."""
    target_s: float = 30.0
    """How long a command waits for pillars that decide whom it means."""
    notice_s: float = 5.0
    """How often it is told that it does."""
