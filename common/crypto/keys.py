"""CURVE public keys and secrets: 32 bytes, and the texts that stand for them.

Inside limpet a public key is 64 lower-case hex digits (`MinionKey`: the form that ZAP attests);
in files and join strings 52 lower-case base 32 characters, safe in shells and YAML; libzmq
speaks Z85 (40 characters). Each key has exactly one text of each kind; others are refused.
"""

from typing import Final

from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionKey

KEY_BYTES: Final = 32
FINGERPRINT_BYTES: Final = 20

_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_BASE32_VALUES: Final = {character: index for index, character in enumerate(_BASE32)}
_Z85: Final = (
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
)
_Z85_VALUES: Final = {character: index for index, character in enumerate(_Z85)}
_FIELD: Final = 2**255 - 19
_LOW_ORDER: Final = frozenset(
    (
        0,
        1,
        # The two points of order 8 of Curve25519, and minus 1, as numbers.
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _FIELD - 1,
    )
)


def decode_key(text: str | bytes) -> bytes:
    """Read a key from any of its texts; blanks, line ends and a byte order mark around it are fine.

    Raises `UsageError` saying what is wrong; the text itself is never repeated (it may be secret).
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError("a key is ASCII text; this is something else") from error
    text = text.strip("\ufeff \t\r\n\0")
    if len(text) == 52:
        key = decode_base32(text)
    elif len(text) == 64:
        if any(character not in "0123456789abcdef" for character in text):
            raise UsageError("a key of 64 characters has lower-case hex digits only")
        key = bytes.fromhex(text)
    elif len(text) == 40:
        key = decode_z85(text)
    else:
        raise UsageError(
            f"a key has 52 characters of base 32 (or 64 hex digits, or 40 of Z85); "
            f"this has {len(text)}"
        )
    if len(key) != KEY_BYTES:
        raise UsageError(f"a key has {KEY_BYTES} bytes; this has {len(key)}")
    return key


def decode_public_key(text: str | bytes) -> bytes:
    """Read a public key, and refuse one that can't be anybody's. Raises `UsageError`."""
    key = decode_key(text)
    if is_weak(key):
        raise UsageError("this is not a usable public key (a point of low order, or no point)")
    return key


def is_weak(key: bytes | MinionKey) -> bool:
    """Say whether a public key is a point of low order, or not the one text of its point.

    With such a key anybody can compute the shared secret, or one owner has several keys.
    """
    number = int.from_bytes(bytes.fromhex(key) if isinstance(key, str) else key, "little")
    return number >= _FIELD or number in _LOW_ORDER


def minion_key(key: bytes) -> MinionKey:
    """Give a public key in the form used inside limpet. The caller has 32 bytes."""
    assert len(key) == KEY_BYTES
    return MinionKey(key.hex())


def fingerprint(key: bytes | MinionKey) -> str:
    """Give what people compare: the first 20 bytes of the key's SHA-256, as `a1b2:c3d4:…`."""
    import hashlib  # it brings OpenSSL along: not for a process that only links

    raw = bytes.fromhex(key) if isinstance(key, str) else key
    return hashlib.sha256(raw).digest()[:FINGERPRINT_BYTES].hex(":", 2)


def encode_base32(data: bytes) -> str:
    """Give lower-case base 32 without padding."""
    count = (len(data) * 8 + 4) // 5
    number = int.from_bytes(data, "big") << (count * 5 - len(data) * 8)
    return "".join(_BASE32[(number >> shift) & 31] for shift in range(count * 5 - 5, -1, -5))


def decode_base32(text: str) -> bytes:
    """Read what `encode_base32` gives, and nothing else. Raises `UsageError`."""
    number = 0
    for character in text:
        value = _BASE32_VALUES.get(character)
        if value is None:
            raise UsageError("only the characters a to z and 2 to 7 stand in base 32")
        number = number << 5 | value
    size = len(text) * 5 // 8
    spare = len(text) * 5 - size * 8
    if spare >= 5 or number & ((1 << spare) - 1):
        raise UsageError("the last character of a base 32 text is damaged")
    return (number >> spare).to_bytes(size, "big")


def encode_z85(data: bytes) -> str:
    """Give the form that libzmq wants. The caller has a multiple of 4 bytes."""
    assert len(data) % 4 == 0
    text = ""
    for start in range(0, len(data), 4):
        number = int.from_bytes(data[start : start + 4], "big")
        text += "".join(_Z85[number // 85**power % 85] for power in (4, 3, 2, 1, 0))
    return text


def decode_z85(text: str) -> bytes:
    """Read Z85. Raises `UsageError` where it is not the text of any bytes."""
    data = b""
    for start in range(0, len(text), 5):
        number = 0
        for character in text[start : start + 5]:
            value = _Z85_VALUES.get(character)
            if value is None:
                raise UsageError("a character does not belong into a Z85 text")
            number = number * 85 + value
        if number > 0xFFFFFFFF or len(text) % 5:
            raise UsageError("this is not the Z85 text of any key")
        data += number.to_bytes(4, "big")
    return data
