"""`limpet swarm`: many minions in a few processes against a real master."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from limpet.minion.swarm.minions.behaviour import Behaviour, fate_of
from support.master.fleet import LIMPET, Fleet, descendants, free_port_pair, wait_until

MINIONS = 200
BEHAVIOUR = Behaviour(seed=7, delay_s=(0.2, 0.6), return_bytes=(100, 40_000), failure_rate=0.2)
JOIN = "limpet-join-1.jeq56mgnyouyrbvr7gwzdvew5qqjkkisb4qtswylpctddfi5jadq.322fa7ljux.nx7rhjyzpl5yslqlmi7kfqz2lkhax3of7uwf5huqyld65jkvo5eax6d5"  # noqa: E501


@contextmanager
def swarm(fleet: Fleet, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Run a swarm that behaves as above; whatever happens, it is gone afterwards."""
    words = [
        LIMPET, "swarm", str(MINIONS), "--master", f"{fleet.host}:{fleet.port}", "--enrol-port",
        str(fleet.enrol_port), "--state", str(fleet.folder / "swarm"), "--format", "json",
        "--processes", "2", "--seed", "7", "--delay", "0.2..0.6", "--return-bytes", "100..40000",
        "--failure-rate", "0.2",
    ]  # fmt: skip
    process = subprocess.Popen(
        [*words, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=fleet.environment,
    )
    try:
        yield process
    finally:
        below = descendants(process.pid)
        if process.poll() is None:
            process.kill()
        process.communicate()
        wait_until("its processes are gone", lambda: not any(map(is_alive, below)))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ended(process: subprocess.Popen[str], code: int = 0) -> tuple[dict[str, Any], str]:
    """Ask it to end; gives its document and what it said on stderr."""
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    return json.loads(out), err


def check_jobs(fleet: Fleet) -> int:
    """Run a job on all: each comes to what the seed says. Gives how many failed."""
    began = time.monotonic()
    done = fleet.limpet_json("run", "*", "cmd.run", "uptime")
    assert time.monotonic() - began >= BEHAVIOUR.delay_s[0]
    minions = done["minions"]
    assert len(minions) == MINIONS
    fates = {name: fate_of(BEHAVIOUR, name, done["jid"]) for name in minions}
    expected = {name: "failed" if fate.is_failed else "ok" for name, fate in fates.items()}
    assert {name: row["status"] for name, row in minions.items()} == expected
    lengths = {name: len(row["return"]) for name, row in minions.items()}
    assert lengths == {name: fate.return_bytes for name, fate in fates.items()}
    return sum(fate.is_failed for fate in fates.values())


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_swarm_joins_works_comes_back_and_comes_again(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        fleet.start_master()
        token = fleet.make_token(uses=MINIONS)
        with swarm(fleet, "--join", token) as process:
            fleet.wait_ready(MINIONS)
            assert len(fleet.answering(20.0)) == MINIONS
            failed = check_jobs(fleet)
            assert 0 < failed < MINIONS
            found = fleet.limpet_json("run", "-G", "host:swarm-00042", "test.ping")["minions"]
            assert list(found) == ["swarm-00042"]

            fleet.master.kill()
            fleet.start_master()
            fleet.wait_ready(MINIONS)
            assert len(fleet.answering(20.0)) == MINIONS
            data, _ = ended(process)
        assert data["ready"] == data["connected"] == data["started"] == MINIONS
        assert data["processes"] == 2
        assert 0 < data["all_ready_s"] < data["seconds"]
        assert data["logins"] >= 2 * MINIONS
        assert data["losses"] >= MINIONS
        assert data["enrolments_asked"] >= MINIONS
        assert data["beat_s"]["count"] == data["beats"] > 0
        assert data["jobs_at_once"] >= 2 * MINIONS + 1
        assert data["jobs_failed"] == failed
        assert data["jobs_ok"] == MINIONS - failed
        assert sum(data["failures"].values()) >= MINIONS
        assert data["problems"] == []

        keys = tmp_path / "swarm" / "swarm.keys"
        assert keys.stat().st_mode & 0o777 == 0o600
        wait_until("all are away", lambda: fleet.ready() == 0)

        with swarm(fleet) as process:  # without a join string: the keys are known
            fleet.wait_ready(MINIONS)
            check_jobs(fleet)
            second = subprocess.run(
                [*process.args[:-2], "--for", "1"],  # type: ignore[index]
                capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip
            assert second.returncode == 2
            assert "use another --state directory" in second.stderr

            victim = descendants(process.pid)[0]
            os.kill(victim, signal.SIGKILL)
            fleet.wait_ready(MINIONS // 2)
            wait_until("half of them are away", lambda: fleet.ready() == MINIONS // 2)
            data, said = ended(process, code=1)
        assert f"pid {victim}, {MINIONS // 2} minions) was ended by SIGKILL" in said
        assert data["problems"] == [said.strip().removeprefix("limpet: ")]
        assert data["ready"] == MINIONS // 2
        assert data["enrolments_asked"] == 0


def run_swarm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LIMPET, "swarm", *words], capture_output=True, text=True, timeout=30, check=False
    )


def test_nobody_at_the_master_is_told_by_the_exit_code() -> None:
    port, enrol_port = free_port_pair()
    done = run_swarm(
        "3", "--master", f"localhost:{port}", "--enrol-port", str(enrol_port), "--join", JOIN,
        "--for", "1",
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert done.stdout.startswith("0 of 3 minions were ready at the end")
    assert "refused" in done.stdout


def test_a_swarm_whose_command_dies_ends_by_itself(tmp_path: Path) -> None:
    port, _ = free_port_pair()
    words = [LIMPET, "swarm", "4", "--master", f"127.0.0.1:{port}", "--join", JOIN]
    process = subprocess.Popen(
        [*words, "--processes", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until("its processes run", lambda: len(descendants(process.pid)) == 2)
        below = descendants(process.pid)
    finally:
        process.kill()
        process.wait(20)
    wait_until("they end", lambda: not any(map(is_alive, below)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--join", "nonsense"], "join string damaged"),
        ([], "--join"),
        (["--join", JOIN, "--id-prefix", "UPPER"], "--id-prefix"),
        (["--join", JOIN, "--delay", "3..1"], "smaller"),
        (["--join", JOIN, "--return-bytes", "lots"], "not a size"),
        (["--join", JOIN, "--grains", "/nonexistent.yaml"], "no such file"),
        (["--join", JOIN, "--failure-rate", "2"], "failure-rate"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], said: str) -> None:
    done = run_swarm("2", "--master", "127.0.0.1:9", "--for", "1", *words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


def test_a_minion_loads_nothing_of_the_swarm() -> None:
    program = (
        "import sys, limpet.minion.process.loop; "
        "print([name for name in sys.modules if 'swarm' in name or 'cryptography' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
