"""N and N-1 work together: this release's master with the minion of the one before, and the other
way round, as real processes.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet import __version__
from support.hosts.previous_release import Previous, named, previous, why_not
from support.master.fleet import Fleet, Node, wait_until

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "the release before is here"),
    pytest.mark.slow,
]
STATES = {
    "top.sls": "base:\n  '*': [one]\n",
    "one.sls": (
        "{{ pillar.target }}:\n"
        "  file.managed:\n"
        "    - source: salt://files/large.txt\n"
        "counted:\n"
        "  test.succeed_with_changes:\n"
        "    - require:\n"
        "      - file: {{ pillar.target }}\n"
    ),
}
LARGE = "".join(f"line {number}\n" for number in range(60_000))


@pytest.fixture(scope="module")
def before() -> Iterator[Previous]:
    found = previous()
    yield found
    shutil.rmtree(Path(found.program[0]).parents[2], ignore_errors=True)
    previous.cache_clear()


def of_release(node: Node, release: Previous) -> None:
    """Let a node be of the release before."""
    node.program = [*release.program, *node.program[1:]]


class Mixed(Fleet):
    """A fleet whose master's commands are of the master's release."""

    release: Previous | None = None

    def limpet(
        self, *arguments: str, within_s: float = 60.0, root: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        if self.release is None:
            return super().limpet(*arguments, within_s=within_s, root=root)
        words = [*self.release.program, "--root", str(root or self.master.root), *arguments]
        return subprocess.run(
            words, capture_output=True, text=True, timeout=within_s, env=self.environment
        )


@pytest.fixture(params=["the master is older", "the minion is older"])
def fleet(request: pytest.FixtureRequest, tmp_path: Path, before: Previous) -> Iterator[Fleet]:
    """Give a master and web1, enrolled; one of them of the release before."""
    is_master_older = request.param == "the master is older"
    made = Mixed(tmp_path)
    for name, text in STATES.items():
        path = made.master.root / "states" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (made.master.root / "states/files").mkdir()
    (made.master.root / "states/files/large.txt").write_text(LARGE)
    pillar = made.master.root / "pillar"
    pillar.mkdir()
    (pillar / "top.sls").write_text("base:\n  '*': [all]\n")
    (pillar / "all.sls").write_text(f"target: {tmp_path}/written\n")
    with made:
        if is_master_older:
            of_release(made.master, before)
            made.release = before
        made.start_master()
        minion = made.add_minion("web1", starts=False)
        if not is_master_older:
            of_release(minion, before)
        minion.start()
        made.wait_ready(1)
        yield made


def version_of(fleet: Fleet) -> str:
    return str(fleet.limpet_json("minions")["minions"]["web1"]["version"])


def master_version(fleet: Fleet) -> str:
    return str(fleet.limpet_json("status")["version"])


@pytest.mark.covers("J3")
def test_releases_next_to_each_other_work_together(fleet: Fleet, tmp_path: Path) -> None:
    assert {master_version(fleet), version_of(fleet)} == {__version__, named()[0]}

    code, answers = fleet.run_json("web1", "test.ping")
    assert (code, answers["web1"]["return"]) == (0, True)
    _, answers = fleet.run_json("web1", "test.version")
    assert answers["web1"]["return"] == version_of(fleet), "it is that release that runs jobs"
    _, answers = fleet.run_json("web1", "cmd.run", "echo here")
    assert answers["web1"]["return"] == "here"
    _, answers = fleet.run_json("web1", "pillar.get", "target")
    assert answers["web1"]["return"] == f"{tmp_path}/written"

    done = fleet.limpet("apply", "--format", "json", "web1", "one")
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout)["minions"]["web1"]["return"]
    assert [each["result"] for each in results.values()] == [True, True]
    assert (tmp_path / "written").read_text() == LARGE


@pytest.mark.covers("J3")
def test_a_restart_of_either_side_loses_no_job(fleet: Fleet) -> None:
    for node in (fleet.master, fleet.minions["web1"]):
        done = fleet.limpet("run", "--async", "web1", "cmd.run", "sleep 3; echo through it")
        jid = done.stdout.strip()
        wait_until(
            "the job runs",
            lambda jid=jid: status(fleet, jid) == "running",  # type: ignore[misc]
        )
        node.kill()
        node.start()
        wait_until("it has ended", lambda jid=jid: status(fleet, jid) == "ok")  # type: ignore[misc]
        assert fleet.wait_ready(1) < 30
    assert fleet.run_json("web1", "test.ping")[1]["web1"]["status"] == "ok"


def status(fleet: Fleet, jid: str) -> str:
    """Give what the master knows of the job; empty while it is away."""
    done = fleet.limpet("jobs", "show", "--format", "json", jid)
    if not done.stdout:
        return ""
    return str(json.loads(done.stdout)["minions"]["web1"]["status"])
