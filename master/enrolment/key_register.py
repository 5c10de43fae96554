"""What the master holds of keys and tokens, and which of its changes are written down.

The rows themselves are `key_table.py` and `tokens.py`. Here is what lies between them: when a key
last asked is on disk only so often, who was silent for long is forgotten, and a key that a token
let in and that was deleted since does not come in by that token again.
"""

import math
from typing import Final

from limpet.common.clock import Moment
from limpet.common.identifiers import MinionKey
from limpet.master.enrolment.key_table import KeyTable
from limpet.master.enrolment.tokens import TokenBook, Verifier
from limpet.master.store.operations import KeyRow, Operation, PutKey, PutNote, Snapshot

PENDING_TTL_S: Final = 86400.0
"""A waiting key that has not asked for so long is forgotten."""
ASKED_EVERY_S: Final = 3600.0
"""How often it is written down that a waiting or rejected key still asks."""

_LEFT: Final = "left:"
"""Notes `left:TOKEN:KEY`: the key was let in by the token and deleted since; not again by it."""


class KeyRegister:
    """The rows of all keys and tokens, and what is remembered of them besides."""

    def __init__(self, snapshot: Snapshot, verifier: Verifier) -> None:
        """Begin with what the store has."""
        self.keys = KeyTable(snapshot.keys)
        self.tokens = TokenBook(snapshot.tokens, verifier)
        self._wall_high_s = _number(snapshot.notes.get("wall_high_s", ""))
        self._left = {name for name, value in snapshot.notes.items() if _is_left(name, value)}
        self._noted_s = {row.key: row.asked_s for row in snapshot.keys}

    def token_time(self, now: Moment) -> float:
        """Give the highest wall time ever seen: a clock set back prolongs no token's life.

        All else goes by the clock as it is, so that one that was far ahead once harms nothing.
        """
        self._wall_high_s = max(self._wall_high_s, now.wall)
        return self._wall_high_s

    def put(self, row: KeyRow) -> PutKey:
        """Take a row that has changed; gives what to persist."""
        self._noted_s[row.key] = row.asked_s
        return self.keys.put(row)

    def asked(self, wall_s: float, row: KeyRow) -> tuple[Operation, ...]:
        """Remember that a key still asks; on disk only so often, or if its address is another."""
        old = self.keys.row(row.key)
        if (
            old is None
            or old.address != row.address
            or abs(wall_s - self._noted_s.get(row.key, 0.0)) >= ASKED_EVERY_S
        ):
            return (self.put(row),)
        self.keys.put(row)
        return ()

    def has_left(self, token_id: str, key: MinionKey) -> bool:
        """Say whether the token let this key in, and it was deleted since."""
        return _left_name(token_id, key) in self._left

    def delete(self, row: KeyRow) -> list[Operation]:
        """Forget a key. The token that let it in, if it is still good, does not do so again."""
        self._noted_s.pop(row.key, None)
        operations: list[Operation] = [self.keys.drop(row.key)]
        if row.state == "accepted" and self.tokens.row(row.token_id) is not None:
            name = _left_name(row.token_id, row.key)
            self._left.add(name)
            operations.append(PutNote(name, "deleted"))
        return operations

    def make_room(self, wall_s: float) -> tuple[Operation, ...]:
        """Forget those who asked longest ago, if it was long ago; the others are not looked at.

        Whoever knocks while all places are taken must not cost a look at all who wait.
        """
        dropped: list[Operation] = []
        while (row := self.keys.longest_silent()) is not None:
            if abs(wall_s - row.asked_s) < PENDING_TTL_S:
                break
            self._noted_s.pop(row.key, None)
            dropped.append(self.keys.drop(row.key))
        return tuple(dropped)

    def forget_silent(self, wall_s: float) -> tuple[Operation, ...]:
        """Forget waiting keys that no longer ask."""
        silent = [r.key for r in self.keys.pending() if abs(wall_s - r.asked_s) >= PENDING_TTL_S]
        for key in silent:
            self._noted_s.pop(key, None)
        return tuple(self.keys.drop(key) for key in silent)

    def forget_left(self) -> tuple[Operation, ...]:
        """Empty the notes of tokens that are gone."""
        gone = [name for name in self._left if self.tokens.row(name.split(":")[1]) is None]
        self._left.difference_update(gone)
        return tuple(PutNote(name, "") for name in sorted(gone))


def _left_name(token_id: str, key: MinionKey) -> str:
    return f"{_LEFT}{token_id}:{key}"


def _is_left(name: str, value: str) -> bool:
    return name.startswith(_LEFT) and name.count(":") == 2 and bool(value)


def _number(text: str) -> float:
    """Read a time from a note; a note that is none says nothing."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
