"""All keys that the master knows, in memory, with the questions that are asked of them.

The one owner of `KeyRow`s: whatever changes one goes through `put` or `drop`, and persists what
they give back. An id may be claimed by many keys and belongs to at most one: the accepted one.
"""

from collections.abc import Iterable
from typing import Final

from limpet.common.control.replies import KeyInfo
from limpet.common.crypto.keys import fingerprint
from limpet.common.identifiers import MinionId, MinionKey
from limpet.master.enrolment.pending_keys import PendingKeys
from limpet.master.store.operations import DeleteKey, KeyRow, PutKey

_STATE_ORDER: Final = {"accepted": 0, "pending": 1, "conflict": 2, "rejected": 3}


class KeyTable:
    """Rows by key and by id."""

    def __init__(self, rows: Iterable[KeyRow]) -> None:
        self._rows: dict[MinionKey, KeyRow] = {}
        self._by_id: dict[MinionId, dict[MinionKey, None]] = {}
        self._owners: dict[MinionId, MinionKey] = {}
        self._pending = PendingKeys()
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
        key = self._pending.longest_silent()
        return None if key is None else self._rows[key]

    def has_room_for(self, address: str) -> bool:
        """Say whether one more key of an address may wait without breaking its own limit."""
        return self._pending.has_room_for(address)

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
            self._pending.add(row.key, row.address)
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
        self._pending.drop(key)
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
