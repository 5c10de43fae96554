"""What befalls every host sooner or later; `make test` has time for the most of it."""

from collections.abc import Callable

import pytest

from limpet_lab.fleet import Fleet
from limpet_lab.packages import repacked
from limpet_lab.running import wait_until
from support.hosts.labs import LabOf

pytestmark = [pytest.mark.slow]

Tell = Callable[[str], None]
RECOVERY_S = 15.0
LEDGER = "/root/ledger"
JOB = f"echo begun >>{LEDGER}; sleep 4; echo said"


@pytest.fixture(scope="module")
def fleet(lab_of: LabOf) -> Fleet:
    return lab_of(2)


def runs(fleet: Fleet, name: str) -> int:
    """Say how often a host began the job, and forget it."""
    return int(fleet.lab.host(name).exec(f"cat {LEDGER} | wc -l; rm -f {LEDGER}").out)


@pytest.mark.short
def test_installed_hosts_answer_and_take_states(fleet: Fleet) -> None:
    assert fleet.run("*", "test.ping").status("web2") == "ok"
    fleet.lab.master.write(
        "/srv/limpet/states/motd.sls",
        "/etc/motd:\n  file.managed:\n    - contents: \"{{ grains['id'] }}, kept by limpet\"\n",
    )
    job = fleet.apply("*", "motd")
    assert [job.status("web1"), job.status("web2")] == ["ok", "ok"], job
    assert fleet.lab.host("web2").read("/etc/motd") == "web2, kept by limpet\n"


@pytest.mark.short
def test_a_host_loses_power_in_a_job(fleet: Fleet, tell: Tell) -> None:
    web1 = fleet.lab.host("web1")
    jid = fleet.submit("*", "cmd.run", JOB)
    assert wait_until(lambda: web1.exec(["test", "-s", LEDGER]).code == 0, 10)
    web1.power_off()
    web1.boot()
    tell(f"power-off: answers after {fleet.wait_answer(timeout_s=RECOVERY_S):.1f} s")
    job = fleet.wait_job(jid)
    assert [job.status("web1"), job.status("web2")] == ["interrupted", "ok"], job
    assert [runs(fleet, "web1"), runs(fleet, "web2")] == [1, 1]


@pytest.mark.short
def test_a_job_outlives_its_master_and_a_cut_cable(fleet: Fleet, tell: Tell) -> None:
    web1, master = fleet.lab.host("web1"), fleet.lab.master
    jid = fleet.submit("*", "cmd.run", JOB)
    assert wait_until(lambda: web1.exec(["test", "-s", LEDGER]).code == 0, 10)
    web1.cut()
    master.power_off()
    master.boot()
    tell(f"power-off of the master: {fleet.wait_answer('web2', timeout_s=RECOVERY_S):.1f} s")
    assert wait_until(lambda: fleet.show(jid).job.status("web2") == "ok", 10)
    assert fleet.show(jid).job.status("web1") != "ok"
    web1.heal()
    tell(f"heal: answers after {fleet.wait_answer('web1', timeout_s=RECOVERY_S):.1f} s")
    job = fleet.wait_job(jid)
    assert [job.status("web1"), job.status("web2")] == ["ok", "ok"], job
    assert [runs(fleet, "web1"), runs(fleet, "web2")] == [1, 1]


def test_jobs_run_through_an_upgrade(fleet: Fleet, tell: Tell) -> None:
    version = f"{fleet.packages.version}+lab1"
    there = fleet.lab.master.push(repacked(fleet.packages.minion, version))
    jid = fleet.submit("*", "cmd.run", JOB)
    done = fleet.limpet("upgrade", "web2", "--package", there, timeout_s=120).checked()
    tell(f"upgrade: {done.out.strip()}")
    fleet.wait_ready("web2", version=version, timeout_s=5)
    job = fleet.wait_job(jid)
    assert [job.status("web1"), job.status("web2")] == ["ok", "ok"], job
    assert [runs(fleet, "web1"), runs(fleet, "web2")] == [1, 1]
