"""The command line and the client with a real master and real minions."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet import Client
from limpet.common.errors import ExitCode
from limpet.master.client.errors import NoMinionMatched
from support.master.fleet import Fleet, wait_until


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("fleet"), minions=2) as made:
        yield made


@pytest.mark.covers("F8", "F9")
def test_a_thousand_results_are_all_seen(fleet: Fleet) -> None:
    with Client(str(fleet.master.root)) as client:
        began = time.monotonic()
        for number in range(500):
            job = client.run("*", "test.echo", number, timeout_s=30)
            assert [answer.value for answer in job.minions.values()] == [number, number]
        took_s = time.monotonic() - began
    print(f"{500 / took_s:.0f} jobs a second, two minions each")


def matching(client: Client, grain: str) -> list[str]:
    """Give the minions that a grain target finds now; grains come some time after READY."""
    try:
        return sorted(client.run(grain, "test.ping", kind="grain").minions)
    except NoMinionMatched:
        return []


def test_targets_by_grain_and_compound_find_real_grains(fleet: Fleet) -> None:
    names = sorted(fleet.minions)
    root = str(fleet.master.root)
    with Client(root) as client:
        wait_until("the grains are there", lambda: matching(client, "kernel:linux") == names)
        compound = client.run(
            f"G@kernel:Linux and S@127.0.0.0/8 and not {names[0]}", "test.ping", kind="compound"
        )
        assert sorted(compound.minions) == names[1:]


@pytest.mark.covers("F9")
def test_a_master_killed_in_mid_job_costs_the_command_nothing(fleet: Fleet) -> None:
    mark = fleet.folder / "ran"
    script = f"echo x >> {mark}-$PPID; sleep 3; echo done"
    with fleet.following("run", "--format", "json", "*", "cmd.run", script) as command:
        deadline = time.monotonic() + 30
        while len(list(Path(fleet.folder).glob("ran-*"))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        fleet.master.kill()
        fleet.start_master()
        out, err = command.communicate(timeout=60)

    assert command.returncode == ExitCode.OK, err
    answers = json.loads(out)["minions"]
    assert [answer["return"] for answer in answers.values()] == ["done", "done"]
    written = [path.read_text() for path in Path(fleet.folder).glob("ran-*")]
    assert written == ["x\n", "x\n"]


def test_output_is_streamed_while_the_function_runs(fleet: Fleet) -> None:
    name = min(fleet.minions)
    words = ("run", "--stream", name, "cmd.run", "echo one; sleep 2; echo two")
    with fleet.following(*words) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == f"{name}: one\n"
        assert command.poll() is None
        out, _ = command.communicate(timeout=30)

    assert (command.returncode, out) == (0, f"{name}: two\n{name}: (ok)\n")
