"""Jobs on hosts: nothing that befalls the minion, its memory, its disk or its host loses one.

What needs `MemoryMax` itself is skipped where hosts have no memory controller.
"""

import re
import time
from collections.abc import Callable
from typing import Final

import pytest

from limpet_lab import Host
from limpet_lab.fleet import Answer, Fleet
from support.hosts.labs import LabOf
from support.master.fleet import wait_until

Tell = Callable[[str], None]
PYTHON: Final = "/opt/limpet/minion/current/bin/python3.11 -I -c"
LIMIT: Final = 200 * 1024 * 1024
EAT: Final = f"{PYTHON} 'x=[bytearray(b\"x\"*1048576) for _ in range(8000)]'"
RECOVERY_S: Final = 15.0
BEATS_S: Final = 12.0
"""More than two beats: a minion that did not send them would be lost by then."""


@pytest.fixture(scope="module")
def fleet(lab_of: LabOf) -> Fleet:
    made = lab_of(1)
    web1 = made.lab.host("web1")
    web1.write("/etc/limpet/minion.d/60-memory.yaml", f"job_memory_max: {LIMIT}\n", 0o600)
    web1.exec("systemctl restart limpet-minion").checked()
    made.wait_answer()
    return made


@pytest.fixture
def web1(fleet: Fleet) -> Host:
    host = fleet.lab.host("web1")
    fleet.wait_answer()
    return host


def minion_of(host: Host) -> str:
    """Give what changes when the minion's process is replaced."""
    return host.exec("systemctl show --value -p MainPID,NRestarts limpet-minion").checked().out


def ran(fleet: Fleet, command: str, timeout_s: float = 60.0) -> Answer:
    return fleet.run("web1", "cmd.run", command, timeout_s=timeout_s).minions["web1"]


def scopes(host: Host) -> list[str]:
    listed = host.exec("systemctl list-units --plain --no-legend 'limpet-job-*.scope'").checked()
    return [line.split()[0] for line in listed.out.splitlines()]


def scope_of(jid: str) -> str:
    return f"limpet-job-{jid.lower()}.scope"


def begun(fleet: Fleet, host: Host, command: str, *, name: str = "begun") -> str:
    """Send a job and wait until its command runs; gives the jid."""
    host.exec(f"rm -f /root/{name}").checked()
    jid = fleet.submit("web1", "cmd.run", f"echo $$ > /root/{name}; {command}")
    wait_until("it has begun", lambda: host.exec(f"test -s /root/{name}").code == 0, 20.0)
    return jid


def test_a_job_has_a_scope_of_its_own_with_the_limit_and_leaves_none(
    fleet: Fleet, web1: Host
) -> None:
    job = fleet.run("web1", "cmd.run", "cat /proc/self/cgroup")
    unit = scope_of(job.jid)
    assert f"/limpet.slice/limpet-jobs.slice/{unit}" in job.value("web1")

    jid = begun(fleet, web1, "sleep 3")
    names = "Slice,Delegate,MemoryMax,CollectMode,Description,RequiresMountsFor"
    shown = web1.exec(f"systemctl show -p {names} {scope_of(jid)}").checked().out
    assert dict(line.split("=", 1) for line in shown.splitlines()) == {
        "Slice": "limpet-jobs.slice",
        "Delegate": "yes",
        "MemoryMax": str(LIMIT),
        "CollectMode": "inactive-or-failed",
        "Description": f"limpet job {jid}: cmd.run",
        "RequiresMountsFor": "/var/lib/limpet-minion/spool",
    }
    assert fleet.wait_job(jid).status("web1") == "ok"
    wait_until("the scope is gone", lambda: not scopes(web1), 5.0)
    assert "has no scope" not in web1.logs("limpet-minion")


@pytest.mark.parametrize(
    "fault",
    [
        "systemctl restart limpet-minion",
        "systemctl kill -s KILL --kill-who=main limpet-minion",
        "systemctl kill -s KILL --kill-who=all limpet-minion",
        "systemctl stop limpet-minion; sleep 5; systemctl start limpet-minion",
        "systemctl daemon-reexec",
    ],
)
def test_what_befalls_the_minions_unit_harms_no_job(fleet: Fleet, web1: Host, fault: str) -> None:
    web1.exec("rm -f /root/ledger").checked()
    jid = begun(fleet, web1, "echo run >> /root/ledger; sleep 3; echo done")
    web1.exec(fault).checked()
    job = fleet.wait_job(jid)
    assert (job.status("web1"), job.value("web1")) == ("ok", "done"), job
    assert web1.read("/root/ledger") == "run\n"
    fleet.wait_answer(timeout_s=RECOVERY_S)


def test_a_job_that_restarts_its_minion_goes_on(fleet: Fleet, web1: Host) -> None:
    before = minion_of(web1)
    answer = ran(fleet, "systemctl restart limpet-minion; sleep 1; echo survived")
    assert (answer.status, answer.value) == ("ok", "survived")
    assert minion_of(web1) != before


def test_a_daemon_that_a_job_forks_is_told_and_lives_on_in_the_scope(
    fleet: Fleet, web1: Host
) -> None:
    before = minion_of(web1)
    job = fleet.run("web1", "cmd.run", "setsid sleep 300 >/dev/null 2>&1 & echo started")
    answer, unit = job.minions["web1"], scope_of(job.jid)
    assert (answer.status, answer.value) == ("ok", "started")
    found = re.fullmatch(rf"left running in {re.escape(unit)}: sleep \(pid (\d+)\)", answer.error)
    assert found, answer
    assert scopes(web1) == [unit]
    assert minion_of(web1) == before
    limit = web1.exec(f"systemctl show --value -p MemoryMax {unit}").checked().out.strip()
    assert limit == "infinity"
    web1.exec("systemctl restart limpet-minion").checked()
    fleet.wait_answer(timeout_s=RECOVERY_S)
    assert web1.exec(f"kill -0 {found[1]}").code == 0
    web1.exec(f"systemctl stop {unit}").checked()
    assert web1.exec(f"kill -0 {found[1]}").code != 0


def test_a_job_that_takes_all_memory_is_ended_and_says_so(
    fleet: Fleet, web1: Host, tell: Tell
) -> None:
    before = minion_of(web1)
    since = time.monotonic()
    answer = ran(fleet, EAT)
    tell(f"a job over its memory: told after {time.monotonic() - since:.1f} s: {answer.error}")
    assert answer.status == "failed"
    assert re.search(r"more than the 200 MiB of memory allowed|for want of memory", answer.error)
    many = f"for n in $(seq 40); do {EAT} & done; wait"
    answer = ran(fleet, many)
    assert answer.status == "failed"
    assert re.search(r"more than the 200 MiB of memory allowed|for want of memory", answer.error)
    assert minion_of(web1) == before
    assert fleet.rows()["web1"].state == "ready"
    assert ran(fleet, "echo next").value == "next"


def test_a_job_that_is_killed_says_by_what(fleet: Fleet, web1: Host) -> None:
    before = minion_of(web1)
    jid = begun(fleet, web1, "sleep 60")
    killed = "p=$(cat /root/begun); kill -9 $(awk '{print $4}' /proc/$p/stat)"
    web1.exec(killed).checked()  # the parent of the shell: the job's worker
    job = fleet.wait_job(jid)
    assert job.status("web1") == "failed"
    assert job.minions["web1"].error == (
        "the worker was ended by signal 9 (SIGKILL): from outside, or by the kernel for want of "
        "memory"
    )
    assert minion_of(web1) == before
    wait_until("nothing of it is left", lambda: not scopes(web1), 10.0)


def test_at_the_limit_that_the_kernel_keeps_it_is_named(fleet: Fleet, web1: Host) -> None:
    controllers = web1.exec("cat /sys/fs/cgroup/cgroup.controllers").out.split()
    if "memory" not in controllers:
        pytest.skip("MemoryMax itself needs a memory controller, which hosts have not here")
    answer = ran(fleet, EAT)
    assert "the kernel ended 1 of its processes for want of memory" in answer.error


@pytest.mark.parametrize("way", ["reboot", "power off"])
def test_a_job_on_a_host_that_goes_down_is_interrupted_and_returned_after_the_boot(
    fleet: Fleet, web1: Host, tell: Tell, way: str
) -> None:
    web1.exec("rm -f /root/polite").checked()
    polite = "trap 'echo polite >> /root/polite; exit 0' TERM; while :; do sleep 0.1; done"
    jid = begun(fleet, web1, polite)
    ended = fleet.submit("web1", "cmd.run", "echo ended")
    fleet.wait_job(ended)
    if way == "reboot":
        web1.reboot()
    else:
        web1.power_off()
        web1.boot()
    tell(f"{way}: answers {fleet.wait_answer(timeout_s=RECOVERY_S):.1f} s after the boot")
    answer = fleet.wait_job(jid, timeout_s=RECOVERY_S).minions["web1"]
    assert answer.status == "interrupted"
    if way == "reboot":
        assert answer.error.startswith("interrupted by SIGTERM from outside"), answer
        assert "polite" in web1.read("/root/polite")
    else:
        assert answer.error.startswith("the host was restarted while the job ran"), answer


def test_on_a_full_disk_jobs_that_need_it_say_so_and_the_next_works_when_there_is_room(
    fleet: Fleet, web1: Host
) -> None:
    write = "dd if=/dev/zero of=/root/big bs=1M count=50 2>&1"
    web1.fill_disk()
    try:
        answer = ran(fleet, write)
        assert answer.status in ("failed", "refused")
        assert re.search("disk full|No space left on device", f"{answer.value} {answer.error}")
        time.sleep(BEATS_S)
        assert fleet.rows()["web1"].state == "ready"
        assert fleet.run("web1", "test.ping").status("web1") == "ok"
        web1.exec("systemctl restart limpet-minion").checked()  # nor does a restart need room
        fleet.wait_answer(timeout_s=RECOVERY_S)
    finally:
        web1.free_disk()
    web1.exec("rm -f /root/big").checked()
    assert ran(fleet, write).status == "ok"
    web1.exec("rm -f /root/big").checked()


def test_on_a_full_disk_the_master_refuses_loses_nothing_and_comes_back_by_itself(
    fleet: Fleet, web1: Host, tell: Tell
) -> None:
    master = fleet.lab.master
    before = master.exec("systemctl show --value -p MainPID,NRestarts limpet-master").checked().out
    web1.exec("rm -f /root/ledger").checked()
    taken: list[str] = []
    refused = ""
    code = 0
    master.fill_disk()
    try:
        while not refused:
            assert len(taken) < 300
            number = len(taken)
            words = ["run", "--async", "--ttl", "600", "web1", "cmd.run"]
            done = fleet.limpet(*words, f"echo {number} >> /root/ledger # {'x' * 30_000}")
            master.fill_disk()
            if done.code == 0:
                taken.append(done.out.split()[-1])
            else:
                refused, code = done.err, done.code
        assert "disk full" in refused
        assert code == 1
        time.sleep(BEATS_S)
        assert fleet.rows()["web1"].state == "ready"
    finally:
        master.free_disk()
    since = time.monotonic()
    wait_until(
        "jobs are taken again",
        lambda: fleet.limpet("run", "web1", "test.ping").code == 0,
        RECOVERY_S,
    )
    tell(
        f"{len(taken)} jobs taken on a full disk, then refused ({refused.strip()[:60]} …); taken "
        f"again {time.monotonic() - since:.1f} s after there was room"
    )
    for jid in taken:
        assert fleet.wait_job(jid).status("web1") == "ok"
    wrote = [int(line) for line in web1.exec("cat /root/ledger").out.split()]
    assert sorted(wrote) == list(range(len(taken)))  # each once
    after = master.exec("systemctl show --value -p MainPID,NRestarts limpet-master").checked().out
    assert after == before
