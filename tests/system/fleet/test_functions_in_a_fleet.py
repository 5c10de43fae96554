"""Functions as jobs: through the master, and by `limpet call` through the running minion."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.master.fleet import Fleet, wait_until


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("fleet"), minions=1) as running:
        yield running


def call(fleet: Fleet, *words: str) -> tuple[int, object, str]:
    """Run `limpet call` on the minion's host; give exit code, value and stderr."""
    root = fleet.minions["web1"].root
    done = fleet.limpet("call", "--out", "json", *words, root=root)
    value = json.loads(done.stdout)["local"] if done.stdout else None
    return done.returncode, value, done.stderr


def test_a_call_runs_as_a_job_of_the_minion(fleet: Fleet) -> None:
    assert call(fleet, "test.echo", "hi") == (0, "hi", "")
    assert call(fleet, "grains.get", "id") == (0, "web1", "")


def test_a_failed_call_ends_with_1_and_says_why(fleet: Fleet) -> None:
    code, value, said = call(fleet, "cmd.run", "echo x; exit 3")
    assert (code, value) == (1, "x")
    assert "cmd.run ended with retcode 3" in said
    code, _, said = call(fleet, "test.exception", "Oh no")
    assert code == 1
    assert "Oh no" in said
    code, _, said = call(fleet, "test.sleep", "lenght=1")
    assert code != 0
    assert "no argument 'lenght'" in said


def test_a_large_answer_comes_back_whole(fleet: Fleet) -> None:
    code, value, _ = call(fleet, "cmd.run", "head -c 3000000 /dev/zero | tr '\\0' x")
    assert code == 0
    assert value == "x" * 3_000_000


def test_bytes_of_any_kind_come_back(fleet: Fleet) -> None:
    code, results = fleet.run_json("web1", "cmd.run", r"printf '\377\376 ok'")
    assert code == 0
    assert results["web1"]["return"] == "\ufffd\ufffd ok"


def test_a_grain_that_was_set_can_be_targeted(fleet: Fleet) -> None:
    code, results = fleet.run_json("web1", "grains.setval", "role", "frontend")
    assert (code, results["web1"]["return"]) == (0, {"role": "frontend"})

    def is_known() -> bool:
        return fleet.limpet("run", "-G", "role:frontend", "test.ping").returncode == 0

    wait_until("the master knows the grain", is_known, 30)


def test_a_job_is_seen_from_inside_and_ended_by_the_minion_itself(fleet: Fleet) -> None:
    jid = fleet.limpet("run", "web1", "test.sleep", "600", "--async").stdout.strip()

    def is_running() -> bool:
        return bool(call(fleet, "saltutil.find_job", jid)[1])

    wait_until("the job runs", is_running, 30)
    found = call(fleet, "saltutil.is_running", "test.sle*")[1]
    assert isinstance(found, list)
    assert [(each["jid"], each["arg"]) for each in found] == [(jid, [600])]
    assert call(fleet, "saltutil.kill_job", jid)[:2] == (0, f"Job {jid} is killed")
    begin = time.monotonic()
    done = fleet.limpet("jobs", "wait", jid, within_s=30)
    assert done.returncode == 1
    assert "cancelled" in done.stdout + done.stderr
    assert time.monotonic() - begin < 20
    assert call(fleet, "saltutil.find_job", jid)[1] == {}


def test_an_unknown_function_is_refused_with_what_was_meant(fleet: Fleet) -> None:
    code, results = fleet.run_json("web1", "test.pign")
    assert code == 1
    assert results["web1"]["status"] == "refused"
    assert "did you mean 'test.ping'" in results["web1"]["error"]


def test_a_host_without_a_minion_says_how_to_go_on(fleet: Fleet, tmp_path: Path) -> None:
    done = fleet.limpet("call", "test.ping", root=tmp_path)
    assert done.returncode == 1
    assert "limpet call --local" in done.stderr
