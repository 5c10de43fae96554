"""What the command tells its processes, what they tell the command, and how it goes over a pipe.

A frame is its length in four bytes, then MessagePack. Standard input of a process brings one
`Order` and stays open: its end means "come to an end". Standard output brings `Progress` about once
a second, and one `Farewell`.
"""

import struct
import sys
from typing import Final, NamedTuple

import msgspec

from limpet.common.errors import PeerError
from limpet.minion.core.settings import HeldTrust
from limpet.minion.swarm.figures import Figures
from limpet.minion.swarm.minions.behaviour import Behaviour
from limpet.minion.swarm.minions.grains import Template

FRAME_BYTES_MAX: Final = 256 * 1024 * 1024
PROGRESS_S: Final = 0.5
"""How often a process tells how it is."""
_LENGTH: Final = struct.Struct(">I")


class Member(msgspec.Struct):
    """One minion of the swarm: what is kept of it between runs."""

    number: int
    minion_id: str
    public_key: bytes
    secret_key: bytes
    notes: dict[str, str] = {}
    """What the minion's journal keeps of its master; without `is_accepted` it asks to join."""
    server_key: str = ""
    """The master's key of the last session, in hex; empty: as the order says."""
    trust: HeldTrust | None = None

    @property
    def is_accepted(self) -> bool:
        """Say whether the master let it in once."""
        return bool(self.notes.get("is_accepted"))


class Order(msgspec.Struct):
    """All that one process is told."""

    host: str
    port: int
    enrol_port: int
    server_key: str
    version: str
    join_token_id: str
    join_secret: bytes
    joins_a_second: float
    """How many new minions begin in a second."""
    behaviour: Behaviour
    templates: tuple[Template, ...]
    members: list[Member]

    def __repr__(self) -> str:
        """Show nothing of the secrets in a traceback."""
        return f"Order({self.host!r}, {len(self.members)} members)"


class Progress(msgspec.Struct, tag="progress"):
    """How a process is."""

    figures: Figures


class Farewell(msgspec.Struct, tag="farewell"):
    """How it was, and what is to be kept; the last frame."""

    figures: Figures
    members: list[Member]


class Identity(NamedTuple):
    """A member's key pair, as a socket wants it."""

    public_key: bytes
    secret_key: bytes


_encoder: Final = msgspec.msgpack.Encoder()
order_decoder: Final = msgspec.msgpack.Decoder(Order)
report_decoder: Final = msgspec.msgpack.Decoder(Progress | Farewell)


def command() -> list[str]:
    """Give the command line of one process."""
    return [sys.executable, "-I", "-m", "limpet.minion.swarm.worker"]


def frame_of(message: Order | Progress | Farewell) -> bytes:
    """Give the bytes of one frame."""
    data = _encoder.encode(message)
    assert len(data) <= FRAME_BYTES_MAX
    return _LENGTH.pack(len(data)) + data


class Frames:
    """Cuts a stream of bytes into the bodies of frames."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what came; give the frames that are whole. Raises `PeerError` for nonsense."""
        self._bytes += data
        found: list[bytes] = []
        while len(self._bytes) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._bytes)
            if size > FRAME_BYTES_MAX:
                raise PeerError("oversize", f"a frame of {size} bytes from a process of the swarm")
            if len(self._bytes) < _LENGTH.size + size:
                break
            found.append(bytes(self._bytes[_LENGTH.size : _LENGTH.size + size]))
            del self._bytes[: _LENGTH.size + size]
        return found
