"""Sealing by a passphrase: scrypt makes a key of it, ChaCha20-Poly1305 seals with that.

    "limpet-sealed-1" LF  salt (16)  nonce (12)  sealed bytes

A wrong passphrase and damage can't be told apart, and both are refused.
"""

import hashlib
import os
from typing import Final

from limpet.common.errors import UsageError

MAGIC: Final = b"limpet-sealed-1\n"
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
COST: Final = 2**16
"""scrypt's n. With r = 8 a guess takes 64 MiB and about 0.2 s."""
BLOCK: Final = 8
MEMORY_BYTES_MAX: Final = 128 * 1024 * 1024
PASSPHRASE_LENGTH_MIN: Final = 8


def seal(data: bytes, passphrase: str) -> bytes:
    """Seal. Raises `UsageError` for a passphrase that protects nothing."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    if len(passphrase) < PASSPHRASE_LENGTH_MIN:
        raise UsageError(f"the passphrase needs {PASSPHRASE_LENGTH_MIN} characters or more")
    salt = os.urandom(SALT_BYTES)
    nonce = os.urandom(NONCE_BYTES)
    sealed = ChaCha20Poly1305(_key(passphrase, salt)).encrypt(nonce, data, MAGIC)
    return MAGIC + salt + nonce + sealed


def unseal(sealed: bytes, passphrase: str) -> bytes:
    """Open what `seal` made. Raises `UsageError`."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    if not sealed.startswith(MAGIC) or len(sealed) < len(MAGIC) + SALT_BYTES + NONCE_BYTES:
        raise UsageError("the keys in it were not sealed by a release that is known here")
    rest = sealed[len(MAGIC) :]
    salt, rest = rest[:SALT_BYTES], rest[SALT_BYTES:]
    nonce, body = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
    try:
        return ChaCha20Poly1305(_key(passphrase, salt)).decrypt(nonce, body, MAGIC)
    except InvalidTag:
        raise UsageError("the passphrase is not the one that the keys were sealed with") from None


def _key(passphrase: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        passphrase.encode(), salt=salt, n=COST, r=BLOCK, p=1, maxmem=MEMORY_BYTES_MAX, dklen=32
    )
