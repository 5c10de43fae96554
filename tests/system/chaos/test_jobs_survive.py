"""Jobs outlive whatever dies around them: the master, the link, the supervisor, all of a minion."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Tell

from support.hostile.chaos import (
    ROUNDS,
    Reckoning,
    client_of,
    entry,
    ledger_of,
    reckon,
    runs,
    wait_all_answer,
    wait_runs,
)
from support.master.fleet import Fleet, Node, descendants, wait_until

pytestmark = [pytest.mark.xdist_group("jobs_survive"), pytest.mark.timeout(120 + 60 * ROUNDS)]
JOB_S = 6 if ROUNDS == 1 else 20


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("ten"), minions=10) as fleet:
        yield fleet


def submit(fleet: Fleet, target: str, command: str) -> str:
    """Store a job and give its jid."""
    with client_of(fleet) as client:
        return client.submit(target, "cmd.run", command).jid


def answered(command: "subprocess.Popen[str]") -> dict[str, Any]:
    """Wait for the end of a command that followed a job; gives what it printed of each minion."""
    out, err = command.communicate(timeout=90)
    assert command.returncode == 0, f"exit {command.returncode}: {out} {err}"
    return dict(json.loads(out)["minions"])


def status_of(fleet: Fleet, jid: str, minion: str, within_s: float = 60.0) -> tuple[str, str]:
    """Wait for the final status on one minion; gives it and its error."""
    with client_of(fleet) as client:
        answer = client.wait(jid, timeout_s=within_s).minions[minion]
    assert answer.is_final, f"{minion} is {answer.status} after {within_s} s"
    return answer.status, answer.error


def tree_of(node: Node) -> tuple[int, int]:
    """Give the supervisor of the job that left its pid beside the ledger, and the job's shell."""
    path = node.root / "pid"
    wait_until("the job has told its pid", lambda: path.exists() and path.read_text() != "")
    shell = int(path.read_text())
    path.unlink()
    return os.getsid(shell), shell


@pytest.mark.covers("C14", "F2", "F14", "F9")
def test_the_command_prints_all_returns_though_the_master_died_twice_in_mid_job(
    ten: Fleet, tell: Tell
) -> None:
    job = entry("outage", f"sleep {JOB_S}; echo done")
    with ten.following("run", "--format", "json", "*", "cmd.run", job) as command:
        wait_runs(ten, "outage", 10)
        ten.master.kill()
        time.sleep(JOB_S / 4)
        ten.start_master()
        time.sleep(1.0)
        ten.master.kill()
        time.sleep(JOB_S * 1.5)  # all of them end while the master is away
        ten.start_master()
        began = time.monotonic()
        results = answered(command)
        recovery_s = time.monotonic() - began
    assert {result["status"] for result in results.values()} == {"ok"}
    assert [result["return"] for result in results.values()] == ["done"] * 10
    times = [runs(node, "outage") for node in ten.minions.values()]
    found = Reckoning(recovery_s, lost=10 - len(results), twice=sum(n > 1 for n in times))
    tell(found.line(f"a {JOB_S} s job over two outages"))
    found.check()
    assert times == [1] * 10


@pytest.mark.covers("C1", "F9")
def test_a_master_killed_in_the_moment_of_run_costs_no_answer_and_makes_no_second_job(
    ten: Fleet, tell: Tell
) -> None:
    chance = random.Random(2)
    slowest = 0.0
    offsets = [0.1, 0.14, 0.17, 0.2, 0.25, *(chance.uniform(0.05, 0.4) for _ in range(ROUNDS - 1))]
    wanted: dict[str, str] = {}
    with client_of(ten) as client:
        before = {job.jid for job in client.jobs(1000)}
    for serial, offset_s in enumerate(offsets):
        with ten.following("run", "--format", "json", "*", "cmd.run", entry(f"at{serial}")) as run:
            time.sleep(offset_s)
            ten.master.kill()
            ten.start_master()
            began = time.monotonic()
            results = answered(run)
            slowest = max(slowest, time.monotonic() - began)
        assert {result["status"] for result in results.values()} == {"ok"}
        assert len(results) == 10
        assert [runs(node, f"at{serial}") for node in ten.minions.values()] == [1] * 10
    with client_of(ten) as client:
        jobs = [job for job in client.jobs(1000) if job.jid not in before]
    wanted = {job.jid: job.function for job in jobs if job.function == "cmd.run"}
    assert len(wanted) == len(offsets)
    tell(Reckoning(slowest).line(f"{len(offsets)} kills in the moment of `run`"))


@pytest.mark.covers("D4", "F17")
def test_a_job_whose_minion_died_whole_is_interrupted_and_not_run_again(
    ten: Fleet, tell: Tell
) -> None:
    node = ten.minions["web1"]
    jid = submit(ten, "web1", entry("whole", "echo $$ > $TMPDIR/pid; sleep 600"))
    wait_runs(ten, "whole", 1)
    node.kill_tree(tree_of(node))
    time.sleep(1.0)
    node.start()
    began = time.monotonic()
    status, error = status_of(ten, jid, "web1")
    recovery_s = time.monotonic() - began
    assert status == "interrupted", error
    assert recovery_s <= 15
    time.sleep(2.0)
    assert runs(node, "whole") == 1
    tell(Reckoning(recovery_s).line("kill -9 of a minion's whole tree in mid-job"))


@pytest.mark.covers("D7", "F14", "C4")
def test_a_job_goes_on_when_the_link_alone_dies(ten: Fleet, tell: Tell) -> None:
    node = ten.minions["web2"]
    jid = submit(ten, "web2", entry("link", "sleep 3; echo done"))
    wait_runs(ten, "link", 1)
    node.kill()
    time.sleep(0.5)
    node.start()
    assert status_of(ten, jid, "web2") == ("ok", "")
    assert runs(node, "link") == 1
    tell(Reckoning().line("kill -9 of the link alone in mid-job"))


@pytest.mark.covers("D7")
def test_a_job_whose_supervisor_is_killed_is_told_of_and_the_minion_stays_ready(
    ten: Fleet, tell: Tell
) -> None:
    node = ten.minions["web3"]
    jid = submit(ten, "web3", entry("kept", "echo $$ > $TMPDIR/pid; sleep 600"))
    wait_runs(ten, "kept", 1)
    supervisor, shell = tree_of(node)
    os.kill(supervisor, signal.SIGKILL)
    began = time.monotonic()
    status, error = status_of(ten, jid, "web3")
    took_s = time.monotonic() - began
    assert status == "interrupted", error
    assert ten.states()["web3"] == "ready"
    wait_until("nothing of the job is left", lambda: not is_alive(shell), 10)
    tell(Reckoning(took_s).line("kill -9 of a job's supervisor"))


@pytest.mark.covers("D1", "D11", "C8")
def test_a_job_outlives_a_stop_of_its_minion(ten: Fleet) -> None:
    node = ten.minions["web4"]
    jid = submit(ten, "web4", entry("stopped", "sleep 3; echo done"))
    wait_runs(ten, "stopped", 1)
    assert node.stop() == 0
    node.start()
    assert status_of(ten, jid, "web4") == ("ok", "")
    assert runs(node, "stopped") == 1


@pytest.mark.covers("D1", "D2")
@pytest.mark.parametrize("number", ["KILL", "TERM"])
def test_a_job_that_ends_its_own_minion_returns_once(ten: Fleet, number: str) -> None:
    node = ten.minions["web5"]
    pid = node.pid
    job = entry(f"own{number}", f"kill -{number} {pid}; sleep 1; echo still here")
    jid = submit(ten, "web5", job)
    wait_until("the minion has ended", lambda: not node.is_running, 20)
    node.start()  # as a service manager does
    assert status_of(ten, jid, "web5") == ("ok", "")
    with client_of(ten) as client:
        assert client.show(jid).minions["web5"].value == "still here"
    assert runs(node, f"own{number}") == 1


@pytest.mark.covers("E1", "E5", "E12", "E16")
def test_a_burst_of_jobs_loses_none(ten: Fleet, tell: Tell) -> None:
    number = 200 * ROUNDS
    wait_all_answer(ten, 30)
    began = time.monotonic()
    with client_of(ten) as client:
        jobs = [client.submit("*", "test.echo", serial).jid for serial in range(number)]
        stored_s = time.monotonic() - began
        statuses: list[str] = []
        for serial, jid in enumerate(jobs):
            result = client.wait(jid, timeout_s=60)
            statuses += [answer.status for answer in result.minions.values()]
            assert set(result.returns.values()) == {serial}
    took_s = time.monotonic() - began
    lost = 10 * number - statuses.count("ok")
    tell(
        f"{number} jobs to ten minions at once: stored after {stored_s:.1f} s, all back after "
        f"{took_s:.1f} s, lost {lost}"
    )
    assert lost == 0


@pytest.mark.covers("E12", "E5")
def test_a_burst_of_jobs_that_need_processes_runs_each_once(ten: Fleet, tell: Tell) -> None:
    with client_of(ten) as client:
        jobs = {
            f"burst{serial}": client.submit("web[67]", "cmd.run", entry(f"burst{serial}")).jid
            for serial in range(30 * ROUNDS)
        }
    found = reckon(ten, jobs)
    tell(found.line(f"{len(jobs)} jobs with processes to two minions at once"))
    found.check()
    assert set(found.statuses) == {"ok"}
    others = ledger_of(ten.minions["web8"])
    assert not others.exists() or "burst" not in others.read_text()


@pytest.mark.covers("C3", "C9")
def test_no_child_of_a_dead_master_lives_on(ten: Fleet) -> None:
    children = descendants(ten.master.pid)
    assert children, "the enrolment process is one"
    ten.master.kill()
    took_s = wait_until(
        "its children are gone",
        lambda: not any(is_alive(pid) for pid in children),
        5,
    )
    ten.start_master()
    assert took_s < 5
    wait_all_answer(ten, 30)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
