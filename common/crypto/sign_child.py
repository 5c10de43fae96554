"""`python -I -m limpet.common.crypto.sign_child`: signs one proof and ends.

The link starts it, so that cryptography's memory lasts only as long as the signature takes. The
secret comes on stdin, never on the command line, which other users can read.

    stdin   MessagePack [secret, statement]     stdout  MessagePack [signature, problem]

`command()` is the command line; `encode_request` and `decode_answer` are the link's side.
"""

import sys

import msgspec

from limpet.common.crypto.proof import SIGNATURE_BYTES, Statement, sign
from limpet.common.errors import HostError

REQUEST_BYTES_MAX = 4096


class SignRequest(msgspec.Struct, array_like=True, frozen=True):
    """What to sign, and with what."""

    secret: bytes
    statement: Statement


class SignAnswer(msgspec.Struct, array_like=True, frozen=True):
    """The signature, or what went wrong."""

    signature: bytes
    problem: str


def command() -> list[str]:
    """Give the command line of the child; it needs 4 KiB of stdin and ends by itself."""
    return [sys.executable, "-I", "-m", "limpet.common.crypto.sign_child"]


def encode_request(secret: bytes, statement: Statement) -> bytes:
    """Give the bytes to write to the child's stdin before closing it."""
    return msgspec.msgpack.encode(SignRequest(secret, statement))


def decode_answer(data: bytes) -> bytes:
    """Read the child's stdout: the signature. Raises `HostError` if it gave none."""
    try:
        answer = msgspec.msgpack.decode(data, type=SignAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HostError("the process that signs the join request gave no answer") from error
    if answer.problem or len(answer.signature) != SIGNATURE_BYTES:
        raise HostError(f"can't sign the join request: {answer.problem or 'no signature'}")
    return answer.signature


def main() -> int:
    """Sign one request."""
    data = sys.stdin.buffer.read(REQUEST_BYTES_MAX + 1)
    try:
        request = msgspec.msgpack.decode(data, type=SignRequest)
        answer = SignAnswer(sign(request.secret, request.statement), "")
    except (msgspec.DecodeError, ValueError, ImportError) as error:
        answer = SignAnswer(b"", f"{type(error).__name__}: {error}")
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))
    sys.stdout.buffer.flush()
    return 0 if not answer.problem else 1


if __name__ == "__main__":
    sys.exit(main())
