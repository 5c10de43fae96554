"""How many values are in a MessagePack text, found without making any of them.

Sixteen megabytes of empty lists are a gigabyte once they are decoded. Who decodes what others have
sent looks here first.
"""

from typing import Final

VALUES_MAX: Final = 1_000_000
"""More than this in one return is not decoded: it would be a burden on whoever looks at it."""
_EXAMINED_FROM_BYTES: Final = 64 * 1024
"""A shorter text can't hold enough to matter."""

_FIXED: Final = {0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5}
_FIXED_MORE: Final = {0xD3: 9, 0xD4: 3, 0xD5: 4, 0xD6: 6, 0xD7: 10, 0xD8: 18}
_CONTAINERS: Final = {0xDC: 3, 0xDD: 5, 0xDE: 3, 0xDF: 5}
_TEXTS: Final = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0)}
_EXTENSIONS: Final = {0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)}
_MEASURED: Final = _TEXTS | _EXTENSIONS
"""Bytes of the length that follows, and bytes between it and the content."""


def _sizes() -> tuple[int, ...]:
    """Give the bytes to go on by for each first byte; 0: a length follows."""
    sizes = [1] * 256
    for head in range(0xA0, 0xC0):
        sizes[head] = 1 + (head & 0x1F)  # a short text
    for table in (_FIXED, _FIXED_MORE, _CONTAINERS):
        for head, size in table.items():
            sizes[head] = size
    for head in _MEASURED:
        sizes[head] = 0
    return tuple(sizes)


_SIZES: Final = _sizes()


def holds_too_many_values(body: bytes, values_max: int = VALUES_MAX) -> bool:
    """Say whether more values than that stand in the text; what is broken is left to the decoder.

    A list or mapping counts as one, like each thing in it. Takes a second at the very most.
    """
    if len(body) <= min(values_max, _EXAMINED_FROM_BYTES):
        return False
    position, values, end, sizes = 0, 0, len(body), _SIZES
    while position < end:
        values += 1
        if values > values_max:
            return True
        head = body[position]
        size = sizes[head]
        if size == 0:
            width, more = _MEASURED[head]
            length = int.from_bytes(body[position + 1 : position + 1 + width], "big")
            size = 1 + width + more + length
        position += size
    return False
