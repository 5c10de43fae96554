"""The jobs that run while faults come: a steady stream, given by the command line on the master.

Three kinds: pings, which wait for nobody; short jobs, which take three seconds; and one long job
that is under way when the round's faults begin. All but pings have a time to live of minutes.
"""

import itertools
import threading
import time
from collections.abc import Iterator

from limpet_lab import LabError
from limpet_lab.fleet import Fleet
from support.rounds.reckoning import Work, WorkKind

LEDGER = "/root/ledger"
TTL_S = 300.0
ANSWER_S = 12.0
"""How long the command line may take to give a job's id, or to say that it can't."""


def script(number: str, seconds: float) -> str:
    """Give a job's shell commands: a line, some time, a line; without room on the disk it fails."""
    some = f"/var/tmp/{number}"
    return (
        f"echo {number} begun | tee -a {LEDGER} >/dev/null || exit 1; sleep {seconds:.1f}; "
        f"head -c 65536 /dev/zero >{some} || exit 1; rm {some}; "
        f"echo {number} done | tee -a {LEDGER} >/dev/null || exit 1; echo said {number}"
    )


class Stream:
    """A thread that gives jobs; everything that it gave is in `works`."""

    def __init__(self, fleet: Fleet, round_number: int) -> None:
        self.works: list[Work] = []
        self.refused: list[str] = []
        """What the command line said when the master did not take a job."""
        self._fleet = fleet
        self._numbers = (f"r{round_number}n{n}" for n in itertools.count(1))
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stream")

    def start(self, long_s: float) -> None:
        """Give the long job, then begin the stream."""
        self._give("long", long_s)
        self._thread.start()

    def stop(self) -> None:
        """Give no more."""
        self._ending.set()
        self._thread.join(ANSWER_S * 3)
        if self._thread.is_alive():
            raise LabError("the stream of jobs hangs: limpet run --async does not end")

    def _run(self) -> None:
        for kind in self._kinds():
            if self._ending.wait(0.7):
                return
            self._give(kind, 3.0)

    @staticmethod
    def _kinds() -> Iterator[WorkKind]:
        return itertools.cycle(("ping", "short", "ping"))

    def _give(self, kind: WorkKind, seconds: float) -> None:
        number = next(self._numbers)
        words = ["test.ping"] if kind == "ping" else ["cmd.run", script(number, seconds)]
        ttl = [] if kind == "ping" else ["--ttl", f"{TTL_S:g}"]
        since = time.monotonic()
        try:
            done = self._fleet.limpet("run", "--async", *ttl, "*", *words, timeout_s=ANSWER_S)
        except LabError as error:  # the master's host is off, or was switched off meanwhile
            self.works.append(Work(number, kind, why_unknown=str(error)[:300]))
            return
        took_s = time.monotonic() - since
        if done.code == 0 and done.out.strip():
            self.works.append(Work(number, kind, done.out.strip()))
        else:
            why = f"{done.code} after {took_s:.1f} s: {done.err.strip()[:300]}"
            self.refused.append(why)
            self.works.append(Work(number, kind, why_unknown=why))
