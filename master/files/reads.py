"""What the threads of the file server are asked to do, and what comes of it: plain values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LookUp:
    """Find a file and its digest; its content as well if it is no larger than `body_max`."""

    environment: str
    name: str
    known: str
    body_max: int


@dataclass(frozen=True, slots=True)
class ReadPiece:
    """Read a piece of a file, if the file still has that digest."""

    environment: str
    name: str
    digest: str
    offset: int
    size_max: int


@dataclass(frozen=True, slots=True)
class WalkTree:
    """List everything that an environment holds."""

    environment: str


@dataclass(frozen=True, slots=True)
class NameEnvironments:
    """Name the environments that are configured."""


Work = LookUp | ReadPiece | WalkTree | NameEnvironments


@dataclass(frozen=True, slots=True)
class Found:
    """A file, or none, or why it is not served (a sentence)."""

    is_found: bool
    digest: str = ""
    size: int = 0
    attributes: bytes = b""
    body: bytes | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PieceRead:
    """A piece, or `changed`, `gone`, or a sentence."""

    data: bytes
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A listing as MessagePack, or why there is none; not found: no such environment."""

    is_found: bool
    body: bytes = b""
    digest: str = ""
    problem: str = ""


Result = Found | PieceRead | Listed


@dataclass(frozen=True, slots=True)
class SourceRead:
    """The work with this ticket is done."""

    ticket: int
    result: Result
