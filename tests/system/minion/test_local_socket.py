"""The running minion's Unix socket: questions, runs, files, and clients that do not behave."""

import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from limpet.common.clock import SystemClock
from limpet.common.control.framing import frame
from limpet.common.errors import HostError
from limpet.common.service.socket_names import reachable
from limpet.minion.control.calls import call_minion
from limpet.minion.control.client import JobsOfMinion, LocalClient
from limpet.minion.control.messages import (
    AnyLocalRequest,
    AskLocalStatus,
    AskRunning,
    KillLocal,
    LocalDone,
    LocalEnded,
    LocalJob,
    LocalJobs,
    LocalKilled,
    LocalRefused,
    LocalStored,
    RefreshGrains,
    RunLocal,
)
from limpet.minion.control.server import CLIENTS_MAX, LocalGone, LocalRequest, LocalServer
from support.hosts.jobs_on_host import HostedJobs, value_of
from support.minion.journal_records import jid

CLOCK = SystemClock()
ARGUMENTS = msgspec.msgpack.encode([[1, "two"], {"three": 3}])


class Minion:
    """A made-up minion behind the real socket, in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self.server = LocalServer(path)
        self.requests: list[AnyLocalRequest] = []
        self.gone: list[int] = []
        self.body = b""
        self.killed: list[str] = []
        self.is_silent = False
        self._is_over = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._is_over = True
        self._thread.join(10)
        self.server.close()

    def _run(self) -> None:
        import select

        while not self._is_over:
            poll = select.poll()
            for descriptor in self.server.filenos():
                poll.register(descriptor, select.POLLIN)
            for descriptor in self.server.wants_write():
                poll.register(descriptor, select.POLLIN | select.POLLOUT)
            poll.poll(20)
            for event in self.server.collect(CLOCK.now()):
                if isinstance(event, LocalGone):
                    self.gone.append(event.client)
                else:
                    self._answer(event)

    def _answer(self, event: LocalRequest) -> None:
        self.requests.append(event.request)
        request = event.request
        if self.is_silent:
            return
        if isinstance(request, RunLocal):
            self.server.answer(event.client, LocalStored(jid(1)))
            self._end(event.client)
        elif isinstance(request, AskRunning):
            job = LocalJob(jid(1), "test.sleep", "root", 42, 1.0, ARGUMENTS)
            self.server.answer(event.client, LocalJobs((job,)))
        elif isinstance(request, KillLocal):
            self.killed.append(request.jid)
            self.server.answer(event.client, LocalKilled(request.jid, "cancelling"))
        elif isinstance(request, RefreshGrains):
            self.server.answer(event.client, LocalDone())
        else:
            self.server.answer(event.client, LocalRefused("failed", "not today"))

    def _end(self, client: int) -> None:
        is_small = len(self.body) <= 16 * 1024
        descriptor = None
        if not is_small:
            descriptor = os.memfd_create("body")
            os.write(descriptor, self.body)
        inline = self.body if is_small else b""
        ended = LocalEnded(jid(1), "ok", 0, "", inline, len(self.body), False, 1.0, 2.0)
        self.server.answer(client, ended, descriptor)


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "minion.sock"


@pytest.fixture(name="minion")
def _minion(path: Path) -> Iterator[Minion]:
    minion = Minion(path)
    yield minion
    minion.stop()


def wait_until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_only_its_own_user_may_use_the_socket_and_it_goes_with_the_minion(path: Path) -> None:
    server = LocalServer(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    server.close()
    assert not path.exists()


def test_jobs_ask_about_jobs(minion: Minion, path: Path) -> None:
    jobs = JobsOfMinion(path)
    (job,) = jobs.running()

    assert (job.jid, job.function, job.pid) == (jid(1), "test.sleep", 42)
    assert job.arguments == (1, "two", {"three": 3})
    assert jobs.kill(jid(1))
    assert not jobs.kill(jid(2))
    assert minion.killed == [jid(1)]
    jobs.refresh_grains()


@pytest.mark.parametrize("size", [1, 16 * 1024, 16 * 1024 + 1, 3_000_000])
def test_a_call_gets_its_value_whatever_its_size(minion: Minion, path: Path, size: int) -> None:
    value = "v" * (size - 5)
    minion.body = msgspec.msgpack.encode(value)

    ended = call_minion(path, "test.echo", ARGUMENTS, 0.0)

    assert (ended.jid, ended.outcome, ended.value) == (jid(1), "ok", value)


def test_a_job_sees_and_ends_other_jobs_of_its_minion(
    minion: Minion, path: Path, tmp_path: Path
) -> None:
    with HostedJobs(tmp_path, local_socket=str(path)) as jobs:
        running = value_of(jobs.run(2, "saltutil.running"), tmp_path, 2)
        jobs.run(3, "saltutil.kill_job", jid(1))

        assert [job["fun"] for job in running] == ["test.sleep"]
        assert minion.killed == [jid(1)]


def test_a_refusal_is_an_error_with_its_text(minion: Minion, path: Path) -> None:
    with LocalClient(path) as client:
        assert client.ask(AskLocalStatus()) == LocalRefused("failed", "not today")


def test_several_questions_go_over_one_connection(minion: Minion, path: Path) -> None:
    with LocalClient(path) as client:
        for _ in range(5):
            assert isinstance(client.ask(AskRunning()), LocalJobs)


@pytest.mark.covers("B-75")
def test_a_path_longer_than_the_kernel_takes_works(tmp_path: Path) -> None:
    path = tmp_path / ("d" * 120) / ("e" * 120) / "minion.sock"
    minion = Minion(path)
    try:
        assert len(JobsOfMinion(path).running()) == 1
    finally:
        minion.stop()
    assert not path.exists()


@pytest.mark.covers("B-75")
def test_a_socket_that_a_crash_left_behind_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    stale = socket.socket(socket.AF_UNIX)
    with reachable(path) as name:
        stale.bind(name)
    stale.close()
    with pytest.raises(HostError, match="Connection refused; is the minion running"):
        LocalClient(path)
    minion = Minion(path)
    try:
        assert len(JobsOfMinion(path).running()) == 1
    finally:
        minion.stop()


@pytest.mark.covers("D16")
def test_without_a_minion_the_caller_is_told_at_once_what_works_without_it(path: Path) -> None:
    with pytest.raises(HostError, match=r"No such file or directory.*limpet call --local"):
        JobsOfMinion(path).running()


@pytest.mark.covers("B-75")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_socket_of_somebody_else_is_not_spoken_to(tmp_path: Path) -> None:
    path = tmp_path / "minion.sock"
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(os.fspath(path))
            os.setresuid(65534, 65534, 65534)
            listener.listen()  # the kernel notes who listens, not who made the name
            os.write(write, b"!")
            listener.accept()
        finally:
            os._exit(0)
    os.close(write)
    try:
        assert os.read(read, 1) == b"!"
        with pytest.raises(HostError, match="belongs to uid 65534"):
            LocalClient(path)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(read)


def test_a_minion_that_does_not_answer_is_given_up(
    minion: Minion, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minion.is_silent = True
    with (
        LocalClient(path) as client,
        pytest.raises(HostError, match="did not answer: no answer in time"),
    ):
        client.ask(AskRunning(), wait_s=0.2)
    wait_until(lambda: minion.gone)


@pytest.mark.covers("B-74")
@pytest.mark.parametrize(
    "noise",
    [
        b"\0\0\0\0",
        b"\xff\xff\xff\xffrest",
        frame(b"\xc1", bytes_max=100),
        frame(msgspec.msgpack.encode(["no such request"]), bytes_max=100),
        frame(msgspec.msgpack.encode(["kill", "not a jid"]), bytes_max=100),
        2 * frame(msgspec.msgpack.encode(AskRunning()), bytes_max=100),
    ],
)
def test_nonsense_is_answered_with_a_refusal_and_harms_nobody(
    minion: Minion, path: Path, noise: bytes
) -> None:
    with socket.socket(socket.AF_UNIX) as hostile:
        hostile.settimeout(10)
        hostile.connect(os.fspath(path))
        hostile.sendall(noise)
        answer = b""
        while piece := hostile.recv(4096):
            answer += piece

        assert msgspec.msgpack.decode(answer[4:])[:2] == ["refused", "usage"]
        assert len(JobsOfMinion(path).running()) == 1


@pytest.mark.covers("B-74")
def test_passed_descriptors_are_never_taken(minion: Minion, path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with socket.socket(socket.AF_UNIX) as hostile:
        hostile.settimeout(10)
        hostile.connect(os.fspath(path))
        read, write = os.pipe()
        data = frame(msgspec.msgpack.encode(AskRunning()), bytes_max=100)
        socket.send_fds(hostile, [data], [write])
        os.close(write)
        assert hostile.recv(4096)
        assert os.read(read, 1) == b""  # nobody holds the other end any more
        os.close(read)
    wait_until(lambda: len(os.listdir("/proc/self/fd")) == before)


@pytest.mark.covers("B-74")
def test_idle_clients_are_bounded_in_number_and_in_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limpet.minion.control.server.REQUEST_S", 0.5)
    minion = Minion(path)
    idle: list[socket.socket] = []
    try:
        for _ in range(CLIENTS_MAX + 5):
            connection = socket.socket(socket.AF_UNIX)
            idle.append(connection)
            connection.connect(os.fspath(path))
            connection.settimeout(10)
        assert idle[-1].recv(1) == b""
        assert idle[0].recv(1) == b""  # after its time was up
        assert len(JobsOfMinion(path).running()) == 1
    finally:
        for connection in idle:
            connection.close()
        minion.stop()


def test_a_client_that_waits_for_its_job_has_all_the_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limpet.minion.control.server.REQUEST_S", 0.2)
    minion = Minion(path)
    minion.is_silent = True
    try:
        with LocalClient(path) as client:
            client.send(RunLocal("test.sleep", ARGUMENTS, 0.0))
            time.sleep(0.6)
            assert minion.gone == []
            minion.server.answer(1, LocalStored(jid(1)))
            assert client.reply(5) == LocalStored(jid(1))
        wait_until(lambda: minion.gone == [1])
    finally:
        minion.stop()
