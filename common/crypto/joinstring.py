"""The join string: all that a new minion needs to be let in, in one line for a shell.

    limpet-join-1.<master key, 52>.<token id, 10>.<secret, 52><check, 4>

Four fields of fixed length, lower-case base 32. The check characters are a CRC of 20 bits over all
before them: any change within 20 neighbouring bits, so any one character, is certain to be found,
before the network is touched. The secret is the seed of an Ed25519 key and never leaves the minion.
"""

import random
import re
from dataclasses import dataclass, field
from typing import Final

from limpet.common.crypto.keys import KEY_BYTES, decode_base32, decode_public_key, encode_base32
from limpet.common.errors import UsageError

VERSION: Final = "limpet-join-1"
TOKEN_ID_CHARACTERS: Final = 10
CHECK_CHARACTERS: Final = 4
LENGTH: Final = len(VERSION) + 1 + 52 + 1 + TOKEN_ID_CHARACTERS + 1 + 52 + CHECK_CHARACTERS

_POLYNOMIAL: Final = 0x100009  # x²⁰ + x³ + 1, primitive
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_TOKEN_ID: Final = re.compile(r"\A[a-z2-7]{10}\Z")
_ANY_VERSION: Final = re.compile(r"limpet-join-([0-9]{1,3})(?=\.)")


@dataclass(frozen=True, slots=True)
class JoinString:
    """A join string, taken apart."""

    master_key: bytes
    """The CURVE public key of the master."""
    token_id: str
    secret: bytes = field(repr=False)
    """32 bytes: the seed of the token's Ed25519 key."""

    def text(self) -> str:
        """Give the line to paste. It is a secret."""
        body = ".".join(
            (VERSION, encode_base32(self.master_key), self.token_id, encode_base32(self.secret))
        )
        return body + _check_characters(body)


def is_token_id(text: str) -> bool:
    """Say whether the text has the form of a token id."""
    return _TOKEN_ID.match(text) is not None


def make_token(master_key: bytes, chance: random.Random) -> JoinString:
    """Make a new token id and secret. `chance` must be a `random.SystemRandom` in production."""
    assert len(master_key) == KEY_BYTES
    token_id = "".join(chance.choice(_ALPHABET) for _ in range(TOKEN_ID_CHARACTERS))
    return JoinString(master_key, token_id, chance.randbytes(32))


def parse_join_string(pasted: str) -> JoinString:
    """Read a join string, with quotes or blanks around it as pasting leaves them.

    Raises `UsageError` with the exact reason; the message never repeats any of it.
    """
    text = pasted.strip("\ufeff \t\r\n")
    while len(text) > 1 and text[0] == text[-1] and text[0] in "'\"`":
        text = text[1:-1].strip()
    if not text:
        raise UsageError("the join string is empty: paste all of `limpet token create`'s output")
    if len(_ANY_VERSION.findall(text)) > 1:
        raise UsageError("two join strings were pasted into one: paste only one")
    version = _ANY_VERSION.match(text)
    if version is not None and version[1] != "1" and not _is_whole(VERSION + text[version.end() :]):
        raise UsageError(
            f"the join string is of version {version[1]}; this limpet reads version 1: "
            "use the same release as the master"
        )
    if not _is_whole(text):
        raise UsageError(
            f"join string damaged: it has {len(text)} of {LENGTH} characters"
            if len(text) != LENGTH
            else "join string damaged: a character is wrong; copy it again"
        )
    _, key, token_id, secret = text[:-CHECK_CHARACTERS].split(".")
    return JoinString(decode_public_key(key), token_id, decode_base32(secret))


def _is_whole(text: str) -> bool:
    """Say whether the fields have their lengths and the check characters are right."""
    if len(text) != LENGTH or not text.isascii():
        return False
    fields = text[:-CHECK_CHARACTERS].split(".")
    return (
        [len(part) for part in fields] == [len(VERSION), 52, TOKEN_ID_CHARACTERS, 52]
        and fields[0] == VERSION
        and is_token_id(fields[2])
        and text[-CHECK_CHARACTERS:] == _check_characters(text[:-CHECK_CHARACTERS])
    )


def _check_characters(body: str) -> str:
    """Give the CRC of the text as four characters."""
    remainder = 0xFFFFF
    for byte in body.encode():
        remainder ^= byte << 12
        for _ in range(8):
            remainder <<= 1
            if remainder & 0x100000:
                remainder ^= _POLYNOMIAL
    return "".join(_ALPHABET[(remainder >> shift) & 31] for shift in (15, 10, 5, 0))
