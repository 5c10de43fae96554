"""Children that answer once: bounded in time and size, and never left behind."""

import contextlib
import os
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from limpet.common.clock import Moment, SystemClock
from limpet.common.errors import HostError
from limpet.minion.process.child_process import DYING_MAX, Answer, ShortChild

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


@pytest.mark.covers("A15")
def test_a_child_that_even_a_kill_does_not_end_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A dead disk keeps a process in the kernel: here nothing is killed at all."""
    real = os.killpg
    monkeypatch.setattr(os, "killpg", lambda _group, _number: None)
    monkeypatch.setattr("limpet.minion.process.child_process.DYING_S", 0.01)
    hanging = []
    for _ in range(DYING_MAX):
        started = child("import time; time.sleep(1000)", limit_s=0.0)
        hanging.append(started._pid)
        assert answer_of(started).problem.startswith("timeout")
    with pytest.raises(HostError, match="hang in the kernel"):
        child("pass")
    for pid in hanging:
        real(pid, signal.SIGKILL)
    end = time.monotonic() + 30
    while time.monotonic() < end and any(Path(f"/proc/{pid}").exists() for pid in hanging):
        time.sleep(0.01)
        with contextlib.suppress(HostError):
            assert answer_of(child("pass")) == Answer(b"", "")
    assert not any(Path(f"/proc/{pid}").exists() for pid in hanging), "they were reaped"


def test_what_a_child_started_ends_with_it() -> None:
    program = (
        "import os, subprocess, time\n"
        "below = subprocess.Popen(['sleep', '1000'])\n"
        "os.write(1, str(below.pid).encode())\n"
        "time.sleep(1000)"
    )
    started = child(program, limit_s=20.0)
    data = b""
    while not data:
        select.select([started.fileno()], [], [], 1.0)
        assert started.collect(CLOCK.now()) is None
        data = bytes(started._data)
    started.close()
    end = time.monotonic() + 30
    while _is_alive(int(data)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not _is_alive(int(data))


def _is_alive(pid: int) -> bool:
    """Say whether it runs; who reaps it is not this process's business."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


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
