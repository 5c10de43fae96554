"""The keys that wait to be accepted: how many may, from one address and in all, and in which order.

Whoever is on the master's own host has better ways to harm it, and demonstrations start a dozen
minions there: it is not limited.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Final

from limpet.common.identifiers import MinionKey
from limpet.master.enrolment.rate_limits import is_loopback, network_of

PENDING_MAX: Final = 1000
"""Keys that wait at once; one more is not noted down until there is room."""
PENDING_PER_SOURCE_MAX: Final = 5
"""Keys that wait at once from one address (IPv6: one /64). This host's own are not limited."""


class PendingKeys:
    """Keys with the address each came from; the one that has not asked for longest comes first."""

    def __init__(self) -> None:
        self._sources: OrderedDict[MinionKey, str] = OrderedDict()
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[MinionKey]:
        return iter(self._sources)

    def longest_silent(self) -> MinionKey | None:
        """Give the one that has not asked for longest, if any waits."""
        return next(iter(self._sources), None)

    def has_room_for(self, address: str) -> bool:
        """Say whether one more key of an address may wait without breaking its own limit."""
        source = source_of(address)
        return not source or self._counts[source] < PENDING_PER_SOURCE_MAX

    def add(self, key: MinionKey, address: str) -> None:
        """Take one that does not wait yet; it comes last."""
        source = source_of(address)
        self._sources[key] = source
        self._counts[source] += 1

    def move_to_end(self, key: MinionKey) -> None:
        """Put one that waits behind all others. KeyError if it does not wait."""
        self._sources.move_to_end(key)

    def drop(self, key: MinionKey) -> None:
        """Forget one, waiting or not."""
        source = self._sources.pop(key, None)
        if source is None:
            return
        self._counts[source] -= 1
        if not self._counts[source]:
            del self._counts[source]


def source_of(address: str) -> str:
    """Give what counts as one source: an IPv4 address, the /64 of an IPv6 one, '' for this host."""
    return "" if not address or is_loopback(address) else network_of(address)
