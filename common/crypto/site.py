"""The site key: it signs which keys the master has and will have (`limpet.common.messages.trust`).

An Ed25519 key of the master's, apart from its CURVE keys. A minion pins the first one it is told in
a session; from then on only what that key has signed can change which masters it will follow.

`cryptography` is loaded inside of the functions: a minion's link never needs it.
"""

import os
from typing import Final

import msgspec

LABEL: Final = "limpet master keys 1"
SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64


class Announcement(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """All that the signature covers. As array of MessagePack no two have the same bytes."""

    site: bytes
    former: bytes
    """The site key that this one takes the place of; usually empty."""
    serial: int
    current: bytes
    following: tuple[bytes, ...]
    label: str = LABEL

    def encoded(self) -> bytes:
        """Give the bytes that are signed."""
        return msgspec.msgpack.encode(self)


def make_seed() -> bytes:
    """Make the secret of a new site key."""
    return os.urandom(SEED_BYTES)


def public_of(seed: bytes) -> bytes:
    """Give the public half (32 bytes) of a site key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, announcement: Announcement) -> bytes:
    """Sign with a site key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).sign(announcement.encoded())


def why_untrusted(
    announcement: Announcement, signature: bytes, former_signature: bytes, *, pinned: bytes
) -> str:
    """Say why a minion that has pinned this site key (empty: none yet) must not believe it; or ''.

    A site key that is not the pinned one has to be signed by the pinned one as well.
    """
    if announcement.label != LABEL:
        return "it is an announcement of another kind"
    if not _is_signed(announcement.site, announcement, signature):
        return "its signature is not that of the site key that it names"
    if pinned in (b"", announcement.site):
        return ""
    if announcement.former != pinned:
        return "it names another site key than the one that this minion knows"
    if not _is_signed(pinned, announcement, former_signature):
        return "its new site key is not signed by the one that this minion knows"
    return ""


def _is_signed(public: bytes, announcement: Announcement, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(public) != SEED_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, announcement.encoded())
    except (InvalidSignature, ValueError):
        return False
    return True
