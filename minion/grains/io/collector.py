"""`python -I -m limpet.minion.grains.io.collector [--root DIR] --id ID`: grains and digest.

Prints 64 hex digits, the SHA-256 of what follows, and the JSON of the grains; then ends. So neither
the collectors nor a cryptographic library is ever loaded by the link.
"""

import os
import sys
from contextlib import suppress
from typing import Final, NamedTuple

from limpet.common.errors import LimpetError
from limpet.common.messages.fields import GRAINS_BYTES_MAX

LIMIT_S: Final = 30.0
"""Each grain has a limit of its own; this one is for the whole child."""
DIGEST_CHARACTERS: Final = 64
ANSWER_BYTES_MAX: Final = DIGEST_CHARACTERS + GRAINS_BYTES_MAX


class CollectedGrains(NamedTuple):
    """The grains, or what went wrong."""

    body: bytes
    digest: str
    problem: str


def command(root: str | None, minion_id: str) -> list[str]:
    """Give the command line of the child."""
    place = [] if root is None else ["--root", root]
    return [
        sys.executable,
        "-I",
        "-m",
        "limpet.minion.grains.io.collector",
        *place,
        "--id",
        minion_id,
    ]


def read_answer(data: bytes, problem: str) -> CollectedGrains:
    """Take the child's answer apart."""
    digest = data[:DIGEST_CHARACTERS].decode("ascii", "replace")
    body = data[DIGEST_CHARACTERS:]
    if problem:
        return CollectedGrains(b"", "", problem)
    if not body:
        return CollectedGrains(b"", "", "the process that collects them gave no answer")
    return CollectedGrains(body, digest, "")


def main() -> None:
    """Collect and print. Ends by `os._exit`: a thread that hangs in the kernel must not hold it."""
    import argparse
    import hashlib

    from limpet.states.grains.collect import run

    parser = argparse.ArgumentParser(prog="limpet.minion.grains.io.collector")
    parser.add_argument("--root")
    parser.add_argument("--id", default="")
    options = parser.parse_args()
    try:
        body = run(options.root, options.id)
    except LimpetError as error:
        sys.stderr.write(f"limpet: grains: {error}\n")
        sys.stderr.flush()
        os._exit(int(error.exit_code))
    with suppress(BrokenPipeError):  # the link has gone: nobody wants them
        sys.stdout.buffer.write(hashlib.sha256(body).hexdigest().encode() + body)
        sys.stdout.buffer.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
