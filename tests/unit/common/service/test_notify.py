"""Words to the service manager: what they are, and that they are never in the way."""

import errno
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.common.service.notify import Notifier, watchdog_s


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(path)
        made.settimeout(5.0)
        yield made


def said(manager: socket.socket) -> str:
    return manager.recv(4096).decode()


def test_without_a_descriptor_to_spare_the_manager_is_not_told_and_nothing_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    notifier = Notifier()
    monkeypatch.setattr(socket, "socket", refuse)
    notifier.alive()  # in the watchdog's thread: what it raised would end the watch


def test_a_reload_begins_with_its_time_and_ends_with_ready(manager: socket.socket) -> None:
    notifier = Notifier()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading("reads\nagain")
    notifier.ready("serves")
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    found = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)\nSTATUS=reads again", said(manager))
    assert found is not None
    assert before <= int(found[1]) <= after
    assert said(manager) == "READY=1\nSTATUS=serves"


def test_a_start_that_goes_on_asks_for_time_once_a_second(manager: socket.socket) -> None:
    notifier = Notifier()
    for _ in range(10_000):  # a migration speaks each ten milliseconds
        notifier.busy("schema 1 to 2")
    notifier.status("next")

    assert said(manager) == "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=schema 1 to 2"
    assert said(manager) == "STATUS=next"


def test_nobody_asks_for_time_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not Notifier().is_there
    Notifier().busy("x")


def test_the_watchdogs_time_is_only_for_the_process_that_it_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    assert watchdog_s() == 60.0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_s() == 60.0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getppid()))
    assert watchdog_s() is None
    for text in ("", "0", "soon", "-5"):
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        monkeypatch.setenv("WATCHDOG_USEC", text)
        assert watchdog_s() is None
