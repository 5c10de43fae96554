"""The master as a process, between real sockets, a real disk and signals."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.common.clock import Instant, SystemClock
from limpet.common.control.replies import (
    Event,
    JobEnded,
    Jobs,
    JobStored,
    JobUpdate,
    Keys,
    MasterStatus,
    Refused,
)
from limpet.common.control.requests import (
    AskStatus,
    ChangeKeys,
    ListJobs,
    ListKeys,
    RunJob,
    WatchEvents,
    WatchJob,
)
from limpet.common.crypto.keys import encode_base32
from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionKey
from limpet.common.messages.jobs import Deliver, ReturnAck
from limpet.common.messages.session import Drain, SyncPage
from limpet.common.transport.sockets import Context, make_keypair, public_key_of
from limpet.common.transport.watcher import Watcher
from limpet.common.wire.codec import encode
from limpet.master.client.errors import ConnectionLost
from limpet.master.core.port_events import Received
from limpet.master.process.main_port import MainPort
from support.fakes.hand_minion import HandMinion, ask, asking, reply_of, wait_ready
from support.master.fleet import Fleet, wait_until

MIB = 1024 * 1024


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(tmp_path) as made:
        made.start_master()
        wait_until("the Unix socket is there", lambda: _path(made).exists())
        yield made


@pytest.fixture
def minion(fleet: Fleet) -> Iterator[HandMinion]:
    context = Context()
    made = HandMinion(context, fleet.master.root)
    yield made
    made.close()
    assert context.close()


def _path(fleet: Fleet) -> Path:
    return fleet.master.root / "run" / "master.sock"


def _accept(fleet: Fleet, minion: HandMinion) -> None:
    assert minion.enrol(fleet.enrol_port).status == "pending"
    changed = ask(_path(fleet), ChangeKeys("accept", (minion.name,), False, False))
    assert isinstance(changed, Keys)
    assert [(key.minion, key.state) for key in changed.keys] == [(minion.name, "accepted")]


def _link_up(fleet: Fleet, minion: HandMinion) -> None:
    minion.connect(fleet.port)
    minion.greet()


def _run(function: str = "test.echo", *, is_followed: bool = True) -> RunJob:
    return RunJob(
        request_id=os.urandom(16).hex(),
        target="*",
        target_kind="glob",
        function=function,
        arguments=b"\x92\x90\x80",
        ttl_s=None,
        job_timeout_s=0.0,
        batch="",
        is_streamed=False,
        is_followed=is_followed,
    )


def _status(fleet: Fleet) -> MasterStatus:
    status = ask(_path(fleet), AskStatus())
    assert isinstance(status, MasterStatus)
    return status


def test_a_new_minion_enrols_is_accepted_runs_a_job_and_the_client_hears_it(
    fleet: Fleet, minion: HandMinion
) -> None:
    _accept(fleet, minion)
    _link_up(fleet, minion)
    with asking(_path(fleet), _run()) as client:
        stored = reply_of(client)
        assert isinstance(stored, JobStored)
        assert [result.status for result in stored.results] == ["queued"]
        deliver = minion.hear(Deliver)
        assert (deliver.jid, deliver.function) == (stored.jid, "test.echo")
        assert deliver.job_timeout == 86_400_000_000, "the default of the configuration"
        minion.accept(deliver.jid)
        minion.return_ok(deliver.jid, b"\xa5hello")
        assert minion.hear(ReturnAck).jid == stored.jid
        update = reply_of(client)
        assert isinstance(update, JobUpdate)
        assert (update.result.status, update.result.body) == ("ok", b"\xa5hello")
        assert reply_of(client) == JobEnded(stored.jid)
    shown = ask(_path(fleet), WatchJob(stored.jid, False, False))
    assert isinstance(shown, JobStored)
    assert shown.results == (update.result,)
    jobs = ask(_path(fleet), ListJobs(limit=5))
    assert isinstance(jobs, Jobs)
    assert [(job.jid, job.counts) for job in jobs.jobs] == [(stored.jid, {"ok": 1})]


@pytest.mark.covers("C1", "C2")
def test_after_kill_9_the_master_knows_each_job_that_it_told_of_and_sends_it(
    fleet: Fleet, minion: HandMinion
) -> None:
    _accept(fleet, minion)
    told: list[str] = []
    for _ in range(5):
        _link_up(fleet, minion)
        with asking(_path(fleet), _run()) as client:
            stored = reply_of(client)
        assert isinstance(stored, JobStored)
        told.append(stored.jid)
        fleet.master.kill()
        fleet.start_master()
    _link_up(fleet, minion)
    outstanding = set(told)
    while outstanding:
        deliver = minion.hear(Deliver)
        minion.accept(deliver.jid)
        minion.return_ok(deliver.jid)
        assert minion.hear(ReturnAck).jid == deliver.jid
        outstanding.discard(deliver.jid)
    fleet.master.kill()
    fleet.start_master()
    wait_until("the Unix socket answers", lambda: _is_answering(fleet))
    for jid in told:
        shown = ask(_path(fleet), WatchJob(jid, False, False))
        assert isinstance(shown, JobStored)
        assert [(result.status, result.body) for result in shown.results] == [("ok", b"\xc3")]


def _is_answering(fleet: Fleet) -> bool:
    return fleet.limpet("status").returncode == 0


@pytest.mark.covers("C3")
def test_a_second_master_on_the_same_root_is_refused_with_the_pid_of_the_first(
    fleet: Fleet,
) -> None:
    second = fleet.limpet("master", within_s=20)
    assert second.returncode == 2
    assert str(fleet.master.pid) in second.stderr
    assert "Traceback" not in second.stderr
    assert fleet.limpet("status").returncode == 0


@pytest.mark.covers("C3", "C9")
def test_kill_9_leaves_no_child_and_nothing_that_keeps_the_next_one_from_starting(
    fleet: Fleet,
) -> None:
    (enrol,) = _children(fleet.master.pid)
    fleet.master.kill()
    gone_s = wait_until("the child is gone", lambda: not Path(f"/proc/{enrol}").exists(), 5.0)
    assert gone_s < 5.0
    assert fleet.start_master() < 10.0
    wait_until("the Unix socket answers", lambda: _is_answering(fleet), 10.0)


def _children(pid: int) -> list[int]:
    wait_until("there is a child", lambda: bool(_list_children(pid)))
    return _list_children(pid)


def _list_children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


@pytest.mark.covers("C12")
def test_a_port_that_is_still_held_is_waited_for(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        holder = socket.create_server(("127.0.0.1", fleet.port))
        try:
            fleet.master.start()
            wait_until("it says that it waits", lambda: "waiting up to" in fleet.master.log())
            assert not _path(fleet).exists(), "half bound"
        finally:
            holder.close()
        wait_until("the master serves", lambda: _path(fleet).exists() and _is_answering(fleet))


@pytest.mark.covers("C12")
@pytest.mark.slow
@pytest.mark.parametrize("which", ["port", "enrol_port"])
def test_a_port_that_stays_held_ends_the_start_with_exit_code_2_and_its_number(
    tmp_path: Path, which: str
) -> None:
    with Fleet(tmp_path) as fleet:
        held = getattr(fleet, which)
        with socket.create_server(("127.0.0.1", held)):
            ended = fleet.limpet("master", within_s=55)
    assert ended.returncode == 2
    last = ended.stderr.strip().splitlines()[-1]
    assert f"the port {held} on 127.0.0.1 is in use by another process" in last
    assert re.search(r"/master.yaml:\d+: ", last), "the line of the port is named"
    assert "Traceback" not in ended.stderr


def test_sigterm_drains_the_minions_and_ends_within_two_seconds(
    fleet: Fleet, minion: HandMinion
) -> None:
    _accept(fleet, minion)
    _link_up(fleet, minion)
    began = time.monotonic()
    fleet.master.signal(signal.SIGTERM)
    assert minion.hear(Drain).session == minion.session
    assert fleet.master.process is not None
    assert fleet.master.process.wait(20) == 0
    assert time.monotonic() - began < 10.0
    assert not _path(fleet).exists()
    assert "Traceback" not in fleet.master.log()


@pytest.mark.covers("H4")
def test_a_rejected_key_loses_its_connection_and_cannot_come_back(
    fleet: Fleet, minion: HandMinion
) -> None:
    _accept(fleet, minion)
    _link_up(fleet, minion)
    ask(_path(fleet), ChangeKeys("reject", (minion.name,), False, False))
    assert minion.is_cut(5.0)
    minion.close()
    refused = minion.dial(fleet.port)
    assert not wait_ready(refused, 2.0)
    refused.close()
    status = _status(fleet)
    assert status.rejected.get("unknown_key", 0) >= 1


def test_frames_that_are_no_messages_are_counted_and_the_session_goes_on(
    fleet: Fleet, minion: HandMinion
) -> None:
    _accept(fleet, minion)
    _link_up(fleet, minion)
    assert minion.main is not None
    for frame in (b"\xc1", b"\x91\xa4nope", b"\x00" * 1000):
        assert minion.main.send(frame)
    with asking(_path(fleet), _run()) as client:
        stored = reply_of(client)
        assert isinstance(stored, JobStored)
        assert minion.hear(Deliver).jid == stored.jid
        minion.return_ok(stored.jid)
        assert isinstance(reply_of(client), JobUpdate)
    rejected = _status(fleet).rejected
    assert (
        sum(rejected.get(reason, 0) for reason in ("bad_encoding", "bad_type", "bad_schema")) == 3
    )


def test_events_are_told_to_those_who_follow_them(fleet: Fleet, minion: HandMinion) -> None:
    with asking(_path(fleet), WatchEvents()) as follower:
        _accept(fleet, minion)
        _link_up(fleet, minion)
        tags: list[str] = []
        while f"minion/{minion.name}/ready" not in tags:
            event = reply_of(follower)
            assert isinstance(event, Event)
            tags.append(event.tag)
        assert f"key/{minion.name}/accepted" in tags


@pytest.mark.covers("A20")
def test_the_master_logs_in_at_its_own_port_and_says_so_in_its_figures(fleet: Fleet) -> None:
    figures = _status(fleet).figures
    assert figures["self_check_failures"] == 0
    assert figures["fds"] > 0
    assert figures["store_waiting"] == 0
    wait_until("it logged in", lambda: _status(fleet).figures["self_checks_passed"] >= 1, 15.0)


def test_sighup_reads_node_groups_anew_and_a_broken_file_changes_nothing(
    fleet: Fleet, minion: HandMinion
) -> None:
    _accept(fleet, minion)
    config = fleet.master.root / "master.yaml"
    before = config.read_text()
    config.write_text(before + "nodegroups:\n  shop: 'web*'\n")
    fleet.master.signal(signal.SIGHUP)
    wait_until("it was read", lambda: "read again" in fleet.master.log())
    assert "web1" in fleet.limpet("minions", "-N", "shop").stdout
    config.write_text("nodegroups: [")
    fleet.master.signal(signal.SIGHUP)
    wait_until("it was refused", lambda: "is not taken over" in fleet.master.log())
    assert "web1" in fleet.limpet("minions", "-N", "shop").stdout


@pytest.mark.covers("B-78")
def test_a_damaged_database_is_refused_in_one_line_and_left_as_it_is(fleet: Fleet) -> None:
    fleet.master.stop()
    database = next(fleet.master.root.rglob("master.db"))
    database.write_bytes(b"\x00garbage" * 2000)
    ended = fleet.limpet("master", within_s=20)
    assert ended.returncode == 1
    assert "is damaged" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert database.read_bytes() == b"\x00garbage" * 2000


@pytest.mark.covers("I2", "B-78")
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_refuses_new_jobs_keeps_links_and_is_over_when_there_is_room(
    tmp_path: Path,
) -> None:
    with Fleet(tmp_path) as fleet:
        mount = fleet.master.root / "state"
        mount.mkdir(mode=0o700)
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "limpet-test", str(mount)],
            check=True,
        )
        context = Context()
        minion = HandMinion(context, fleet.master.root)
        try:
            fleet.start_master()
            wait_until("the Unix socket answers", lambda: _is_answering(fleet))
            _accept(fleet, minion)
            _link_up(fleet, minion)
            _fill(mount / "filler")
            refused = _run_until_refused(fleet)
            assert "room" in refused.text
            _fill(mount / "filler2")  # what the reserve gave back, as well
            assert not minion.is_cut(1.0)
            status = _status(fleet)
            assert status.ready == 1
            assert any("room" in problem for problem in status.problems)
            minion.close()
            fleet.master.kill()
            fleet.start_master()  # a restart on the full disk is no worse
            _link_up(fleet, minion)
            _run_until_refused(fleet)
            (mount / "filler").unlink()
            (mount / "filler2").unlink()
            wait_until("jobs are taken again", lambda: _is_taken(fleet), 15.0)
            assert "Traceback" not in fleet.master.log()
        finally:
            minion.close()
            context.close()
            fleet.close()
            subprocess.run(["umount", str(mount)], check=True)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def _run_until_refused(fleet: Fleet) -> Refused:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        reply = ask(_path(fleet), _run(is_followed=False))
        if isinstance(reply, Refused):
            assert reply.reason == "store"
            return reply
    raise AssertionError("a full disk never refused a job")


def _is_taken(fleet: Fleet) -> bool:
    return isinstance(ask(_path(fleet), _run(is_followed=False)), JobStored)


def test_everything_that_the_master_keeps_is_private(fleet: Fleet) -> None:
    loose = []
    for place in fleet.master.root.rglob("*"):
        mode = place.lstat().st_mode & 0o777
        is_known = place.name in ("master.yaml", "run", "master.sock", "master.public")
        if mode & 0o077 and not is_known:
            loose.append(f"{place} {mode:04o}")
    assert loose == []
    assert (_path(fleet).stat().st_mode & 0o777) == 0o660
    assert (_path(fleet).parent.stat().st_mode & 0o777) == 0o750
    assert ask(_path(fleet), ListKeys()) == Keys(())


NARROW = """
import sys
from limpet.common.observability.logs import Log
from limpet.common.service.paths import Roots
from limpet.common.settings.master import load_master
from limpet.master.process.startup import serve

roots = Roots.locate("master", sys.argv[1])
serve(roots, lambda: load_master(roots), Log(), memory_bytes_max=1)
"""


def test_where_memory_runs_out_the_port_is_opened_anew_and_then_the_process_ends(
    tmp_path: Path,
) -> None:
    with Fleet(tmp_path) as fleet:
        ended = subprocess.run(
            [sys.executable, "-c", NARROW, str(fleet.master.root)],
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )
    assert "all connections are ended and the port opened anew" in ended.stderr
    assert "NobodyLetIn: the memory stays full" in ended.stderr
    assert ended.returncode == 1


@pytest.mark.covers("A20")
def test_a_port_that_is_shut_and_opened_anew_lets_the_same_minions_in(tmp_path: Path) -> None:
    context = Context()
    _, secret = make_keypair()
    accepted: set[MinionKey] = set()
    port = MainPort(
        context, secret_key=secret, is_accepted=accepted.__contains__, clock=SystemClock()
    )
    (tmp_path / "master.public").write_text(encode_base32(public_key_of(secret)))
    minion = HandMinion(context, tmp_path)
    accepted.add(minion.key)
    number = port.bind(["127.0.0.1"], 0)
    minion.main = minion.dial(number)

    def heard() -> bool:
        port.serve_handshakes()
        port.departures(SystemClock().now().boot)
        if minion.main is not None:
            minion.main.send(encode(SyncPage(1, 0, True, ())))
        return any(isinstance(event, Received) for event in port.hear(SystemClock().now().boot, 10))

    wait_until("the minion was heard", heard, 20.0)
    assert len(port.shut()) == 1

    def is_bound() -> bool:
        try:
            return port.bind(["127.0.0.1"], number) == number
        except UsageError:
            return False

    wait_until("the port is open again", is_bound, 20.0)
    minion.close()
    minion.main = minion.dial(number)
    wait_until("the minion was heard again", heard, 20.0)
    minion.close()
    port.close()
    assert context.close()


def test_connections_of_strangers_buy_nobody_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried: list[float] = []
    monkeypatch.setattr(Watcher, "hurry", lambda self, now: hurried.append(now))
    context, memory = Context(), [100 * MIB]
    _, secret = make_keypair()
    port = MainPort(
        context,
        secret_key=secret,
        is_accepted=lambda _: False,
        clock=SystemClock(),
        memory=lambda: memory[0],
    )
    number = port.bind(["127.0.0.1"], 0)

    for now in (1.0, 2.0):
        port.sweep(Instant(now))
    hurried.clear()
    silent = [socket.create_connection(("127.0.0.1", number), 10.0) for _ in range(100)]

    def all_seen() -> bool:
        port.departures(Instant(3.0))
        return len(port) == len(silent)

    wait_until("all connections are known", all_seen, 20.0)
    memory[0] += 34 * MIB  # by somebody else; a hundred logins would explain four of them
    port.sweep(Instant(4.0))
    assert hurried == [4.0]
    for each in silent:
        each.close()
    port.close()
    assert context.close()


@pytest.mark.covers("C1", "C2")
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace makes the disk fail")
def test_a_failed_fsync_ends_the_master_and_nothing_is_told_that_is_not_on_disk(
    tmp_path: Path,
) -> None:
    told: list[str] = []
    with Fleet(tmp_path) as fleet:
        fleet.start_master()
        wait_until("the Unix socket answers", lambda: _is_answering(fleet))
        context = Context()
        minion = HandMinion(context, fleet.master.root)
        _accept(fleet, minion)
        fleet.master.stop()
        failing = "inject=fdatasync,fsync:error=EIO:when=25+"
        fleet.master.start(
            prefix=(
                "strace",
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                "trace=fdatasync,fsync",
                "-e",
                failing,
            )
        )
        wait_until("the Unix socket is there", lambda: _path(fleet).exists())
        _link_up(fleet, minion)
        while len(told) < 200:
            try:
                with asking(_path(fleet), _run(is_followed=False)) as client:
                    reply = reply_of(client)
            except ConnectionLost:
                break
            assert isinstance(reply, JobStored)
            told.append(reply.jid)
        minion.close()
        assert context.close()
        assert 0 < len(told) < 200
        assert fleet.master.process is not None
        assert fleet.master.process.wait(20) == 1
        assert "SQLITE_IOERR_FSYNC" in fleet.master.log().splitlines()[-1]
        fleet.start_master()
        wait_until("the Unix socket answers", lambda: _is_answering(fleet))
        for jid in told:
            assert isinstance(ask(_path(fleet), WatchJob(jid, False, False)), JobStored)
