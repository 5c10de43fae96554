"""Who has which grain: kept up with all that come, tell their grains anew, or are forgotten.

Each accepted minion has a slot, a small number; sets of minions are bits. What is read over several
turns of the loop is watched (`watch`): as long as anybody watches no slot is given to another
minion, and who has changed in the meantime is told.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from itertools import compress

import msgspec

from limpet.common.identifiers import MinionId
from limpet.master.targeting.bits import bits_of, flags_of, numbers_of
from limpet.master.targeting.column import Column
from limpet.master.targeting.grains import decode_grains

_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class FleetIndex:
    """The ids and the grains of all accepted minions."""

    def __init__(self) -> None:
        self.everybody = 0
        """The slots in use, as bits."""
        self._slots: dict[MinionId, int] = {}
        self._minions: list[MinionId | None] = []
        self._bodies: list[bytes] = []
        """The grains of each slot as its minion sent them: shared with the row of its key."""
        self._free: list[int] = []
        self._columns: dict[str, Column] = {}
        self._order: list[MinionId] | None = None
        self._ordered_slots: list[int] | None = None
        self._watches: list[set[MinionId]] = []

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def slots(self) -> int:
        """Give a number that is above all slots."""
        return len(self._minions)

    # -- keeping up ---------------------------------------------------------------------------

    def put(self, minion: MinionId, body: bytes) -> None:
        """Take up a minion, or its new grains: JSON, empty where it never told any."""
        slot = self._slots.get(minion)
        old: dict[str, bytes] = {}
        if slot is None:
            slot = self._take_slot(minion)
        else:
            old = facts_of(minion, self._bodies[slot])
        self._bodies[slot] = body
        new = facts_of(minion, body)
        columns, slots = self._columns, len(self._minions)
        for key, value in old.items():
            if new.get(key) != value:
                self._drop(key, value, slot)
        for key, value in new.items():
            if old.get(key) != value:
                column = columns.get(key)
                if column is None:
                    column = columns[key] = Column()
                column.put(value, slot, slots)
        self._tell(minion)

    def remove(self, minion: MinionId) -> None:
        """Forget a minion; one that is not known is none to forget."""
        slot = self._slots.pop(minion, None)
        if slot is None:
            return
        for key, value in facts_of(minion, self._bodies[slot]).items():
            self._drop(key, value, slot)
        self._minions[slot] = None
        self._bodies[slot] = b""
        self._free.append(slot)
        self.everybody &= ~(1 << slot)
        self._ordered_slots = None
        if self._order is not None:
            del self._order[bisect_left(self._order, minion)]
        self._tell(minion)

    def _take_slot(self, minion: MinionId) -> int:
        if self._free and not self._watches:
            slot = self._free.pop()
            self._minions[slot] = minion
        else:
            slot = len(self._minions)
            self._minions.append(minion)
            self._bodies.append(b"")
        self._slots[minion] = slot
        self.everybody |= 1 << slot
        self._ordered_slots = None
        if self._order is not None:
            insort(self._order, minion)
        return slot

    def _drop(self, key: str, value: bytes, slot: int) -> None:
        column = self._columns[key]
        column.drop(value, slot)
        if not len(column):
            del self._columns[key]

    # -- watching -----------------------------------------------------------------------------

    def watch(self) -> set[MinionId]:
        """Give a set into which all go that change from now on."""
        changed: set[MinionId] = set()
        self._watches.append(changed)
        return changed

    def unwatch(self, changed: set[MinionId]) -> None:
        """Let a set that `watch` gave no longer be filled."""
        self._watches = [each for each in self._watches if each is not changed]

    def _tell(self, minion: MinionId) -> None:
        for changed in self._watches:
            changed.add(minion)

    # -- asking -------------------------------------------------------------------------------

    @property
    def order(self) -> list[MinionId]:
        """The ids of all, sorted. Not to be changed."""
        if self._order is None:
            self._order = sorted(self._slots)
        return self._order

    def column(self, key: str) -> Column | None:
        """Give the values of a grain; None: nobody has it."""
        return self._columns.get(key)

    def body(self, slot: int) -> bytes:
        """Give the grains of a minion as it sent them."""
        return self._bodies[slot]

    def body_of(self, minion: MinionId) -> bytes | None:
        """Give the grains of a minion as it sent them; None: it is not known."""
        slot = self._slots.get(minion)
        return None if slot is None else self._bodies[slot]

    def minion(self, slot: int) -> MinionId | None:
        """Give the minion of a slot; None: it is gone."""
        return self._minions[slot]

    def named(self, names: Iterable[str]) -> int:
        """Give those of these ids that are known, as bits."""
        slots = self._slots
        found = [slot for name in names if (slot := slots.get(MinionId(name))) is not None]
        return bits_of(found, self.slots)

    def beginning(self, head: str) -> list[MinionId]:
        """Give the ids that begin so, sorted."""
        order = self.order
        first = bisect_left(order, head)
        # No id has a letter as high as that, so it comes behind all that begin with the head.
        return order[first : bisect_left(order, f"{head}\U0010ffff", lo=first)]

    def ids(self, bits: int) -> list[MinionId]:
        """List the minions of some slots by id; those that are gone are left out."""
        if bits == self.everybody:
            return self.order.copy()
        if bits.bit_count() * 8 < len(self._slots):
            return sorted(name for slot in numbers_of(bits) if (name := self._minions[slot]))
        if self._ordered_slots is None:
            self._ordered_slots = [self._slots[name] for name in self.order]
        flags = flags_of(bits).ljust(self.slots, b"\0")
        return list(compress(self.order, map(flags.__getitem__, self._ordered_slots)))


def facts_of(minion: MinionId, body: bytes) -> dict[str, bytes]:
    """Give the grains that a minion told, each value as JSON: what `LazyGrains` would show."""
    if not body:
        return {"id": msgspec.json.encode(minion)}
    if decode_grains(body) is None:  # stricter about what stands inside of values
        return {}
    return {key: bytes(value) for key, value in _decoder.decode(body).items()}
