"""Frames over a stream socket: four bytes of length (big endian), then the payload.

Both ends of the command line's socket, the minion's local socket and the line to the enrolment
process use it. Never blocks, never grows over its bounds, never takes file descriptors that a peer
passes (they are dropped by the kernel, since no room for them is given).
"""

import socket
import struct
from collections import deque
from itertools import islice
from typing import Final

from limpet.common.errors import PeerError

REQUEST_BYTES_MAX: Final = 1024 * 1024
"""Largest frame towards the master."""
REPLY_BYTES_MAX: Final = 64 * 1024 * 1024
"""Largest frame towards a client."""
HEADER_BYTES: Final = 4

_HEADER: Final = struct.Struct(">I")
_READ_BYTES: Final = 64 * 1024
_PARTS_MAX: Final = 64
"""Frames handed to the kernel in one call."""


def frame(payload: bytes, *, bytes_max: int) -> bytes:
    """Put the length in front. Raises `PeerError` (`oversize`) if the other end would refuse it."""
    if len(payload) > bytes_max:
        raise PeerError("oversize", f"a frame of {len(payload)} bytes, over {bytes_max}")
    return _HEADER.pack(len(payload)) + payload


class FrameReader:
    """Cuts a stream of bytes into payloads."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._buffer = bytearray()

    @property
    def is_inside_a_frame(self) -> bool:
        """Say whether some bytes of a frame have come and others are missing."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes in and give the payloads that are complete.

        Raises `PeerError`: `oversize` if a length is over the bound, `empty` if it is 0. The stream
        can't be read any further then; close it.
        """
        self._buffer += data
        payloads: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= HEADER_BYTES:
            (length,) = _HEADER.unpack_from(self._buffer, start)
            if length > self._bytes_max:
                raise PeerError("oversize", f"a frame of {length} bytes, over {self._bytes_max}")
            if length == 0:
                raise PeerError("empty", "an empty frame")
            end = start + HEADER_BYTES + length
            if end > len(self._buffer):
                break
            payloads.append(bytes(self._buffer[start + HEADER_BYTES : end]))
            start = end
        if start:
            del self._buffer[:start]
        return payloads


class FramedSocket:
    """A connected stream socket, made non-blocking, that speaks in frames.

    Poll `fileno()` for reading always, for writing while `wants_write`. `OSError`s of the
    connection never come out: they set `is_closed`, with the reason in `why_closed`.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        read_bytes_max: int,
        write_bytes_max: int,
        queue_bytes_max: int,
    ) -> None:
        """Take the socket over. `queue_bytes_max` bounds what waits unsent."""
        connection.setblocking(False)
        self._connection = connection
        self._reader = FrameReader(read_bytes_max)
        self._write_bytes_max = write_bytes_max
        self._queue_bytes_max = queue_bytes_max
        self._queue: deque[memoryview] = deque()
        self.queued_bytes = 0
        """Bytes that wait for the peer to read."""
        self.written_bytes = 0
        """Bytes that the peer (or the kernel for it) has taken since the beginning."""
        self.is_closed = False
        """The connection is over; only `close` is left to do."""
        self.why_closed = ""

    def fileno(self) -> int:
        """Give the descriptor to poll; -1 after `close`."""
        return self._connection.fileno()

    @property
    def wants_write(self) -> bool:
        """Say whether something waits to be written."""
        return bool(self._queue) and not self.is_closed

    @property
    def is_inside_a_frame(self) -> bool:
        """Say whether the peer has begun a frame and not finished it."""
        return self._reader.is_inside_a_frame

    def receive(self, *, reads_max: int = 4) -> list[bytes]:
        """Read what is there, at most `reads_max` times 64 KiB, and give the complete payloads.

        Raises `PeerError` for a length over the bound. The end of the stream sets `is_closed`.
        """
        payloads: list[bytes] = []
        for _ in range(reads_max):
            if self.is_closed:
                break
            try:
                data = self._connection.recv(_READ_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                self._end(error.strerror or "the connection failed")
                break
            if not data:
                self._end("closed by the peer")
                break
            payloads += self._reader.feed(data)
            if len(data) < _READ_BYTES:
                break
        return payloads

    def send(self, payload: bytes, *, is_flushed: bool = True) -> bool:
        """Queue a frame and write what the socket takes; False if it does not fit the queue.

        With `is_flushed` False it is only queued: the caller flushes several at once. A frame that
        did not fit leaves no trace. A closed connection swallows frames and says True: `is_closed`
        tells. Raises `PeerError` (`oversize`) over the bound of one frame.
        """
        data = frame(payload, bytes_max=self._write_bytes_max)
        if self.is_closed:
            return True
        if self.queued_bytes and self.queued_bytes + len(data) > self._queue_bytes_max:
            return False
        self._queue.append(memoryview(data))
        self.queued_bytes += len(data)
        if is_flushed:
            self.flush()
        return True

    def flush(self) -> None:
        """Write what the socket takes without blocking."""
        while self._queue and not self.is_closed:
            try:
                written = self._connection.sendmsg(tuple(islice(self._queue, _PARTS_MAX)))
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._end(error.strerror or "the connection failed")
                return
            self.queued_bytes -= written
            self.written_bytes += written
            self._drop_written(written)

    def _drop_written(self, written: int) -> None:
        while written:
            first = self._queue[0]
            if written < len(first):
                self._queue[0] = first[written:]
                return
            written -= len(first)
            self._queue.popleft()

    def cut_short(self, payload: bytes) -> None:
        """Drop what waits, except a frame that is half written, and queue a last word instead."""
        first = self._queue[0] if self._queue else memoryview(b"")
        is_begun = first.nbytes < memoryview(first.obj).nbytes
        kept = [first] if is_begun else []
        last = memoryview(frame(payload, bytes_max=self._write_bytes_max))
        self._queue = deque((*kept, last))
        self.queued_bytes = sum(map(len, self._queue))
        self.flush()

    def close(self) -> None:
        """Close the socket; what was queued is dropped. A second call changes nothing."""
        self._end("closed here")
        self._connection.close()

    def _end(self, why: str) -> None:
        if not self.is_closed:
            self.is_closed = True
            self.why_closed = why
        self._queue.clear()
        self.queued_bytes = 0
