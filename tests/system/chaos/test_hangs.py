"""A loop that hangs is ended and started afresh; a start that meets nothing goes on trying."""

import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Tell

from limpet import Client
from support.fakes import hangable
from support.hostile.chaos import (
    ROUNDS,
    Reckoning,
    client_of,
    entry,
    runs,
    wait_all_answer,
    wait_runs,
)
from support.master.fleet import LIMPET, Fleet, Node, descendants, wait_until

pytestmark = [pytest.mark.xdist_group("hangs"), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("hangs"), minions=3) as made:
        yield made


@pytest.fixture
def client(fleet: Fleet) -> Iterator[Client]:
    with client_of(fleet) as made:
        yield made


def start_hangable(fleet: Fleet, node: Node, role: str, how: str) -> None:
    """Put a daemon that can be made to hang in the place of a node's process."""
    usual = node.program
    node.kill()
    node.program = hangable.command(role, node.root, how)
    node.start()
    node.program = usual
    wait_all_answer(fleet, 40)


@pytest.mark.covers("B13", "D15", "C5")
@pytest.mark.parametrize("how", ["python", "sleep", "regex"])
def test_a_minion_whose_loop_hangs_starts_afresh_and_the_job_lives(
    fleet: Fleet, client: Client, tell: Tell, how: str
) -> None:
    node = fleet.minions["web1"]
    start_hangable(fleet, node, "minion", how)
    number = f"hung-{how}"
    job = client.submit("web1", "cmd.run", entry(number, "sleep 4; echo done"))
    wait_runs(fleet, number, 1)
    pid = node.pid
    began = time.monotonic()
    node.signal(signal.SIGUSR1)
    if how == "regex":  # not even the watchdog's thread can run: the kernel ends the process
        wait_until("the process has ended", lambda: not node.is_running, 30)
        assert node.process is not None
        assert node.process.returncode == -signal.SIGPROF
        node.start()  # as a service manager does
    else:
        wait_until("the stacks are in the log", lambda: "the loop has not turned" in node.log(), 30)
    recovery_s = wait_all_answer(fleet, 40)
    recovery_s = time.monotonic() - began
    answer = client.wait(job.jid, timeout_s=30).minions["web1"]
    assert (answer.status, answer.value) == ("ok", "done")
    assert runs(node, number) == 1
    if how != "regex":
        assert node.pid == pid, "started afresh in its place"
        assert node.is_running
    assert "hang_in" in node.log()
    node.log_path.write_text("")
    tell(Reckoning(recovery_s).line(f"the minion's loop hangs ({how}), watchdog at 2 s"))


@pytest.mark.covers("B13", "D15", "C5")
@pytest.mark.parametrize("how", ["python", "sleep", "regex"])
def test_a_master_whose_loop_hangs_ends_and_the_next_one_has_everything(
    fleet: Fleet, client: Client, tell: Tell, how: str
) -> None:
    master = fleet.master
    start_hangable(fleet, master, "master", how)
    number = f"master-{how}"
    job = client.submit("*", "cmd.run", entry(number, "sleep 2; echo done"))
    wait_runs(fleet, number, 3)
    began = time.monotonic()
    master.signal(signal.SIGUSR1)
    wait_until("the process has ended", lambda: not master.is_running, 30)
    assert master.process is not None
    assert master.process.returncode == (-signal.SIGPROF if how == "regex" else 70)
    assert "hang_in" in master.log()
    fleet.start_master()  # as a service manager does
    wait_all_answer(fleet, 40)
    recovery_s = time.monotonic() - began
    result = client.wait(job.jid, timeout_s=30)
    assert {answer.status for answer in result.minions.values()} == {"ok"}
    assert [runs(node, number) for node in fleet.minions.values()] == [1, 1, 1]
    tell(Reckoning(recovery_s).line(f"the master's loop hangs ({how}), watchdog at 2 s"))


@pytest.mark.covers("C4", "C5")
def test_a_stuck_enrolment_process_harms_nobody_enrolled_and_is_replaced(
    fleet: Fleet, client: Client, tell: Tell
) -> None:
    (stuck,) = descendants(fleet.master.pid)
    os.kill(stuck, signal.SIGSTOP)
    began = time.monotonic()
    wait_all_answer(fleet, 5)
    if ROUNDS == 1:  # that it is noticed after 30 s of silence is shown without a fleet
        os.kill(stuck, signal.SIGKILL)
    wait_until(
        "it is replaced",
        lambda: descendants(fleet.master.pid) not in ([stuck], []),
        60,
    )
    took_s = time.monotonic() - began
    late = fleet.add_minion("late")
    wait_all_answer(fleet, 40)
    late.kill_tree()
    del fleet.minions["late"]
    client.delete_keys("late")
    tell(f"a stopped enrolment process was replaced after {took_s:.1f} s")


@pytest.mark.covers("C4", "D7", "A13")
def test_a_killed_enrolment_process_and_fork_server_are_made_anew(
    fleet: Fleet, client: Client
) -> None:
    client.run("*", "cmd.run", "true", timeout_s=20)
    (enrolment,) = descendants(fleet.master.pid)
    os.kill(enrolment, signal.SIGKILL)
    for pid in descendants(fleet.minions["web2"].pid):
        os.kill(pid, signal.SIGKILL)
    job = client.run("*", "cmd.run", entry("anew"), timeout_s=20)
    assert {answer.status for answer in job.minions.values()} == {"ok"}
    wait_until(
        "another one runs", lambda: descendants(fleet.master.pid) not in ([enrolment], []), 10
    )


@pytest.mark.covers("A9", "A12", "D12")
def test_minions_that_start_long_before_their_master_find_it(tmp_path: Path, tell: Tell) -> None:
    with Fleet(tmp_path) as fleet:
        fleet.start_master()
        fleet.add_minion("early", starts=False)
        named = fleet.add_minion("named", starts=False)
        file = named.root / "minion.yaml"
        file.write_text(file.read_text().replace("127.0.0.1", "localhost"))
        lost = fleet.add_minion("lost", starts=False)
        file = lost.root / "minion.yaml"
        nowhere = f"master: [no-such-host.invalid:{fleet.port}, 127.0.0.1:{fleet.port}]"
        file.write_text(file.read_text().replace(f"master: 127.0.0.1:{fleet.port}", nowhere))
        fleet.master.stop()
        for node in fleet.minions.values():
            node.start()
        time.sleep(5.0)
        assert all(node.is_running for node in fleet.minions.values())
        fleet.start_master()
        recovery_s = wait_all_answer(fleet, 15 * 3)
        assert all("Traceback" not in node.log() for node in fleet.minions.values())
        tell(Reckoning(recovery_s).line("minions that started 5 s before their master"))


@pytest.mark.covers("A9", "A11")
def test_a_name_that_nobody_knows_is_asked_for_again_and_again_quietly(
    fleet: Fleet, client: Client
) -> None:
    node = Node(fleet, "nameless", ["minion"])
    (node.root / "minion.yaml").write_text(
        f"id: nameless\nmaster: no-such-host.invalid:{fleet.port}\njoin: {fleet.join}\n"
    )
    (node.root / "minion.yaml").chmod(0o600)
    node.start()
    time.sleep(6.0)
    assert node.is_running
    assert "no-such-host.invalid" in node.log()
    assert node.log().count("\n") <= 12
    used_s = sum(os.sysconf("SC_CLK_TCK") ** -1 * ticks for ticks in _ticks(node.pid))
    assert used_s < 3.0, "it does not spin"
    assert node.stop() == 0


def _ticks(pid: int) -> tuple[int, int]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])


@pytest.mark.covers("A15", "I16")
def test_a_fact_that_hangs_costs_no_connectivity(
    fleet: Fleet, client: Client, tmp_path: Path, tell: Tell
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("virt-what", "systemd-detect-virt", "localectl", "systemctl", "lspci"):
        hanging = programs / name
        hanging.write_text("#!/bin/sh\nsleep 1000\n")
        hanging.chmod(hanging.stat().st_mode | stat.S_IXUSR)
    node = fleet.minions["web3"]
    node.kill()
    path = node.environment["PATH"]
    node.environment["PATH"] = f"{programs}:{path}"
    node.start()
    began = time.monotonic()
    wait_all_answer(fleet, 10)
    tell(f"with facts that hang: answers after {time.monotonic() - began:.2f} s")
    items = client.run("web3", "grains.items", timeout_s=60).minions["web3"]
    assert items.status == "ok"
    assert items.value["kernel"] == "Linux"
    node.environment["PATH"] = path
    node.kill()
    node.start()
    wait_all_answer(fleet, 20)


@pytest.mark.covers("A10", "H8")
def test_a_later_hostname_changes_no_id(fleet: Fleet, client: Client) -> None:
    """Without `id:` the name that the host had at the first start is kept."""
    node = Node(fleet, "unnamed", ["minion"])
    (node.root / "minion.yaml").write_text(
        f"master: 127.0.0.1:{fleet.port}\nenrol_port: {fleet.enrol_port}\njoin: {fleet.join}\n"
    )
    (node.root / "minion.yaml").chmod(0o600)
    names = {row.minion for row in client.minions()}
    new: set[str] = set()
    try:
        node.start()
        wait_until(
            "it is there under some name",
            lambda: len({row.minion for row in client.minions()} - names) == 1,
        )
        new = {row.minion for row in client.minions()} - names
        (first,) = new
        assert first not in ("localhost", "")
        node.kill_tree()
        if os.geteuid() == 0 and Path("/usr/bin/unshare").exists():
            script = f"hostname quite-another && exec {LIMPET} --root {node.root} minion"
            node.program = ["unshare", "--uts", "sh", "-c", script]
        node.start()
        wait_until(
            "it answers under the same name",
            lambda: client.run(first, "test.ping", timeout_s=2).minions[first].status == "ok",
        )
        assert {row.minion for row in client.minions()} - names == {first}
    finally:
        node.kill_tree()
        client.delete_keys(*new)
