"""Whom to let in: ZAP requests and answers as bytes, without a socket.

Anything that is not exactly as expected is answered 400. The `User-Id` of an answer is always the
hex form of the 32 bytes that CURVE proved, never text from the peer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Admission = Callable[[bytes, str], bool]
"""Asked with the 32 bytes of a key and a numeric address: may this key connect, now?"""

Verdict = Literal["accepted", "bad_zap", "weak_key", "unknown_key"]

KEY_BYTES: Final = 32
_REFUSALS_MAX: Final = 1_000
_PRIME: Final = 2**255 - 19
_SMALL_ORDER: Final = frozenset(
    (
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _PRIME - 1,
        _PRIME,
        _PRIME + 1,
    )
)
"""The points of Curve25519 whose shared secrets do not depend on the other side's key."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back, and what to count it as."""

    frames: tuple[bytes, ...]
    verdict: Verdict
    address: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Handshakes that were answered with no: why, from where ('' where not kept), how often."""

    reason: Verdict
    address: str
    count: int


class Refusals:
    """Counts refusals by reason and address until they are asked for; bounded."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Verdict, str], int] = {}

    def add(self, reason: Verdict, address: str) -> None:
        """Count one."""
        place = (reason, address)
        if place not in self._counts and len(self._counts) >= _REFUSALS_MAX:
            place = (reason, "")
        self._counts[place] = self._counts.get(place, 0) + 1

    def take(self) -> list[Refusal]:
        """Give what was counted since the last time."""
        counted = [Refusal(reason, where, n) for (reason, where), n in self._counts.items()]
        self._counts.clear()
        return counted


def is_weak(key: bytes) -> bool:
    """Say whether a public key is of small order (the top bit is not part of the point)."""
    return int.from_bytes(key, "little") & (2**255 - 1) in _SMALL_ORDER


def answer(
    request: Sequence[bytes],
    domains: Mapping[str, Admission],
    own_keys: frozenset[bytes] | set[bytes],
) -> Answer:
    """Answer one ZAP request (its frames behind the empty delimiter).

    A request so broken that it has no id gets an answer with an empty one. Whatever `domains`
    raises goes through.
    """
    request_id = request[1] if len(request) > 1 else b""
    address = request[3].decode("ascii", "replace")[:64] if len(request) > 3 else ""
    verdict, key = _judge(request, address, domains, own_keys)
    if verdict == "accepted":
        status = (b"200", b"OK", key.hex().encode(), b"")
    else:
        status = (b"400", b"refused", b"", b"")
    return Answer((b"1.0", request_id, *status), verdict, address)


def _judge(
    request: Sequence[bytes],
    address: str,
    domains: Mapping[str, Admission],
    own_keys: frozenset[bytes] | set[bytes],
) -> tuple[Verdict, bytes]:
    """Decide; the second value is the proven key where the verdict is `accepted`."""
    if len(request) != 7:
        return "bad_zap", b""
    version, _, domain, _, _, mechanism, key = request
    if version != b"1.0" or mechanism != b"CURVE" or len(key) != KEY_BYTES:
        return "bad_zap", b""
    admission = domains.get(domain.decode("ascii", "replace"))
    if admission is None:
        return "bad_zap", b""
    if is_weak(key) or key in own_keys:
        return "weak_key", b""
    return ("accepted" if admission(key, address) else "unknown_key"), key
