"""What the master says of its keys: the present one, and those that it will have. Plain values."""

from dataclasses import dataclass

from limpet.common.identifiers import SessionId
from limpet.common.messages.trust import Trust


@dataclass(frozen=True, slots=True)
class Following:
    """A key that the master will have."""

    key: bytes
    """The public key, 32 bytes."""
    since: int
    """The first serial that told of it: whoever has kept that one, or a later one, knows it."""


@dataclass(frozen=True, slots=True)
class Announced:
    """One announcement, signed. No secret is in it."""

    site: bytes
    former: bytes
    serial: int
    current: bytes
    following: tuple[Following, ...]
    signature: bytes
    former_signature: bytes

    def told(self, session: SessionId) -> Trust:
        """Give the message for one session."""
        return Trust(
            session,
            self.site,
            self.former,
            self.serial,
            self.current,
            tuple(each.key for each in self.following),
            self.signature,
            self.former_signature,
        )
