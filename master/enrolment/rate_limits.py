"""How often the enrolment port lets whom ask. Bounded tables, no clock, no socket.

A key that the master has answered before asks on its own account, so that many minions behind one
address can wait side by side; a key never seen before is charged to its address. Requests with a
token have a total of their own: whether it is good only the master knows.
"""

from collections import OrderedDict
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from limpet.common.identifiers import MinionKey

TOTAL_A_SECOND: Final = 50.0
"""Requests without a token, all together."""
TOTAL_WITH_TOKEN_A_SECOND: Final = 500.0
NEW_KEYS_OF_ADDRESS_A_MINUTE: Final = 10.0
NEW_KEYS_OF_ADDRESS_BURST: Final = 20.0
OF_KEY_A_MINUTE: Final = 12.0
OF_KEY_BURST: Final = 6.0
ENTRIES_MAX: Final = 4_096
"""Addresses, and keys, remembered at once; over it the one that asked longest ago is forgotten."""


class Bucket:
    """Tokens that come back evenly; a request takes one."""

    __slots__ = ("_at", "_burst", "_left", "_per_s")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Take one if there is one."""
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class _Buckets:
    """One bucket for each name, the least recently used forgotten first."""

    def __init__(self, per_minute: float, burst: float) -> None:
        self._per_s = per_minute / 60.0
        self._burst = burst
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return name in self._buckets

    def __len__(self) -> int:
        return len(self._buckets)

    def add(self, name: str, now: float) -> Bucket:
        """Give the bucket of a name, a full one if it is new."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(self._per_s, self._burst, now)
            if len(self._buckets) > ENTRIES_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        return bucket


class EnrolRates:
    """Asked at every request; `on_answered` makes a key known."""

    def __init__(self, now: float) -> None:
        self._total = Bucket(TOTAL_A_SECOND, TOTAL_A_SECOND, now)
        self._total_with_token = Bucket(TOTAL_WITH_TOKEN_A_SECOND, TOTAL_WITH_TOKEN_A_SECOND, now)
        self._addresses = _Buckets(NEW_KEYS_OF_ADDRESS_A_MINUTE, NEW_KEYS_OF_ADDRESS_BURST)
        self._keys = _Buckets(OF_KEY_A_MINUTE, OF_KEY_BURST)

    def may_ask(self, key: MinionKey, address: str, *, has_token: bool, now: float) -> bool:
        """Say whether the request is passed on; no means: put off, see `retry_pacing.py`."""
        if key in self._keys:
            is_within = self._keys.add(key, now).take(now)
        elif has_token or is_loopback(address):
            is_within = True
        else:
            is_within = self._addresses.add(network_of(address), now).take(now)
        total = self._total_with_token if has_token else self._total
        return is_within and total.take(now)

    def on_answered(self, key: MinionKey, now: float) -> None:
        """Take note that the master has answered this key."""
        self._keys.add(key, now)


def network_of(address: str) -> str:
    """Give what is limited as one: an IPv4 address, or the /64 of an IPv6 address."""
    parsed = _parsed(address)
    if parsed is None:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    return str(ip_network((int(parsed) >> 64 << 64, 64)))


def is_loopback(address: str) -> bool:
    """Say whether the peer is this host itself."""
    parsed = _parsed(address)
    return parsed is not None and parsed.is_loopback


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    return parsed if mapped is None else mapped
