"""The minion as a real process, against a master whose answers are written by hand."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from limpet import __version__
from limpet.common.messages.enrolment import EnrolRequest
from limpet.common.messages.jobs import (
    Accepted,
    BulkChunk,
    Cancel,
    CancelAnswer,
    Output,
    Return,
    Started,
)
from limpet.common.messages.session import Beat, Grains, Hello, SyncPage
from limpet.minion.control.calls import call_minion
from support.fakes.scripted_master import LIMPET, MinionProcess, ScriptedMaster, below

TESTS = Path(__file__).parents[2]


@pytest.fixture
def master() -> Iterator[ScriptedMaster]:
    with ScriptedMaster() as scripted:
        yield scripted


@pytest.fixture
def minion(tmp_path: Path, master: ScriptedMaster) -> Iterator[MinionProcess]:
    with MinionProcess(tmp_path, master) as process:
        master.wait_ready()
        yield process


def appending(path: Path, then: str = "") -> list[object]:
    """Give the arguments of a job that leaves one line each time it runs."""
    return [f"echo ran >> {path}; {then}" if then else f"echo ran >> {path}"]


def wait_until(is_so: object, within_s: float = 40.0) -> None:
    """Wait for a condition, given as a function."""
    assert callable(is_so)
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_a_minion_enrols_greets_syncs_and_beats(
    master: ScriptedMaster, minion: MinionProcess
) -> None:
    assert master.all(EnrolRequest)[0].minion_id == "web1"
    hello = master.all(Hello)[0]
    assert (hello.version, hello.last_loss, hello.attempts) == (__version__, "", 2)
    assert master.all(SyncPage)[0].entries == ()
    master.wait_for(Beat, lambda beat: beat.number >= 3 and beat.echo >= 2)
    wait_until(lambda: minion.status()["state"] == "ready")
    assert "ready: in a session" in minion.log()


def test_a_job_is_accepted_started_and_returned_in_this_order(
    master: ScriptedMaster, minion: MinionProcess
) -> None:
    job = master.deliver("cmd.run", ["echo hello"])
    returned = master.wait_for(Return)
    assert (returned.jid, returned.outcome) == (job, "ok")
    assert msgspec.msgpack.decode(returned.body) == "hello"
    order = [type(m) for m in master.heard if isinstance(m, Accepted | Started | Return)]
    assert order == [Accepted, Started, Return]


def test_grains_come_after_the_link(master: ScriptedMaster, minion: MinionProcess) -> None:
    grains = master.wait_for(Grains)
    assert msgspec.json.decode(grains.body)["id"] == "web1"
    assert len(grains.digest) == 64
    seen = [type(message) for message in master.heard]
    assert seen.index(Beat) < seen.index(Grains)
    minion_signal(minion, signal.SIGHUP)
    wait_until(lambda: "SIGHUP" in minion.log())


def minion_signal(minion: MinionProcess, number: int) -> None:
    os.kill(minion.pid, number)


def test_a_pending_minion_is_let_in_without_anybody_at_the_host(
    tmp_path: Path, master: ScriptedMaster
) -> None:
    master.accepts = False
    with MinionProcess(tmp_path, master, is_accepted=False) as minion:
        master.wait_for(EnrolRequest)
        wait_until(lambda: minion.status()["state"] == "pending")
        assert master.all(Hello) == []
        master.accepts = True
        master.enrol_status = "accepted"
        master.wait_ready(within_s=30)


@pytest.mark.covers("D1", "C14")
def test_a_job_outlives_the_link_and_is_returned_by_the_next_one(
    tmp_path: Path, master: ScriptedMaster, minion: MinionProcess
) -> None:
    ran = tmp_path / "ran"
    job = master.deliver("cmd.run", appending(ran, "sleep 4; echo done"))
    master.wait_for(Started)
    wait_until(ran.exists)
    minion.kill()
    minion.start()
    master.wait_ready(2)
    page = master.all(SyncPage)[-1]
    assert [(entry.jid, entry.state) for entry in page.entries] == [(job, "running")]
    returned = master.wait_for(Return)
    assert (returned.jid, returned.outcome) == (job, "ok")
    assert msgspec.msgpack.decode(returned.body) == "done"
    assert ran.read_text() == "ran\n"


@pytest.mark.covers("D4")
def test_a_job_whose_whole_tree_was_killed_is_interrupted_and_not_run_again(
    tmp_path: Path, master: ScriptedMaster, minion: MinionProcess
) -> None:
    ran = tmp_path / "ran"
    job = master.deliver("cmd.run", appending(ran, "sleep 600"))
    wait_until(ran.exists)
    master.wait_for(Started)
    tree = below(minion.pid)
    minion.kill()
    for pid in tree:
        os.kill(pid, signal.SIGKILL)
    minion.start()
    returned = master.wait_for(Return)
    assert (returned.jid, returned.outcome) == (job, "interrupted")
    assert ran.read_text() == "ran\n"


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.covers("D4", "C2", "F3")
def test_a_link_killed_at_any_moment_runs_no_job_twice_and_loses_none(
    tmp_path: Path, master: ScriptedMaster, minion: MinionProcess
) -> None:
    chance = random.Random(5)
    for number in range(12):
        ran = tmp_path / f"ran{number}"
        arguments = appending(ran, "sleep 0.3")
        job = master.deliver("cmd.run", arguments)
        time.sleep(chance.random() * (0.25 if number % 2 else 0.05))
        minion.kill()
        minion.start()
        master.wait_ready(number + 2)
        # As a master does: again in the new session, whatever came of it in the old one.
        master.deliver("cmd.run", arguments, jid=job)
        returned = master.wait_for(Return, lambda message, job=job: message.jid == job)  # type: ignore[misc]
        runs = ran.read_text().count("ran") if ran.exists() else 0
        assert (returned.outcome, runs) in (("ok", 1), ("interrupted", 0), ("interrupted", 1))


@pytest.mark.covers("C2", "F2")
def test_a_return_waits_on_the_disk_until_the_master_acknowledges_it(
    master: ScriptedMaster, minion: MinionProcess
) -> None:
    master.acknowledges = False
    job = master.deliver("cmd.run", ["echo kept"])
    master.wait_for(Return)
    minion.kill()
    minion.start()
    master.wait_ready(2)
    wait_until(lambda: len(master.all(Return)) >= 2)
    assert {message.jid for message in master.all(Return)} == {job}
    master.acknowledges = True
    master.deliver("test.ping")
    wait_until(lambda: minion.status()["figures"]["returns_waiting"] == 0)


@pytest.mark.covers("A1", "C15")
def test_a_restarted_master_has_its_minion_back_and_gets_what_it_missed(
    master: ScriptedMaster, minion: MinionProcess
) -> None:
    job = master.deliver("cmd.run", ["sleep 1; echo late"])
    master.wait_for(Started)
    master.stop()
    time.sleep(2)
    master.start()
    began = time.monotonic()
    returned = master.wait_for(Return)
    assert returned.jid == job
    assert time.monotonic() - began < 15
    assert master.all(Hello)[-1].last_loss == "disconnected"


@pytest.mark.covers("B12", "B13", "B14")
def test_a_master_that_falls_silent_is_left_after_three_beats(
    master: ScriptedMaster, minion: MinionProcess
) -> None:
    wait_until(lambda: minion.status()["state"] == "ready")
    master.is_silent = True
    wait_until(lambda: minion.status()["state"] != "ready")
    master.is_silent = False
    master.wait_ready(2)
    reasons = [change["reason"] for change in minion.status()["changes"]]
    assert "beats_silent" in reasons


@pytest.mark.slow
@pytest.mark.covers("B7")
def test_a_minion_that_was_stopped_for_long_reads_nothing_of_what_waits(
    tmp_path: Path, master: ScriptedMaster, minion: MinionProcess
) -> None:
    ran = tmp_path / "ran"
    minion_signal(minion, signal.SIGSTOP)
    master.deliver("cmd.run", appending(ran))
    time.sleep(20)
    minion_signal(minion, signal.SIGCONT)
    master.wait_ready(2)
    assert master.all(Hello)[-1].last_loss == "suspended"
    assert not ran.exists()
    assert master.all(Accepted) == []


@pytest.mark.covers("D10")
def test_a_second_process_of_one_identity_is_turned_away(
    master: ScriptedMaster, minion: MinionProcess
) -> None:
    second = subprocess.run(
        [LIMPET, "--root", str(minion.root), "minion"],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert second.returncode == 2
    assert f"runs here already as process {minion.pid}" in second.stderr
    job = master.deliver("test.ping")
    assert master.wait_for(Return).jid == job


def test_a_hung_loop_is_started_afresh_and_the_job_lives(
    tmp_path: Path, master: ScriptedMaster
) -> None:
    ran = tmp_path / "ran"
    minion = MinionProcess(tmp_path, master)
    program = TESTS / "support" / "fakes" / "hanging_minion.py"
    minion.start([sys.executable, str(program), str(minion.root)])
    try:
        master.wait_ready()
        job = master.deliver("cmd.run", appending(ran, "sleep 5; echo survived"))
        wait_until(ran.exists)
        master.wait_for(Started)
        pid = minion.pid
        master.deliver("test.hang")
        master.wait_ready(2)
        returned = master.wait_for(Return, lambda message: message.jid == job)
        assert msgspec.msgpack.decode(returned.body) == "survived"
        assert ran.read_text() == "ran\n"
        assert minion.pid == pid
        assert "stacks of all threads" in minion.log()
    finally:
        minion.__exit__()


@pytest.mark.covers("D11")
def test_sigterm_ends_the_minion_within_two_seconds_and_leaves_the_job(
    tmp_path: Path, master: ScriptedMaster, minion: MinionProcess
) -> None:
    ran = tmp_path / "ran"
    job = master.deliver("cmd.run", appending(ran, "sleep 3; echo done"))
    master.wait_for(Started)
    wait_until(ran.exists)
    began = time.monotonic()
    assert minion.stop() == 0
    assert time.monotonic() - began < 4
    minion.start()
    returned = master.wait_for(Return)
    assert (returned.jid, returned.outcome) == (job, "ok")
    assert ran.read_text() == "ran\n"


def test_a_cancelled_job_is_ended(master: ScriptedMaster, minion: MinionProcess) -> None:
    job = master.deliver("cmd.run", ["sleep 600"])
    master.wait_for(Started)
    master.say(Cancel(master.session, job))
    assert master.wait_for(CancelAnswer).verdict == "cancelling"
    returned = master.wait_for(Return)
    assert (returned.jid, returned.outcome) == (job, "cancelled")


@pytest.mark.covers("F4")
def test_a_large_return_arrives_whole(master: ScriptedMaster, minion: MinionProcess) -> None:
    master.deliver("cmd.run", ["head -c 700000 /dev/zero | tr '\\0' x"])
    returned = master.wait_for(Return)
    assert returned.outcome == "ok"
    assert returned.bulk_bytes > 700_000
    body = b"".join(chunk.data for chunk in master.all(BulkChunk))
    assert msgspec.msgpack.decode(body) == "x" * 700_000


def test_live_output_comes_while_the_job_runs(
    master: ScriptedMaster, minion: MinionProcess
) -> None:
    master.deliver("cmd.run", ["echo first; sleep 2; echo second"], is_streamed=True)
    output = master.wait_for(Output)
    assert b"first" in output.data
    assert master.all(Return) == []
    master.wait_for(Return)


@pytest.mark.covers("D16")
def test_a_local_client_runs_a_function_without_any_master(
    master: ScriptedMaster, minion: MinionProcess
) -> None:
    master.stop()
    arguments = msgspec.msgpack.encode([["echo local"], {}])
    ended = call_minion(minion.root / "run" / "minion.sock", "cmd.run", arguments, 0.0)
    assert (ended.outcome, ended.value) == ("ok", "local")


def test_the_history_of_the_link_outlives_a_restart(
    master: ScriptedMaster, minion: MinionProcess
) -> None:
    wait_until(lambda: minion.status()["state"] == "ready")
    minion.stop()
    before = minion.status()
    assert before["state"] == "stopped"
    minion.start()
    master.wait_ready(2)
    wait_until(lambda: minion.status()["state"] == "ready")
    assert minion.status()["changes"][: len(before["changes"])] == before["changes"]


@pytest.mark.covers("B6", "A9")
def test_a_master_is_found_by_its_name(tmp_path: Path, master: ScriptedMaster) -> None:
    minion = MinionProcess(tmp_path, master)
    file = minion.root / "minion.yaml"
    file.write_text(file.read_text().replace("127.0.0.1", "localhost"))
    with minion:
        master.wait_ready()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("master: [", "minion.yaml"),
        ("mastr: x\n", "mastr"),
        ("master: 127.0.0.1\n", "master's key is not known"),
        ("id: web1\n", "no master is known"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_code_two(
    tmp_path: Path, text: str, expected: str
) -> None:
    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    (root / "minion.yaml").write_text(text)
    ended = subprocess.run(
        [LIMPET, "--root", str(root), "minion"],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert ended.returncode == 2
    assert expected in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.alone
def test_an_idle_minion_holds_less_than_25_megabytes(
    master: ScriptedMaster, minion: MinionProcess
) -> None:
    master.wait_for(Grains)
    time.sleep(1)
    total = 0
    for pid in (minion.pid, *below(minion.pid)):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    assert total <= 25 * 1024
