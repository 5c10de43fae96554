"""The processes of a swarm that do not do what they should."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from limpet.common.clock import SystemClock
from limpet.minion.swarm import processes as module
from limpet.minion.swarm.minions.behaviour import Behaviour
from limpet.minion.swarm.plan import Order
from limpet.minion.swarm.processes import Processes

ORDER = Order(
    host="192.0.2.1", port=4506, enrol_port=4505, server_key="aa" * 32, version="1",
    join_token_id="", join_secret=b"", joins_a_second=1.0, behaviour=Behaviour(), templates=(),
    members=[],
)  # fmt: skip


@contextmanager
def started(program: str, monkeypatch: pytest.MonkeyPatch, number: int = 1) -> Iterator[Processes]:
    monkeypatch.setattr(module, "command", lambda: [sys.executable, "-I", "-c", program])
    found = Processes([ORDER] * number, SystemClock())
    try:
        yield found
    finally:
        found.close()
        assert found.pids == []


def news_of(processes: Processes) -> str:
    for _ in range(200):
        news = processes.wait(0.1)
        if news:
            return "\n".join(news)
    raise AssertionError("nothing was told")


def test_one_that_ends_by_itself_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with started("raise SystemExit(3)", monkeypatch, 2) as processes:
        said = news_of(processes)
        while processes.running:
            said += "\n".join(processes.wait(0.1))
        assert said.count("ended with code 3") == 2
        assert processes.wait(0.0) == []
        assert len(processes.problems) == 2
        assert processes.figures().ready == 0


def test_one_that_talks_nonsense_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys, time; print('x' * 99, flush=True); time.sleep(60)"
    with started(program, monkeypatch) as processes:
        assert "makes no sense" in news_of(processes)
        assert processes.running == 0


def test_one_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENDING_S", 0.3)
    program = "import sys, time; sys.stdin.buffer.read(4); time.sleep(60)"
    with started(program, monkeypatch) as processes:
        processes.wait(0.1)
        assert "did not end within 0.3 s and was killed" in "\n".join(processes.end())
        assert processes.running == 0


def test_one_that_reads_no_order_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ORDER_S", 0.2)
    monkeypatch.setattr(module, "frame_of", lambda order: b"x" * (1 << 22))
    with started("import time; time.sleep(60)", monkeypatch) as processes:
        assert "did not read its order" in news_of(processes)


def test_one_that_is_told_to_end_before_it_had_its_order_is_no_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "frame_of", lambda order: b"\0\1\0\0" + b"x" * (1 << 22))
    with started("import sys; sys.stdin.buffer.read()", monkeypatch) as processes:
        assert processes.end() == []
        assert processes.problems == []
