"""The bytes of a minion's journal: frames, and the judgement of what is found after a power cut.

Pure; the file is the business of `io/journal_file.py`. Layout, everything big endian:

    header   16 bytes of magic, 8 bytes of size at creation, 4 bytes CRC-32, 4 bytes zero
    frame    4 bytes of payload length, 4 bytes CRC-32, 8 bytes number of its batch; the payload
             (MessagePack of one record); zeros up to the next multiple of 8
    zeros    up to the end of the file (preallocated)

One batch is what one sync made durable; a batch is only begun when the one before it is durable.
So a power cut can spoil the last batch alone, and it leaves sectors that are still zero. Whatever
else is wrong with the file was durable once: it is damage, and the journal can't vouch for what
it no longer says.
"""

import struct
import zlib
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

from limpet.minion.journal.records import AnyRecord, Record

FORMAT: Final = 1
"""What this release writes, and the newest that it reads; a package tells it in its control field
`Limpet-Journal-Format`."""
MAGIC_STEM: Final = b"limpet-journal-"
MAGIC: Final = MAGIC_STEM + str(FORMAT).encode()
HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 16
PAYLOAD_BYTES_MAX: Final = 512 * 1024
"""No record is larger: arguments are at most 160 KiB, bodies 16 KiB."""

_HEADER: Final = struct.Struct(">16sQII")
_FRAME: Final = struct.Struct(">IIQ")
_SECTOR: Final = 512
_ALIGNMENT: Final = 8

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[AnyRecord]] = msgspec.msgpack.Decoder(AnyRecord)

Verdict = Literal["clean", "torn", "damaged"]


class Scan(NamedTuple):
    """What a journal file holds."""

    verdict: Verdict
    """`torn`: the last batch was never durable and ends at `end`. `damaged`: as `problem` says."""
    problem: str
    records: list[Record]
    """All that can be read; of a damaged file, those after the damage too."""
    end: int
    """Offset at which the next frame goes (of a clean or torn file)."""
    last_batch: int


def header(size: int) -> bytes:
    """Give the first bytes of a file that is made with so many bytes."""
    head = _HEADER.pack(MAGIC, size, 0, 0)
    return _HEADER.pack(MAGIC, size, zlib.crc32(head), 0)


def frames(records: Iterable[Record], batch: int) -> bytes:
    """Give the bytes of one batch."""
    pieces = bytearray()
    for record in records:
        payload = _encoder.encode(record)
        assert 0 < len(payload) <= PAYLOAD_BYTES_MAX, "records are bounded where they are made"
        pieces += _FRAME.pack(len(payload), _checksum(payload, batch), batch)
        pieces += payload
        pieces += bytes(-len(pieces) % _ALIGNMENT)
    return bytes(pieces)


def scan(data: bytes) -> Scan:
    """Read a whole journal file. Never raises: the worst file gives a verdict."""
    problem = _check_header(data)
    if problem:
        return Scan("damaged", problem, _salvage(data, 0), 0, 0)
    records: list[Record] = []
    offset, last_batch = HEADER_BYTES, 0
    while True:
        if offset + FRAME_HEADER_BYTES > len(data):
            problem = f"it was cut short at byte {len(data)}"
            return Scan("damaged", problem, records, 0, 0)
        frame = _frame_at(data, offset, last_batch, last_batch + 1)
        if frame is None:
            break
        record = _record(frame.payload)
        if record is None:
            problem = f"the record at byte {offset} is none that this release knows"
            return Scan("damaged", problem, records + _salvage(data, frame.end), 0, 0)
        records.append(record)
        offset, last_batch = frame.end, frame.batch
    if len(data.rstrip(b"\0")) <= offset:
        return Scan("clean", "", records, offset, last_batch)
    later = _salvage(data, offset, after_batch=last_batch + 1)
    if later or not _may_be_torn(data, offset, last_batch):
        problem = f"the record at byte {offset} does not match its checksum"
        return Scan("damaged", problem, records + _salvage(data, offset), 0, 0)
    problem = f"the last batch, from byte {offset} on, was not written to its end"
    return Scan("torn", problem, records, offset, last_batch)


class _Frame(NamedTuple):
    payload: bytes
    batch: int
    end: int


def _checksum(payload: bytes, batch: int) -> int:
    return zlib.crc32(payload, zlib.crc32(batch.to_bytes(8, "big")))


def _check_header(data: bytes) -> str:
    """Say what is wrong with the beginning of the file; empty if nothing is."""
    if len(data) < HEADER_BYTES:
        return f"it has only {len(data)} bytes"
    magic, size, checksum, zero = _HEADER.unpack_from(data)
    expected = zlib.crc32(_HEADER.pack(magic, size, 0, 0))
    if magic != MAGIC or checksum != expected or zero:
        return "its header is not that of a journal of this release"
    if len(data) < size:
        return f"it was cut short from {size} to {len(data)} bytes"
    return ""


def _frame_at(data: bytes, offset: int, batch_min: int, batch_max: int) -> _Frame | None:
    """Give the frame at an offset if it is whole and its batch is one that can stand there."""
    length, checksum, batch = _FRAME.unpack_from(data, offset)
    if not 0 < length <= PAYLOAD_BYTES_MAX or not batch_min <= batch <= batch_max or batch == 0:
        return None
    start = offset + FRAME_HEADER_BYTES
    if start + length > len(data):
        return None
    payload = data[start : start + length]
    if _checksum(payload, batch) != checksum:
        return None
    end = start + length
    return _Frame(payload, batch, end + -end % _ALIGNMENT)


def _record(payload: bytes) -> Record | None:
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _salvage(data: bytes, offset: int, after_batch: int = 0) -> list[Record]:
    """Give every record that can be read from there on, of batches above `after_batch`."""
    records: list[Record] = []
    offset += -offset % _ALIGNMENT
    end = len(data.rstrip(b"\0"))
    while offset + FRAME_HEADER_BYTES <= len(data) and offset < end:
        frame = _frame_at(data, offset, after_batch + 1, 2**63)
        record = None if frame is None else _record(frame.payload)
        if frame is None or record is None:
            offset += _ALIGNMENT
            continue
        records.append(record)
        offset = frame.end
    return records


def _may_be_torn(data: bytes, offset: int, last_batch: int) -> bool:
    """Say whether a power cut can have left this: a sector's worth of the frame is still zero.

    Sectors are written whole. A bad frame without a zero part was once complete: bits rotted.
    """
    length, _, batch = _FRAME.unpack_from(data, offset)
    end = offset + FRAME_HEADER_BYTES
    if 0 < length <= PAYLOAD_BYTES_MAX and last_batch <= batch <= last_batch + 1:
        end = min(end + length, len(data))
    while offset < end:
        part_end = min(end, offset - offset % _SECTOR + _SECTOR)
        if part_end - offset >= _ALIGNMENT and not any(data[offset:part_end]):
            return True
        offset = part_end
    return False
