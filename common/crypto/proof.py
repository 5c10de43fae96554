"""The proof that a minion holds a token, without showing the token's secret.

The secret of the join string is the seed of an Ed25519 key; the master keeps only its public half.
The signature covers the master's and the minion's public keys, so a false master learns nothing
that it could pass on, and a request that was overheard serves no other key.

`cryptography` is loaded inside of the functions: a minion's link never needs it (`sign_child`).
"""

from typing import Final

import msgspec

from limpet.common.crypto.keys import KEY_BYTES
from limpet.common.messages.enrolment import EnrolRequest

LABEL: Final = "limpet enrolment proof 1"
SIGNATURE_BYTES: Final = 64


class Statement(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """All that a proof covers. As array of MessagePack no two statements have the same bytes."""

    master_key: bytes
    minion_key: bytes
    """The public key that CURVE proved."""
    token_id: str
    minion_id: str
    nonce: bytes
    timestamp: int
    protocol_min: int
    protocol_max: int
    version: str
    label: str = LABEL

    @classmethod
    def of(cls, request: EnrolRequest, *, master_key: bytes, minion_key: bytes) -> "Statement":
        """Give what the signature of a request has to cover."""
        assert len(master_key) == len(minion_key) == KEY_BYTES
        return cls(
            master_key=master_key,
            minion_key=minion_key,
            token_id=request.token_id,
            minion_id=request.minion_id,
            nonce=request.nonce,
            timestamp=request.timestamp,
            protocol_min=request.protocol_min,
            protocol_max=request.protocol_max,
            version=request.version,
        )

    def encoded(self) -> bytes:
        """Give the bytes that are signed."""
        return msgspec.msgpack.encode(self)


class Ed25519Verifier:
    """The master's side of proofs (`limpet.master.enrolment.tokens.Verifier`)."""

    def __init__(self, master_key: bytes) -> None:
        """Serve the master with this CURVE public key (32 bytes)."""
        assert len(master_key) == KEY_BYTES
        self.master_key = master_key

    def verifier_of(self, secret: bytes) -> bytes:
        """Give the public half of a secret: what the master keeps."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()

    def verify(self, verifier: bytes, message: bytes, signature: bytes) -> bool:
        """Say whether the holder of the secret signed exactly this `Statement.encoded()`."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if len(verifier) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(verifier).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def sign(secret: bytes, statement: Statement) -> bytes:
    """Sign a statement with the secret of a join string."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(secret).sign(statement.encoded())
