"""The minion's package is replaced on real hosts: a good one stays, a broken one is put back."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

from limpet_lab.fleet import Fleet
from limpet_lab.host import Host
from support.hosts.labs import LabOf
from support.master.fleet import wait_until
from support.packaging.broken_packages import broken, renamed

GOOD = "+lab1"
PACKAGE_ON_MASTER = "/root/limpet-minion.deb"
CUTS_S = (0.4, 0.8, 1.2, 1.8, 2.6, 3.6, 5.0, 7.0, 9.0)
"""From the order to the cut: while it is fetched, installed, started, watched."""
RECORD = "/var/lib/limpet-minion/upgrade/record.json"


@pytest.fixture(scope="module")
def fleet(lab_of: LabOf) -> Fleet:
    return lab_of(2)


@pytest.fixture
def web1(fleet: Fleet) -> Host:
    """Give a host with the plain version, READY, and nothing under way."""
    host = fleet.lab.host("web1")
    if not host.is_on():
        host.boot()
    fleet.wait_ready("web1", timeout_s=30)
    plain = fleet.packages.version
    wait_guard(host)
    if version_of(fleet) != plain or installed(host) != ("install ok installed", plain):
        there = host.push(fleet.packages.minion)
        environment = "LIMPET_UPGRADE=1 DEBIAN_FRONTEND=noninteractive"
        host.exec(f"{environment} dpkg -i {there} && rm {there}", timeout_s=120).checked()
        host.exec("systemctl restart limpet-minion").checked()
        fleet.wait_ready("web1", timeout_s=30, version=plain)
    return host


def version_of(fleet: Fleet, name: str = "web1") -> str:
    return fleet.rows()[name].version


def installed(host: Host) -> tuple[str, str]:
    """Give status and version in the package database."""
    asked = host.exec("dpkg-query -W -f '${Status}|${Version}' limpet-minion").checked()
    status, _, version = asked.out.partition("|")
    return status, version


def upgrade(fleet: Fleet, package: Path, *options: str, target: str = "web1") -> dict[str, Any]:
    """Run `limpet upgrade` on the master's host; gives its document, with `code` and `err`."""
    fleet.lab.master.push(package, PACKAGE_ON_MASTER)
    words = ["limpet", "upgrade", target, "--package", PACKAGE_ON_MASTER, "--format", "json"]
    done = fleet.lab.master.exec([*words, *options], timeout_s=400)
    assert done.out or done.code == 3, done
    document: dict[str, Any] = json.loads(done.out or "{}")
    return {**document, "code": done.code, "err": done.err}


@pytest.mark.short
@pytest.mark.covers("D2")
def test_a_good_package_is_installed_and_stays(fleet: Fleet, web1: Host) -> None:
    version = fleet.packages.version + GOOD
    new = renamed(fleet.packages.minion, version)

    done = upgrade(fleet, new)

    assert done["minions"]["web1"]["status"] == "upgraded", done
    assert done["code"] == 0
    print("READY after", done["minions"]["web1"]["seconds"], "s")
    assert version_of(fleet) == version
    assert installed(web1) == ("install ok installed", version)
    assert web1.exec(["test", "-e", RECORD]).code == 1
    again = upgrade(fleet, new)
    assert again["minions"]["web1"]["status"] == "already there"
    assert fleet.run("web1", "limpet.last_upgrade").value("web1")["phase"] == "done"


@pytest.mark.covers("D3")
@pytest.mark.parametrize(
    "how",
    [
        pytest.param("import error", marks=pytest.mark.short),
        "crash after 3 s",
        "never READY",
        "hangs",
        "postinst fails",
        "preinst fails",
    ],
)
def test_a_package_that_breaks_the_minion_is_put_back(fleet: Fleet, web1: Host, how: str) -> None:
    plain = fleet.packages.version
    bad = broken(fleet.packages.minion, f"{plain}+{how.replace(' ', '.')}", how)
    began = time.monotonic()

    done = upgrade(fleet, bad, "--ready-timeout", "20s" if how == "never READY" else "60s")

    print(how, round(time.monotonic() - began, 1), "s:", done["minions"]["web1"]["error"])
    assert done["minions"]["web1"]["status"] == "rolled back", done
    assert done["minions"]["web1"]["error"].startswith(f"rolled back to {plain}: ")
    assert done["code"] == 1
    fleet.wait_ready("web1", timeout_s=30, version=plain)
    last = fleet.run("web1", "limpet.last_upgrade").value("web1")
    print(f"from the order to the old version READY: {last['seconds']} s")
    assert installed(web1) == ("install ok installed", plain)
    job = fleet.show(done["minions"]["web1"]["jid"]).job
    assert job.status("web1") == "failed"
    assert job.minions["web1"].error.startswith(f"rolled back to {plain}: ")
    assert fleet.run("web1", "test.ping").status("web1") == "ok"


def test_a_package_that_breaks_one_minion_is_kept_from_the_next(fleet: Fleet, web1: Host) -> None:
    bad = broken(fleet.packages.minion, f"{fleet.packages.version}+import.error", "import error")

    done = upgrade(fleet, bad, "--batch", "1", target="web*")

    statuses = {name: each["status"] for name, each in done["minions"].items()}
    assert statuses == {"web1": "rolled back", "web2": "not tried"}
    assert done["code"] == 1
    assert "so no further batch was begun" in done["err"]


def test_a_host_without_room_refuses_and_is_left_as_it_is(fleet: Fleet, web1: Host) -> None:
    plain = fleet.packages.version
    new = renamed(fleet.packages.minion, plain + GOOD)
    pid = web1.exec("systemctl show -p MainPID --value limpet-minion").out
    free = int(web1.exec("df --output=avail -B1 / | tail -n 1").checked().out)
    web1.exec(f"fallocate -l {free - 100 * 1024 * 1024} /root/filler").checked()
    try:
        done = upgrade(fleet, new)
    finally:
        web1.exec("rm /root/filler").checked()
    assert done["minions"]["web1"]["status"] == "failed"
    assert "no room for" in done["minions"]["web1"]["error"]
    assert web1.exec("systemctl show -p MainPID --value limpet-minion").out == pid
    assert installed(web1) == ("install ok installed", plain)


def test_a_network_that_fails_in_the_middle_is_not_held_against_the_package(
    fleet: Fleet, web1: Host
) -> None:
    new = renamed(fleet.packages.minion, fleet.packages.version + GOOD)
    upgrade(fleet, new, target="nobody")  # in the master's package store from now on
    sha256 = hashlib.sha256(new.read_bytes()).hexdigest()
    jid = fleet.submit("web1", "limpet.upgrade", sha256, "ready_timeout=10")
    wait_until("it is installed", lambda: '"phase": "installing"' in record_of(web1), 30)
    web1.cut()
    wait_until("it proves itself", lambda: '"phase": "proving"' in record_of(web1), 120)
    time.sleep(25)
    assert '"phase": "proving"' in record_of(web1), "the verdict is put off"
    web1.heal()
    job = fleet.wait_job(jid, timeout_s=120)
    assert job.status("web1") == "ok", job
    fleet.wait_ready("web1", version=fleet.packages.version + GOOD)


def record_of(host: Host) -> str:
    return host.exec(["cat", RECORD]).out


@pytest.mark.covers("D1", "D2")
def test_one_run_of_states_upgrades_the_minion_restarts_it_and_goes_on(
    fleet: Fleet, web1: Host
) -> None:
    version = fleet.packages.version + GOOD
    new = renamed(fleet.packages.minion, version)
    master = fleet.lab.master
    master.exec("mkdir -p /srv/limpet/states").checked()
    master.push(new, "/srv/limpet/states/limpet-minion.deb", 0o644)
    master.write(
        "/srv/limpet/states/self.sls",
        "limpet-minion:\n"
        "  pkg.installed:\n"
        "    - sources:\n"
        "      - limpet-minion: salt://limpet-minion.deb\n"
        "  service.running:\n"
        "    - watch:\n"
        "      - pkg: limpet-minion\n"
        "/root/after:\n"
        "  file.managed:\n"
        "    - source: salt://after.txt\n"
        "    - require:\n"
        "      - service: limpet-minion\n",
        0o644,
    )
    master.write("/srv/limpet/states/after.txt", "written after the upgrade\n", 0o644)
    web1.exec("rm -f /root/after").checked()
    began = time.monotonic()

    job = fleet.apply("web1", "self", timeout_s=300)

    print("one run:", round(time.monotonic() - began, 1), "s")
    assert job.status("web1") == "ok", job
    assert len(job.value("web1")) == 3
    assert web1.read("/root/after") == "written after the upgrade\n"
    fleet.wait_ready("web1", timeout_s=60, version=version)
    wait_guard(web1)
    assert installed(web1) == ("install ok installed", version)
    assert version_of(fleet) == version


def wait_guard(host: Host) -> None:
    for _ in range(240):
        if host.exec(["test", "-e", RECORD]).code == 1:
            return
        time.sleep(0.5)
    raise AssertionError(host.logs("limpet-minion-guard"))


@pytest.mark.covers("D3")
def test_a_broken_package_that_somebody_else_installed_is_not_left_running(
    fleet: Fleet, web1: Host
) -> None:
    plain = fleet.packages.version
    bad = broken(fleet.packages.minion, f"{plain}+broken", "import error")
    there = web1.push(bad)

    web1.exec(["dpkg", "-i", there], timeout_s=120).checked()

    wait_guard(web1)
    fleet.wait_ready("web1", timeout_s=60, version=plain)
    last = fleet.run("web1", "limpet.last_upgrade").value("web1")
    assert last["phase"] == "back"
    assert "the package database still names" in last["summary"]
    assert "the old one is kept: /var/lib/limpet-minion/upgrade/previous.deb" in last["summary"]
    status = json.loads(web1.read("/run/limpet-minion/minion-status.json"))
    assert status["last_upgrade"].startswith(f"rolled back to {plain}: ")


@pytest.mark.covers("D2", "D6")
def test_a_power_cut_at_any_moment_of_an_upgrade_strands_nobody(fleet: Fleet, web1: Host) -> None:
    plain = fleet.packages.version
    new = renamed(fleet.packages.minion, plain + GOOD)
    kept = upgrade(fleet, new)
    sha256 = kept["package"]["sha256"]  # in the master's package store from now on
    for after_s in CUTS_S:
        reset(fleet, web1)
        fleet.submit("web1", "limpet.upgrade", sha256)
        time.sleep(after_s)
        web1.power_off()
        web1.boot()
        fleet.wait_ready("web1", timeout_s=60)
        wait_guard(web1)
        fleet.wait_ready("web1", timeout_s=30)
        story = f"cut after {after_s:g} s"
        print(story, version_of(fleet))
        version = version_of(fleet)
        assert version in (plain, plain + GOOD), story
        assert installed(web1) == ("install ok installed", version), story


def reset(fleet: Fleet, host: Host) -> None:
    """Put the plain version back, whatever runs."""
    plain = fleet.packages.version
    wait_guard(host)
    there = host.push(fleet.packages.minion)
    host.exec(f"LIMPET_UPGRADE=1 dpkg -i {there} && rm {there}", timeout_s=120).checked()
    host.exec("systemctl restart limpet-minion").checked()
    fleet.wait_ready(host.name, timeout_s=30, version=plain)
