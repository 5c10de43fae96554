"""Whom to let in: ZAP requests and answers as bytes, without a socket.

Anything that is not exactly as expected is answered 400. The `User-Id` of an answer is always the
hex form of the 32 bytes that CURVE proved, never text from the peer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from limpet.common.crypto.keys import KEY_BYTES, is_weak

Admission = Callable[[bytes, str], bool]
"""Asked with the 32 bytes of a key and a numeric address: may this key connect, now?"""

Verdict = Literal["accepted", "bad_zap", "weak_key", "unknown_key"]

_REFUSALS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Handshakes that were answered with no: why, from where ('' where not kept), how often."""

    reason: Verdict
    address: str
    count: int


class ZapHandler:
    """Answers ZAP requests (ZeroMQ RFC 27), and counts what it refused."""

    def __init__(self, domains: Mapping[str, Admission]) -> None:
        assert all(domains)
        self._domains = dict(domains)
        self._barred: set[bytes] = set()
        self._refusals: dict[tuple[Verdict, str], int] = {}

    def serves(self, domain: str) -> bool:
        """Say whether requests of this domain are answered by more than a no."""
        return domain in self._domains

    def bar(self, key: bytes) -> None:
        """Never let this public key in, whatever the domains say."""
        self._barred.add(key)

    def answer(self, request: Sequence[bytes]) -> tuple[bytes, ...]:
        """Answer one ZAP request, both without the empty delimiter.

        A request so broken that it has no id gets an answer with an empty one. Whatever a domain's
        function raises goes through; `refusal` then is the answer.
        """
        verdict, key, address = self._judge(request)
        if verdict == "accepted":
            return (b"1.0", request[1], b"200", b"OK", key.hex().encode(), b"")
        place = (verdict, address)
        if place not in self._refusals and len(self._refusals) >= _REFUSALS_MAX:
            place = (verdict, "")
        self._refusals[place] = self._refusals.get(place, 0) + 1
        return refusal(request)

    def take_refusals(self) -> list[Refusal]:
        """Give what was refused since the last time."""
        counted = [Refusal(reason, where, n) for (reason, where), n in self._refusals.items()]
        self._refusals.clear()
        return counted

    def _judge(self, request: Sequence[bytes]) -> tuple[Verdict, bytes, str]:
        """Decide; gives the verdict, the key that CURVE proved, and the address it came from."""
        if len(request) != 7:
            return "bad_zap", b"", ""
        version, _, domain, raw_address, _, mechanism, key = request
        address = raw_address.decode("ascii", "replace")[:64]
        admission = self._domains.get(domain.decode("ascii", "replace"))
        if version != b"1.0" or mechanism != b"CURVE" or len(key) != KEY_BYTES or not admission:
            return "bad_zap", b"", address
        if is_weak(key) or key in self._barred:
            return "weak_key", key, address
        return ("accepted" if admission(key, address) else "unknown_key"), key, address


def refusal(request: Sequence[bytes]) -> tuple[bytes, ...]:
    """Give the answer no."""
    return (b"1.0", request[1] if len(request) > 1 else b"", b"400", b"refused", b"", b"")
