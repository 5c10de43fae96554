"""Token buckets: how much of each kind of message one key may send."""

from collections.abc import Mapping
from typing import Final

from limpet.common.clock import Instant

UNLIMITED: Final = (1e9, 1e9)


class Rates:
    """The buckets of one key; a kind's bucket is made when it is first used, and begins full."""

    __slots__ = ("_levels", "_limits")

    def __init__(self, limits: Mapping[str, tuple[float, float]]) -> None:
        self._limits = limits
        self._levels: dict[str, tuple[float, Instant]] = {}

    def take(self, kind: str, now: Instant, amount: float = 1.0) -> bool:
        """Take from the bucket of a kind; False: it does not hold so much, nothing is taken."""
        rate, burst = self._limits.get(kind, UNLIMITED)
        known = self._levels.get(kind)
        level = burst
        if known is not None:
            before, at = known
            if now > at:
                before += (now - at) * rate
            if before < burst:
                level = before
        is_enough = level >= amount
        self._levels[kind] = (level - amount if is_enough else level, now)
        return is_enough
