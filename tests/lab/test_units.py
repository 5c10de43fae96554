"""The units on hosts: what the sandbox refuses, and that nothing keeps a service down."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from limpet_lab import Host
from limpet_lab.fleet import Fleet
from support.hostile import sandbox_probe
from support.hosts.labs import LabOf
from support.master.fleet import wait_until

PROBE: Final = "limpet-probe.service"
PROGRAM: Final = "/opt/limpet/master/current/bin/python3.11 -I /usr/local/lib/probe.py"
ALLOWED: Final = {"limit", "interpreter", "tcp"}
"""What the services live on; that these work shows that the others are refused by the sandbox."""
OF_MASTER: Final = {"write state", "read /var/lib/limpet/lock", "speak to the master"}
PROCESSES_MAX: Final = {"master": 128, "enrol": 16}
RESTART_S: Final = 10.0
KILLS: Final = 8
"""More than systemd's start limit would let pass (5 within 10 s)."""

Tell = Callable[[str], None]


@pytest.fixture(scope="module")
def fleet(lab_of: LabOf) -> Fleet:
    return lab_of(1)


@pytest.fixture
def master(fleet: Fleet) -> Host:
    host = fleet.lab.master
    host.exec("systemctl reset-failed; systemctl start limpet-master").checked()
    wait_until("enrolment is served", lambda: is_enrolling(host), 15.0)
    return host


def shown(host: Host, unit: str, name: str) -> str:
    return host.exec(["systemctl", "show", "--value", "-p", name, unit]).checked().out.strip()


def pid_of(host: Host, unit: str) -> int:
    return int(shown(host, unit, "MainPID"))


def wait_replaced(host: Host, unit: str, before: int, within_s: float = 15.0) -> float:
    return wait_until(
        f"{unit} is another process", lambda: pid_of(host, unit) not in (0, before), within_s
    )


def is_enrolling(host: Host) -> bool:
    return "may ask on port 4505" in shown(host, "limpet-enrol", "StatusText")


def probed(host: Host, unit: str, *more: str) -> dict[str, str]:
    """Run the probe under the sandbox of a unit (without one: as its user alone)."""
    text = host.read(f"/lib/systemd/system/{unit}.service") if unit else "[Service]\n"
    # What makes a service of it, and what would touch the directories of the one that runs.
    text = re.sub(
        r"(?m)^(Type|NotifyAccess|ExecStart|ExecReload|Restart|RestartSec|WatchdogSec|PartOf|"
        r"Wants|After|WantedBy|RuntimeDirectory\w*|CacheDirectory\w*|\[Install\])\b.*\n",
        "",
        text,
    )
    added = ("Type=oneshot", f"ExecStart={PROGRAM}", "StandardOutput=truncate:/run/probe", *more)
    host.write(f"/run/systemd/system/{PROBE}", text + "\n[Service]\n" + "\n".join(added) + "\n")
    host.push(Path(sandbox_probe.__file__), "/usr/local/lib/probe.py", 0o644)
    host.exec("mkdir -p /home/somebody; echo x | tee /home/somebody/open /root/open").checked()
    host.exec("systemctl daemon-reload").checked()
    host.exec(["systemctl", "start", PROBE], timeout_s=60).checked()
    found: dict[str, str] = json.loads(host.read("/run/probe"))
    return found


def has_pids_controller(host: Host) -> bool:
    """Say whether control groups of this host can bound the number of processes (TasksMax=)."""
    places = "/sys/fs/cgroup/system.slice/pids.max /sys/fs/cgroup/pids/system.slice/pids.max"
    return host.exec(f"ls {places}").out != ""


def processes(result: str) -> int:
    """Say after how many processes the attempt at many was refused."""
    if result == "done":
        return sandbox_probe.FORKS_MAX
    found = re.search(r"(\d+) processes and no more", result)
    assert found, result
    return int(found[1])


@pytest.mark.short
@pytest.mark.parametrize("name, more", [("master", OF_MASTER), ("enrol", set())])
def test_what_a_service_that_was_taken_over_tries_is_refused(
    master: Host, tell: Tell, name: str, more: set[str]
) -> None:
    found = probed(master, f"limpet-{name}")
    del found["many forks"]  # see below
    allowed = ALLOWED | more
    worked = {attempt for attempt, result in found.items() if result == "done"}
    assert worked == allowed, {key: found[key] for key in worked ^ allowed}
    score = (
        master.exec(["systemd-analyze", "security", "--no-pager", f"limpet-{name}.service"])
        .out.strip()
        .splitlines()[-1]
    )
    tell(f"{name}: {len(found) - len(worked)} attempts refused; {score}")


@pytest.mark.parametrize("name", PROCESSES_MAX)
def test_many_forks_are_refused(master: Host, name: str, tell: Tell) -> None:
    if name == "master" and not has_pids_controller(master):
        pytest.skip("control groups can't bound the number of processes here (no pids controller)")
    number = processes(probed(master, f"limpet-{name}")["many forks"])
    assert number <= PROCESSES_MAX[name]
    tell(f"{name}: {number} forks and no more")


def test_without_the_sandbox_much_of_it_works(master: Host) -> None:
    found = probed(master, "", "User=limpet")
    assert processes(found["many forks"]) == sandbox_probe.FORKS_MAX
    for attempt in ("read /home/somebody/open", "ptrace", "writable code", "other's processes"):
        assert found[attempt] == "done", (attempt, found[attempt])


@pytest.mark.short
def test_each_process_is_back_within_seconds_of_a_kill(
    fleet: Fleet, master: Host, tell: Tell
) -> None:
    took: dict[str, float] = {}
    for unit in ("limpet-enrol", "limpet-master"):
        before = pid_of(master, unit)
        master.exec(["systemctl", "kill", "-s", "KILL", "--kill-whom=main", unit]).checked()
        took[unit] = wait_replaced(master, unit, before)
        took[unit] += wait_until("enrolment is served", lambda: is_enrolling(master), 15.0)
        fleet.wait_ready("web1", timeout_s=15)
    web1 = fleet.lab.host("web1")
    before = pid_of(web1, "limpet-minion")
    web1.exec("systemctl kill -s KILL --kill-whom=main limpet-minion").checked()
    took["limpet-minion"] = wait_replaced(web1, "limpet-minion", before)
    took["limpet-minion"] += fleet.wait_ready("web1", timeout_s=15)
    assert max(took.values()) < RESTART_S
    assert not fleet.limpet_json("status")["problems"]
    tell(", ".join(f"{unit} killed: serving after {took_s:.1f} s" for unit, took_s in took.items()))


@pytest.mark.parametrize("unit", ["limpet-master", "limpet-enrol"])
def test_no_number_of_deaths_is_too_many(master: Host, unit: str) -> None:
    for _ in range(KILLS):
        before = pid_of(master, unit)
        master.exec(["systemctl", "kill", "-s", "KILL", "--kill-whom=main", unit])
        wait_replaced(master, unit, before)
    wait_until("enrolment is served", lambda: is_enrolling(master), 15.0)


@pytest.mark.parametrize("unit", ["limpet-master", "limpet-enrol"])
def test_one_that_was_stopped_by_a_signal_is_replaced(
    fleet: Fleet, master: Host, unit: str, tell: Tell
) -> None:
    before = pid_of(master, unit)
    master.signal(unit, "STOP")
    took_s = wait_replaced(master, unit, before, 90.0)
    wait_until("enrolment is served", lambda: is_enrolling(master), 15.0)
    fleet.wait_ready("web1", timeout_s=30)
    tell(f"{unit} stopped by a signal: replaced after {took_s:.0f} s")


def test_a_wrong_configuration_is_not_tried_hot_and_a_right_one_at_once(
    master: Host, tell: Tell
) -> None:
    place = "/etc/limpet/master.d/90-wrong.yaml"
    master.write(place, "prot: 1\n", 0o644)
    try:
        assert master.exec("systemctl restart limpet-master", timeout_s=30).code != 0
        wait_until(
            "it says why",
            lambda: "unknown key 'prot'" in shown(master, "limpet-master", "StatusText"),
        )
        before = int(shown(master, "limpet-master", "NRestarts"))
        master.exec("sleep 20")
        tries = int(shown(master, "limpet-master", "NRestarts")) - before
        assert 1 <= tries <= 4
    finally:
        master.exec(["rm", place]).checked()
    took_s = wait_until(
        "it runs", lambda: shown(master, "limpet-master", "ActiveState") == "active", 15.0
    )
    wait_until("enrolment is served", lambda: is_enrolling(master), 15.0)
    assert took_s < RESTART_S
    tell(f"a wrong configuration: {tries} starts in 20 s; right: serving after {took_s:.1f} s")


def test_the_master_takes_its_enrolment_process_along(master: Host) -> None:
    master.exec("systemctl stop limpet-master").checked()
    assert shown(master, "limpet-enrol", "ActiveState") == "inactive"
    assert master.exec("ss -Hltn | grep -E ':450[56] '").out == ""
    master.exec("systemctl start limpet-master").checked()
    wait_until("enrolment is served", lambda: is_enrolling(master), 15.0)


def test_pillar_renders_in_the_sandbox_within_its_limits(fleet: Fleet, master: Host) -> None:
    restarts = shown(master, "limpet-master", "NRestarts")
    pillar = "/srv/limpet/pillar"
    master.write(f"{pillar}/top.sls", "base: {'*': [good]}\n")
    master.write(f"{pillar}/good.sls", "place: {{ grains.id }}\n")
    assert fleet.run("web1", "pillar.items").value("web1") == {"place": "web1"}
    master.write(f"{pillar}/good.sls", "big: {{ ('x' * 9999999) * 99999 }}\n")
    assert "'good' failed" in str(fleet.run("web1", "pillar.items").value("web1"))
    assert "memory" in master.logs("limpet-master", 20).lower()
    assert shown(master, "limpet-master", "NRestarts") == restarts
    master.exec(f"rm {pillar}/*.sls").checked()


def test_without_its_enrolment_process_the_master_serves_and_says_so(
    fleet: Fleet, master: Host
) -> None:
    master.exec("systemctl stop limpet-enrol").checked()
    wait_until(
        "it is told",
        lambda: any("limpet-enrol" in each for each in fleet.limpet_json("status")["problems"]),
        20.0,
    )
    assert fleet.run("web1", "test.ping").status("web1") == "ok"
    master.exec("systemctl start limpet-enrol").checked()
    wait_until("enrolment is served", lambda: is_enrolling(master), 15.0)
    assert not fleet.limpet_json("status")["problems"]
