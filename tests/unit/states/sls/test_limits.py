"""Limits on rendering: time, memory, calls outside, sections in sections."""

import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from limpet.states.sls import limits
from limpet.states.sls.limits import LimitReached, Limits

SHORT = Limits(seconds=0.2)


def test_work_that_takes_too_long_is_an_error_with_its_path() -> None:
    told = r"a\.sls: rendering did not end within 0.2 s"
    with pytest.raises(LimitReached, match=told), limits.rendering("a.sls", SHORT):
        while True:
            pass


def test_what_swallows_the_interruption_is_interrupted_again() -> None:
    def swallow() -> None:
        try:
            while True:
                pass
        except limits.TimeIsUp:
            pass

    began = time.monotonic()
    with pytest.raises(LimitReached), limits.rendering("a.sls", SHORT):
        swallow()
        while True:
            pass
    assert time.monotonic() - began < 5


def test_too_much_memory_is_an_error_and_the_ceiling_is_gone_afterwards() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    small = Limits(seconds=20, memory_bytes=64 * 1024**2)
    with (
        pytest.raises(LimitReached, match="needs more than 64 MiB"),
        limits.rendering("a.sls", small),
    ):
        bytearray(1024**3)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_timer_and_handler_of_others_are_given_back() -> None:
    def handler(_number: int, _frame: object) -> None:
        """Stand for somebody else's."""

    old = signal.signal(signal.SIGALRM, handler)
    old_timer = signal.setitimer(signal.ITIMER_REAL, 100.0)
    try:
        with limits.rendering("a.sls", SHORT):
            assert signal.getsignal(signal.SIGALRM) is not handler
        assert signal.getsignal(signal.SIGALRM) is handler
        assert 90 < signal.getitimer(signal.ITIMER_REAL)[0] <= 100
    finally:
        signal.signal(signal.SIGALRM, old)
        signal.setitimer(signal.ITIMER_REAL, *old_timer)


def test_of_a_call_to_the_machine_only_the_first_second_counts() -> None:
    with limits.rendering("a.sls", Limits(seconds=1.5)):
        with limits.outside():
            assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
            time.sleep(2.0)
        assert resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def test_many_short_calls_count_in_full() -> None:
    with pytest.raises(LimitReached), limits.rendering("a.sls", SHORT):
        while True:
            with limits.outside():
                time.sleep(0.01)


def test_a_section_within_a_section_shares_its_time() -> None:
    with pytest.raises(LimitReached), limits.rendering("outer.sls", SHORT):
        while True:
            with limits.rendering("inner.sls", Limits(seconds=60)):
                time.sleep(0.01)


def test_after_one_endless_file_the_others_get_little() -> None:
    allowance = limits.Allowance(Limits(seconds=6))
    assert allowance.now.seconds == 6
    allowance.is_used_up = True
    assert allowance.now.seconds == limits.AFTERWARDS_S


def test_in_other_threads_nothing_is_limited() -> None:
    seen: list[float] = []

    def work() -> None:
        with limits.rendering("a.sls", Limits(seconds=0.05)):
            time.sleep(0.2)
        seen.append(1.0)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert seen == [1.0]


def test_the_breadcrumb_says_what_is_being_rendered() -> None:
    shared = limits.share_breadcrumb()
    assert limits.read_breadcrumb(shared) == ""
    with limits.rendering("/srv/a.sls", SHORT):
        assert limits.read_breadcrumb(shared) == "/srv/a.sls"
        with limits.rendering("/srv/b.sls", SHORT):
            assert limits.read_breadcrumb(shared) == "/srv/b.sls"
        assert limits.read_breadcrumb(shared) == "/srv/a.sls"
    assert limits.read_breadcrumb(shared) == ""


def ended(body: str, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    program = tmp_path / "stubborn.py"
    program.write_text(
        "import itertools\n"
        "from limpet.states.sls import limits\n"
        f"with limits.rendering('bad.sls', limits.Limits(seconds=0.2)):\n{body}"
    )
    return subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=50, check=False
    )


def test_python_that_never_gives_in_is_ended_with_a_line_that_names_it(tmp_path: Path) -> None:
    body = (
        "    def stubborn():\n        while True:\n            try:\n"
        "                while True: pass\n"
        "            finally:\n                continue\n    stubborn()\n"
    )
    done = ended(body, tmp_path)
    assert done.returncode == 1
    assert "bad.sls: rendering did not end within 0.2 s" in done.stderr


def test_c_that_lets_no_python_run_is_ended_by_the_kernels_clock(tmp_path: Path) -> None:
    done = ended("    max(itertools.product(range(9999), repeat=3))\n", tmp_path)
    assert done.returncode == -signal.SIGVTALRM
    assert "stubborn.py" in done.stderr
