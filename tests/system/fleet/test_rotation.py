"""The master's key is rotated while its minions are here, away, or were never told."""

import contextlib
import json
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.master.fleet import Fleet, Node, wait_until

HERE = ("web1", "web2", "web3")
FOLLOWS_WITHIN_S = 15.0


@contextlib.contextmanager
def fleet_of(folder: Path, number: int) -> Iterator[Fleet]:
    """Start a master and minions."""
    running = Fleet(folder)
    try:
        running.start_master()
        running.add_minions(number)
        running.wait_ready(number, 30.0)
        yield running
    finally:
        running.close()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with fleet_of(tmp_path, 5) as running:
        yield running


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Fleet]:
    with fleet_of(tmp_path, 2) as running:
        wait_told(running, 2)
        yield running


def keys_dir(node: Node) -> Path:
    """Give where a minion keeps the keys."""
    return node.root / "state" / "minion" / "keys"


def status(node: Node) -> dict[str, Any]:
    """Read the status file of a minion."""
    read: dict[str, Any] = json.loads((node.root / "run" / "minion-status.json").read_text())
    return read


def knowing(fleet: Fleet) -> set[str]:
    """Name the minions that know the master's next keys."""
    rows = fleet.limpet_json("minions")["minions"]
    return {name for name, row in rows.items() if row["knows_next_keys"]}


def wait_told(fleet: Fleet, number: int) -> None:
    """Wait until so many minions have kept what the master announced."""
    wait_until("minions know the next keys", lambda: len(knowing(fleet)) >= number, 20.0)


def forget_keys(node: Node) -> None:
    """Take away what a minion was told of the next keys."""
    for path in keys_dir(node).glob("master.trust*"):
        path.unlink()


@pytest.mark.slow
@pytest.mark.covers("H6")
def test_who_was_told_follows_and_who_was_not_is_told_how_to_join(fleet: Fleet) -> None:
    wait_told(fleet, 5)
    before = fleet.limpet_json("keys", "show", "--master")
    assert len(before["next"]) == 3
    old_join = fleet.join
    pid = fleet.master.pid
    fleet.minions["web4"].stop()
    fleet.minions["web5"].stop()
    forget_keys(fleet.minions["web5"])
    forget_path = keys_dir(fleet.minions["web5"]) / "trusted.public"
    assert forget_path.exists()

    job = fleet.limpet("run", "--async", "web1", "cmd.run", "sleep 6; echo over").stdout.strip()
    began = time.monotonic()
    done = fleet.limpet("keys", "rotate-master", "--format", "json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["is_done"]
    assert said["old"]["fingerprint"] == before["fingerprint"]
    assert said["new"]["fingerprint"] == before["next"][0]
    assert said["following_count"] == 5  # web5 was told, and lost it since

    wait_until("those that are here follow", lambda: fleet.answering() >= set(HERE), 15.0)
    assert time.monotonic() - began <= FOLLOWS_WITHIN_S
    assert fleet.master.pid == pid
    assert fleet.master.is_running
    after = fleet.limpet_json("keys", "show", "--master")
    assert after["fingerprint"] == before["next"][0]
    assert after["next"][:2] == before["next"][1:]
    assert after["site"] == before["site"]
    wait_until(
        "the job is over",
        lambda: "over" in fleet.limpet("jobs", "show", job).stdout,
        20.0,
    )

    # One that was away follows when it comes back, and again after it.
    began = time.monotonic()
    fleet.minions["web4"].start()
    wait_until("it follows", lambda: "web4" in fleet.answering(), FOLLOWS_WITHIN_S)
    assert time.monotonic() - began <= FOLLOWS_WITHIN_S
    wait_until("it keeps the new one", lambda: knowing(fleet) >= {*HERE, "web4"}, 20.0)
    fleet.minions["web4"].stop()
    fleet.minions["web4"].start()
    wait_until("it is there again", lambda: "web4" in fleet.answering(), 10.0)

    # One that knows nothing of it is told what to do, in its log and in its status.
    lost = fleet.minions["web5"]
    lost.start()
    wait_until("its log says so", lambda: "limpet minion setup --join" in lost.log(), 20.0)
    wait_until("its status says so", lambda: "key changed" in status(lost)["advice"], 5.0)

    # So is a new one with an old join string.
    late = fleet.add_minion("web6")
    assert fleet.join == old_join
    wait_until("it is told plainly", lambda: "join string" in status_of(late, "advice"), 20.0)
    assert "dead" in status_of(late, "advice")

    # A new join string brings both in.
    fleet.join = fleet.make_token()
    for node in (lost, late):
        node.stop()
        text = (node.root / "minion.yaml").read_text().replace(old_join, fleet.join)
        (node.root / "minion.yaml").write_text(text)
        node.start()
    wait_until("all six answer", lambda: len(fleet.answering()) == 6, 20.0)


def status_of(node: Node, name: str) -> str:
    """Read one field of a status file that may not be there yet."""
    try:
        return str(status(node)[name])
    except (FileNotFoundError, json.JSONDecodeError, KeyError):
        return ""


def present(fleet: Fleet) -> str:
    """Give the fingerprint of the key that the master has."""
    return str(fleet.limpet_json("keys", "show", "--master")["fingerprint"])


@pytest.mark.slow
@pytest.mark.covers("H6")
def test_a_master_killed_at_any_moment_of_a_rotation_has_a_key_that_all_know(pair: Fleet) -> None:
    chance = random.Random(5)
    seen = {present(pair)}
    for number in range(5):
        options = ("--fresh",) if number % 2 else ()
        with pair.following("keys", "rotate-master", *options) as rotating:
            time.sleep(0.15 + chance.random() * 0.35)  # most of it is the start of the command
            pair.master.kill()
            pair.start_master()
            rotating.wait(40.0)
        wait_until("both answer", lambda: len(pair.answering()) == 2, FOLLOWS_WITHIN_S)
        wait_told(pair, 2)
        seen.add(present(pair))
    done = pair.limpet("keys", "rotate-master")
    assert done.returncode == 0, done.stderr
    assert "2 minions know the new key" in done.stdout
    wait_until("both answer", lambda: len(pair.answering()) == 2, FOLLOWS_WITHIN_S)
    assert present(pair) not in seen


@pytest.mark.slow
def test_a_master_restored_from_before_two_rotations_is_led_forward(
    pair: Fleet, tmp_path: Path
) -> None:
    state = pair.master.root / "state"
    pair.master.stop()
    shutil.copytree(state, tmp_path / "backup", symlinks=True)
    pair.start_master()
    for _ in range(2):
        wait_until("both answer", lambda: len(pair.answering()) == 2, FOLLOWS_WITHIN_S)
        wait_told(pair, 2)
        assert pair.limpet("keys", "rotate-master").returncode == 0
    wait_until("both answer", lambda: len(pair.answering()) == 2, FOLLOWS_WITHIN_S)
    wait_told(pair, 2)
    there = present(pair)

    pair.master.stop()
    shutil.rmtree(state)
    shutil.copytree(tmp_path / "backup", state, symlinks=True)
    pair.start_master()
    wait_until(
        "the master suspects why nobody comes",
        lambda: any("key-rotation.md" in each for each in pair.limpet_json("status")["problems"]),
        40.0,
    )
    assert pair.answering() == set()
    for _ in range(2):
        assert pair.limpet("keys", "rotate-master", "--yes", within_s=60.0).returncode == 0
        wait_until("the master is back", pair.is_port_open, 15.0)
    assert present(pair) == there
    assert pair.limpet_json("status")["problems"] == []
    wait_until("both answer", lambda: len(pair.answering()) == 2, 30.0)
    wait_told(pair, 2)


@pytest.mark.slow
def test_fresh_keys_leave_those_behind_who_are_away_and_only_if_one_says_so(pair: Fleet) -> None:
    pair.minions["web2"].stop()
    wait_until("it is gone", lambda: pair.states()["web2"] != "ready", 10.0)
    done = pair.limpet("keys", "rotate-master", "--fresh", within_s=60.0)
    assert done.returncode == 1
    assert "web2: was never told" in done.stderr
    assert "1 minions would follow" in done.stderr
    before = present(pair)
    done = pair.limpet("keys", "rotate-master", "--yes", within_s=60.0)
    assert done.returncode == 0, done.stderr
    assert "1 must join anew" in done.stdout
    wait_until("the other one answers", lambda: pair.answering() == {"web1"}, FOLLOWS_WITHIN_S)
    assert present(pair) != before


@pytest.mark.slow
def test_the_same_join_string_counts_again_when_a_person_says_it_again(pair: Fleet) -> None:
    state, web1 = pair.master.root / "state", pair.minions["web1"]
    old = pair.folder / "backup"
    pair.master.stop()
    shutil.copytree(state, old, symlinks=True)
    pair.start_master()
    wait_until("both answer", lambda: len(pair.answering()) == 2, FOLLOWS_WITHIN_S)
    assert pair.limpet("keys", "rotate-master").returncode == 0
    wait_until("both answer", lambda: len(pair.answering()) == 2, FOLLOWS_WITHIN_S)
    web1.stop()
    web1.start()
    wait_until("it is there with its old configuration", lambda: len(pair.answering()) == 2, 20.0)

    pair.master.stop()
    shutil.rmtree(state)
    shutil.copytree(old, state, symlinks=True)
    pair.start_master()
    web1.stop()
    where = ("--master", f"{pair.host}:{pair.port}", "--join", pair.join, "--no-start", "--anyway")
    done = pair.limpet("minion", "setup", *where, root=web1.root)
    assert done.returncode == 0, done.stderr
    web1.start()
    wait_until("it is back at the master of before", lambda: pair.answering() == {"web1"}, 20.0)


def test_a_master_that_is_to_end_while_it_starts_itself_afresh_ends(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        fleet.start_master()
        with fleet.following("keys", "rotate-master"):
            wait_until("it takes its leave", lambda: "itself afresh" in fleet.master.log())
            assert fleet.master.stop() == 0
        assert "has ended as asked" in fleet.master.log()
