"""What the chaos tests share: a load of jobs with a ledger on each host, and the reckoning.

Every job appends a line with a number of its own to the ledger of the minion that runs it. In the
end each job has to stand in one final status for each minion, and in each ledger at most once —
exactly once where the status is `ok`.
"""

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from limpet import Client
from limpet.common.errors import LimpetError, MasterUnreachable, Stalled
from limpet.master.client.errors import NoMinionMatched
from support.master.fleet import Fleet, Node, wait_until

ROUNDS = max(1, int(os.environ.get("LIMPET_CHAOS_ROUNDS", "1")))
"""How many times more than in `make test` each fault is tried; `make soak` sets it."""
OPEN_MAX = 40
"""Jobs of a load that may be open at once."""
WITHOUT_RESULT = frozenset(("offline", "expired", "refused", "cancelled", "interrupted", "lost"))


@dataclass
class Reckoning:
    """What a fault has cost."""

    recovery_s: float = 0.0
    stranded: int = 0
    lost: int = 0
    twice: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def line(self, what: str) -> str:
        """Give it in one line."""
        return (
            f"{what}: recovery {self.recovery_s:.2f} s, stranded {self.stranded}, "
            f"lost {self.lost}, twice {self.twice}"
            + (f"; {dict(self.statuses)}" if self.statuses else "")
        )

    def check(self) -> None:
        """Insist that nothing is stranded, lost or run twice."""
        assert not self.complaints, "\n".join(self.complaints)
        assert (self.stranded, self.lost, self.twice) == (0, 0, 0)


def ledger_of(node: Node) -> Path:
    """Give the file in which each run on a minion leaves a line."""
    return node.root / "ledger"


def entry(number: object, then: str = "") -> str:
    """Give the shell command that leaves one line in the ledger of whoever runs it."""
    return f"echo {number} >> $TMPDIR/ledger" + (f"; {then}" if then else "")


def runs(node: Node, number: object) -> int:
    """Say how often a minion ran a job."""
    path = ledger_of(node)
    return path.read_text().split().count(str(number)) if path.exists() else 0


def wait_runs(fleet: Fleet, number: object, wanted: int) -> None:
    """Wait until so many minions have begun a job."""
    wait_until(
        f"{wanted} minions have begun {number}",
        lambda: sum(runs(node, number) for node in fleet.minions.values()) >= wanted,
    )


def client_of(fleet: Fleet, patience_s: float = 60.0) -> Client:
    """Give a client that waits for a master which is away."""
    return Client(str(fleet.master.root), patience_s=patience_s, first_patience_s=patience_s)


def wait_all_answer(fleet: Fleet, within_s: float) -> float:
    """Wait until one ping is answered by every minion; gives the seconds it took."""
    began = time.monotonic()
    missing = set(fleet.minions)
    with client_of(fleet) as client:
        while missing:
            assert time.monotonic() - began < within_s, f"no answer from {sorted(missing)}"
            with contextlib.suppress(MasterUnreachable, NoMinionMatched, Stalled):
                job = client.run("*", "test.ping", timeout_s=1.0)
                answered = {name for name, each in job.minions.items() if each.status == "ok"}
                missing = set(fleet.minions) - answered
    return time.monotonic() - began


def _is_true(status: str, times: int) -> bool:
    return times == 1 if status == "ok" else status in WITHOUT_RESULT


def reckon(
    fleet: Fleet,
    jobs: dict[str, str],
    *,
    within_s: float = 60.0,
    is_true: Callable[[str, int], bool] = _is_true,
) -> Reckoning:
    """Wait for the end of all jobs (number in the ledger to jid) and see what they cost.

    `is_true` says whether a final status fits the number of runs; else the job counts as lost.
    """
    found = Reckoning()
    deadline = time.monotonic() + within_s
    with client_of(fleet) as client:
        for number, jid in jobs.items():
            result = client.wait(jid, timeout_s=max(1.0, deadline - time.monotonic()))
            for name, answer in result.minions.items():
                found.statuses[answer.status] += 1
                times = runs(fleet.minions[name], number)
                where = f"{jid} ({number}) on {name}: {answer.status} ({answer.error}), ran {times}"
                if times > 1:
                    found.twice += 1
                    found.complaints.append(f"twice: {where}")
                if times <= 1 and not is_true(answer.status, times):
                    found.lost += 1
                    found.complaints.append(f"lost: {where}")
    return found


class Load:
    """A thread that gives the fleet one small job after another."""

    def __init__(self, fleet: Fleet, *, pause_s: float = 0.05, then: str = "") -> None:
        self.jobs: dict[str, str] = {}
        """Number in the ledger to jid."""
        self.unknown: list[str] = []
        """Numbers of those whose request was never answered."""
        self._fleet = fleet
        self._pause_s = pause_s
        self._then = then
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Give no more jobs."""
        self._stop.set()
        self._thread.join(90)
        assert not self._thread.is_alive(), "a client hangs"

    def _wait_for_room(self, client: Client) -> None:
        """Give nothing more while much is open: a minion refuses what its queue can't hold."""
        while not self._stop.is_set():
            with contextlib.suppress(LimpetError):
                if client.status().figures["jobs_open"] <= OPEN_MAX:
                    return
            self._stop.wait(0.2)

    def _run(self) -> None:
        with client_of(self._fleet) as client:
            serial = 0
            while not self._stop.wait(self._pause_s):
                serial += 1
                number = f"job{serial}"
                self._wait_for_room(client)
                try:
                    job = client.submit(
                        "*", "cmd.run", entry(number, self._then), ttl_s=300.0, timeout_s=60
                    )
                except LimpetError:
                    self.unknown.append(number)
                else:
                    self.jobs[number] = job.jid


@contextlib.contextmanager
def made(folder: Path, minions: int) -> Iterator[Fleet]:
    """Give a fleet that is READY."""
    with Fleet(folder, minions=minions) as fleet:
        yield fleet
