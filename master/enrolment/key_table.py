"""All keys that the master knows, in memory, with the questions that are asked of them.

The one owner of `KeyRow`s: whatever changes one goes through `put` or `drop`, and persists what
they give back. An id may be claimed by many keys and belongs to at most one: the accepted one.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from limpet.common.control.replies import KeyInfo
from limpet.common.crypto.keys import fingerprint
from limpet.common.identifiers import MinionId, MinionKey
from limpet.master.store.operations import DeleteKey, KeyRow, PutKey

PENDING_MAX: Final = 1000
"""Keys that wait at once; one more is not noted down until there is room."""
PENDING_PER_SOURCE_MAX: Final = 5
"""Keys that wait at once from one address (IPv6: one /64). This host's own are not limited."""

_STATE_ORDER: Final = {"accepted": 0, "pending": 1, "conflict": 2, "rejected": 3}


class KeyTable:
    """Rows by key and by id."""

    def __init__(self, rows: Iterable[KeyRow]) -> None:
        self._rows: dict[MinionKey, KeyRow] = {}
        self._by_id: dict[MinionId, dict[MinionKey, None]] = {}
        self._owners: dict[MinionId, MinionKey] = {}
        self._pending: OrderedDict[MinionKey, str] = OrderedDict()
        """With the source of each; the one that has not asked for longest comes first."""
        self._pending_of: dict[str, int] = {}
        for row in sorted(rows, key=lambda row: row.since_s, reverse=True):
            self.put(row)
        waiting = sorted(self._pending, key=lambda key: self._rows[key].asked_s)
        for key in waiting:
            self._pending.move_to_end(key)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def fleet(self) -> int:
        """The number of accepted minions."""
        return len(self._owners)

    @property
    def pending_count(self) -> int:
        """The number of keys that wait."""
        return len(self._pending)

    @property
    def rejected_count(self) -> int:
        """The number of keys that an administrator has turned away."""
        return len(self._rows) - len(self._owners) - len(self._pending)

    def row(self, key: MinionKey) -> KeyRow | None:
        """Give the row of a key, whatever its state."""
        return self._rows.get(key)

    def rows(self) -> tuple[KeyRow, ...]:
        """Give all rows."""
        return tuple(self._rows.values())

    def claims(self, minion: MinionId) -> tuple[KeyRow, ...]:
        """Give the rows of all keys that are under an id."""
        return tuple(self._rows[key] for key in self._by_id.get(minion, ()))

    def owner(self, minion: MinionId) -> KeyRow | None:
        """Give the row of the accepted key of an id."""
        key = self._owners.get(minion)
        return None if key is None else self._rows[key]

    def accepted(self) -> tuple[KeyRow, ...]:
        """Give the rows of all accepted keys."""
        return tuple(self._rows[key] for key in self._owners.values())

    def pending(self) -> tuple[KeyRow, ...]:
        """Give the rows of all keys that wait."""
        return tuple(self._rows[key] for key in self._pending)

    def longest_silent(self) -> KeyRow | None:
        """Give the row of the waiting key that has not asked for longest, if any waits."""
        key = next(iter(self._pending), None)
        return None if key is None else self._rows[key]

    def has_room_for(self, address: str) -> bool:
        """Say whether one more key of an address may wait without breaking its own limit."""
        source = source_of(address)
        return not source or self._pending_of.get(source, 0) < PENDING_PER_SOURCE_MAX

    def is_contested(self, row: KeyRow) -> bool:
        """Say whether a waiting key is not the only one that would have its id."""
        return row.state == "pending" and any(
            other.key != row.key and other.state != "rejected" for other in self.claims(row.minion)
        )

    def put(self, row: KeyRow) -> PutKey:
        """Take a row, new or changed; gives what to persist."""
        if row.state == "accepted":
            owner = self._owners.get(row.minion)
            assert owner in (None, row.key), f"{row.minion} would have two accepted keys"
        self.drop(row.key)
        self._rows[row.key] = row
        self._by_id.setdefault(row.minion, {})[row.key] = None
        if row.state == "accepted":
            self._owners[row.minion] = row.key
        elif row.state == "pending":
            source = source_of(row.address)
            self._pending[row.key] = source
            self._pending_of[source] = self._pending_of.get(source, 0) + 1
        return PutKey(row)

    def drop(self, key: MinionKey) -> DeleteKey:
        """Forget a key, known or not; gives what to persist."""
        row = self._rows.pop(key, None)
        if row is None:
            return DeleteKey(key)
        claims = self._by_id[row.minion]
        del claims[key]
        if not claims:
            del self._by_id[row.minion]
        if self._owners.get(row.minion) == key:
            del self._owners[row.minion]
        source = self._pending.pop(key, None)
        if source is not None:
            self._pending_of[source] -= 1
            if not self._pending_of[source]:
                del self._pending_of[source]
        return DeleteKey(key)

    def info(self, row: KeyRow) -> KeyInfo:
        """Give a row as people see it: a waiting key with a rival is a `conflict`."""
        state = "conflict" if self.is_contested(row) else row.state
        return KeyInfo(
            minion=row.minion,
            state=state,  # type: ignore[arg-type]
            fingerprint=fingerprint(row.key),
            since_s=row.since_s,
            address=row.address,
            token_id=row.token_id,
        )

    def infos(self, rows: Iterable[KeyRow]) -> tuple[KeyInfo, ...]:
        """Give rows as people see them, by state, then id."""
        found = [self.info(row) for row in rows]
        found.sort(key=lambda info: (_STATE_ORDER[info.state], info.minion, info.fingerprint))
        return tuple(found)


def source_of(address: str) -> str:
    """Give what counts as one source: an IPv4 address, the /64 of an IPv6 one, '' for this host.

    Whoever is on the master's own host has better ways to harm it, and demonstrations start a
    dozen minions there.
    """
    address = address.lower().partition("%")[0].removeprefix("::ffff:")
    if address.startswith("127.") or address in ("::1", ""):
        return ""
    if ":" not in address:
        return address
    head, gap, tail = address.partition("::")
    groups = head.split(":") if head else []
    if gap:
        rest = tail.split(":") if tail else []
        groups += ["0"] * (8 - len(groups) - len(rest)) + rest
    return ":".join(group.lstrip("0") or "0" for group in groups[:4]) + "::/64"
