"""What the master and its enrolment process say to each other over their socket pair.

The master speaks first (`Setup`); after that the process asks and the master answers. Requests and
answers pass as the very bytes of the wire: the master decodes them again and trusts nothing but
the key and the address, which the process's own authenticator attests.
"""

from typing import Final

import msgspec

from limpet.common.messages.fields import ENROL_FRAME_BYTES_MAX

LINE_BYTES_MAX: Final = 16 * 1024
"""The largest frame on the line, either way."""
LINE_QUEUE_BYTES_MAX: Final = 2 * 1024 * 1024
"""What may wait for the other side; more is dropped and counted."""

assert LINE_BYTES_MAX > 4 * ENROL_FRAME_BYTES_MAX


class LineMessage(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The base of all that is said on the line."""


class Setup(LineMessage, tag="setup", frozen=True):
    """Open the port. The secret travels here and nowhere else: not in argv, not in a file.

    Said again while the port is open, only the log level counts.
    """

    secret_key: bytes
    addresses: tuple[str, ...]
    port: int
    """0: any free one."""
    log_level: int

    def __repr__(self) -> str:
        """Show nothing of the secret in a traceback or a log."""
        return f"Setup({self.addresses!r}, {self.port!r})"


class Reply(LineMessage, tag="reply", frozen=True):
    """The answer to a question, as bytes of the wire."""

    handle: int
    frame: bytes


class Bound(LineMessage, tag="bound", frozen=True):
    """The port is open."""

    port: int


class NotBound(LineMessage, tag="not_bound", frozen=True):
    """The port could not be opened (yet); it is tried again each second."""

    text: str


class Question(LineMessage, tag="question", frozen=True):
    """A minion asks; `frame` is its `EnrolRequest`."""

    handle: int
    key: str
    """Hex of the key that CURVE proved."""
    address: str
    frame: bytes


class Counters(LineMessage, tag="counters", frozen=True):
    """What has been turned away since the process began, and gauges.

    Said each second: it is also the sign of life.
    """

    rejected: dict[str, int]
    connections: int


FromMaster = Setup | Reply
FromProcess = Bound | NotBound | Question | Counters
