"""What systemd and Prometheus are shown without asking."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.common.clock import Instant, Moment
from limpet.common.control.replies import MasterStatus
from limpet.common.observability.logs import Level, Log
from limpet.common.observability.metrics_port import MetricsPort
from limpet.common.service.notify import Notifier
from limpet.master.observability.counters import EventCounters
from limpet.master.observability.status_report import SHOW_S, StatusReport


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(path)
        made.setblocking(False)
        yield made


def at(seconds: float) -> Moment:
    return Moment(Instant(seconds), 1_700_000_000.0 + seconds)


class World:
    """A master whose status a test sets."""

    def __init__(self) -> None:
        self.asked = 0
        self.ready = 3
        self.problems: tuple[str, ...] = ()
        self.showing = StatusReport(
            status=self.status,
            counters=EventCounters(),
            metrics=MetricsPort(Log(level=Level.QUIET)),
            notifier=Notifier(),
            port=4506,
        )

    def status(self, now: Moment) -> MasterStatus:
        self.asked += 1
        return MasterStatus("1", 0.0, "5eed", 1, 5, self.ready, {}, {}, self.problems)


def test_the_line_of_the_service_manager_follows_every_few_seconds(
    manager: socket.socket,
) -> None:
    world = World()
    world.showing.on_turn(at(0))
    assert manager.recv(1000) == b"STATUS=3 of 5 minions are ready, port 4506"
    world.ready = 4
    world.problems = ("the disk is full",)
    world.showing.on_turn(at(SHOW_S - 1))
    world.showing.on_turn(at(SHOW_S))
    assert manager.recv(1000) == b"STATUS=4 of 5 minions are ready, port 4506; the disk is full"
    world.showing.on_turn(at(2 * SHOW_S))  # nothing new: nothing is said
    with pytest.raises(BlockingIOError):
        manager.recv(1000)


def test_where_nobody_looks_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    world = World()
    for second in range(100):
        world.showing.on_turn(at(second))
    assert world.asked == 0
