"""`python -I -m limpet.minion.master_keys.io.checker`: believes and keeps one announcement.

The link starts it, so that cryptography's memory lasts only as long as the check takes, and no disk
holds the link up. What is written when it says `kept` is there after a power cut.

    stdin   MessagePack [directory, pinned, trust]     stdout  MessagePack [verdict, text]
"""

import sys
from pathlib import Path
from typing import Final

import msgspec

from limpet.common.crypto.site import Announcement, why_untrusted
from limpet.common.errors import HostError
from limpet.common.messages.trust import Trust, Verdict
from limpet.minion.master_keys.io.key_files import write_trust

REQUEST_BYTES_MAX: Final = 8192
ANSWER_BYTES_MAX: Final = 4096


class TrustRequest(msgspec.Struct, array_like=True, frozen=True):
    """What to believe, and what is believed already."""

    directory: str
    pinned: str
    """The site key known so far, in hex; empty: none."""
    trust: Trust


class TrustAnswer(msgspec.Struct, array_like=True, frozen=True):
    """What became of it."""

    verdict: Verdict
    text: str


def command() -> list[str]:
    """Give the command line of the child."""
    return [sys.executable, "-I", "-m", "limpet.minion.master_keys.io.checker"]


def encode_request(directory: str, pinned: str, trust: Trust) -> bytes:
    """Give the bytes to write to the child's stdin before closing it."""
    return msgspec.msgpack.encode(TrustRequest(directory, pinned, trust))


def decode_answer(data: bytes, problem: str) -> TrustAnswer:
    """Read the child's stdout; without an answer it has failed, and is asked again later."""
    try:
        return msgspec.msgpack.decode(data, type=TrustAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return TrustAnswer("failed", problem or "the process that checks it gave no answer")


def judge(request: TrustRequest) -> TrustAnswer:
    """Check one announcement and write it down if it is to be believed."""
    trust = request.trust
    said = Announcement(trust.site, trust.former, trust.serial, trust.current, trust.following)
    try:
        why = why_untrusted(
            said, trust.signature, trust.former_signature, pinned=bytes.fromhex(request.pinned)
        )
        if why:
            return TrustAnswer("refused", why)
        write_trust(Path(request.directory), trust)
    except (HostError, ImportError, ValueError) as error:
        return TrustAnswer("failed", f"{error}")
    return TrustAnswer("kept", "")


def main() -> int:
    """Judge what stands on stdin."""
    data = sys.stdin.buffer.read(REQUEST_BYTES_MAX + 1)
    try:
        answer = judge(msgspec.msgpack.decode(data, type=TrustRequest))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        answer = TrustAnswer("failed", f"{type(error).__name__}: {error}")
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
