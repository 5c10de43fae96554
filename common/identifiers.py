"""Names that cannot be mixed up, each with the one place that checks its grammar."""

import random
import re
from typing import Final, NewType

from limpet.common.errors import UsageError

MinionId = NewType("MinionId", str)
"""The name of a minion; bound to one key when it enrols."""

MinionKey = NewType("MinionKey", str)
"""A CURVE public key as 64 lower-case hex digits: the only identity on the wire (`User-Id`)."""

JobId = NewType("JobId", str)
"""A ULID: 26 characters of Crockford's base 32, sortable by time of creation."""

SessionId = NewType("SessionId", int)
"""A random number of 52 bits that the master gives to one greeting; 0 is no session."""

JournalId = NewType("JournalId", str)
"""32 hex digits, made with an empty minion journal: jobs are bound to it."""

Commit = NewType("Commit", int)
"""A number of one durable commit; effects name the commit that they wait for. 0: nothing."""

Attempt = NewType("Attempt", int)
"""The number of one socket of a minion's link; events of older sockets are ignored."""

MINION_ID_PATTERN: Final = re.compile(r"\A[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?\Z")
MINION_KEY_PATTERN: Final = re.compile(r"\A[0-9a-f]{64}\Z")
JOB_ID_PATTERN: Final = re.compile(r"\A[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")
FUNCTION_PATTERN: Final = re.compile(r"\A[a-z_][a-z0-9_]{0,63}\.[A-Za-z_][A-Za-z0-9_]{0,63}\Z")

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def minion_id(text: str) -> MinionId:
    """Check a minion id, lowering its letters.

    Raises `UsageError` naming the id (escaped) where it breaks the grammar: ASCII letters,
    digits, dot, dash and underscore, 128 characters, a letter or digit at both ends, no `..`.
    """
    lowered = text.lower() if text.isascii() else text
    if not MINION_ID_PATTERN.match(lowered) or ".." in lowered:
        shown = ascii(text if len(text) <= 140 else text[:140] + "…")
        raise UsageError(
            f"{shown} is not a minion id: use letters, digits, '.', '-' and '_', at most 128, "
            "beginning and ending with a letter or digit, without '..'"
        )
    return MinionId(lowered)


def is_job_id(text: str) -> bool:
    """Say whether the text has the form of a job id."""
    return JOB_ID_PATTERN.match(text) is not None


def job_id(text: str) -> JobId:
    """Check a job id that a person typed. Raises `UsageError`."""
    upper = text.upper()
    if not is_job_id(upper):
        raise UsageError(f"{text[:40]!a} is not a job id: 26 letters and digits are expected")
    return JobId(upper)


def make_job_id(wall_s: float, chance: random.Random) -> JobId:
    """Make a ULID from a time (seconds since 1970) and 80 random bits."""
    number = (int(wall_s * 1000) & ((1 << 48) - 1)) << 80 | chance.getrandbits(80)
    return JobId("".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5)))


def is_minion_key(text: str) -> bool:
    """Say whether the text is a key in the form that ZAP attests: 64 hex digits."""
    return MINION_KEY_PATTERN.match(text) is not None
