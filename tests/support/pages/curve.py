"""CURVE's box in plain Python, for clients that do what no honest library would let them.

X25519, XSalsa20 and Poly1305 as their public specifications say; slow, and for tests only. Where
the wheel of pyzmq brings libsodium along, that seals instead, so that floods are possible.
"""

import ctypes
import secrets
import struct
from pathlib import Path

import zmq


def _find_sodium() -> ctypes.CDLL | None:
    libraries = Path(zmq.__file__).parents[1] / "pyzmq.libs"
    return next((ctypes.CDLL(str(path)) for path in libraries.glob("libsodium*.so*")), None)


_SODIUM = _find_sodium()
_PRIME = 2**255 - 19
_SIGMA = b"expand 32-byte k"


def make_keypair() -> tuple[bytes, bytes]:
    """Make a public and a secret key."""
    secret = secrets.token_bytes(32)
    return scalar_product(secret, (9).to_bytes(32, "little")), secret


def scalar_product(secret: bytes, point: bytes) -> bytes:
    """Multiply a point of Curve25519 (X25519)."""
    k = int.from_bytes(secret, "little") & ~7 & (2**255 - 1) | 2**254
    x1 = int.from_bytes(point, "little") & (2**255 - 1)
    x2, z2, x3, z3, swapped = 1, 0, x1, 1, 0
    for position in reversed(range(255)):
        bit = k >> position & 1
        if swapped ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % _PRIME, b * b % _PRIME, d * a % _PRIME, c * b % _PRIME
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % _PRIME, x1 * (da - cb) ** 2 % _PRIME
        x2, z2 = aa * bb % _PRIME, e * (aa + 121665 * e) % _PRIME
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, _PRIME - 2, _PRIME) % _PRIME).to_bytes(32, "little")


def shared_key(public: bytes, secret: bytes) -> bytes:
    """Give the key that two sides share."""
    return _hsalsa20(scalar_product(secret, public), bytes(16))


def seal(text: bytes, nonce: bytes, key: bytes) -> bytes:
    """Encrypt and sign with a shared key and a nonce of 24 bytes."""
    if _SODIUM is not None:
        box = ctypes.create_string_buffer(16 + len(text))
        failed = _SODIUM.crypto_secretbox_easy(box, text, ctypes.c_ulonglong(len(text)), nonce, key)
        assert not failed
        return box.raw
    return seal_slowly(text, nonce, key)


def seal_slowly(text: bytes, nonce: bytes, key: bytes) -> bytes:
    """Encrypt and sign without any library."""
    stream = _xsalsa20(key, nonce, 32 + len(text))
    sealed = _xor(text, stream[32:])
    return _poly1305(sealed, stream[:32]) + sealed


def open_box(box: bytes, nonce: bytes, key: bytes) -> bytes:
    """Check and decrypt; ValueError if it is not genuine."""
    tag, sealed = box[:16], box[16:]
    stream = _xsalsa20(key, nonce, 32 + len(sealed))
    if _poly1305(sealed, stream[:32]) != tag:
        raise ValueError("the box does not open")
    return _xor(sealed, stream[32:])


def _xor(text: bytes, stream: bytes) -> bytes:
    number = int.from_bytes(text, "little") ^ int.from_bytes(stream[: len(text)], "little")
    return number.to_bytes(len(text), "little")


def _poly1305(text: bytes, key: bytes) -> bytes:
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for start in range(0, len(text), 16):
        piece = int.from_bytes(text[start : start + 16] + b"\1", "little")
        total = (total + piece) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def _words(key: bytes, middle: bytes) -> list[int]:
    k, m, s = (struct.unpack(f"<{len(part) // 4}I", part) for part in (key, middle, _SIGMA))
    return [s[0], *k[:4], s[1], *m, s[2], *k[4:], s[3]]


def _rounds(words: list[int]) -> list[int]:
    x = list(words)
    steps = ((1, 0, 3, 7), (2, 1, 0, 9), (3, 2, 1, 13), (0, 3, 2, 18))
    columns = ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11))
    rows = ((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14))
    for _ in range(10):
        for quarter in columns + rows:
            for target, left, right, turn in steps:
                mixed = x[quarter[left]] + x[quarter[right]] & 0xFFFFFFFF
                x[quarter[target]] ^= (mixed << turn | mixed >> 32 - turn) & 0xFFFFFFFF
    return x


def _hsalsa20(key: bytes, middle: bytes) -> bytes:
    x = _rounds(_words(key, middle))
    return struct.pack("<8I", *(x[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))


def _xsalsa20(key: bytes, nonce: bytes, length: int) -> bytes:
    inner = _hsalsa20(key, nonce[:16])
    stream = bytearray()
    for block in range(-(-length // 64)):
        words = _words(inner, nonce[16:] + struct.pack("<Q", block))
        stream += struct.pack(
            "<16I", *(a + b & 0xFFFFFFFF for a, b in zip(_rounds(words), words, strict=True))
        )
    return bytes(stream[:length])
