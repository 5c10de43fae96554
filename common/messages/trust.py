"""Which keys the master will have next: told beforehand, so that nobody is lost when it changes.

minion ◀──────── Trust      after Welcome, and whenever it changes; only where both speak protocol 2
TrustAck ──────▶            once it is kept on disk, or why it is not

What is signed, and by whom, is in `limpet.common.crypto.site`.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta

from limpet.common.messages.fields import Count, Message, Session, ShortText

TRUST_PROTOCOL: Final = 2
"""The first protocol that knows these messages."""
FOLLOWING_MAX: Final = 8
"""Keys that are told ahead; a master prepares three."""

Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
NoKey = Annotated[bytes, Meta(max_length=32)]
Signature = Annotated[bytes, Meta(max_length=64)]


class Trust(Message, tag="trust", frozen=True):
    """The master's present key and the next ones, signed by its site key."""

    session: Session
    site: Key
    """The site key (Ed25519); the first one that a minion is told is pinned."""
    former: NoKey
    """The site key before, while a new one takes its place; else empty."""
    serial: Count
    """Grows with every change; an older one is never taken."""
    current: Key
    """The master's CURVE key: that of this very session."""
    following: Annotated[tuple[Key, ...], Meta(max_length=FOLLOWING_MAX)]
    """The keys that it will have, in this order."""
    signature: Signature
    former_signature: Signature


Verdict = Literal["kept", "stale", "refused", "failed"]


class TrustAck(Message, tag="trust_ack", frozen=True):
    """What became of a Trust.

    kept: it is on disk. stale: a younger one is kept (`held`), which says something else. refused:
    not signed by the site that this minion knows. failed: it can't be written now.
    """

    session: Session
    serial: Count
    """That of the Trust that is answered."""
    verdict: Verdict
    held: Count
    """The serial of what is kept; 0: nothing is."""
    text: ShortText
