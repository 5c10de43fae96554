"""One grain of the whole fleet: its values, and who has each.

Values are kept as the JSON that minions sent, each once. Of a value that few have (all but a few
values, where each host has its own) the numbers of the minions are listed; of one that many have
they are the bits of an integer, which take an eighth of a byte for each minion of the fleet.
"""

from array import array
from typing import Final

from limpet.master.targeting.bits import bits_of

_LISTED_MAX: Final = 64
"""More holders than this, and than a 32nd of the fleet, take less room as bits."""

Holders = int | array  # type: ignore[type-arg]
"""A single number, or a list of numbers."""


class Bits:
    """Holders as bits."""

    __slots__ = ("bits",)

    def __init__(self, bits: int) -> None:
        self.bits = bits


class Column:
    """The values of one grain."""

    __slots__ = ("_holders",)

    def __init__(self) -> None:
        self._holders: dict[bytes, Holders | Bits] = {}

    def __len__(self) -> int:
        return len(self._holders)

    def put(self, value: bytes, slot: int, slots: int) -> None:
        """Let the minion of a slot have this value; it has no other. `slots`: above all slots."""
        holders = self._holders.get(value)
        if holders is None:
            self._holders[value] = slot
        elif isinstance(holders, Bits):
            holders.bits |= 1 << slot
        elif isinstance(holders, int):
            self._holders[value] = array("I", (holders, slot))
        else:
            holders.append(slot)
            if len(holders) > max(_LISTED_MAX, slots // 32):
                self._holders[value] = Bits(bits_of(holders, slots))

    def drop(self, value: bytes, slot: int) -> None:
        """Let the minion of a slot have this value no longer."""
        holders = self._holders[value]
        if isinstance(holders, Bits):
            holders.bits &= ~(1 << slot)
            if not holders.bits:
                del self._holders[value]
        elif isinstance(holders, int):
            assert holders == slot, f"slot {slot} has another value"
            del self._holders[value]
        else:
            holders.remove(slot)
            if not holders:
                del self._holders[value]

    def values(self, among: frozenset[int] | None = None) -> list[bytes]:
        """Give all values, as JSON; `among`: without those that only a slot outside of it has."""
        if among is None:
            return list(self._holders)
        return [
            value
            for value, holders in self._holders.items()
            if type(holders) is not int or holders in among
        ]

    def holders(self, values: list[bytes], slots: int) -> int:
        """Give the slots that have one of these values, as bits; what is gone has none."""
        bits = 0
        listed: list[int] = []
        for value in values:
            holders = self._holders.get(value)
            if isinstance(holders, Bits):
                bits |= holders.bits
            elif isinstance(holders, int):
                listed.append(holders)
            elif holders is not None:
                listed.extend(holders)
        return bits | bits_of(listed, slots) if listed else bits
