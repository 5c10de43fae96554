"""What a minion's jobs ask of the master: files, listings, the minion's pillar.

    minion  Ask ───────────▶            what is there? at most 64 under way
            ◀──────── Offer             digest, size, attributes; a small body with it
            Pull ──────────▶            a piece of that body; one under way over all jobs
            ◀──────── Piece

All of it only reads: whatever was lost is asked again, in this session or the next, and a body goes
on at the byte where it stopped. A digest names the body, so pieces of two never mix. Numbers of
requests grow as long as the minion's link lives; an answer to any other request is ignored.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta

from limpet.common.messages.fields import (
    ARGUMENTS_BYTES_MAX,
    Count,
    Digest,
    Message,
    Session,
    Text,
)

SourceKind = Literal["file", "listing", "environments", "pillar"]
"""As in `limpet.states.ports.served`, which says what the body of each is."""

SOURCE_INLINE_BYTES_MAX: Final = 128 * 1024
"""A body up to this size may travel inside `Offer`."""
PIECE_BYTES_MAX: Final = 512 * 1024
ATTRIBUTES_BYTES_MAX: Final = 4096

CLOCK: Final = "clock"
"""Attribute of the Offer of environments: the master's wall clock, microseconds since 1970."""

BUSY: Final = "busy"
"""Problem of an Offer or a Piece: too much is asked at once; asked again after a second or more.

An Offer whose `total` is not 0 says that the question is in line, with so many others: it need not
be asked again soon. That is told from protocol 2 on, where a question is repeated."""
IN_LINE_PROTOCOL: Final = 2
CHANGED: Final = "changed"
"""Problem of a Piece: the body has another digest now; the asker has to begin with an Ask."""
GONE: Final = "gone"
"""Problem of a Piece: nobody keeps that body any more; the asker has to begin with an Ask."""

Request = Annotated[int, Meta(ge=1, le=2**53)]
Environment = Annotated[str, Meta(max_length=200)]
SourceName = Annotated[str, Meta(max_length=1024)]
"""Of a file: its path inside the environment. Checked, never decoded or shortened."""


class Ask(Message, tag="ask", frozen=True):
    """A question: what is there under this name now."""

    session: Session
    request: Request
    kind: SourceKind
    environment: Environment
    name: SourceName
    arguments: Annotated[bytes, Meta(max_length=ARGUMENTS_BYTES_MAX)]
    """For pillar: MessagePack of a mapping; else empty."""
    known: Digest
    """Of a body that the minion has already; it is not sent again."""
    body_max: Count
    """A body up to this many bytes may come with the answer: what the line carries quickly."""


class Offer(Message, tag="offer", frozen=True):
    """What there is, or `problem`: a sentence for people, or `busy`."""

    session: Session
    request: Request
    is_found: bool
    digest: Digest
    total: Count
    """Bytes of the body."""
    attributes: Annotated[bytes, Meta(max_length=ATTRIBUTES_BYTES_MAX)]
    """MessagePack of a mapping, or empty. Of a file: `mode`, `mtime_s`; environments: `clock`."""
    body: Annotated[bytes, Meta(max_length=SOURCE_INLINE_BYTES_MAX)]
    has_body: bool
    """The whole body is here; else it has to be pulled (or has the digest that is known)."""
    problem: Text


class Pull(Message, tag="pull", frozen=True):
    """The piece of that body which begins at `offset`, at most `size_max` bytes."""

    session: Session
    request: Request
    kind: SourceKind
    environment: Environment
    name: SourceName
    digest: Digest
    offset: Count
    size_max: Annotated[int, Meta(ge=1, le=PIECE_BYTES_MAX)]


class Piece(Message, tag="piece", frozen=True):
    """A piece, never empty; or `problem`: `busy`, `changed`, `gone`, or a sentence for people."""

    session: Session
    request: Request
    offset: Count
    data: Annotated[bytes, Meta(max_length=PIECE_BYTES_MAX)]
    problem: Text


def refused_offer(ask: Ask, problem: str) -> Offer:
    """Answer a question with the reason why it is not answered."""
    return Offer(ask.session, ask.request, False, "", 0, b"", b"", False, problem[:4096])


def in_line(ask: Ask, others: int) -> Offer:
    """Tell who asks again that the question is known and waits for its turn, with others."""
    total = max(1, others)
    return Offer(ask.session, ask.request, False, "", total, b"", b"", False, BUSY)


def refused_piece(pull: Pull, problem: str) -> Piece:
    """Answer a pull with the reason why nothing comes."""
    return Piece(pull.session, pull.request, pull.offset, b"", problem[:4096])
