"""Messages of the file server: what a question asks to be read, and how it is answered."""

from limpet.common.messages.sources import (
    BUSY,
    GONE,
    SOURCE_INLINE_BYTES_MAX,
    Ask,
    Offer,
    Piece,
    Pull,
    refused_offer,
    refused_piece,
)
from limpet.master.files.reads import LookUp, NameEnvironments, ReadPiece, Work


def piece_of(pull: Pull, body: bytes | None) -> Piece:
    """Answer a pull from a body in memory; None: it is not kept any more."""
    if body is None:
        return refused_piece(pull, GONE)
    data = body[pull.offset : pull.offset + pull.size_max]
    if not data:
        return refused_piece(pull, f"a piece at byte {pull.offset} of {len(body)} is asked for")
    return Piece(pull.session, pull.request, pull.offset, data, "")


def offer_of(ask: Ask, digest: str, body: bytes) -> Offer:
    """Answer a question with a body in memory: whole where it is small and not known, or named."""
    has_body = digest != ask.known and len(body) <= min(ask.body_max, SOURCE_INLINE_BYTES_MAX)
    inline = body if has_body else b""
    return Offer(ask.session, ask.request, True, digest, len(body), b"", inline, has_body, "")


def busy(message: Ask | Pull) -> Offer | Piece:
    """Have a question asked again in a moment."""
    if isinstance(message, Ask):
        return refused_offer(message, BUSY)
    return refused_piece(message, BUSY)


def name_of(message: Ask | Pull) -> str:
    """Give what no two questions are read of at the same time."""
    return f"{message.kind} {message.environment} {message.name if message.kind == 'file' else ''}"


def size_max(message: Ask | Pull) -> int:
    """Say how many bytes the answer may have."""
    if isinstance(message, Pull):
        return message.size_max
    return min(message.body_max, SOURCE_INLINE_BYTES_MAX)


def work_of(message: Ask | Pull) -> Work:
    """Give what has to be read for a question."""
    if isinstance(message, Pull):
        return ReadPiece(
            message.environment, message.name, message.digest, message.offset, message.size_max
        )
    if message.kind == "environments":
        return NameEnvironments()
    body_max = min(message.body_max, SOURCE_INLINE_BYTES_MAX)
    return LookUp(message.environment, message.name, message.known, body_max)
