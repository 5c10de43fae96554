"""Bytes from the command line to a request that the core may see, or one error with its reason."""

import math
from typing import Final

import msgspec

from limpet.common.control.packages import PackageRequest
from limpet.common.control.requests import AnyRequest, Request
from limpet.common.errors import PeerError

_decoder: Final[msgspec.msgpack.Decoder[AnyRequest | PackageRequest]] = msgspec.msgpack.Decoder(
    AnyRequest | PackageRequest
)


def decode_request(payload: bytes) -> Request:
    """Decode one request.

    Raises `PeerError` with the reason `cli_bad_request` or, for texts and numbers that no table
    or terminal should get to see (NUL, NaN, infinity), `bad_text`. The message is for the user.
    """
    try:
        request = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PeerError(
            "cli_bad_request",
            f"the master does not understand this request ({error}); "
            "are the command and the master of the same release?",
        ) from error
    for name in request.__struct_fields__:
        value = getattr(request, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise PeerError("bad_text", f"{name} has to be a finite number")
        texts = value if isinstance(value, tuple) else (value,)
        if any(isinstance(text, str) and "\0" in text for text in texts):
            raise PeerError("bad_text", f"{name} has a NUL character in it")
    return request
