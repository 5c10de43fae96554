"""From nothing to an answer on five hosts, by the steps that README gives and by nothing else."""

import re
import time
from collections.abc import Callable

import pytest

from limpet_lab.fleet import install
from support.labs import LabOf

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

Tell = Callable[[str], None]
ALLOWED_S = 300.0


def test_five_bare_hosts_answer_within_five_minutes(lab_of: LabOf, tell: Tell) -> None:
    fleet = lab_of(5, is_enrolled=False)
    master = fleet.lab.master
    assert master.exec("command -v limpet python3").code != 0, "the hosts are not bare"
    since = time.monotonic()

    install(master, [fleet.packages.master])
    said = master.exec("limpet master setup --id-pattern 'web*' --uses 5", timeout_s=90).checked()
    join = re.search(r"limpet-join-1\.\S+", said.out)
    assert join is not None, said.out
    at_master_s = time.monotonic() - since
    for host in fleet.lab.minions:
        install(host, [fleet.packages.minion])
        words = ["limpet", "minion", "setup", "--master", "master", "--join", join.group()]
        host.exec(words, timeout_s=90).checked()
    job = fleet.run("*", "test.ping")

    took_s = time.monotonic() - since
    tell(f"master set up after {at_master_s:.0f} s, five hosts answer after {took_s:.0f} s")
    assert {name: answer.status for name, answer in job.minions.items()} == {
        host.name: "ok" for host in fleet.lab.minions
    }
    assert took_s <= ALLOWED_S
    for host in fleet.lab.hosts:
        failed = host.exec("systemctl --failed --plain --no-legend").out
        assert failed == "", (host.name, failed)
