"""The closed table of what may be said in which direction, and the only decoder of frames.

Whatever does not decode is one typed `PeerError` with the reason to count it under; nothing else
leaves `decode` (msgspec raises three unrelated classes, security.md F-11).
"""

from typing import Final, Generic, TypeVar

import msgspec

from limpet.common.errors import PeerError
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest
from limpet.common.messages.fields import (
    ENROL_FRAME_BYTES_MAX,
    MAIN_FRAME_BYTES_MAX,
    MINION_FRAME_BYTES_MAX,
    Message,
)
from limpet.common.messages.jobs import (
    Accepted,
    BulkAck,
    BulkChunk,
    BulkOffer,
    Cancel,
    CancelAnswer,
    Deliver,
    Output,
    Return,
    ReturnAck,
    Started,
)
from limpet.common.messages.session import (
    Beat,
    Busy,
    Denied,
    Drain,
    Grains,
    Hello,
    MasterBeat,
    Regreet,
    SyncAnswer,
    SyncPage,
    Welcome,
)
from limpet.common.messages.sources import Ask, Offer, Piece, Pull
from limpet.common.messages.trust import Trust, TrustAck

FromMinion = (
    Hello
    | SyncPage
    | Beat
    | Grains
    | Accepted
    | Started
    | Return
    | BulkOffer
    | BulkChunk
    | CancelAnswer
    | Output
    | Ask
    | Pull
    | TrustAck
)
"""All that a minion may say on the main port."""

FromMaster = (
    Welcome
    | Busy
    | Denied
    | Regreet
    | SyncAnswer
    | MasterBeat
    | Drain
    | Deliver
    | ReturnAck
    | BulkAck
    | Cancel
    | Offer
    | Piece
    | Trust
)
"""All that the master may say on the main port."""

T = TypeVar("T")

_SHOWN_CHARACTERS_MAX: Final = 200

_encoder: Final = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """Turn a message into the one payload part of its frame."""
    return _encoder.encode(message)


class Decoder(Generic[T]):
    """Turns frames of one direction of one port into messages."""

    def __init__(self, accepted: type[T], bytes_max: int) -> None:
        self._decoder = msgspec.msgpack.Decoder(accepted)
        self._bytes_max = bytes_max

    def decode(self, frame: bytes) -> T:
        """Decode one frame.

        Raises `PeerError` with the reason `empty`, `oversize`, `bad_encoding`, `bad_type` or
        `bad_schema`, and never anything else.
        """
        if not frame:
            raise PeerError("empty", "an empty frame")
        if len(frame) > self._bytes_max:
            raise PeerError("oversize", f"a frame of {len(frame)} bytes, over {self._bytes_max}")
        try:
            return self._decoder.decode(frame)
        except msgspec.ValidationError as error:
            reason = "bad_type" if "Invalid value" in str(error) else "bad_schema"
            raise PeerError(reason, _shown(str(error))) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PeerError("bad_encoding", _shown(f"{type(error).__name__}: {error}")) from error


def _shown(text: str) -> str:
    """Make the text fit for a log: it may quote the frame, which says whatever its sender likes."""
    return ascii(text[:_SHOWN_CHARACTERS_MAX])[1:-1]


def minion_decoder() -> Decoder[FromMaster]:
    """Give the decoder that a minion's main socket uses."""
    return Decoder(FromMaster, MAIN_FRAME_BYTES_MAX)  # type: ignore[arg-type]


def master_decoder() -> Decoder[FromMinion]:
    """Give the decoder that the master's main socket uses."""
    return Decoder(FromMinion, MINION_FRAME_BYTES_MAX)  # type: ignore[arg-type]


def enrol_request_decoder() -> Decoder[EnrolRequest]:
    """Give the decoder of the enrolment process."""
    return Decoder(EnrolRequest, ENROL_FRAME_BYTES_MAX)


def enrol_answer_decoder() -> Decoder[EnrolAnswer]:
    """Give the decoder that a minion's enrolment socket uses."""
    return Decoder(EnrolAnswer, ENROL_FRAME_BYTES_MAX)
