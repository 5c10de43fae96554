"""What happens at the main port, as its transport tells it and the core hears it."""

import msgspec

from limpet.common.identifiers import MinionKey
from limpet.common.wire.codec import FromMinion
from limpet.master.core.effects import Peer


class Received(msgspec.Struct, frozen=True, gc=False):
    """A message of a minion whose key was accepted when it connected."""

    peer: Peer
    key: MinionKey
    address: str
    message: FromMinion


class BadFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame that is no message."""

    peer: Peer
    key: MinionKey
    reason: str


class PeerLeft(msgspec.Struct, frozen=True, gc=False):
    """A connection has ended, as the transport believes."""

    peer: Peer


PortEvent = Received | BadFrame | PeerLeft
