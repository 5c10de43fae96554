"""Children that answer once: bounded in time and size, and never left behind."""

import os
import select
import sys
import time
from pathlib import Path

import pytest

from limpet.common.clock import Moment, SystemClock
from limpet.common.errors import HostError
from limpet.minion.child import Answer, ShortChild

CLOCK = SystemClock()


def child(
    program: str, *, limit_s: float = 20.0, bytes_max: int = 100, stdin: bytes = b""
) -> ShortChild:
    """Start a child that runs a line of Python."""
    return ShortChild(
        CLOCK.now(),
        [sys.executable, "-I", "-S", "-c", program],
        name="the child",
        limit_s=limit_s,
        bytes_max=bytes_max,
        stdin=stdin,
    )


def answer_of(started: ShortChild) -> Answer:
    """Wait for the answer as the loop does."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        now = CLOCK.now()
        pause_s = min(max(0.0, started.deadline - now.boot), 1.0)
        select.select([started.fileno()], [], [], pause_s)
        answer = started.collect(CLOCK.now())
        if answer is not None:
            return answer
    raise AssertionError("no answer")


def test_a_child_gets_its_question_and_gives_its_answer() -> None:
    started = child("import sys; print(sys.stdin.read().upper(), end='')", stdin=b"abc")
    assert answer_of(started) == Answer(b"ABC", "")


def test_a_child_that_fails_is_named_with_its_code() -> None:
    assert answer_of(child("raise SystemExit(3)")) == Answer(b"", "the child ended with code 3")


def test_a_child_that_says_too_much_is_ended() -> None:
    started = child("import os\nwhile True: os.write(1, b'x' * 1000)")
    pid = started._pid
    answer = answer_of(started)
    assert answer == Answer(b"", "the child gave more than 100 bytes")
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.covers("A15")
def test_a_child_that_hangs_is_ended_at_its_limit() -> None:
    started = child("import time; time.sleep(1000)", limit_s=0.2)
    pid = started._pid
    answer = answer_of(started)
    assert answer.problem == "timeout: the child took more than 0.2 s"
    assert not Path(f"/proc/{pid}").exists()


def test_a_child_that_closes_its_output_and_lives_on_is_ended_at_its_limit() -> None:
    started = child("import os, time; os.close(1); time.sleep(1000)", limit_s=0.5)
    assert answer_of(started).problem.startswith("timeout")


def test_a_program_that_is_not_there_is_a_host_error() -> None:
    with pytest.raises(HostError, match="the child can't be started"):
        ShortChild(
            Moment(CLOCK.now().boot, 0.0), ["/no/such"], name="the child", limit_s=1, bytes_max=1
        )


def test_nothing_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    answer_of(child("pass"))
    stopped = child("import time; time.sleep(1000)")
    stopped.close()
    stopped.close()
    assert len(os.listdir("/proc/self/fd")) == before
