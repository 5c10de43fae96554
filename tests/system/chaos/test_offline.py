"""Minions that stand still, stay away or come back as somebody else: what users are told."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Tell

from limpet import Client
from limpet.common.control.replies import KeyInfo
from support.hostile.chaos import (
    ROUNDS,
    Reckoning,
    client_of,
    entry,
    runs,
    wait_all_answer,
    wait_runs,
)
from support.master.fleet import LIMPET, Fleet, Node, wait_until

pytestmark = [pytest.mark.alone, pytest.mark.timeout(240)]
MASTER_STANDS_S = 17 if ROUNDS == 1 else 60
NOISE = 5
"""How much slower than what users are promised a busy test machine may be."""


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("ten"), minions=10) as fleet:
        yield fleet


@pytest.fixture
def client(ten: Fleet) -> Iterator[Client]:
    with client_of(ten) as made:
        yield made


def keys_of(client: Client, state: str) -> list[KeyInfo]:
    known = client.keys()
    return [key for key in known if key.state == state]


def state_of(client: Client, name: str) -> str:
    return {row.minion: row.state for row in client.minions()}[name]


def wait_state(client: Client, name: str, state: str, within_s: float = 40.0) -> float:
    return wait_until(f"{name} is {state}", lambda: state_of(client, name) == state, within_s)


def status_in(node: Node) -> str:
    """Give what the minion itself says of its link."""
    path = node.root / "run" / "minion-status.json"
    return path.read_text() if path.exists() else ""


@pytest.mark.covers("F7", "F8", "F16", "K1", "B7")
def test_two_minions_that_stand_still_hold_up_nobody_and_obey_nothing_stale(
    ten: Fleet, client: Client, tell: Tell
) -> None:
    still = ("web3", "web7")
    wait_all_answer(ten, 30)
    stopped = time.monotonic()
    for name in still:
        ten.minions[name].signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        eight_s = 0.0
        with ten.following("run", "*", "test.ping") as command:
            assert command.stdout is not None
            printed = ""
            for line in command.stdout:
                printed += line
                if not eight_s and printed.lower().count("true") == 8:
                    eight_s = time.monotonic() - began
                    stale = client.submit("*", "cmd.run", entry("still"))
            command.wait(40)
            ended_s = time.monotonic() - began
        assert command.returncode == 4
        assert eight_s <= 0.5 * NOISE
        assert ended_s <= 16 * 1.5
        assert all(name in printed for name in still)
        assert "offline" in printed
        began = time.monotonic()
        again = ten.limpet("run", "*", "test.ping")
        again_s = time.monotonic() - began
        assert again.returncode == 4
        assert again_s <= NOISE
        assert all(name in again.stdout + again.stderr for name in still)
        assert "since" in again.stdout + again.stderr
        time.sleep(max(0.0, 17.0 - (time.monotonic() - stopped)))  # long enough to be noticed
    finally:
        for name in still:
            ten.minions[name].signal(signal.SIGCONT)
    recovery_s = wait_all_answer(ten, 15 * 3)
    assert [runs(ten.minions[name], "still") for name in still] == [0, 0]
    assert sum(runs(node, "still") for node in ten.minions.values()) == 8
    told = {name: answer.status for name, answer in client.wait(stale.jid).minions.items()}
    assert {name for name, status in told.items() if status == "offline"} == set(still)
    assert all('"suspended"' in status_in(ten.minions[name]) for name in still)
    tell(
        Reckoning(recovery_s).line("SIGSTOP of two of ten")
        + f"; eight answers after {eight_s:.2f} s, ended after {ended_s:.1f} s, "
        f"the next command after {again_s:.2f} s"
    )


@pytest.mark.covers("B7", "B13", "C14")
def test_a_master_that_stood_still_has_all_minions_back_and_every_result(
    ten: Fleet, client: Client, tell: Tell
) -> None:
    job = client.submit("*", "cmd.run", entry("stood", "sleep 2; echo done"))
    wait_runs(ten, "stood", 10)
    ten.master.signal(signal.SIGSTOP)
    time.sleep(MASTER_STANDS_S)
    ten.master.signal(signal.SIGCONT)
    recovery_s = wait_all_answer(ten, 5 * NOISE)
    result = client.wait(job.jid, timeout_s=30)
    assert {answer.status for answer in result.minions.values()} == {"ok"}
    assert [runs(node, "stood") for node in ten.minions.values()] == [1] * 10
    tell(Reckoning(recovery_s).line(f"SIGSTOP of the master for {MASTER_STANDS_S} s"))


@pytest.mark.covers("F1", "F3", "F19")
def test_only_what_asks_for_it_waits_for_a_minion_that_is_away(
    ten: Fleet, client: Client, tell: Tell
) -> None:
    node = ten.minions["web4"]
    node.kill()
    offline_s = wait_state(client, "web4", "offline")
    waits = ten.limpet("run", "--ttl", "3600", "--async", "web4", "cmd.run", entry("waits"))
    assert waits.returncode == 0, waits.stderr
    late = client.submit("web4", "cmd.run", entry("late"), ttl_s=1.0)
    plain = ten.limpet("run", "web4", "cmd.run", entry("plain"))
    assert plain.returncode == 4
    time.sleep(1.5)
    assert client.show(late.jid).minions["web4"].status == "expired"
    node.start()
    began = time.monotonic()
    done = client.wait(waits.stdout.split()[0], timeout_s=30)
    took_s = time.monotonic() - began
    assert done.minions["web4"].status == "ok"
    time.sleep(1.0)
    assert [runs(node, each) for each in ("waits", "late", "plain")] == [1, 0, 0]
    assert client.show(late.jid).minions["web4"].status == "expired"
    tell(
        f"away: offline after {offline_s:.1f} s; a job with --ttl done {took_s:.2f} s after the "
        "start of its minion; the others never ran"
    )


def sleeping(seconds: float) -> int:
    """Count the processes `sleep SECONDS`."""
    wanted = f"sleep\0{seconds}\0".encode()
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += path.read_bytes() == wanted
        except OSError:
            continue
    return count


SLEEPS = "sleep {0}.1 & setsid sleep {0}.2 & sleep {0}.3"


def asleep(number: int) -> int:
    return sum(sleeping(float(f"{number}.{part}")) for part in (1, 2, 3))


@pytest.mark.covers("F5", "K3")
def test_a_cancelled_job_leaves_no_process(ten: Fleet, client: Client, tell: Tell) -> None:
    job = client.submit("web1", "cmd.run", SLEEPS.format(71_001))
    wait_until("three sleep", lambda: asleep(71_001) == 3)
    began = time.monotonic()
    client.cancel(job.jid)
    wait_until("none sleeps", lambda: asleep(71_001) == 0, 2 * NOISE)
    took_s = time.monotonic() - began
    assert client.wait(job.jid, timeout_s=20).minions["web1"].status == "cancelled"
    tell(f"cancelled: its three processes gone after {took_s:.2f} s")


@pytest.mark.covers("C1", "C8")
def test_a_cancel_outlives_the_master(ten: Fleet, client: Client) -> None:
    job = client.submit("web[12]", "cmd.run", SLEEPS.format(71_002))
    wait_until("six sleep", lambda: asleep(71_002) == 6)
    for name in ("web1", "web2"):
        ten.minions[name].signal(signal.SIGSTOP)  # the word can't get through before the kill
    client.cancel(job.jid)
    ten.master.kill()
    for name in ("web1", "web2"):
        ten.minions[name].signal(signal.SIGCONT)
    ten.start_master()
    result = client.wait(job.jid, timeout_s=40)
    assert {answer.status for answer in result.minions.values()} == {"cancelled"}
    assert asleep(71_002) == 0


@pytest.mark.covers("F1", "F14")
def test_a_cancel_reaches_a_minion_that_was_away(ten: Fleet, client: Client) -> None:
    node = ten.minions["web5"]
    job = client.submit("web5", "cmd.run", SLEEPS.format(71_003))
    wait_until("three sleep", lambda: asleep(71_003) == 3)
    node.kill()
    client.cancel(job.jid)
    time.sleep(1.0)
    assert asleep(71_003) == 3, "nobody can have told it yet"
    node.start()
    assert client.wait(job.jid, timeout_s=40).minions["web5"].status == "cancelled"
    wait_until("none sleeps", lambda: asleep(71_003) == 0, 10)


@pytest.mark.covers("H4", "A2", "A8", "E1")
def test_a_minion_whose_key_is_taken_back_is_cut_off_at_once_and_comes_back_when_accepted(
    ten: Fleet, client: Client, tell: Tell
) -> None:
    wait_all_answer(ten, 40)
    sessions = {row.minion: row.since_s for row in client.minions()}
    began = time.monotonic()
    assert ten.limpet("keys", "reject", "web1", "--yes").returncode == 0
    wait_until("its session is over", lambda: '"ready"' not in status_in(ten.minions["web1"])[:30])
    dead_s = time.monotonic() - began
    client.delete_keys("web2")
    assert {"web1", "web2"}.isdisjoint(row.minion for row in client.minions())
    time.sleep(2.0)
    began = time.monotonic()
    assert ten.limpet("keys", "accept", "web1", "--yes").returncode == 0
    wait_until(
        "web2 asks again",
        lambda: "web2" in {key.minion for key in keys_of(client, "pending")},
        40,
    )
    client.accept_keys("web2")
    accepted = time.monotonic()
    wait_state(client, "web1", "ready", 30 * 1.5)
    back_s = time.monotonic() - began
    wait_state(client, "web2", "ready", 30 * 1.5)
    deleted_s = time.monotonic() - accepted
    now = {row.minion: row.since_s for row in client.minions()}
    others = [name for name in sessions if name not in ("web1", "web2")]
    assert [now[name] for name in others] == [sessions[name] for name in others]
    assert dead_s < 1 * NOISE
    tell(
        f"rejected: cut off after {dead_s:.2f} s; accepted: READY after {back_s:.1f} s; "
        f"deleted and accepted: READY after {deleted_s:.1f} s"
    )


@pytest.mark.covers("F17", "C17")
def test_a_minion_with_a_new_journal_is_not_handed_what_it_may_have_run(
    ten: Fleet, client: Client
) -> None:
    node = ten.minions["web6"]
    job = client.submit("web6", "cmd.run", entry("reimaged", "sleep 2"), ttl_s=600)
    wait_runs(ten, "reimaged", 1)
    node.kill_tree()
    shutil.rmtree(node.root / "state" / "minion" / "journal")
    shutil.rmtree(node.root / "state" / "minion" / "spool")
    node.start()
    wait_state(client, "web6", "ready")
    result = client.wait(job.jid, timeout_s=30)
    assert result.minions["web6"].status == "lost"
    time.sleep(6.0)  # longer than the pause between two sends
    assert runs(node, "reimaged") == 1
    assert client.run("web6", "test.ping").minions["web6"].status == "ok"


@pytest.mark.covers("H2", "D10")
def test_a_clone_does_not_displace_the_original(ten: Fleet, client: Client, tell: Tell) -> None:
    original = ten.minions["web8"]
    sockets = {row.minion: row.since_s for row in client.minions()}["web8"]
    clone = Node(ten, "clone", ["minion"])
    shutil.rmtree(clone.root)
    shutil.copytree(original.root, clone.root, ignore=shutil.ignore_patterns("*.sock", "lock"))
    began = time.monotonic()
    clone.start()
    try:
        wait_until("the clone is told", lambda: "cloned" in status_in(clone), 30)
        told_s = time.monotonic() - began
        for serial in range(5):
            client.run("web8", "cmd.run", entry(f"clone{serial}"), timeout_s=20)
            assert runs(original, f"clone{serial}") == 1
            assert runs(clone, f"clone{serial}") == 0
        assert state_of(client, "web8") == "ready"
        now = {row.minion: row.since_s for row in client.minions()}["web8"]
        assert now == sockets, "the original kept its session"
        tell(f"a clone was turned away {told_s:.1f} s after its start")
    finally:
        clone.kill_tree()


@pytest.mark.covers("D10", "D5")
def test_a_second_process_on_one_root_is_refused_and_a_stale_lock_is_not(ten: Fleet) -> None:
    node = ten.minions["web9"]
    second = subprocess.run(
        [LIMPET, "--root", str(node.root), "minion"],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert second.returncode == 2
    assert str(node.pid) in second.stderr
    other = ten.limpet("master")
    assert other.returncode == 2
    assert str(ten.master.pid) in other.stderr
    assert "Traceback" not in second.stderr + other.stderr
    node.kill()
    node.start()
    wait_all_answer(ten, 40)


@pytest.mark.covers("H1", "H5")
def test_the_same_id_with_another_key_is_a_conflict(ten: Fleet, client: Client) -> None:
    stranger = Node(ten, "stranger", ["minion"])
    (stranger.root / "minion.yaml").write_text(
        (ten.minions["web10"].root / "minion.yaml").read_text()
    )
    (stranger.root / "minion.yaml").chmod(0o600)
    stranger.start()
    try:
        wait_until(
            "the conflict is shown",
            lambda: "web10" in {key.minion for key in keys_of(client, "conflict")},
            30,
        )
        job = client.run("web10", "cmd.run", entry("conflict"), timeout_s=20)
        assert job.minions["web10"].status == "ok"
        assert runs(ten.minions["web10"], "conflict") == 1
        assert runs(stranger, "conflict") == 0
        assert os.path.exists(stranger.root / "state")
    finally:
        stranger.kill_tree()
        client.reject_keys(*(key.fingerprint for key in keys_of(client, "conflict")))
    assert state_of(client, "web10") == "ready"
