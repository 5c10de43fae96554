"""Runs of states that are cut off in the middle: what is told of them, and how they go on."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.master.fleet import Fleet, Node, descendants, wait_until

STATES = 5
"""So many files, and after each a command that is only run if its file was changed."""
EVERY = [f"{kind}{n}" for n in range(STATES) for kind in ("file", "command")]
TREE = """
{{% for n in range({states}) %}}
file{{{{ n }}}}:
  file.managed:
    - name: {out}/file{{{{ n }}}}
    - contents: text {{{{ n }}}}
command{{{{ n }}}}:
  cmd.run:
    - name: echo {{{{ n }}}} >> {out}/log; test -e {out}/go{{{{ n }}}} || sleep 60; sleep {pause}
    - onchanges: [{{file: file{{{{ n }}}}}}]
{{% endfor %}}
"""


class Site:
    """A fleet of one minion with a tree of states that writes to a folder."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.srv, self.out = fleet.folder / "srv", fleet.folder / "out"
        self.srv.mkdir()
        self.fresh()

    @property
    def minion(self) -> Node:
        return self.fleet.minions["web1"]

    def fresh(self, *, halt: int | None = None, pause_s: float = 0.0) -> None:
        """Begin with an empty folder; the run halts in the command of that number."""
        self.out.mkdir(exist_ok=True)
        for path in self.out.iterdir():
            path.unlink()
        for number in range(STATES):
            if number != halt:
                self.let_go(number)
        text = TREE.format(states=STATES, out=self.out, pause=pause_s)
        (self.srv / "site.sls").write_text(text)

    def let_go(self, number: int) -> None:
        """Let the command of that number come to its end when it is run the next time."""
        (self.out / f"go{number}").touch()

    def log(self) -> list[str]:
        path = self.out / "log"
        return path.read_text().split() if path.exists() else []

    def start(self, *more: str) -> str:
        """Start the run and give its job's id."""
        done = self.fleet.limpet("apply", *more, "web1", "site", "--async")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def wait_for(self, number: int) -> None:
        """Wait until the command of that number runs."""
        wait_until(f"command {number} runs", lambda: str(number) in self.log())

    def end_of(self, jid: str) -> dict[str, Any]:
        done = self.fleet.limpet("jobs", "wait", jid, "--format", "json")
        found = json.loads(done.stdout)["minions"]["web1"]
        assert isinstance(found, dict)
        return found

    def resume(self, jid: str, *more: str) -> tuple[int, dict[str, Any]]:
        done = self.fleet.limpet("apply", "--resume", jid, *more, "--format", "json")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)["minions"]["web1"]

    def check_whole(self) -> None:
        """Insist that every state has done its work."""
        for number in range(STATES):
            assert (self.out / f"file{number}").read_text() == f"text {number}\n"
        assert sorted(set(self.log())) == [str(number) for number in range(STATES)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    with fleet:
        site = Site(fleet)
        fleet.start_master()
        roots = f"file_client: local\nfile_roots: {{base: [{site.srv}]}}\n"
        fleet.add_minion("web1", extra=roots)
        fleet.wait_ready(1)
        yield site


def ids(tags: object) -> list[str]:
    assert isinstance(tags, list | dict)
    return [str(tag).split("_|-")[1] for tag in tags]


def expected(number: int) -> tuple[list[str], list[str], list[str]]:
    """Give the ids of what is done, running and not reached while a command runs."""
    place = EVERY.index(f"command{number}")
    return EVERY[:place], EVERY[place : place + 1], EVERY[place + 1 :]


def check_cut(found: dict[str, Any], jid: str, number: int) -> None:
    value = found["return"]
    assert set(value) == {"done", "running", "not_reached"}
    told = (ids(value["done"]), ids(value["running"]), ids(value["not_reached"]))
    assert told == expected(number)
    assert all(each["result"] is True for each in value["done"].values())
    done = len(told[0])
    assert f"{done} of {2 * STATES} states done" in found["error"]
    assert f"limpet apply --resume {jid}" in found["error"]


@pytest.mark.slow
def test_a_run_whose_minion_is_killed_says_how_far_it_came_and_goes_on(site: Site) -> None:
    chance = random.Random(7)
    for _ in range(5):
        number = chance.randrange(STATES)
        site.fresh(halt=number)
        jid = site.start()
        site.wait_for(number)
        site.minion.kill_tree()
        site.minion.start()

        found = site.end_of(jid)
        assert found["status"] == "interrupted"
        check_cut(found, jid, number)

        site.let_go(number)
        code, resumed = site.resume(jid)
        assert (code, resumed["status"]) == (0, "ok")
        before = [tag for tag, each in resumed["return"].items() if "__done_before__" in each]
        assert ids(before) == expected(number)[0]
        assert ids(resumed["return"]) == EVERY
        site.check_whole()
        counts = {each: site.log().count(each) for each in set(site.log())}
        assert {each for each, count in counts.items() if count > 1} <= {str(number)}


def sleeper_of(minion: Node) -> int:
    """Give the pid of the program in which the run halts."""
    for pid in descendants(minion.pid):
        if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep"):
            return pid
    raise AssertionError("the run does not halt")


def worker_of(minion: Node) -> int:
    """Give the pid of the process that runs the states: it has started the halting command."""
    shell = Path(f"/proc/{sleeper_of(minion)}/stat").read_text().rpartition(")")[2].split()[1]
    return int(Path(f"/proc/{shell}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize(
    "how, status", [("worker", "failed"), ("cancel", "cancelled"), ("timeout", "failed")]
)
def test_a_run_that_is_ended_says_how_far_it_came(site: Site, how: str, status: str) -> None:
    site.fresh(halt=0)
    jid = site.start(*(["--job-timeout", "3"] if how == "timeout" else []))
    site.wait_for(0)
    if how == "worker":
        os.kill(worker_of(site.minion), signal.SIGKILL)
    elif how == "cancel":
        assert site.fleet.limpet("jobs", "cancel", jid).returncode == 0

    found = site.end_of(jid)

    assert found["status"] == status
    check_cut(found, jid, 0)
    shown = site.fleet.limpet("jobs", "show", jid, "--state-output", "terse").stdout
    assert "Was running, and may have changed something: cmd.run command0" in shown
    assert "Not reached: file.managed file1" in shown
    assert "Summary for web1" in shown
    site.let_go(0)
    assert site.resume(jid, "web*")[0] == 0
    site.check_whole()


def test_there_is_nothing_to_resume_where_all_went_well(site: Site) -> None:
    site.fresh()
    jid = site.start()
    assert site.end_of(jid)["status"] == "ok"

    done = site.fleet.limpet("apply", "--resume", jid)
    assert done.returncode == 0
    assert "nothing to resume" in done.stderr
    ping = site.fleet.limpet("run", "web1", "test.ping", "--async").stdout.strip()
    refused = site.fleet.limpet("apply", "--resume", ping)
    assert refused.returncode == 2
    assert "only runs of states can be resumed" in refused.stderr


def test_runs_wait_for_one_another_and_looking_does_not(site: Site) -> None:
    site.fresh(halt=0)
    first = site.start()
    site.wait_for(0)
    second = site.start("--test")

    def status(jid: str) -> str:
        shown = site.fleet.limpet("jobs", "show", jid, "--format", "json").stdout
        return str(json.loads(shown)["minions"]["web1"]["status"])

    wait_until("the second run is known", lambda: status(second) in ("queued", "running"))
    code, results = site.fleet.run_json("web1", "state.show_sls", "site")
    assert (code, results["web1"]["status"]) == (0, "ok")
    code, results = site.fleet.run_json("web1", "state.running")
    assert [first in each for each in results["web1"]["return"]] == [True]
    assert (status(first), status(second)) == ("running", "queued")
    os.kill(sleeper_of(site.minion), signal.SIGKILL)
    site.end_of(first)
    assert site.end_of(second)["status"] == "ok"
    assert site.log() == [str(number) for number in range(STATES)]


def test_progress_streams_as_lines_of_json_beside_the_document(site: Site) -> None:
    site.fresh(pause_s=0.2)

    done = site.fleet.limpet("apply", "web1", "site", "--stream", "--format", "json")

    assert done.returncode == 0
    assert json.loads(done.stdout)["minions"]["web1"]["status"] == "ok"
    told = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert {each["minion"] for each in told} == {"web1"}
    assert told[-1]["progress"]["done"] == told[-1]["progress"]["total"] == 2 * STATES
    running = [state["id"] for each in told for state in each["progress"]["running"]]
    assert "command3" in running


def test_text_on_a_pipe_is_the_final_output_alone(site: Site) -> None:
    site.fresh()

    done = site.fleet.limpet("run", "web1", "state.apply", "site", "test=True", "--stream")

    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1e" not in done.stdout
    assert done.stdout.splitlines()[0] == "web1:"
    assert f"Succeeded: {2 * STATES} (unchanged={2 * STATES}, changed={2 * STATES})" in done.stdout
    assert site.fleet.limpet("apply", "web1", "site").returncode == 0
    again = site.fleet.limpet("apply", "web1", "site", "--no-state-verbose")
    assert again.stdout.splitlines()[:3] == ["web1:", "", "Summary for web1"]


def test_a_local_run_that_is_ended_says_how_to_go_on(site: Site, tmp_path: Path) -> None:
    site.fresh(halt=1)
    (tmp_path / "minion.yaml").write_text(f"id: here\nfile_roots: {{base: [{site.srv}]}}\n")
    limpet = [sys.executable, "-m", "limpet", "--root", str(tmp_path), "apply", "--local"]
    with subprocess.Popen([*limpet, "site"], stderr=subprocess.PIPE, text=True) as process:
        site.wait_for(1)
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "limpet" in said
    jid = said.split("--resume ")[1].split()[0]
    site.let_go(1)

    done = subprocess.run(
        [*limpet, "--resume", jid, "--format", "json"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert ids(json.loads(done.stdout)["local"]) == EVERY
    site.check_whole()
