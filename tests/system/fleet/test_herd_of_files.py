"""A whole fleet fetches the same file at once, and asks for pillar: the master stays responsive."""

import json
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from limpet import Client
from support.master.fleet import LIMPET, Fleet, descendants
from support.master.pulling import roots_of

MINIONS = 60
SIZE = 2_000_000
PING_S_MAX = 0.5
"""What the master promises on a machine of its own; here others may use it too."""
RATIO_MAX = 40
"""How much longer than at rest a ping may take at the median."""


@contextmanager
def swarm(fleet: Fleet) -> Iterator[subprocess.Popen[str]]:
    words = [
        LIMPET, "swarm", str(MINIONS), "--master", f"{fleet.host}:{fleet.port}", "--enrol-port",
        str(fleet.enrol_port), "--join", fleet.make_token(uses=MINIONS), "--format", "json",
    ]  # fmt: skip
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=fleet.environment
    )
    try:
        yield process
    finally:
        below = descendants(process.pid)
        if process.poll() is None:
            process.kill()
        process.communicate()
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def ping(client: Client) -> float:
    began = time.monotonic()
    done = client.run("swarm-00007", "test.ping")
    assert done.minions["swarm-00007"].status == "ok"
    return time.monotonic() - began


def run_on_all(fleet: Fleet, client: Client, *words: str) -> tuple[dict[str, Any], list[float]]:
    """Run something on all minions; gives what they returned, and pings of one meanwhile."""
    pings: list[float] = []
    with fleet.following("run", "--format", "json", "*", *words) as command:
        while command.poll() is None:
            pings.append(ping(client))
            time.sleep(0.02)
        assert command.stdout is not None
        minions = json.loads(command.stdout.read())["minions"]
    assert len(minions) == MINIONS
    assert {row["status"] for row in minions.values()} == {"ok"}
    return {name: row["return"] for name, row in minions.items()}, pings


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_fleet_that_fetches_one_file_leaves_the_master_responsive(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        roots = roots_of(fleet)
        (roots / "big").write_bytes(os.urandom(SIZE))
        (roots / "web.sls").write_text("/srv/x:\n  file.managed:\n    - source: salt://big\n")
        fleet.start_master()
        with swarm(fleet) as process:
            fleet.wait_ready(MINIONS)
            with Client(root=str(fleet.master.root)) as client:
                rest = statistics.median(ping(client) for _ in range(20))
                fetched, pings = run_on_all(fleet, client, "cp.cache_file", "salt://big")
                applied, more = run_on_all(fleet, client, "state.apply", "web")
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
    figures = json.loads(out)
    assert {row["bytes"] for row in fetched.values()} == {SIZE}
    assert all(row["digests_ok"] and row["files"] == 1 for row in fetched.values())
    # The second time nobody fetches the file, but what is new: pillar, listing and the SLS.
    assert {(row["files"], row["unchanged"]) for row in applied.values()} == {(1, 1)}
    assert {row["pillars"] for row in applied.values()} == {1}
    assert figures["files"] == 2 * MINIONS
    assert figures["files_unchanged"] == MINIONS
    assert MINIONS * SIZE <= figures["file_bytes"] < MINIONS * (SIZE + 1000)
    assert (figures["pillars"], figures["listings"]) == (MINIONS, MINIONS)
    assert (figures["questions_failed"], figures["digests_wrong"]) == (0, 0)
    assert (figures["logins"], figures["losses"]) == (MINIONS, 0)
    assert statistics.median(pings + more) <= max(PING_S_MAX, RATIO_MAX * rest)
