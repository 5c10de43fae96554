"""On hosts with packages: the master's key is changed, and the master moves to another address."""

import json
import time
from functools import partial
from typing import Any

import pytest

from limpet_lab.fleet import Fleet
from limpet_lab.host import Host
from limpet_lab.lab import MASTER
from limpet_lab.running import wait_until
from support.hosts.labs import LabOf

KEYS = "/var/lib/limpet-minion/keys"
STATUS = "/run/limpet-minion/minion-status.json"
MOVED_WITHIN_S = 60.0
FOLLOWS_WITHIN_S = 15.0
ELSEWHERE = "10.77.0.200"


@pytest.fixture(scope="module")
def fleet(lab_of: LabOf) -> Fleet:
    return lab_of(5)


def names(fleet: Fleet) -> list[str]:
    return sorted(host.name for host in fleet.lab.minions)


def knowing(fleet: Fleet) -> list[str]:
    """Name the minions that know the master's next keys."""
    rows = fleet.limpet_json("minions")["minions"]
    return sorted(name for name, row in rows.items() if row["knows_next_keys"])


def wait_names(fleet: Fleet) -> None:
    """Wait until hosts are told the master's address again: a loaded machine drops questions."""
    for host in fleet.lab.minions:
        assert wait_until(partial(is_named, host), 30)


def is_named(host: Host) -> bool:
    """Say whether a host finds the master's name."""
    return host.exec(["getent", "ahosts", MASTER]).code == 0


def rotate(fleet: Fleet, *options: str) -> dict[str, Any]:
    """Change the master's key; gives what the command said."""
    done = fleet.limpet("keys", "rotate-master", "--format", "json", *options, timeout_s=90)
    said: dict[str, Any] = json.loads(done.out)
    return {**said, "code": done.code, "err": done.err}


@pytest.mark.covers("H6")
def test_who_is_here_follows_at_once_who_was_off_follows_and_who_knows_nothing_is_told(
    fleet: Fleet,
) -> None:
    assert wait_until(lambda: knowing(fleet) == names(fleet), 40)
    pid = fleet.lab.master.exec("systemctl show -P MainPID limpet-master").checked().out
    off, forgetful = fleet.lab.host("web4"), fleet.lab.host("web5")
    off.power_off()
    forgetful.exec(f"systemctl stop limpet-minion && rm {KEYS}/master.trust*").checked()

    began = time.monotonic()
    said = rotate(fleet)
    assert said["code"] == 0, said
    fleet.wait_answer("web1", "web2", "web3", timeout_s=FOLLOWS_WITHIN_S)
    print(f"those that are here answer {time.monotonic() - began:.1f} s after the command began")
    shown = fleet.limpet_json("keys", "show", "--master")
    assert shown["fingerprint"] == said["new"]["fingerprint"]
    assert fleet.lab.master.exec("systemctl show -P MainPID limpet-master").out == pid
    assert fleet.lab.master.exec("systemctl show -P NRestarts limpet-master").out.strip() == "0"

    off.boot()
    print(f"off: {fleet.wait_answer('web4', timeout_s=FOLLOWS_WITHIN_S):.1f} s after its boot")

    forgetful.exec("systemctl start limpet-minion").checked()

    def is_told() -> bool:
        read = forgetful.exec(["cat", STATUS])
        return read.code == 0 and "minion setup --join" in json.loads(read.out).get("advice", "")

    assert wait_until(is_told, 30)
    assert "minion setup --join" in forgetful.logs("limpet-minion", 40)
    fleet.join = fleet.make_join_string()
    wait_names(fleet)
    fleet.join_host(forgetful)
    fleet.wait_answer(timeout_s=FOLLOWS_WITHIN_S)
    assert wait_until(lambda: knowing(fleet) == names(fleet), 40)


@pytest.mark.covers("B5")
def test_a_master_that_moves_is_found_where_its_name_leads(fleet: Fleet) -> None:
    home = fleet.lab.master.address
    fleet.wait_answer(timeout_s=FOLLOWS_WITHIN_S)
    for there in (ELSEWHERE, home):
        began = time.monotonic()
        fleet.lab.master.readdress(there)
        fleet.lab.dns.set(MASTER, there)
        fleet.wait_answer(timeout_s=MOVED_WITHIN_S)
        print(f"moved to {there}: all answer after {time.monotonic() - began:.1f} s")


@pytest.mark.covers("B5", "H6")
def test_it_may_move_and_change_its_key_while_names_are_not_answered(fleet: Fleet) -> None:
    home = fleet.lab.master.address
    fleet.wait_answer(timeout_s=FOLLOWS_WITHIN_S)
    assert wait_until(lambda: knowing(fleet) == names(fleet), 40)
    fleet.lab.dns.mode("silent")
    try:
        fleet.lab.master.readdress(ELSEWHERE)
        assert rotate(fleet, "--yes")["is_done"]
        fleet.lab.dns.set(MASTER, ELSEWHERE)
        time.sleep(20.0)
    finally:
        fleet.lab.dns.mode("answer")
    print(f"names are back: all answer after {fleet.wait_answer(timeout_s=MOVED_WITHIN_S):.1f} s")
    fleet.lab.master.readdress(home)
    fleet.lab.dns.set(MASTER, home)
    fleet.wait_answer(timeout_s=MOVED_WITHIN_S)
