"""Whose turn it is to SYNC: at most so many at once, the others wait on their connections in order.

Coming again would cost the master another CURVE handshake; waiting costs it nothing.
"""

from collections import OrderedDict

from limpet.common.identifiers import MinionKey


class Admission:
    """Turns of SYNC and the queue for them."""

    def __init__(self, at_once: int) -> None:
        assert at_once >= 1
        self._at_once = at_once
        self._inside: set[MinionKey] = set()
        self._queue: OrderedDict[MinionKey, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def inside(self) -> int:
        """How many are in SYNC."""
        return len(self._inside)

    def enter(self, key: MinionKey) -> bool:
        """Take a turn if one is free and nobody else is first; else stand in the queue."""
        if key in self._inside:
            return True
        if len(self._inside) < self._at_once and (
            not self._queue or next(iter(self._queue)) == key
        ):
            self._queue.pop(key, None)
            self._inside.add(key)
            return True
        self._queue.setdefault(key)
        return False

    def leave(self, key: MinionKey) -> None:
        """Give the turn, or the place in the queue, back."""
        self._inside.discard(key)
        self._queue.pop(key, None)

    def next_in_turn(self) -> MinionKey | None:
        """Give the key that may `enter` now, or None."""
        if self._queue and len(self._inside) < self._at_once:
            return next(iter(self._queue))
        return None
