"""The enrolment process as a service of its own: it finds its master, time and again."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limpet.common.clock import SystemClock
from limpet.common.errors import HostError
from limpet.common.transport.sockets import Context
from limpet.master.enrolment.io import supervisor as link_module
from limpet.master.enrolment.io.launchers import SOCKET_NAME, Service
from limpet.master.enrolment.io.service import connect
from support.fakes.hand_minion import HandMinion
from support.master.enrolment_line import EnrolmentMaster, Visit
from support.master.fleet import Fleet, Node, free_port_pair, wait_until

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")


class Manager:
    """What systemd hears of the service."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def hears(self, text: str) -> bool:
        """Say whether it has been told that, ever."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard.append(self._socket.recv(4096).decode())
        return any(text in each for each in self.heard)

    def close(self) -> None:
        self._socket.close()


class Bench:
    """A master that listens on a Unix socket, and `limpet enrol` beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        run = folder / "run"
        run.mkdir(mode=0o750)
        self.path = run / SOCKET_NAME
        self.port = free_port_pair()[0]
        self.manager = Manager(folder / "notify")
        self.process: subprocess.Popen[bytes] | None = None
        self.context = Context()
        self.master = self.new_master()

    def new_master(self, silent_s_max: float = 30.0) -> EnrolmentMaster:
        return EnrolmentMaster(
            self.folder / "root",
            lines=Service(self.path),
            port=self.port,
            silent_s_max=silent_s_max,
        )

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-m", "limpet", "--root", str(self.folder), "enrol"],
                env={**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify")},
                stderr=log,
            )
        return self.process

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10.0)

    def is_enrolling(self) -> bool:
        """Let a new minion ask, and say whether it was answered."""
        visit = Visit(self.master, HandMinion(self.context, self.folder / "root"))
        visit.ask()
        answer = visit.answer()
        visit.dealer.close()
        return answer is not None

    def close(self) -> None:
        self.kill()
        self.master.link.close()
        self.manager.close()
        assert self.context.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_it_waits_for_its_master_serves_it_and_ends_when_told(bench: Bench) -> None:
    process = bench.start()
    wait_until("it is ready", lambda: bench.manager.hears("READY=1"), 20.0)
    assert re.search(r"STATUS=looks for the master at \S+/run/enrol\.sock", bench.manager.heard[0])
    bench.master.turn_until(lambda: bench.master.link.is_open)
    assert bench.master.link.port == bench.port
    assert bench.is_enrolling()
    wait_until("it says so", lambda: bench.manager.hears(f"may ask on port {bench.port}"), 5.0)
    bench.master.turn_until(lambda: bench.manager.hears("WATCHDOG=1"))
    process.terminate()
    assert process.wait(5.0) == 0
    assert bench.manager.hears("STOPPING=1")


def test_a_master_of_another_release_ends_it_so_that_it_is_started_anew(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o750)
    manager = Manager(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX) as master:
        master.bind(str(tmp_path / "run" / SOCKET_NAME))
        master.listen()
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "limpet", "--root", str(tmp_path), "enrol"],
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
            stderr=subprocess.PIPE,
        )
        line, _ = master.accept()
        line.sendall(b"\0\0\0\x03\xc0\xc0\xc0")
        _, said = process.communicate(timeout=20.0)
        line.close()
    assert process.returncode == 1
    assert "another release" in said.decode()
    assert manager.hears("STATUS=the master can't be understood")
    manager.close()


def test_without_a_master_it_ends_when_told_as_well(bench: Bench) -> None:
    process = bench.start()
    wait_until("it waits", lambda: bench.manager.hears("STATUS=waits for the master"), 20.0)
    assert process.poll() is None
    process.terminate()
    assert process.wait(5.0) == 0


@pytest.mark.covers("C4")
def test_a_service_that_was_killed_is_taken_back_on_the_same_port(bench: Bench) -> None:
    bench.start()
    bench.master.turn_until(lambda: bench.master.link.is_open)
    bench.kill()
    bench.master.turn_until(lambda: not bench.master.link.is_open)
    assert "not connected any more" in bench.master.link.problem
    bench.start()
    took_s = bench.master.turn_until(lambda: bench.master.link.is_open)
    assert took_s < 10.0
    assert (bench.master.link.port, bench.master.link.problem) == (bench.port, "")
    assert bench.is_enrolling()


@pytest.mark.covers("C4", "A9")
def test_a_master_that_went_away_finds_the_same_process_again(bench: Bench) -> None:
    process = bench.start()
    bench.master.turn_until(lambda: bench.master.link.is_open)
    bench.master.link.close()
    time.sleep(1.5)
    assert process.poll() is None
    bench.master = bench.new_master()
    took_s = bench.master.turn_until(lambda: bench.master.link.is_open)
    assert took_s < 10.0
    assert bench.is_enrolling()
    assert process.poll() is None


@pytest.mark.covers("C4", "C5")
def test_a_service_that_stands_still_loses_its_line_and_may_come_back(bench: Bench) -> None:
    bench.master = bench.new_master(silent_s_max=3.0)
    process = bench.start()
    bench.master.turn_until(lambda: bench.master.link.is_open)
    process.send_signal(signal.SIGSTOP)
    bench.master.turn_until(lambda: not bench.master.link.is_open)
    assert "not connected any more" in bench.master.link.problem
    process.send_signal(signal.SIGCONT)
    bench.master.turn_until(lambda: bench.master.link.is_open)
    assert bench.is_enrolling()


def test_a_second_service_waits_until_the_first_has_gone(bench: Bench) -> None:
    first = bench.start()
    bench.master.turn_until(lambda: bench.master.link.is_open)
    second = bench.start()
    try:
        bench.master.turn_for(1.5)
        assert second.poll() is None
        assert bench.master.link.starts == 1
        first.kill()
        first.wait(10.0)
        bench.master.turn_until(lambda: bench.master.link.starts == 2 and bench.master.link.is_open)
    finally:
        first.kill()
        first.wait(10.0)


def test_what_can_be_polled_is_the_line_or_the_door_to_it(bench: Bench) -> None:
    link = bench.master.link
    link.collect(SystemClock().now())
    greeter = link.pollable
    assert greeter is not None
    assert link.line is None
    assert not greeter.wants_write
    assert link.next_deadline > SystemClock().now().boot
    bench.start()
    bench.master.turn_until(lambda: link.is_open)
    assert link.pollable is link.line is not None


def test_that_nobody_connects_is_told_after_a_while(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "ABSENT_S_MAX", 0.5)
    bench.master.turn_for(0.3)
    assert bench.master.link.problem == ""
    bench.master.turn_until(lambda: bool(bench.master.link.problem))
    assert "systemctl status limpet-enrol.service" in bench.master.link.problem
    bench.start()
    bench.master.turn_until(lambda: bench.master.link.is_open)
    assert bench.master.link.problem == ""


def test_a_port_that_is_held_does_not_end_a_master_that_is_a_service(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", bench.port)):
        bench.start()
        bench.master.turn_until(lambda: str(bench.port) in bench.master.link.problem)
        late = SystemClock().now()
        bench.master.link.raise_if_never_open(
            type(late)(type(late.boot)(late.boot + 1e6), late.wall)
        )
    bench.master.turn_until(lambda: bench.master.link.is_open)


def test_the_socket_is_for_its_user_and_group_alone(bench: Bench) -> None:
    bench.master.turn()
    assert bench.path.stat().st_mode & 0o777 == 0o660
    bench.master.link.close()
    assert not bench.path.exists()


AS_NOBODY = f"""
import os, socket, sys, time
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
"""
CONNECTING = """
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
line.settimeout(10)
print("closed" if line.recv(1) == b"" else "served")
"""
LISTENING = """
line = socket.socket(socket.AF_UNIX)
line.bind(sys.argv[1])
line.listen()
print("listens", flush=True)
time.sleep(60)
"""


@pytest.fixture
def open_place() -> Iterator[Path]:
    """Give a directory that every user may pass through."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@needs_root
def test_a_user_who_is_not_the_services_gets_no_line(tmp_path: Path, open_place: Path) -> None:
    path = open_place / SOCKET_NAME
    master = EnrolmentMaster(tmp_path / "root", lines=Service(path, user="root"))
    master.turn()
    path.chmod(0o666)
    with subprocess.Popen(
        [sys.executable, "-c", AS_NOBODY + CONNECTING, str(path)], stdout=subprocess.PIPE, text=True
    ) as somebody:
        master.turn_until(lambda: somebody.poll() is not None)
        assert somebody.communicate()[0] == "closed\n"
    assert f"the user {NOBODY} connected" in master.link.problem
    assert master.link.starts == 0
    master.link.close()


@needs_root
def test_a_listener_who_does_not_own_the_place_is_given_nothing(open_place: Path) -> None:
    path = open_place / SOCKET_NAME
    os.chown(open_place, NOBODY, NOBODY)
    with subprocess.Popen(
        [sys.executable, "-c", AS_NOBODY + LISTENING, str(path)], stdout=subprocess.PIPE, text=True
    ) as somebody:
        assert somebody.stdout is not None
        assert somebody.stdout.readline() == "listens\n"
        connect(path).close()  # the owner of the place is the master
        os.chown(open_place, 0, 0)
        with pytest.raises(HostError, match=r"served by the user \S+, but its directory belongs"):
            connect(path)
        somebody.kill()


def test_a_place_that_others_may_write_to_is_not_trusted(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    with pytest.raises(HostError, match="may be written by others"):
        connect(tmp_path / SOCKET_NAME)


@pytest.mark.covers("C4", "A9")
def test_new_minions_are_enrolled_whichever_side_was_killed(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    with Fleet(tmp_path) as fleet:
        fleet.master.environment["LIMPET_ENROL"] = "service"
        fleet.start_master()
        enrol = Node(fleet, "enrol", [])
        enrol.program = [fleet.master.program[0], "--root", str(fleet.master.root), "enrol"]
        try:
            enrol.start()
            fleet.add_minion("web1")
            fleet.wait_ready(1)

            enrol.kill()
            enrol.start()
            fleet.add_minion("web2")
            took_s = [fleet.wait_ready(2, 15.0)]

            fleet.master.kill()
            fleet.start_master()
            fleet.add_minion("web3")
            took_s.append(fleet.wait_ready(3, 25.0))
            assert enrol.is_running
            assert not fleet.limpet_json("status")["problems"]
            assert enrol.stop() == 0
        finally:
            if enrol.is_running:
                enrol.kill()
        tell(f"a new minion after a kill of: enrolment {took_s[0]:.1f} s, master {took_s[1]:.1f} s")
