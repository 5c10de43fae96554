"""Pillar rendered by a real master for real minions: whose it is, what errors and faults do."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.master.fleet import Fleet, descendants, wait_until


def put(fleet: Fleet, files: dict[str, str]) -> None:
    """Write files below the master's root: `pillar/…`, `states/…`."""
    for name, text in files.items():
        path = fleet.master.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


TREE = {
    "pillar/top.sls": "base:\n  '*': [all]\n  web1: [one]\n  web2: [two]\n",
    "pillar/all.sls": "name: {{ grains.id }}\nv: 1\n",
    "pillar/one.sls": "role: front\nonly: for-web1\n",
    "pillar/two.sls": "role: back\nonly: for-web2\n",
    "states/show.sls": "{{ pillar.role }} {{ pillar.v }}:\n  test.nop\n",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("fleet"), minions=2) as fleet:
        yield fleet


@pytest.fixture
def fleet(running: Fleet) -> Fleet:
    put(running, TREE)
    return running


def fork_servers(fleet: Fleet) -> list[int]:
    """Give the pids of the master's pillar fork server, if it runs."""
    found = []
    for pid in descendants(fleet.master.pid):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if b"pillar.io.fork_server" in words and int(parent) == fleet.master.pid:
            found.append(pid)
    return found


def returns(fleet: Fleet, *words: str, within_s: float = 60.0) -> dict[str, Any]:
    _, results = fleet.run_json(*words, within_s=within_s)
    return {name: each["return"] for name, each in results.items()}


def ids_of(answer: Any) -> list[str]:  # noqa: ANN401
    assert isinstance(answer, dict), answer
    return [each["__id__"] for each in answer.values()]


@pytest.mark.covers("B-47")
def test_each_minion_has_its_own_pillar_and_states_see_it(fleet: Fleet) -> None:
    found = returns(fleet, "*", "pillar.items")
    assert found == {
        "web1": {"name": "web1", "v": 1, "role": "front", "only": "for-web1"},
        "web2": {"name": "web2", "v": 1, "role": "back", "only": "for-web2"},
    }
    assert returns(fleet, "*", "pillar.get", "only") == {"web1": "for-web1", "web2": "for-web2"}
    applied = returns(fleet, "*", "state.apply", "show")
    assert {name: ids_of(each) for name, each in applied.items()} == {
        "web1": ["front 1"],
        "web2": ["back 1"],
    }


def test_pillar_given_with_the_command_is_laid_over_it_and_seen_by_nobody_else(
    fleet: Fleet,
) -> None:
    over = returns(fleet, "web1", "state.apply", "show", "pillar={v: 2}")
    assert ids_of(over["web1"]) == ["front 2"]
    assert returns(fleet, "web1", "pillar.get", "v") == {"web1": 1}
    assert returns(fleet, "web1", "pillar.items", "pillar={v: 3}")["web1"]["v"] == 3


def test_an_error_in_one_pillar_fails_that_minions_runs_with_its_place_and_nobody_elses(
    fleet: Fleet,
) -> None:
    put(fleet, {"pillar/two.sls": "role: back\n\nx: {{ nothing }}\n"})
    code, results = fleet.run_json("*", "state.apply", "show")
    assert code == 1
    assert results["web1"]["status"] == "ok"
    assert results["web2"]["status"] == "failed"
    assert f"{fleet.master.root}/pillar/two.sls:3" in str(results["web2"]["return"])
    assert f"{fleet.master.root}/pillar/two.sls:3" in fleet.master.log()
    assert returns(fleet, "*", "test.ping") == {"web1": True, "web2": True}


def test_targets_go_by_pillar_and_a_refresh_is_seen_by_them(fleet: Fleet) -> None:
    assert returns(fleet, "*", "saltutil.refresh_pillar") == {"web1": True, "web2": True}
    assert returns(fleet, "-I", "role:front", "test.ping") == {"web1": True}
    assert returns(fleet, "-J", "only:for-web[2-9]", "test.ping") == {"web2": True}
    assert returns(fleet, "-C", "I@v:1 and not J@role:fr.*", "test.ping") == {"web2": True}
    put(fleet, {"pillar/two.sls": "role: front\n"})
    assert returns(fleet, "web2", "saltutil.refresh_pillar") == {"web2": True}
    assert returns(fleet, "-I", "role:front", "test.ping") == {"web1": True, "web2": True}
    nobody = fleet.limpet("run", "-I", "role:none", "test.ping")
    assert nobody.returncode == 3
    listed = fleet.limpet_json("minions", "-I", "name:web1")
    assert list(listed["minions"]) == ["web1"]


def test_a_minion_whose_pillar_is_broken_is_left_out_of_such_a_target_and_named(
    fleet: Fleet,
) -> None:
    put(fleet, {"pillar/two.sls": "x: {{ nothing }}\n"})
    returns(fleet, "*", "saltutil.refresh_pillar")
    done = fleet.limpet("run", "-I", "v:1", "test.ping", "--format", "json")
    assert "the pillar of web2 has errors" in done.stderr
    assert '"web1"' in done.stdout
    assert '"web2"' not in done.stdout


def test_a_state_may_have_pillar_loaded_anew_in_its_run(fleet: Fleet) -> None:
    data = fleet.master.root / "pillar/one.sls"
    put(
        fleet,
        {
            "states/reload.sls": f"change:\n  cmd.run:\n    - name: \"echo 'role: new' > {data}\"\n"
            "    - reload_pillar: true\n"
            f"{fleet.folder}/out:\n  file.managed:\n    - source: salt://tpl\n"
            "    - template: jinja\n",
            "states/tpl": "{{ pillar.role }}\n",
        },
    )
    code, _ = fleet.run_json("web1", "state.apply", "reload")
    assert code == 0
    assert (fleet.folder / "out").read_text() == "new\n"


@pytest.mark.covers("E8", "B-57")
@pytest.mark.parametrize(
    "bad",
    [
        "#!py\ndef run():\n    while True: pass\n",
        "#!py\ndef run():\n    x = []\n    while True: x.append('a' * 10**7)\n",
        "x: {{ salt['cmd.run']('sleep 100') }}\n",
    ],
    ids=["endless", "memory", "sleeps"],
)
def test_hostile_pillar_of_one_minion_harms_nobody(fleet: Fleet, bad: str) -> None:
    put(fleet, {"pillar/two.sls": bad})
    with fleet.following("run", "--format", "json", "web2", "state.apply", "show") as victim:
        slowest_s = 0.0
        while victim.poll() is None:
            begin = time.monotonic()
            assert returns(fleet, "*", "test.ping") == {"web1": True, "web2": True}
            assert returns(fleet, "web1", "pillar.get", "role") == {"web1": "front"}
            slowest_s = max(slowest_s, time.monotonic() - begin)
        out, _ = victim.communicate()
    assert victim.returncode == 1
    assert "two.sls" in out
    assert slowest_s < 10
    assert fleet.ready() == 2
    assert not [each for each in (fleet.master, *fleet.minions.values()) if not each.is_running]


def test_a_killed_fork_server_costs_no_run(fleet: Fleet) -> None:
    put(fleet, {"pillar/one.sls": "role: {{ salt['cmd.run']('sleep 2; echo slow') }}\n"})
    with fleet.following("run", "--format", "json", "web1", "state.apply", "show") as run:
        wait_until("pillar is rendered", lambda: any(map(descendants, fork_servers(fleet))), 30)
        os.kill(fork_servers(fleet)[0], signal.SIGKILL)
        out, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    assert "slow 1" in out


def test_a_master_that_is_killed_while_it_renders_costs_no_run(fleet: Fleet) -> None:
    put(fleet, {"pillar/one.sls": "role: {{ salt['cmd.run']('sleep 2; echo slow') }}\n"})
    jid = fleet.limpet("run", "web1", "state.apply", "show", "--async").stdout.strip()
    wait_until("pillar is rendered", lambda: any(map(descendants, fork_servers(fleet))), 30)
    below = descendants(fleet.master.pid)
    fleet.master.kill()

    def are_gone() -> bool:
        return not [pid for pid in below if Path(f"/proc/{pid}").exists()]

    wait_until("nothing of it is left", are_gone, 20)
    fleet.start_master()
    done = fleet.limpet("jobs", "wait", jid, "--format", "json", within_s=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "slow 1" in done.stdout
    fleet.wait_ready(2)
