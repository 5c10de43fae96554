"""kill -9 at random moments and at every boundary: nobody is stranded, nothing lost or run twice.

`LIMPET_CHAOS_ROUNDS` multiplies the number of kills.
"""

import itertools
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Tell

from support.hostile import killable
from support.hostile.chaos import ROUNDS, Load, Reckoning, client_of, reckon, wait_all_answer
from support.master.fleet import Fleet, Node, wait_until

pytestmark = pytest.mark.timeout(60 + 360 * ROUNDS)
ANSWERS_S_MAX = 3 * 3.0
"""All minions answer within 3 s of the open port; a busy machine is given three times as much."""


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("ten"), minions=10) as fleet:
        yield fleet


@pytest.mark.alone
@pytest.mark.covers("A1", "C2", "C13", "E1")
def test_all_answer_soon_after_each_kill_of_the_master(ten: Fleet, tell: Tell) -> None:
    chance = random.Random(1)
    found = Reckoning()
    with Load(ten, pause_s=0.3) as load:
        for _ in range(4 * ROUNDS):
            time.sleep(chance.uniform(0, 1.5))
            ten.master.kill()
            ten.start_master()
            found.recovery_s = max(found.recovery_s, wait_all_answer(ten, ANSWERS_S_MAX))
    spent = reckon(ten, load.jobs)
    spent.recovery_s = found.recovery_s
    tell(spent.line(f"{4 * ROUNDS} kills of the master, {len(load.jobs)} jobs"))
    spent.check()
    assert not load.unknown


@pytest.mark.alone
@pytest.mark.covers("A1", "H3", "D5")
def test_a_kill_before_inside_and_after_the_handshakes_strands_nobody(
    ten: Fleet, tell: Tell
) -> None:
    slowest = 0.0
    offsets = [0.0, 0.2, 0.35, 0.5, 0.8]
    some = list(ten.minions.values())[:5]
    for offset_s in offsets * ROUNDS:
        for node in some:
            node.kill()
            node.start()
        time.sleep(offset_s)
        ten.master.kill()
        ten.start_master()
        slowest = max(slowest, wait_all_answer(ten, ANSWERS_S_MAX))
    tell(
        Reckoning(recovery_s=slowest).line(
            f"{len(offsets) * ROUNDS} kills of the master among starting minions"
        )
    )


SIDES = ("before", "after")
REACH = {"master": (200, 40), "minion": (90, 15)}
"""How many boundaries a process passes at most, and mostly: the master comes to more of them."""
MATTERS = {
    "master": (
        "submit",
        "commit",
        "apply PutJob",
        "apply PutDelivery",
        "answer JobStored",
        "send Deliver",
        "send ReturnAck",
        "send Welcome",
        "send SyncAnswer",
    ),
    "minion": (
        "append JobAccepted",
        "append JobStarted",
        "append JobFinished",
        "append JobAcknowledged",
        "send Hello",
        "send Accepted",
        "send Started",
        "send Return",
        "spawn",
        "release",
        "adopt",
        "drop_spool",
    ),
}
"""The boundaries at which a promise is made or kept: a kill there is the most telling."""
ALWAYS = frozenset(("append JobAccepted", "append JobFinished", "send Return", "commit"))
"""No run is over before somebody has died at each of these."""


class Victims:
    """A master and minions that kill themselves at boundaries, and are started again each time."""

    def __init__(self, fleet: Fleet, chance: random.Random) -> None:
        self.fleet = fleet
        self.kills = 0
        self._chance = chance
        self._named = {
            role: itertools.cycle([f"{name} {side}" for side in SIDES for name in names])
            for role, names in MATTERS.items()
        }

    def nodes(self) -> list[Node]:
        return [self.fleet.master, *self.fleet.minions.values()]

    def arm(self, node: Node, *, is_last: bool = False) -> None:
        """Let the next process of a node die at a boundary by chance, or never."""
        role = "master" if node is self.fleet.master else "minion"
        name = ""
        # Few enough to hit each start's own steps, many enough that some live to do work.
        chosen = 0 if is_last else int(self._chance.triangular(1, *REACH[role]))
        if chosen and self._chance.random() < 0.7:
            chosen = self._chance.randint(1, 2)
            name = next(self._named[role])
        node.program = killable.command(role, node.root, chosen, name)

    def tend(self) -> int:
        """Start again whoever has died; gives how often that was so until now."""
        for node in self.nodes():
            if not node.is_running:
                assert node.process is not None
                assert node.process.returncode == -signal.SIGKILL, node.log()[-2000:]
                self.kills += 1
                self.arm(node)
                node.start()
        return self.kills

    def rest(self) -> None:
        """Have all run without further harm."""
        for node in self.nodes():
            node.kill()
            self.arm(node, is_last=True)
            node.start()

    def has_met_all(self) -> bool:
        """Say whether somebody has died at each boundary of `ALWAYS`."""
        return {place.rpartition(" ")[0] for place in self.places()} >= ALWAYS

    def places(self) -> Counter[str]:
        """Count the boundaries at which a process died."""
        found: Counter[str] = Counter()
        for node in self.nodes():
            found.update(re.findall(r"killed at: (.*)", node.log()))
        return found


@pytest.mark.xdist_group("boundaries")
@pytest.mark.covers("C1", "C2", "C8", "F3", "F20", "H3")
def test_kills_at_each_boundary_of_both_daemons_lose_nothing_and_run_nothing_twice(
    tmp_path: Path, tell: Tell
) -> None:
    kills = 60 if ROUNDS == 1 else 170 * ROUNDS
    with Fleet(tmp_path, minions=3) as fleet:
        victims = Victims(fleet, random.Random(ROUNDS))
        for node in victims.nodes():
            node.kill()
            victims.arm(node)
            node.start()
        with Load(fleet, pause_s=0.1) as load:
            wait_until(
                "enough have died",
                lambda: victims.tend() >= kills and victims.has_met_all(),
                300 * ROUNDS,
            )
            victims.rest()
            began = time.monotonic()
            wait_all_answer(fleet, 30)
            recovery_s = time.monotonic() - began
        found = reckon(fleet, load.jobs, is_true=_link_died_only)
        found.recovery_s = recovery_s
        tell(found.line(f"{victims.kills} kills at boundaries, {len(load.jobs)} jobs"))
        places = victims.places()
        tell(f"{len(places)} different boundaries: {dict(places.most_common())}")
        found.check()
        assert not load.unknown
        assert len(places) >= 15
        with client_of(fleet) as client:
            listed = [job.jid for job in client.jobs(1000) if job.function == "cmd.run"]
        assert sorted(listed) == sorted(load.jobs.values())


def _link_died_only(status: str, times: int) -> bool:
    """Say whether a status is true where daemons died, but never a supervisor of a job."""
    return times == 1 if status == "ok" else status == "interrupted" and times == 0
