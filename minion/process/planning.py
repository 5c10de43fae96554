"""`python -I -m limpet.minion.process.planning`: makes the plan of a running minion, for SIGHUP.

A process of its own, because reading configuration needs libraries that the link does without.
The question comes on stdin, the answer goes to stdout, both as MessagePack; then it ends. Nothing
that the running minion stands on is made here: where its key is gone, that is a fault.
"""

import os
import sys
from contextlib import suppress
from typing import Any, Final

import msgspec

from limpet.common.errors import LimpetError
from limpet.minion.process.plan import PLAN_BYTES_MAX, Plan

LIMIT_S: Final = 30.0
ANSWER_BYTES_MAX: Final = PLAN_BYTES_MAX + 4096
PROBLEM_CHARACTERS_MAX: Final = 2000


class Asked(msgspec.Struct, frozen=True):
    """What the minion was started with."""

    root: str | None
    options: dict[str, Any]


class Planned(msgspec.Struct, frozen=True):
    """The plan, or what is wrong with the configuration."""

    plan: Plan | None = None
    problem: str = ""


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Planned)


def command() -> list[str]:
    """Give the command line of the child."""
    return [sys.executable, "-I", "-m", "limpet.minion.process.planning"]


def question_of(plan: Plan) -> bytes:
    """Give what the child is asked on stdin."""
    return _encoder.encode(Asked(plan.root, plan.options))


def read_answer(data: bytes, problem: str) -> Planned:
    """Take the child's answer apart."""
    if problem:
        return Planned(None, problem)
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Planned(None, f"what makes the plan gave no sensible answer: {error}")


def main() -> None:
    """Answer the question on stdin."""
    from limpet.minion.process.startup import make_plan

    asked = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Asked)
    try:
        planned = Planned(make_plan(asked.root, asked.options, is_running=True))
    except LimpetError as error:
        planned = Planned(None, str(error)[:PROBLEM_CHARACTERS_MAX])
    with suppress(BrokenPipeError):  # the minion has gone: nobody wants it
        sys.stdout.buffer.write(_encoder.encode(planned))
        sys.stdout.buffer.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
