"""Keys that misbehaved and are kept out for a while, longer each time."""

from collections import OrderedDict
from typing import Final

_ENTRIES_MAX: Final = 4_096


class Suspensions:
    """Asked by the admission rule at every handshake; bounded, the oldest are forgotten first."""

    def __init__(self, *, first_s: float = 60.0, longest_s: float = 3_600.0) -> None:
        assert 0 < first_s <= longest_s
        self._first_s = first_s
        self._longest_s = longest_s
        self._entries: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def suspend(self, key: str, now: float) -> float:
        """Keep the key out, twice as long as the last time; gives the seconds."""
        _, last_s = self._entries.pop(key, (0.0, 0.0))
        for_s = min(max(self._first_s, last_s * 2), self._longest_s)
        self._entries[key] = (now + for_s, for_s)
        if len(self._entries) > _ENTRIES_MAX:
            self._entries.popitem(last=False)
        return for_s

    def is_suspended(self, key: str, now: float) -> bool:
        """Say whether the key is kept out now."""
        entry = self._entries.get(key)
        return entry is not None and now < entry[0]
