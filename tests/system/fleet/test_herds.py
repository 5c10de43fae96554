"""All minions come at once, the master dies under them, and some of them stand still.

Small herds (`limpet swarm`) on a real master: what is judged are counts (handshakes, losses, final
statuses) and the master's memory, not times. docs/swarm.md has the figures of large ones.
"""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limpet import Client
from support.master.fleet import LIMPET, Fleet, descendants, wait_until

MINIONS = 200
STOPPED = 10
LARGE = 150_000
"""Characters of an argument: nearly the most that a job takes."""
MIB = 1024 * 1024


class Swarm:
    """A swarm that is ended, and asked what it saw."""

    def __init__(self, fleet: Fleet, number: int, *more: str, prefix: str = "swarm-") -> None:
        words = [
            LIMPET, "swarm", str(number), "--master", f"{fleet.host}:{fleet.port}",
            "--enrol-port", str(fleet.enrol_port), "--state", str(fleet.folder / prefix),
            "--id-prefix", prefix, "--format", "json", "--joins", "10000",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            [*words, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=fleet.environment,
        )

    def signal_minions(self, number: int) -> None:
        """Send a signal to the processes in which the minions are."""
        for pid in descendants(self.process.pid):
            os.kill(pid, number)

    def end(self) -> dict[str, Any]:
        """End it; gives its document."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=30)
        assert out, err
        found: dict[str, Any] = json.loads(out)
        assert found["problems"] == []
        return found


@contextlib.contextmanager
def swarm(fleet: Fleet, number: int, *more: str, prefix: str = "swarm-") -> Iterator[Swarm]:
    """Start a swarm; whatever happens, it is gone afterwards."""
    running = Swarm(fleet, number, *more, prefix=prefix)
    try:
        yield running
    finally:
        below = descendants(running.process.pid)
        if running.process.poll() is None:
            running.process.kill()
        running.process.communicate()
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def wait_ready(fleet: Fleet, number: int) -> None:
    """Wait for so many minions, without a process for each look."""

    def is_so() -> bool:
        with Client(root=str(fleet.master.root)) as client:
            return client.status().ready == number

    wait_until(f"{number} minions are READY", is_so)


def memory_bytes(pid: int) -> int:
    """Give the memory of a process and all below it (PSS)."""
    total = 0
    for each in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def refused_so_far() -> int:
    """Give how many connections of this host have been refused, whoever asked for them."""
    names, numbers = (
        line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if "Tcp:" in line
    )
    return int(numbers[names.index("AttemptFails")])


class Enrolled:
    """A fleet whose minions' keys are accepted, its master up, and how they came in."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        fleet.start_master()
        with swarm(fleet, MINIONS, "--join", fleet.make_token(uses=MINIONS)) as herd:
            wait_ready(fleet, MINIONS)
            self.data = herd.end()


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Enrolled]:
    with Fleet(tmp_path_factory.mktemp("herds")) as fleet:
        yield Enrolled(fleet)


@pytest.fixture
def fleet(enrolled: Enrolled) -> Fleet:
    """Give the fleet with its master up, whatever the test before has left."""
    if not enrolled.fleet.master.is_running:
        enrolled.fleet.start_master()
    wait_ready(enrolled.fleet, 0)
    return enrolled.fleet


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_all_come_at_once_with_new_keys_and_again_with_known_ones(
    enrolled: Enrolled, fleet: Fleet
) -> None:
    data = enrolled.data
    assert data["handshakes"] <= 1.2 * 2 * MINIONS  # one on either port
    assert data["enrolments_asked"] <= 1.2 * MINIONS
    assert data["losses"] == 0

    fleet.master.kill()
    before = refused_so_far()
    with swarm(fleet, MINIONS) as herd:  # the power is back here first
        wait_until("they have asked", lambda: refused_so_far() >= before + MINIONS)
        fleet.start_master()
        wait_ready(fleet, MINIONS)
        data = herd.end()
    assert data["handshakes"] <= 1.2 * MINIONS
    assert set(data["failures"]) == {"refused"}, "somebody was cut off, or gave up"
    assert data["losses"] == data["enrolments_asked"] == 0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_jobs_under_way_are_accounted_for_though_the_master_dies_twice(fleet: Fleet) -> None:
    with swarm(fleet, MINIONS, "--delay", "1..4") as herd:
        wait_ready(fleet, MINIONS)
        words = ("run", "swarm-*", "cmd.run", "uptime", "--format", "json")
        with fleet.following(*words) as early, fleet.following(*words) as late:
            for pause_s in (0.5, 1.5):  # while it is stored and sent, and while it runs
                time.sleep(pause_s)
                fleet.master.kill()
                fleet.start_master()
            followed = [json.loads(each.communicate(timeout=60)[0]) for each in (early, late)]
        for job in followed:
            assert [row["status"] for row in job["minions"].values()] == ["ok"] * MINIONS
            shown = fleet.limpet_json("jobs", "show", job["jid"])
            assert [row["status"] for row in shown["minions"].values()] == ["ok"] * MINIONS
        wait_ready(fleet, MINIONS)

        began = time.monotonic()
        assert fleet.master.stop() == 0  # a planned stop
        fleet.start_master()
        wait_ready(fleet, MINIONS)
        assert time.monotonic() - began < 20
        # Behind what is still on its way: a return whose acknowledgement went down with the master.
        fleet.limpet_json("run", "swarm-*", "test.ping")
        data = herd.end()
    assert data["jobs_ok"] == 2 * MINIONS, "run once each"
    assert data["returns_acknowledged"] >= 2 * MINIONS
    assert data["failures"]["drained"] == MINIONS
    # Each loss costs a handshake, and no more.
    assert data["handshakes"] <= 1.2 * data["logins"]
    assert data["losses"] <= 3 * MINIONS


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_minions_that_stand_still_cost_others_no_time_and_the_master_no_memory(
    fleet: Fleet,
) -> None:
    token = fleet.make_token(uses=STOPPED)
    with (
        swarm(fleet, MINIONS),
        swarm(fleet, STOPPED, "--join", token, prefix="slow-") as slow,
        Client(root=str(fleet.master.root)) as client,
    ):
        wait_ready(fleet, MINIONS + STOPPED)

        def pings_s() -> list[float]:
            took = []
            for _ in range(8):
                began = time.monotonic()
                done = client.run("swarm-*", "test.ping")
                took.append(time.monotonic() - began)
                assert [each.status for each in done.minions.values()] == ["ok"] * MINIONS
            return took

        before_s = pings_s()
        before_bytes = memory_bytes(fleet.master.pid)
        slow.signal_minions(signal.SIGSTOP)
        for _ in range(30):
            list(client.start("slow-*", "cmd.run", "x" * LARGE, is_followed=False))
        meanwhile_s = pings_s()
        # Sent again every five seconds, until the silence has lasted for too long.
        wait_until(
            "nothing more is queued", lambda: client.status().rejected.get("slow_peer", 0) > 60
        )
        grown = memory_bytes(fleet.master.pid) - before_bytes
        slow.signal_minions(signal.SIGCONT)
        wait_ready(fleet, MINIONS + STOPPED)
    # 30 jobs of 150 KB for each, and all that again and again: 4 MiB of it are queued.
    assert grown < STOPPED * 5 * MIB + 30 * MIB
    assert statistics.median(meanwhile_s) < 2 * statistics.median(before_s) + 0.1
