"""Each job in a scope of its own, by the word of systemd's private socket; and jobs without one."""

import os
import time
from pathlib import Path

import pytest

from limpet.common.identifiers import JobId
from limpet.common.service.systemd import groups
from limpet.common.service.systemd.manager import PRIVATE_SOCKET, Manager, ManagerError
from limpet.minion.jobs.events import Spawned, WithoutScope
from limpet.minion.process import startup
from support.fakes.manager import SLOW_S, FakeManager, Way, tree
from support.hosts.jobs_on_host import CLOCK, HostedJobs, value_of, wait_until
from support.minion.journal_records import jid

moving = pytest.mark.skipif(
    os.geteuid() != 0 or tree() is None,
    reason="moving a process into a control group needs root and a control group file system",
)
UNIT = f"limpet-job-{jid(1).lower()}.scope"


def _problems(jobs: HostedJobs) -> list[str]:
    return [event.problem for event in jobs.events if isinstance(event, WithoutScope)]


@moving
@pytest.mark.covers("F14")
@pytest.mark.parametrize("way", ["moves", "slow"])
def test_a_held_job_is_in_its_scope_before_anything_of_it_runs(tmp_path: Path, way: Way) -> None:
    with (
        FakeManager(tmp_path / "private", way) as manager,
        HostedJobs(tmp_path, service_manager=str(manager.path), memory_bytes_max=1 << 30) as jobs,
    ):
        begun = time.monotonic()
        held = jobs.hold(1, "nasty.nap", str(tmp_path), 0.3)
        took = time.monotonic() - begun
        assert manager.processes(UNIT) == [held.pid]
        assert groups.is_inside(UNIT, groups.read(held.pid))
        assert took >= (SLOW_S if way == "slow" else 0)
        jobs.workers.release(CLOCK.now(), JobId(jid(1)))
        wait_until((tmp_path / "runs").exists)
        assert len(manager.processes(UNIT)) == 2  # the supervisor and its worker
        assert jobs.result(1).outcome == "ok"
        assert _problems(jobs) == []
        assert not groups.is_inside(UNIT, groups.read(jobs.workers.fork_server_pid))

        asked = manager.properties()
        assert manager.units() == [UNIT]
        assert asked.pop("PIDs") == [held.pid]
        assert asked == {
            "Description": f"limpet job {jid(1)}: nasty.nap",
            "Slice": "limpet-jobs.slice",
            "Delegate": True,
            "CollectMode": "inactive-or-failed",
            "TimeoutStopUSec": 17_000_000,
            "RequiresMountsFor": [str(tmp_path / "spool")],
            "MemoryMax": 1 << 30,
        }


@moving
def test_a_scope_that_is_taken_or_a_systemd_that_starts_afresh_costs_no_job_its_scope(
    tmp_path: Path,
) -> None:
    for way, name in (("taken", "a"), ("breaks_once", "b")):
        (tmp_path / name).mkdir()
        with (
            FakeManager(tmp_path / f"private-{name}", way) as manager,  # type: ignore[arg-type]
            HostedJobs(tmp_path / name, service_manager=str(manager.path)) as jobs,
        ):
            held = jobs.hold(1, "test.echo", 1)
            unit = manager.units()[-1]
            number = f"-{held.pid}" if way == "taken" else ""
            assert unit == f"limpet-job-{jid(1).lower()}{number}.scope"
            assert manager.processes(unit) == [held.pid]
            assert _problems(jobs) == []


@moving
@pytest.mark.covers("F6", "B-83")
def test_what_a_job_leaves_running_stays_in_its_scope_without_the_jobs_limit(
    tmp_path: Path,
) -> None:
    with (
        FakeManager(tmp_path / "private", "moves") as manager,
        HostedJobs(tmp_path, service_manager=str(manager.path), memory_bytes_max=1 << 30) as jobs,
    ):
        result = jobs.run(1, "nasty.daemon", str(tmp_path))
        daemon = int((tmp_path / "daemon").read_text())
        try:
            assert manager.processes(UNIT) == [daemon]
        finally:
            os.kill(daemon, 9)

        assert (result.outcome, value_of(result, tmp_path, 1)) == ("ok", "left one")
        assert result.error.startswith(f"left running in {UNIT}: ")
        assert f"(pid {daemon})" in result.error
        (member, (unit, runtime, properties)) = manager.calls[-1]
        assert (member, unit, runtime) == ("SetUnitProperties", UNIT, True)
        assert [(name, value.value) for name, value in properties] == [("MemoryMax", 2**64 - 1)]


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("refuses", "systemd refused StartTransientUnit: Not today."),
        ("hangs_up", "hung up"),
        ("babbles", "speaks nonsense"),
        ("stays", "systemd did not move the job's process into limpet-job-"),
    ],
)
def test_a_job_runs_without_a_scope_where_systemd_gives_none(
    tmp_path: Path, way: Way, told: str
) -> None:
    with (
        FakeManager(tmp_path / "private", way) as manager,
        HostedJobs(tmp_path, service_manager=str(manager.path)) as jobs,
    ):
        result = jobs.run(1, "test.echo", "all the same")

        assert (result.outcome, result.error) == ("ok", "")
        (problem,) = _problems(jobs)
        assert told in problem


def test_a_systemd_that_hangs_is_asked_once_in_a_while(tmp_path: Path) -> None:
    with (
        FakeManager(tmp_path / "private", "silent") as manager,
        HostedJobs(tmp_path, service_manager=str(manager.path)) as jobs,
    ):
        first = jobs.run(1, "test.echo", 1)
        begun = time.monotonic()
        second = jobs.run(2, "test.echo", 2)

        assert (first.outcome, second.outcome) == ("ok", "ok")
        assert time.monotonic() - begun < 1.5
        assert manager.connections == 1
        (problem,) = _problems(jobs)
        assert "systemd did not answer within 2 s" in problem


def test_a_systemd_that_is_not_there_is_no_harm(tmp_path: Path) -> None:
    with HostedJobs(tmp_path, service_manager=str(tmp_path / "nobody")) as jobs:
        begun = time.monotonic()
        assert jobs.run(1, "test.echo", 1).outcome == "ok"
        assert jobs.run(2, "test.echo", 2).outcome == "ok"
        (problem,) = _problems(jobs)
        assert problem.startswith(f"cannot reach systemd at {tmp_path}/nobody: No such file")
        assert time.monotonic() - begun < 10


def test_a_call_that_is_answered_late_is_given_up(tmp_path: Path) -> None:
    with FakeManager(tmp_path / "private", "silent") as manager:
        begun = time.monotonic()
        with pytest.raises(ManagerError, match=r"did not answer within 0\.2 s"):
            Manager(str(manager.path), limit_s=0.2)
        assert 0.15 < time.monotonic() - begun < 2


def test_only_a_minion_that_is_a_unit_asks_for_scopes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = "0::/system.slice/limpet-minion.service\n"
    terminal = "0::/user.slice/user-0.slice/session-1.scope\n"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(groups, "read", lambda: service)
    assert startup.service_manager(tmp_path) == PRIVATE_SOCKET
    assert startup.service_manager(tmp_path / "nobody") == ""
    monkeypatch.setattr(groups, "read", lambda: terminal)
    assert startup.service_manager(tmp_path) == ""
    monkeypatch.setattr(groups, "read", lambda: service)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert startup.service_manager(tmp_path) == ""


@moving
@pytest.mark.alone
def test_a_scope_costs_a_job_little(tmp_path: Path) -> None:
    """Of our own part: what systemd itself takes is measured on real hosts."""
    took: dict[str, list[float]] = {"with": [], "without": []}
    with FakeManager(tmp_path / "private", "moves") as manager:
        for name, address in (("with", str(manager.path)), ("without", "")):
            (tmp_path / name).mkdir()
            with HostedJobs(tmp_path / name, service_manager=address) as jobs:
                jobs.run(1, "test.echo", "warm")
                for number in range(2, 32):
                    begun = time.monotonic()
                    jobs.spawn(number, "test.echo", number)
                    next(event for event in jobs.until(Spawned))
                    took[name].append(time.monotonic() - begun)
    with_s, without_s = min(took["with"]), min(took["without"])  # whatever else the machine does
    print(f"held in {with_s * 1000:.1f} ms with a scope, {without_s * 1000:.1f} ms without")

    assert with_s - without_s < 0.02
