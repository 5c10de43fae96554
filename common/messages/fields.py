"""The bounds that wire fields share; what breaks one is `bad_schema`, and no machine sees it."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

PROTOCOL_MIN: Final = 1
"""The oldest protocol this release speaks; it speaks N and N-1."""
PROTOCOL_MAX: Final = 2
"""The newest protocol this release speaks."""

Count = Annotated[int, Meta(ge=0, le=2**53)]
"""A whole number that SQLite, JSON and every language can hold."""
Stamp = Annotated[int, Meta(ge=0, le=2**53)]
"""Microseconds since 1970 (the sender's wall clock)."""
Ticks = Annotated[int, Meta(ge=0, le=2**53)]
"""Microseconds on the sender's CLOCK_BOOTTIME, or a duration in microseconds."""
Session = Annotated[int, Meta(ge=1, le=2**52)]
ShortText = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=4096)]
Nonce = Annotated[bytes, Meta(min_length=16, max_length=16)]
Hex32 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
Digest = Annotated[str, Meta(pattern=r"\A(?:[0-9a-f]{64})?\Z")]
"""A SHA-256 in hex, or empty where there is none."""
Jid = Annotated[str, Meta(pattern=r"\A[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")]
Id = Annotated[str, Meta(pattern=r"\A[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?\Z")]
FunctionName = Annotated[
    str, Meta(pattern=r"\A[a-z_][a-z0-9_]{0,63}\.[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
]

RETURN_INLINE_BYTES_MAX: Final = 160 * 1024
"""A return body up to this size travels inside `Return`; a larger one goes in bulk chunks first."""
CHUNK_BYTES_MAX: Final = 160 * 1024
ARGUMENTS_BYTES_MAX: Final = 160 * 1024
OUTPUT_BYTES_MAX: Final = 16 * 1024
GRAINS_BYTES_MAX: Final = 64 * 1024
SYNC_PAGE_ENTRIES_MAX: Final = 500

MAIN_FRAME_BYTES_MAX: Final = 1024 * 1024
"""Largest frame a minion accepts from the master (DESIGN: 1 MiB)."""
MINION_FRAME_BYTES_MAX: Final = 256 * 1024
"""Largest frame the master accepts from a minion (DESIGN: 256 KiB)."""
ENROL_FRAME_BYTES_MAX: Final = 1024
"""Largest enrolment request or answer."""


class Message(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The base of everything on the wire."""
