"""How a worker's run ended: what its supervisor writes to `spool/JID.result`, and how it is read.

Pure: the files are the business of `spool.py`. The value that the function returned travels as
MessagePack, here where it is small, in `spool/JID.body` where it is not.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from limpet.common.errors import HostError
from limpet.common.messages.jobs import Outcome

RESULT_BODY_BYTES_MAX: Final = 16 * 1024
"""A body up to this size stands in the result (and in the journal); a larger one in `JID.body`."""
RESULT_FILE_BYTES_MAX: Final = 64 * 1024
"""No result file is larger; what is larger is damaged."""
ERROR_CHARACTERS_MAX: Final = 4096
"""Longest `error`, as long as the wire allows."""


class WorkerResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one job ended. There is exactly one for each job that was spawned or adopted."""

    outcome: Outcome
    retcode: Annotated[int, Meta(ge=-(2**31), le=2**31)]
    """Salt's retcode: 0 for `ok`; the function's own, or minus the signal that ended it."""
    error: Annotated[str, Meta(max_length=ERROR_CHARACTERS_MAX)] = ""
    """One line for people. A timeout begins with `timeout`; with `ok` it is a note on the value."""
    body: bytes = b""
    """MessagePack of the returned value if it has at most 16 KiB, else empty."""
    body_bytes: Annotated[int, Meta(ge=0, le=2**53)] = 0
    """Size of the whole body, wherever it is; 0: there is none."""
    body_digest: Annotated[str, Meta(pattern=r"\A(?:[0-9a-f]{64})?\Z")] = ""
    """SHA-256 of the whole body in hex; may be empty where the body is here or there is none."""
    is_cut: bool = False
    """The body was over the job's `return_bytes_max` and was cut, with a mark."""
    started_wall_s: float = 0.0
    """When the function was let go (this host's wall clock); 0: it never ran."""
    duration_s: float = 0.0
    """How long it ran, measured on a clock that does not jump."""

    @property
    def is_in_spool(self) -> bool:
        """Say whether the body has to be read from `JID.body`."""
        return self.body_bytes > len(self.body)


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(WorkerResult)


def encode_result(result: WorkerResult) -> bytes:
    """Give the content of a result file."""
    assert len(result.body) <= RESULT_BODY_BYTES_MAX
    return _encoder.encode(result)


def decode_result(data: bytes, path: str) -> WorkerResult:
    """Read the content of a result file. Raises `HostError` naming the file if it is damaged."""
    if len(data) > RESULT_FILE_BYTES_MAX:
        raise HostError(f"{path}: damaged result file of {len(data)} bytes; the job's end is lost")
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HostError(f"{path}: damaged result file ({error}); the job's end is lost") from error
