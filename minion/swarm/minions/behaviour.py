"""What a job comes to on a minion of the swarm: when it ends, how, and with how much.

Pure: the same seed, minion and job give the same answer in every process and at every time, so that
whoever knows the seed can say beforehand which jobs fail.
"""

import hashlib
import re
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from limpet.common.errors import UsageError
from limpet.common.terminal.times import parse_duration
from limpet.minion.jobs.results import RESULT_BODY_BYTES_MAX, WorkerResult

RETURN_BYTES_MAX: Final = 100 * 1024 * 1024
DELAY_S_MAX: Final = 24 * 3600.0
FAILED_TEXT: Final = "the swarm was told to let some jobs fail"

_PATTERN: Final = bytes(range(ord("a"), ord("z") + 1)) * 4
_SIZE: Final = re.compile(r"(\d{1,9})([kKmM]?)")


class Behaviour(msgspec.Struct, frozen=True):
    """How the minions of a swarm answer; each range has both ends."""

    seed: int = 1
    delay_s: tuple[float, float] = (0.0, 0.0)
    return_bytes: tuple[int, int] = (100, 100)
    """Length of the text that is returned."""
    failure_rate: float = 0.0


class Fate(NamedTuple):
    """What becomes of one job."""

    delay_s: float
    return_bytes: int
    is_failed: bool


def parse_seconds_range(text: str) -> tuple[float, float]:
    """Read seconds or a duration, `0.5` or `2m`, or two of them, `1..3`. Raises `UsageError`."""
    low, high = _ends(text)
    ends = parse_duration(low), parse_duration(high)
    _check(ends, text, DELAY_S_MAX)
    return ends


def parse_bytes_range(text: str) -> tuple[int, int]:
    """Read `100`, `64k`, `1M` or `100..64k`. Raises `UsageError`."""
    low, high = _ends(text)
    ends = _size(low), _size(high)
    _check(ends, text, RETURN_BYTES_MAX)
    return ends


def fate_of(behaviour: Behaviour, minion_id: str, jid: str) -> Fate:
    """Draw what becomes of a job on a minion."""
    name = f"{behaviour.seed}\0{minion_id}\0{jid}".encode()
    digest = hashlib.blake2b(name, digest_size=24).digest()
    delay, size, luck = (
        int.from_bytes(digest[start : start + 8], "big") / 2**64 for start in (0, 8, 16)
    )
    least_s, most_s = behaviour.delay_s
    smallest, largest = behaviour.return_bytes
    return Fate(
        delay_s=least_s + delay * (most_s - least_s),
        return_bytes=smallest + int(size * (largest - smallest + 1)),
        is_failed=luck < behaviour.failure_rate,
    )


def body_bytes(length: int) -> int:
    """Give the size of the MessagePack of a returned text of this length."""
    return len(_head(length)) + length


def body_piece(length: int, offset: int, size: int) -> bytes:
    """Give a piece of the MessagePack of a returned text, without making the whole of it."""
    head = _head(length)
    end = min(len(head) + length, offset + size)
    if offset >= end:
        return b""
    begin = max(0, offset - len(head))
    wanted = end - len(head) - begin
    shift = begin % len(_PATTERN)
    repeats = (shift + max(0, wanted)) // len(_PATTERN) + 1
    text = (_PATTERN * repeats)[shift : shift + max(0, wanted)]
    return head[offset : min(len(head), end)] + text


def result_of(fate: Fate, *, started_wall_s: float) -> WorkerResult:
    """Give what a worker would have told of its end."""
    size = body_bytes(fate.return_bytes)
    is_small = size <= RESULT_BODY_BYTES_MAX
    return WorkerResult(
        outcome="failed" if fate.is_failed else "ok",
        retcode=1 if fate.is_failed else 0,
        error=FAILED_TEXT if fate.is_failed else "",
        body=body_piece(fate.return_bytes, 0, size) if is_small else b"",
        body_bytes=size,
        body_digest=_digest(fate.return_bytes),
        started_wall_s=started_wall_s,
        duration_s=fate.delay_s,
    )


@lru_cache(maxsize=256)
def _digest(length: int) -> str:
    return hashlib.sha256(body_piece(length, 0, body_bytes(length))).hexdigest()


def _head(length: int) -> bytes:
    """Give what MessagePack writes before a text of this length."""
    if length < 32:
        return bytes((0xA0 | length,))
    for marker, width in ((0xD9, 1), (0xDA, 2)):
        if length < 256**width:
            return bytes((marker,)) + length.to_bytes(width, "big")
    return b"\xdb" + length.to_bytes(4, "big")


def _ends(text: str) -> tuple[str, str]:
    low, dots, high = text.partition("..")
    return low, high if dots else low


def _size(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text[:40]!a} is not a size: write bytes, or a number with k or M")
    return int(found[1]) * {"": 1, "k": 1024, "m": 1024 * 1024}[found[2].lower()]


def _check(ends: tuple[float, float], text: str, most: float) -> None:
    if ends[0] > ends[1]:
        raise UsageError(f"{text[:40]!a}: the first end of a range is the smaller one")
    if ends[1] > most:
        raise UsageError(f"{text[:40]!a} is too much: {most:.0f} at most")
