"""The master moves to another address: names are changed, and nobody goes to a host."""

from collections.abc import Callable

import pytest

from limpet_lab.fleet import Fleet
from support.hosts.labs import LabOf

pytestmark = [pytest.mark.slow, pytest.mark.covers("B5")]

Tell = Callable[[str], None]
ALLOWED_S = 60.0
FILES = "find /etc/limpet /etc/hosts /etc/resolv.conf -type f -exec sha256sum {} +"


@pytest.fixture(scope="module")
def fleet(lab_of: LabOf) -> Fleet:
    return lab_of(5)


def move(fleet: Fleet, address: str) -> None:
    fleet.lab.master.readdress(address)
    fleet.lab.dns.set("master", address)


def states(fleet: Fleet) -> dict[str, str]:
    return {host.name: host.exec(FILES).checked().out for host in fleet.lab.minions}


def test_hosts_follow_a_master_that_moves_while_it_runs(fleet: Fleet, tell: Tell) -> None:
    before = states(fleet)

    move(fleet, "10.77.0.3")

    took_s = fleet.wait_answer(timeout_s=ALLOWED_S)
    tell(f"all answer at the new address after {took_s:.1f} s")
    assert states(fleet) == before


def test_hosts_follow_a_master_that_was_off_while_it_moved(fleet: Fleet, tell: Tell) -> None:
    before = states(fleet)
    fleet.lab.master.power_off()
    move(fleet, "10.77.0.4")
    fleet.lab.master.boot()

    took_s = fleet.wait_answer(timeout_s=ALLOWED_S)
    tell(f"all answer at the new address after {took_s:.1f} s from the boot")
    assert states(fleet) == before


def test_names_that_change_late_are_looked_up_again(fleet: Fleet, tell: Tell) -> None:
    """DNS tells the old address for a while, as it does when its records live for some minutes."""
    fleet.lab.master.readdress("10.77.0.5")
    web1 = fleet.lab.host("web1")
    web1.reboot()
    assert fleet.answering(["web1"]) == set()

    fleet.lab.dns.set("master", "10.77.0.5")

    tell(f"all answer after the names changed: {fleet.wait_answer(timeout_s=ALLOWED_S):.1f} s")
