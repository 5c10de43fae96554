"""The output of a job in a file that never grows over its bound: the head and the tail are kept.

The supervisor writes, the link and whoever makes the result read, at the same time, without locks.
Layout: 8 bytes with the number of bytes that ever came, then `HEAD_BYTES` of head, then a ring of
`TAIL_BYTES`. A reader that was overtaken in the ring sees so by the count and says what it missed.
"""

import os
from pathlib import Path
from typing import Final, NamedTuple

HEAD_BYTES: Final = 8 * 1024 * 1024
TAIL_BYTES: Final = 8 * 1024 * 1024
_COUNT_BYTES: Final = 8


class Capture:
    """The writing end. The file is made when the first byte comes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self.total_bytes = 0
        """All that came, kept or not."""
        self.lost_bytes = 0
        """What the disk did not take."""

    def write(self, data: bytes) -> None:
        """Keep the bytes if head or ring have a place; a full disk loses them and is counted."""
        if not data:
            return
        try:
            if self._descriptor < 0:
                flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
                self._descriptor = os.open(self._path, flags, 0o600)
                os.posix_fallocate(self._descriptor, 0, _COUNT_BYTES)
            for place, piece in _places(self.total_bytes, memoryview(data)):
                while piece:
                    written = os.pwrite(self._descriptor, piece, place)
                    place, piece = place + written, piece[written:]
            os.pwrite(self._descriptor, (self.total_bytes + len(data)).to_bytes(8, "big"), 0)
        except OSError:
            self.lost_bytes += len(data)
            return
        self.total_bytes += len(data)

    def close(self) -> None:
        """Close the file; it stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Piece(NamedTuple):
    """What a reader got."""

    data: bytes
    missed: int
    """Bytes before `data` that were overwritten, or passed over."""
    offset: int
    """Where to go on."""


def read(path: Path, offset: int, size: int, *, lag_bytes_max: int = 0) -> Piece:
    """Read up to `size` bytes from an offset in all that ever came; none: there is no more yet.

    With `lag_bytes_max` a reader that is further behind jumps that close to the end. No file yet:
    nothing. Raises `OSError` for the rest.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return Piece(b"", 0, offset)
    try:
        start = offset
        total = _total(descriptor)
        if lag_bytes_max and total - start > lag_bytes_max:
            start = total - lag_bytes_max
        for _ in range(3):
            start = max(start, _oldest(start, total))
            end = min(start + size, total)
            if start < HEAD_BYTES:
                end = min(end, HEAD_BYTES)  # what followed the head may be overwritten
            data = b"".join(_read(descriptor, start, end - start))
            now = _total(descriptor)
            if _oldest(start, now) <= start:
                return Piece(data, start - offset, start + len(data))
            total = now  # overtaken while reading: what was read may be mixed
            start = max(start, total - TAIL_BYTES // 2)
        return Piece(b"", start - offset, start)
    finally:
        os.close(descriptor)


def summary(path: Path, bytes_max: int) -> tuple[bytes, bool]:
    """Give the whole output, or head and tail with a mark between, in about `bytes_max` bytes.

    Says too whether it was cut. No file: nothing was ever put out. Raises `OSError`.
    """
    bytes_max = min(bytes_max, HEAD_BYTES + TAIL_BYTES)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return b"", False
    try:
        total = _total(descriptor)
        if total <= bytes_max:
            return b"".join(_read(descriptor, 0, total)), False
        half = bytes_max // 2
        head = b"".join(_read(descriptor, 0, half))
        tail = b"".join(_read(descriptor, total - half, half))
        mark = b"\n[... %d bytes of output were cut out here ...]\n" % (total - 2 * half)
        return head + mark + tail, True
    finally:
        os.close(descriptor)


def _total(descriptor: int) -> int:
    return int.from_bytes(os.pread(descriptor, _COUNT_BYTES, 0), "big")


def _oldest(start: int, total: int) -> int:
    """Give the first offset from `start` on that is still in the file."""
    return start if start < HEAD_BYTES else max(HEAD_BYTES, total - TAIL_BYTES)


def _places(offset: int, data: memoryview) -> list[tuple[int, memoryview]]:
    """Cut data that stands at an offset of the output into pieces with their place in the file."""
    pieces: list[tuple[int, memoryview]] = []
    while data:
        if offset < HEAD_BYTES:
            place, room = _COUNT_BYTES + offset, HEAD_BYTES - offset
        else:
            ring = (offset - HEAD_BYTES) % TAIL_BYTES
            place, room = _COUNT_BYTES + HEAD_BYTES + ring, TAIL_BYTES - ring
        piece = data[:room]
        pieces.append((place, piece))
        offset, data = offset + len(piece), data[len(piece) :]
    return pieces


def _read(descriptor: int, offset: int, size: int) -> list[bytes]:
    blank = memoryview(bytes(max(0, size)))
    return [os.pread(descriptor, len(piece), place) for place, piece in _places(offset, blank)]
