"""Filters that make digests and encode in base 64."""

import base64
import hashlib
import hmac
import random
from typing import Any, Final


def _bytes(text: Any) -> bytes:  # noqa: ANN401
    return text if isinstance(text, bytes) else str(text).encode("utf-8")


def base64_encode(text: Any) -> str:  # noqa: ANN401
    """Encode in base 64."""
    return base64.b64encode(_bytes(text)).decode("ascii")


def base64_decode(text: Any) -> str | bytes:  # noqa: ANN401
    """Decode from base 64; bytes where the result is no text."""
    decoded = base64.b64decode(_bytes(text))
    try:
        return decoded.decode("utf-8")
    except UnicodeDecodeError:
        return decoded


def _digest(algorithm: str) -> Any:  # noqa: ANN401
    def digest(text: Any) -> str:  # noqa: ANN401
        return hashlib.new(algorithm, _bytes(text), usedforsecurity=False).hexdigest()

    return digest


def hmac_compute(text: Any, secret: Any) -> str:  # noqa: ANN401
    """Give the HMAC-SHA256 in base 16."""
    return hmac.new(_bytes(secret), _bytes(text), hashlib.sha256).hexdigest()


def hmac_matches(text: Any, secret: Any, challenge: Any) -> bool:  # noqa: ANN401
    """Say whether the HMAC-SHA256, in base 64, is the challenge."""
    made = base64.b64encode(hmac.new(_bytes(secret), _bytes(text), hashlib.sha256).digest())
    return hmac.compare_digest(made, _bytes(challenge))


def random_hash(size: int = 9_999_999_999, hash_type: str | None = None) -> str:
    """Give the digest of a number by chance, at most `size`."""
    number = random.SystemRandom().randint(0, size)
    return hashlib.new(hash_type or "md5", _bytes(number), usedforsecurity=False).hexdigest()


FILTERS: Final[dict[str, Any]] = {
    "base64_decode": base64_decode,
    "base64_encode": base64_encode,
    "hmac": hmac_matches,
    "hmac_compute": hmac_compute,
    "md5": _digest("md5"),
    "rand_str": random_hash,
    "random_hash": random_hash,
    "sha1": _digest("sha1"),
    "sha256": _digest("sha256"),
    "sha512": _digest("sha512"),
}
