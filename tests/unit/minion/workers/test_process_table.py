"""Reading /proc and signalling: the right process, or none."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.minion.workers import process_table


@pytest.fixture(name="sleeper")
def _sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        end = time.monotonic() + 10
        while (found := process_table.look(process.pid)) is None or found.state != "S":
            assert time.monotonic() < end, "it is still on its way to sleep"
            time.sleep(0.005)  # its state changes while it starts
        yield process
        process.kill()


def test_a_process_is_seen_as_it_is(sleeper: "subprocess.Popen[bytes]") -> None:
    found = process_table.look(sleeper.pid)

    assert found is not None
    assert (found.pid, found.parent, found.session) == (sleeper.pid, os.getpid(), os.getsid(0))
    assert found.start == process_table.start_time(sleeper.pid) > 0
    assert found in process_table.descendants(os.getpid())
    assert found in list(process_table.below(os.getpid()))
    assert process_table.name_of(found.pid) == "sleep"
    assert process_table.name_of(0) == ""


def test_a_name_full_of_brackets_and_blanks_is_no_trouble() -> None:
    program = "import time; open('/proc/self/comm','w').write(') Z 1 (('); time.sleep(100)"
    with subprocess.Popen(["python3", "-c", program]) as process:
        try:
            end = time.monotonic() + 10
            while ") Z" not in Path(f"/proc/{process.pid}/comm").read_text():
                assert time.monotonic() < end
                time.sleep(0.01)
            found = process_table.look(process.pid)
            assert found is not None
            assert (found.parent, found.is_dead) == (os.getpid(), False)
        finally:
            process.kill()


def test_a_signal_goes_only_to_the_process_that_was_meant(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    found = process_table.look(sleeper.pid)
    assert found is not None
    other = found._replace(start=found.start + 1)  # the same pid, used again
    process_table.send(other, signal.SIGKILL)
    time.sleep(0.05)
    assert sleeper.poll() is None
    process_table.send(found, signal.SIGKILL)

    assert sleeper.wait(10) == -signal.SIGKILL
    process_table.send(found, signal.SIGKILL)


def test_nothing_is_seen_where_no_process_is() -> None:
    assert process_table.look(2**22 + 1) is None
    assert process_table.start_time(2**22 + 1) == 0
    assert process_table.descendants(2**22 + 1) == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exited with 0"),
        (3 << 8, "exited with 3"),
        (11, "was ended by signal 11 (SIGSEGV)"),
        (50, "was ended by signal 50"),
    ],
)
def test_a_wait_status_is_put_into_words(status: int, words: str) -> None:
    assert process_table.say(status) == words
