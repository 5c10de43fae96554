"""Rounds of faults on five hosts and the master, and that a broken promise would be seen.

`LIMPET_ROUNDS` and `LIMPET_ROUNDS_SEED` choose how many and which; each round is a line of output.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from limpet_lab import Lab
from support.hosts.labs import LabOf
from support.rounds.command import run, summary
from support.rounds.faults import MINION, Fault
from support.rounds.running import Limits, Rounds

pytestmark = [pytest.mark.slow]

Tell = Callable[[str], None]
BRIEF = Limits(stranded_s=8.0, calm_s=8.0, long_s=(2.0, 3.0))
ROUNDS = int(os.environ.get("LIMPET_ROUNDS", "30"))
SEED = int(os.environ.get("LIMPET_ROUNDS_SEED", "8"))


@pytest.mark.timeout(7200)
@pytest.mark.covers("A1", "I1", "I2")
def test_no_order_of_faults_strands_a_host_or_loses_a_job(
    lab_directory: Path, tmp_path: Path, tell: Tell
) -> None:
    lab = Lab(lab_directory)
    try:
        done = run(lab, SEED, ROUNDS, 5, tmp_path)
    finally:
        lab.down()
    for line in summary(done).splitlines():
        tell(line)
    assert [text for each in done for text in each.complaints] == []
    assert len(done) == ROUNDS


def test_a_host_that_never_returns_is_reported_as_stranded(lab_of: LabOf, tmp_path: Path) -> None:
    fleet = lab_of(2)
    fleet.lab.host("web2").exec(["systemctl", "mask", "--now", MINION]).checked()
    plan = [[Fault("reboot", "web1", 0.5, 0.5)]]
    rounds = Rounds(fleet, plan, tmp_path / "events", 1, BRIEF)

    found = rounds.run(1)

    assert [text.split()[:2] for text in found.complaints if text.startswith("stranded")] == [
        ["stranded:", "web2"]
    ]
    assert [each.number for each in rounds.done_before()] == [1]


def test_a_job_that_ran_twice_or_was_forgotten_is_reported(lab_of: LabOf, tmp_path: Path) -> None:
    """The host's own ledger is forged, as a bug would leave it."""
    fleet = lab_of(2)
    for host in fleet.lab.minions:
        host.exec(["systemctl", "unmask", MINION])
        host.exec(["systemctl", "start", MINION]).checked()
    fleet.wait_answer()
    web1, web2 = fleet.lab.host("web1"), fleet.lab.host("web2")
    web1.exec("echo r7n1 begun >>/root/ledger").checked()
    forged = "while :; do rm -f /root/ledger; sleep 0.1; done"
    web2.exec(["systemd-run", "-q", "--unit=forger", "sh", "-c", forged]).checked()
    plan: list[list[Fault]] = [[]] * 6 + [[Fault("reboot", "web1", 12.0, 0.0)]]
    rounds = Rounds(fleet, plan, tmp_path / "events", 1, BRIEF)

    found = rounds.run(7)

    assert any(text.startswith("twice: r7n1 ") for text in found.complaints), found
    assert any("on web2 is ok, but it began 0" in text for text in found.complaints), found
