"""A hung loop ends, a loop that turns or stands still with its process does not."""

import signal
import subprocess
import sys
import textwrap
import time

import pytest

from limpet.common.service.watchdog import HANG_EXIT_CODE, Patience, Watchdog, turn_s_max

_HEAD = """
import os, re, signal, sys, time
from limpet.common.service.watchdog import Watchdog, exec_process, exit_process

def turn_for(watchdog, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        watchdog.turned()
        time.sleep(0.01)
"""


def run(body: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", _HEAD + textwrap.dedent(body)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.covers("C5")
def test_a_loop_that_hangs_is_ended_with_all_stacks_in_the_log() -> None:
    ended = run("""
        def stuck_on_a_mount():
            time.sleep(40)

        watchdog = Watchdog(limit_s=0.5, on_hang=exit_process()).start()
        turn_for(watchdog, 1.0)
        print("turned", flush=True)
        stuck_on_a_mount()
    """)
    assert ended.returncode == HANG_EXIT_CODE
    assert ended.stdout == "turned\n"
    assert "the loop has not turned for" in ended.stderr
    assert "in stuck_on_a_mount" in ended.stderr
    assert "in _watch" in ended.stderr


def test_a_loop_that_hangs_can_be_started_afresh_under_the_same_pid() -> None:
    ended = run("""
        burn = "import os, time\\nend = time.process_time() + 1\\n"
        burn += "while time.process_time() < end: pass"
        again = [sys.executable, "-c", burn + "\\nprint('fresh', os.getpid())"]
        print("old", os.getpid(), flush=True)
        with Watchdog(limit_s=0.5, on_hang=exec_process(again)):
            time.sleep(40)
    """)
    assert ended.returncode == 0, ended.stderr
    old, fresh = ended.stdout.splitlines()
    assert old.split()[1] == fresh.split()[1]


def test_code_that_keeps_the_interpreter_lock_is_ended_too() -> None:
    ended = run("""
        def stuck_in_a_regular_expression():
            re.match(r"(a+)+$", "a" * 60 + "b")

        with Watchdog(limit_s=0.5, on_hang=exit_process()):
            stuck_in_a_regular_expression()
    """)
    assert ended.returncode == -signal.SIGPROF
    assert "in stuck_in_a_regular_expression" in ended.stderr


def test_systemd_is_fed_twice_in_its_time_by_a_loop_that_turns_and_by_no_other() -> None:
    fed: list[float] = []
    watchdog = Watchdog(
        limit_s=30.0,
        on_hang=lambda: None,
        on_alive=lambda: fed.append(time.monotonic()),
        fed_within_s=1.2,
    )
    with watchdog:
        began = time.monotonic()
        while time.monotonic() - began < 2.5:
            watchdog.turned()
            time.sleep(turn_s_max(5.0, 1.2))
        time.sleep(0.4)
        before = len(fed)
        time.sleep(1.0)  # the loop stands
        assert len(fed) == before
    gaps = [after - earlier for earlier, after in zip([began, *fed], fed, strict=False)]
    assert len(fed) >= 4
    assert max(gaps) < 1.0, gaps  # half of the time, and room for a busy machine


def test_a_loop_turns_as_it_likes_where_nobody_is_to_be_fed() -> None:
    assert turn_s_max(5.0, None) == 5.0
    assert turn_s_max(5.0, 60.0) == 5.0
    assert turn_s_max(5.0, 8.0) == 2.0


@pytest.mark.covers("B7")
def test_a_process_that_was_stopped_as_a_whole_is_not_taken_for_hung() -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _HEAD
            + textwrap.dedent("""
                with Watchdog(limit_s=1.0, on_hang=exit_process()) as watchdog:
                    print("up", flush=True)
                    turn_for(watchdog, 4.0)
                print("done", flush=True)
            """),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        process.send_signal(signal.SIGCONT)
        assert process.stdout.read() == "done\n"
    assert process.returncode == 0


@pytest.mark.covers("B7")
def test_only_time_that_the_watchdog_lived_through_counts() -> None:
    patience = Patience(30.0, now=0.0, turns=7)
    assert patience.look(3.0, turns=8)
    assert not patience.look(6.0, turns=8)
    assert not patience.look(6.0 + 86400, turns=8)  # suspended for a day
    assert patience.stood_s == 9.0
    for number in range(6):
        assert not patience.is_over
        assert not patience.look(86409.0 + 3.5 * number, turns=8)
    assert not patience.look(86430.0, turns=8)
    assert patience.is_over
    assert patience.look(86431.0, turns=9)
    assert not patience.is_over


def test_systemd_is_fed_only_while_the_loop_turns_and_closing_leaves_nothing_behind() -> None:
    ended = run("""
        fed = []
        watchdog = Watchdog(limit_s=0.5, on_hang=exit_process(), on_alive=lambda: fed.append(1))
        with watchdog:
            turn_for(watchdog, 0.4)
        assert fed
        watchdog.close()
        assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
        end = time.process_time() + 1
        while time.process_time() < end:
            pass
        print("alive")
    """)
    assert (ended.returncode, ended.stdout) == (0, "alive\n"), ended.stderr
