"""The command as a process: signals, pipes, terminals, environments, its start."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from limpet.common.control.requests import RunJob
from support.fakes.master import JID, FakeMaster, Hang, Pause, ended, result, stored, update

COMMAND = [sys.executable, "-m", "limpet"]
PING = [*COMMAND, "run", "*", "test.ping"]


def environment(root: Path | None, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    if root is not None:
        kept["LIMPET_ROOT"] = str(root)
    return {**kept, **more}


def start(
    root: Path, words: list[str], *, stderr: int = subprocess.PIPE, stdout: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words,
        env=environment(root, TERM="xterm"),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
    )


def wait_for(master: FakeMaster, requests: int) -> None:
    deadline = time.monotonic() + 20
    while len(master.requests) < requests:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_root_may_stand_before_or_after_the_command_or_in_the_environment(
    master: FakeMaster,
) -> None:
    master.on(RunJob, stored(result("web1"), is_ended=True), ended())
    root = str(master.root)
    for words, place in (
        (["--root", root, "run", "*", "test.ping"], None),
        (["run", "--root", root, "*", "test.ping"], None),
        (["run", "*", "test.ping", "--root", root], None),
        (["run", "*", "test.ping"], master.root),
        (["run", "*", "test.ping", "--root", root], Path("/nonexistent")),
    ):
        ran = subprocess.run(
            [*COMMAND, *words], env=environment(place), capture_output=True, text=True, timeout=30
        )
        assert (ran.returncode, ran.stdout) == (0, "web1:\n    True\n")


@pytest.mark.covers("F7")
def test_ctrl_c_tells_how_to_see_the_rest_and_how_to_cancel(master: FakeMaster) -> None:
    master.on(RunJob, stored(result("web1"), result("web2", "running")), Hang())
    with start(master.root, [*PING, "--root", str(master.root)]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "web1:\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert f"interrupted; job {JID} goes on (1 of 2 have answered)" in err
    assert f"limpet --root {master.root} jobs wait {JID}" in err
    assert f"limpet --root {master.root} jobs cancel {JID}" in err
    assert "Traceback" not in err


def test_ctrl_c_before_the_job_is_stored_says_that_it_may_be(master: FakeMaster) -> None:
    master.on(RunJob, Hang())
    with start(master.root, PING) as process:
        wait_for(master, 1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "limpet jobs list" in err
    assert "Traceback" not in err


@pytest.mark.covers("B-73")
def test_a_reader_that_goes_away_is_no_error_to_talk_about(master: FakeMaster) -> None:
    master.on(RunJob, stored(result("web1", "running")), Pause(), update(result("web1")), ended())
    with start(master.root, PING) as process:
        assert process.stdout is not None
        wait_for(master, 1)
        process.stdout.close()
        master.go()
        assert process.stderr is not None
        err = process.stderr.read()

    assert process.wait(20) == 141
    assert err == ""


@pytest.mark.covers("B-73")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_the_exit_code_of_nothing(master: FakeMaster, closed: str) -> None:
    master.on(RunJob, stored(result("web1", "failed"), is_ended=True), ended())
    script = f'exec "$0" -m limpet run "*" test.ping {closed}'

    ran = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable],
        env=environment(master.root),
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr


@pytest.mark.covers("B-73")
def test_a_full_disk_behind_the_output_is_one_line(master: FakeMaster) -> None:
    master.on(RunJob, stored(result("web1"), is_ended=True), ended())
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            PING,
            env=environment(master.root),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
        )

    assert (ran.returncode, ran.stderr) == (1, "limpet: No space left on device\n")


@pytest.mark.covers("B-73")
@pytest.mark.parametrize(
    "more",
    [
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "no_SUCH.locale", "HOME": "/nonexistent"},
        {"LIMPET_FORMAT": "xml", "LIMPET_TIMEOUT": "x", "TERM": "", "COLUMNS": "-1"},
    ],
)
def test_odd_environments_work(master: FakeMaster, more: dict[str, str]) -> None:
    master.on(RunJob, stored(result("web1", value="ä…\x1b"), is_ended=True), ended())

    ran = subprocess.run(
        PING, env=environment(master.root, **more), capture_output=True, timeout=30
    )

    assert ran.returncode == 0
    assert ran.stdout.startswith(b"web1:\n    ")
    assert ran.stdout.endswith(rb"\x1b" + b"\n")


@pytest.mark.covers("B-73")
def test_an_argument_that_is_no_text_is_one_line(master: FakeMaster) -> None:
    ran = subprocess.run(
        [*COMMAND, "run", b"web\xff", "test.ping"],
        env=environment(master.root),
        capture_output=True,
        timeout=30,
    )

    assert ran.returncode == 2
    assert ran.stderr.count(b"\n") == 1
    assert master.requests == []


def test_no_master_is_exit_code_5_within_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    ran = subprocess.run(
        PING, env=environment(tmp_path), capture_output=True, text=True, timeout=60
    )

    assert ran.returncode == 5
    assert ran.stderr.startswith("limpet: ")
    assert "is the master running" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert time.monotonic() - began < 25  # 4 s on an idle machine


def test_on_a_terminal_a_live_line_tells_who_is_running_and_goes(master: FakeMaster) -> None:
    running = (result("web1", "running"), result("web2", "queued"))
    master.on(
        RunJob, stored(*running), Pause(), *map(update, (result("web1"), result("web2"))), ended()
    )
    terminal, side = pty.openpty()
    with start(master.root, PING, stdout=side, stderr=side) as process:
        os.close(side)
        seen = read_until(terminal, b"answered")
        master.go()
        seen += read_until(terminal, None)
        assert process.wait(20) == 0
    os.close(terminal)

    assert b"0 of 2 answered" in seen
    assert b": web1" in seen
    assert b"queued: web2" in seen
    assert seen.count(b"\x1b[36mweb1:\x1b[0m\r\n    \x1b[33mTrue\x1b[0m\r\n") == 1
    assert seen.index(b"\r\x1b[K\x1b[36mweb1") > seen.index(b"answered")


def read_until(terminal: int, wanted: bytes | None) -> bytes:
    seen = b""
    deadline = time.monotonic() + 20
    while wanted is None or wanted not in seen:
        assert time.monotonic() < deadline
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        seen += data
    return seen


def test_in_a_pipe_answers_come_one_by_one_without_colour(master: FakeMaster) -> None:
    master.on(
        RunJob,
        stored(result("web1", "running"), result("web2", "running")),
        update(result("web1")),
        Pause(),
        update(result("web2")),
        ended(),
    )
    with start(master.root, PING) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "web1:\n"
        assert process.stdout.readline() == "    True\n"
        master.go()
        rest, err = process.communicate(timeout=20)

    assert (process.returncode, rest, err) == (0, "web2:\n    True\n", "")


def test_a_ping_imports_nothing_that_it_does_not_need(master: FakeMaster) -> None:
    master.on(RunJob, stored(result("web1"), is_ended=True), ended())
    code = (
        "import sys, json; from limpet.__main__ import run; run(['run', '*', 'test.ping']);"
        "print(json.dumps(sorted(sys.modules)))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(master.root),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    loaded = set(json.loads(ran.stdout.splitlines()[-1]))
    for heavy in ("yaml", "rich", "zmq", "asyncio", "cryptography", "jinja2", "psutil", "logging"):
        assert heavy not in loaded


def test_the_shell_is_told_what_could_follow(tmp_path: Path) -> None:
    for words, expected in (("limpet jo", "plain,jobs"), ("limpet jobs wa", "plain,wait")):
        ran = subprocess.run(
            COMMAND,
            env=environment(
                tmp_path,
                _LIMPET_COMPLETE="bash_complete",
                COMP_WORDS=words,
                COMP_CWORD=str(words.count(" ")),
            ),
            capture_output=True,
            text=True,
            timeout=30,
        )

        assert ran.stdout.split() == [expected]
