"""Processes of their own for single states."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from limpet.states.runner.parallel import ParallelRuns


def done(value: object = None) -> dict[str, Any]:
    return {"result": True, "changes": {}, "comment": "", "value": value, "pid": os.getpid()}


def test_a_result_comes_from_another_process_whole() -> None:
    runs = ParallelRuns()
    big = "x" * 1_000_000

    runs.start("a", lambda: done(big))
    found = runs.wait(["a"])

    assert found["a"]["value"] == big
    assert found["a"]["pid"] != os.getpid()
    assert not runs.is_running("a")


def test_what_cannot_be_sent_is_sent_as_text() -> None:
    runs = ParallelRuns()

    runs.start("a", lambda: done(Path("/etc")))

    assert runs.wait(["a"])["a"]["value"] == "/etc"


def test_a_process_that_dies_is_a_failed_state() -> None:
    runs = ParallelRuns()

    def die() -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    runs.start("a", die)
    found = runs.wait(["a"])["a"]

    assert found["result"] is False
    assert found["comment"] == "Parallel process failed to return (it ended with -9)"


def test_no_more_run_at_once_than_are_allowed(tmp_path: Path) -> None:
    runs = ParallelRuns(at_most=1)

    def work() -> dict[str, Any]:
        here = tmp_path / "here"
        here.mkdir()  # fails if another one is in it
        time.sleep(0.05)
        here.rmdir()
        return done()

    for tag in "abc":
        runs.start(tag, work)
    assert sorted(runs.everything()) == ["a", "b", "c"]

    found = runs.wait("abc")

    assert all(each["result"] for each in found.values())
    assert runs.everything() == []


def test_what_still_runs_at_the_end_is_ended(tmp_path: Path) -> None:
    runs = ParallelRuns()
    mark = tmp_path / "pid"

    def work() -> dict[str, Any]:
        mark.write_text(str(os.getpid()))
        time.sleep(60)
        return done()

    runs.start("a", work)
    while not (mark.exists() and mark.read_text()):
        time.sleep(0.01)
    runs.close()

    assert runs.everything() == []
    assert not Path(f"/proc/{mark.read_text()}").exists()
