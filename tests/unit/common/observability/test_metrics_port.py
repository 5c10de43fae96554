"""Metrics move with the configuration; a port that is taken is a problem, and no more than that."""

import os
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limpet.common.observability.logs import Log
from limpet.common.observability.metrics_port import MetricsPort
from support.master.fleet import free_port_pair

PAGE = b"# HELP a b\n# TYPE a gauge\na 1\n"


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def port(log_path: Path) -> Iterator[MetricsPort]:
    fd = os.open(log_path, os.O_RDWR | os.O_CREAT)
    made = MetricsPort(Log(fd=fd, has_priorities=True))
    yield made
    made.close()
    os.close(fd)


def wait(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def page_at(number: int) -> bytes:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{number}/metrics", timeout=5) as answer:
            return bytes(answer.read())
    except OSError:
        return b""


def test_it_is_open_where_the_configuration_says_and_nowhere_else(port: MetricsPort) -> None:
    first, second = free_port_pair()
    assert not port.is_wanted
    port.publish(PAGE)  # to nobody
    port.configure(("127.0.0.1", first))
    assert port.is_wanted
    port.publish(PAGE)
    wait(lambda: page_at(first) == PAGE)
    port.configure(("127.0.0.1", first))  # as before: the page is still there
    assert page_at(first) == PAGE
    port.configure(("127.0.0.1", second))
    port.publish(PAGE)
    wait(lambda: page_at(second) == PAGE)
    assert page_at(first) == b""
    port.configure(None)
    assert not port.is_wanted
    assert page_at(second) == b""


def test_a_port_that_is_taken_is_a_problem_until_it_is_served_elsewhere(
    port: MetricsPort, log_path: Path
) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        port.configure(("127.0.0.1", taken))
        wait(lambda: port.problem != "")
        assert port.problem == (
            f"metrics can't be served at 127.0.0.1:{taken}: Address already in use"
        )
        port.configure(None)
    assert port.problem == ""
    assert f"<4>metrics can't be served at 127.0.0.1:{taken}" in log_path.read_text()
