"""How long a fleet takes to be whole again after a fault, seen from outside."""

import contextlib
import os
import time
from collections.abc import Set
from dataclasses import dataclass

from limpet.common.errors import MasterUnreachable, Stalled
from support.hostile.chaos import client_of
from support.master.fleet import Fleet

IS_LONG = bool(os.environ.get("LIMPET_CHAOS_LONG"))
"""Faults as long as the goals name them; without it the same faults, shorter."""
CAP_S = 60.0
"""Who does not answer by then is stranded."""
PING_S = 1.5


@dataclass(frozen=True)
class Recovery:
    """What was seen after the end of a fault."""

    seconds: float
    """To the first ping that all answered, or to the cap."""
    stranded: frozenset[str]
    """Who did not answer the last ping before the cap."""

    def __str__(self) -> str:
        return f"recovery {self.seconds:.1f} s, stranded {len(self.stranded)}"

    def check(self, within_s: float) -> None:
        """Insist that nobody is stranded and that it was quick."""
        assert not self.stranded, f"stranded: {sorted(self.stranded)}"
        assert self.seconds <= within_s, self


def answering(fleet: Fleet, timeout_s: float = PING_S) -> frozenset[str]:
    """Ping all; give who answered."""
    with client_of(fleet) as client:
        try:
            job = client.run("*", "test.ping", timeout_s=timeout_s)
        except (MasterUnreachable, Stalled):
            return frozenset()
    return frozenset(name for name, each in job.minions.items() if each.status == "ok")


def recovery(fleet: Fleet, *, names: Set[str] = frozenset(), cap_s: float = CAP_S) -> Recovery:
    """Begin to count, and ping until all (or `names`) answer one ping."""
    wanted = frozenset(names or fleet.minions)
    began = time.monotonic()
    while True:
        missing = wanted - answering(fleet)
        seconds = time.monotonic() - began
        if not missing or seconds > cap_s:
            return Recovery(seconds, missing)
        time.sleep(0.05)


def wait_ready(fleet: Fleet, number: int, within_s: float = CAP_S) -> float:
    """Wait until so many minions are READY; gives the seconds it took."""
    began = time.monotonic()
    with client_of(fleet) as client:
        while time.monotonic() - began < within_s:
            with contextlib.suppress(MasterUnreachable, Stalled):
                if sum(1 for row in client.minions() if row.state == "ready") >= number:
                    return time.monotonic() - began
            time.sleep(0.05)
    raise AssertionError(f"waited {within_s:g} s in vain until {number} minions are READY")


def pids(fleet: Fleet) -> dict[str, int]:
    """Give the pid of each minion that runs: the same before and after says nobody ended."""
    return {name: node.pid for name, node in fleet.minions.items() if node.is_running}
