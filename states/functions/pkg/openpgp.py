"""OpenPGP keys as apt wants them: armoured in an `.asc`, plain in a `.gpg`. Pure; no gpg."""

import base64
import binascii
import re
from typing import Final

from limpet.common.errors import HostError

_BEGIN: Final = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_END: Final = b"-----END PGP PUBLIC KEY BLOCK-----"
_CRC_BEGIN: Final = 0xB704CE
_CRC_POLYNOMIAL: Final = 0x1864CFB
_LINE_BYTES: Final = 48
_PUBLIC_KEY_TAG: Final = 6


def is_armoured(key: bytes) -> bool:
    """Say whether it is text with a key in it."""
    return _BEGIN in key


def check(key: bytes, source: str) -> bytes:
    """Give the key back; what is none is a `HostError` that names its source."""
    if is_armoured(key) or _tag(key) == _PUBLIC_KEY_TAG:
        return key
    raise HostError(f"Error: failed to add key: what {source} gives is no OpenPGP key")


def fitting(key: bytes, path: str) -> bytes:
    """Give the key as a file of that name must hold it."""
    if path.endswith(".asc"):
        return key if is_armoured(key) else armoured(key)
    return plain(key) if is_armoured(key) else key


def plain(key: bytes) -> bytes:
    """Take the armour off; several keys in one text are joined. Raises `HostError`."""
    found: list[bytes] = []
    for block in re.findall(re.escape(_BEGIN) + rb"(.*?)" + re.escape(_END), key, re.DOTALL):
        body: list[bytes] = []
        is_header = True
        for line in (each.strip() for each in block.splitlines()):
            if is_header and (b":" in line or not line):
                continue
            is_header = False
            if line and not line.startswith(b"="):
                body.append(line)
        try:
            found.append(base64.b64decode(b"".join(body), validate=True))
        except binascii.Error as error:
            raise HostError(f"the OpenPGP key's text is damaged: {error}") from error
    if not found:
        raise HostError("the OpenPGP key's text has no end")
    return b"".join(found)


def armoured(key: bytes) -> bytes:
    """Put the armour on."""
    lines = [
        base64.b64encode(key[start : start + _LINE_BYTES])
        for start in range(0, len(key), _LINE_BYTES)
    ]
    check_sum = base64.b64encode(_crc(key).to_bytes(3, "big"))
    return b"\n".join([_BEGIN, b"", *lines, b"=" + check_sum, _END, b""])


def _crc(data: bytes) -> int:
    crc = _CRC_BEGIN
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= _CRC_POLYNOMIAL
    return crc & 0xFFFFFF


def _tag(key: bytes) -> int:
    """Give the kind of the first packet; -1: it is none."""
    if not key or not key[0] & 0x80:
        return -1
    return key[0] & 0x3F if key[0] & 0x40 else (key[0] & 0x3C) >> 2
