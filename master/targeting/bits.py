"""Sets of small numbers as the bits of one integer: and, or, not of thousands at once."""

from collections.abc import Iterable
from itertools import compress
from typing import Final

_FEW: Final = 64
_DIGITS: Final = bytes.maketrans(b"01", b"\x00\x01")


def bits_of(numbers: Iterable[int], below: int) -> int:
    """Make a set of numbers, all of them under `below`."""
    flags = bytearray(below // 8 + 1)
    for number in numbers:
        flags[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(flags, "little")


def flags_of(bits: int) -> bytes:
    """Give a byte for each number up to the highest: 1 where it is in the set."""
    return f"{bits:b}"[::-1].encode().translate(_DIGITS)


def numbers_of(bits: int) -> list[int]:
    """List the numbers, smallest first."""
    if bits.bit_count() > _FEW:
        flags = flags_of(bits)
        return list(compress(range(len(flags)), flags))
    found = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found
