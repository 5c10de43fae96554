"""Disks that are full (of bytes or of files) under a minion's state, its cache, its targets, /tmp,

and under a master's store: what needs the room fails with that reason, all else goes on, and what
comes after room was made works by itself. The long rounds are in `chaos/test_disks.py`.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limpet.minion.jobs.events import Spawned, SpawnFailed
from support.hostile.small_disk import SmallDisk, needs_root
from support.hosts.jobs_on_host import HostedJobs
from support.master.fleet import Fleet

pytestmark = [needs_root, pytest.mark.xdist_group("disks"), pytest.mark.timeout(120)]
NO_ROOM = ("disk full", "No space left on device", "disk would be full")
BEAT_S = 6.0
"""More than one beat."""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(tmp_path) as made:
        yield made


def answer(fleet: Fleet, function: str, *arguments: str) -> tuple[str, str]:
    """Run a function on web1; gives its status, and the reason where that is not `ok`."""
    command = ("--timeout", "30", "web1", function, *arguments)
    code, minions = fleet.run_json(*command)
    result: dict[str, Any] = minions["web1"]
    assert (code == 0) == (result["status"] == "ok")
    told = result["error"] or ""
    if isinstance(result["return"], dict) and result["status"] != "ok":
        told += " ".join(str(each.get("comment")) for each in result["return"].values())
    return str(result["status"]), told


def tells_of_the_disk(text: str) -> bool:
    return any(words in text for words in NO_ROOM)


@pytest.mark.covers("I1", "I15")
def test_without_an_inode_jobs_run_in_what_was_set_aside_and_the_rest_is_told(
    fleet: Fleet,
) -> None:
    fleet.start_master()
    node = fleet.add_minion("web1", starts=False)
    disk = SmallDisk(node.root / "state", "12m", inodes=200)
    try:
        node.start()
        fleet.wait_ready(1)
        assert answer(fleet, "cmd.run", "true") == ("ok", "")
        disk.fill_inodes()
        for _ in range(3):
            assert answer(fleet, "cmd.run", "true") == ("ok", "")
        status, told = answer(fleet, "cmd.run", "head -c 100000 /dev/zero | tr '\\0' x")
        assert status == "ok"
        assert told == "the returned value was cut: the disk was full"
        assert answer(fleet, "test.ping") == ("ok", "")
        disk.clear()
        assert answer(fleet, "cmd.run", "true") == ("ok", "")
        assert fleet.states() == {"web1": "ready"}
    finally:
        fleet.close()
        disk.close()


@pytest.mark.covers("I1")
def test_when_what_was_set_aside_is_used_up_a_job_is_refused_for_want_of_inodes(
    tmp_path: Path,
) -> None:
    disk = SmallDisk(tmp_path / "small", "2m", inodes=60)
    try:
        with HostedJobs(disk.folder) as jobs:
            jobs.run(1, "test.echo", "warm")
            disk.fill_inodes()
            # Without a master nobody acknowledges, so that none of the eight is given back.
            for number in range(2, 10):
                assert jobs.run(number, "test.echo", number).outcome == "ok"
            jobs.spawn(10, "test.echo", 10)
            refused = next(jobs.until(Spawned, SpawnFailed))
            assert isinstance(refused, SpawnFailed)
            assert refused.reason == (
                "disk full (of files: no inode is left): no room can be set aside for its result"
            )
            disk.clear()
            assert jobs.run(11, "test.echo", 11).outcome == "ok"
    finally:
        disk.close()


@pytest.mark.covers("I1", "I15")
def test_files_for_which_there_is_no_room_are_told_and_come_after_room_was_made(
    fleet: Fleet, tmp_path: Path
) -> None:
    states = fleet.master.root / "states"
    states.mkdir()
    target = tmp_path / "target"
    (states / "big.bin").write_bytes(os.urandom(2_000_000))
    (states / "big.sls").write_text(
        f"big:\n  file.managed:\n    - name: {target}/big.bin\n    - source: salt://big.bin\n"
    )
    fleet.start_master()
    node = fleet.add_minion("web1", starts=False)
    node.environment["TMPDIR"] = str(tmp_path / "tmp")
    disks = {
        "state": SmallDisk(node.root / "state", "150m"),  # the cache leaves others room
        "target": SmallDisk(target, "4m", mode="0755"),
        "tmp": SmallDisk(tmp_path / "tmp", "1m", mode="1777"),
    }
    try:
        node.start()
        fleet.wait_ready(1)
        for disk in disks.values():
            disk.fill()
        status, told = answer(fleet, "state.apply", "big")  # no room for it in the cache
        assert status in ("failed", "refused")
        assert tells_of_the_disk(told), told
        time.sleep(BEAT_S)
        assert fleet.states() == {"web1": "ready"}
        disks["state"].clear()
        status, told = answer(fleet, "state.apply", "big")  # none where it belongs
        assert status == "failed"
        assert tells_of_the_disk(told), told
        assert "cache" not in told
        assert not (target / "big.bin").exists()
        assert answer(fleet, "cmd.run", 'echo x > "$TMPDIR/x"')[0] == "failed"
        assert answer(fleet, "test.ping") == ("ok", "")
        disks["target"].clear()
        assert answer(fleet, "state.apply", "big") == ("ok", "")  # a full /tmp is no hindrance
        assert (target / "big.bin").read_bytes() == (states / "big.bin").read_bytes()
        left = [path.name for path in target.iterdir() if path.name not in ("big.bin", "many")]
        assert left == []
    finally:
        fleet.close()
        for disk in disks.values():
            disk.close()


@pytest.mark.covers("I2")
def test_a_master_without_an_inode_or_a_byte_refuses_and_comes_back_without_a_restart(
    fleet: Fleet,
) -> None:
    disk = SmallDisk(fleet.master.root / "state", "30m", inodes=150)
    try:
        fleet.start_master()
        fleet.add_minion("web1")
        fleet.wait_ready(1)
        disk.fill_inodes()
        assert answer(fleet, "cmd.run", "true") == ("ok", "")  # nothing new is made for a job
        fleet.master.kill()
        fleet.start_master()  # and a start makes do with what is given up
        fleet.wait_ready(1)
        assert answer(fleet, "cmd.run", "true") == ("ok", "")
        disk.clear()
        taken: list[str] = []
        refused = ""
        large = "x" * 100_000
        while not refused:
            assert len(taken) < 300
            disk.fill()
            done = fleet.limpet("run", "--async", "web1", "test.echo", large)
            if done.returncode == 0:
                taken.append(done.stdout.split()[-1])
            else:
                refused = done.stderr
        assert "disk" in refused
        assert done.returncode == 1
        assert fleet.states() == {"web1": "ready"}
        disk.clear()
        began = time.monotonic()
        while fleet.limpet("run", "web1", "test.ping").returncode != 0:
            assert time.monotonic() - began < 10, "it does not come back"
            time.sleep(0.2)
        for jid in taken[-5:]:
            waited = fleet.limpet("jobs", "wait", jid)
            assert waited.returncode == 0, (waited.stdout[-500:], waited.stderr)
    finally:
        fleet.close()
        disk.close()
