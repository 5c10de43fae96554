"""A run of rounds: faults and jobs together, then calm, then the reckoning.

A round begins when all hosts answer. Jobs flow, the faults come and are undone, each in a thread of
its own; from the last undoing on all hosts have to answer within a limit. Then the stream
ends, every job has to come to its end, and the ledgers are compared.
"""

import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from limpet_lab import LabError
from limpet_lab.fleet import Fleet, Known
from support.rounds.faults import MASTER_UNIT, Doing, Fault
from support.rounds.reckoning import Circumstances, Verdicts, Work, judge
from support.rounds.work import LEDGER, Stream


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds."""

    recovery_s: float = 15.0
    """All hosts have to answer within so long after a boot or a heal."""
    stranded_s: float = 120.0
    """A host that does not answer within so long is stranded."""
    calm_s: float = 90.0
    """Every job of a round has to have ended so long after all hosts answer."""
    long_s: tuple[float, float] = (20.0, 40.0)
    """How long the long job takes: from, to."""


USUAL = Limits()


@dataclass(slots=True)
class Round:
    """What a round came to."""

    number: int
    faults: list[str]
    kinds: list[str]
    recovery_s: float = 0.0
    by_host: dict[str, float] = field(default_factory=dict)
    jobs: int = 0
    unknown: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    took_s: float = 0.0
    complaints: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Say it in one line."""
        counts = " ".join(f"{name}={count}" for name, count in sorted(self.statuses.items()))
        end = "good" if not self.complaints else f"{len(self.complaints)} COMPLAINTS"
        return (
            f"{self.number:3}  {'; '.join(self.faults):60}  all answer after "
            f"{self.recovery_s:5.1f} s  {self.jobs:3} jobs ({self.unknown} unanswered)  {counts}  "
            f"[{self.took_s:.0f} s]  {end}"
        )


class Rounds:
    """Runs the rounds of a plan on a fleet, and keeps what happened in `events`."""

    def __init__(
        self, fleet: Fleet, plan: list[list[Fault]], events: Path, seed: int,
        limits: Limits = USUAL,
    ) -> None:  # fmt: skip
        self._fleet = fleet
        self._limits = limits
        self._plan = plan
        self._events = events
        self._seed = seed
        self._writing = threading.Lock()

    def done_before(self) -> list[Round]:
        """Give the rounds that the events tell of: a run that was ended goes on after them."""
        if not self._events.exists():
            return []
        lines = [json.loads(line) for line in self._events.read_text("utf-8").splitlines()]
        return [Round(**line["round"]) for line in lines if line["event"] == "round"]

    def run(self, number: int) -> Round:
        """Run one round, 1 being the first, and say what it came to."""
        since = time.monotonic()
        faults = self._plan[number - 1]
        found = Round(number, [str(each) for each in faults], [each.kind for each in faults])
        verdicts = Verdicts()
        began_s = time.time()
        stream = Stream(self._fleet, number)
        self.tell("begin", number=number, faults=found.faults)
        before = self._master_pid()
        stream.start(random.Random(f"{self._seed}/{number}").uniform(*self._limits.long_s))
        troubles = self._befall(number, faults)
        verdicts.wrong += troubles
        self._wait_for_answers(found, verdicts)
        stream.stop()
        known = self._wait_for_ends(stream.works, verdicts)
        ledgers = {host.name: self._ledger(host.name) for host in self._fleet.lab.minions}
        was = {name: circumstances(name, faults) for name in ledgers}
        judged = judge(stream.works, known, ledgers, was)
        verdicts.lost += judged.lost
        verdicts.twice += judged.twice
        verdicts.wrong += judged.wrong
        if any(f.is_of_master and f.kind == "fill disk" for f in faults) and not any(
            f.kind in ("restart master", "power-off master") for f in faults
        ):
            verdicts.wrong += self._look_at_full_master(stream, before)
        for host in self._fleet.lab.hosts:
            said = host.exec(
                ["journalctl", "-o", "cat", "-u", "limpet-*", f"--since=@{began_s:.0f}"]
            )
            verdicts.crashed += crashes(host.name, said.out, faults)
        found.jobs = len(known)
        found.unknown = sum(not work.jid for work in stream.works)
        found.statuses = dict(
            Counter(a.status for each in known.values() for a in each.job.minions.values())
        )
        found.complaints = verdicts.all
        found.took_s = round(time.monotonic() - since, 1)
        self.tell("round", round=asdict(found), figures=self._figures())
        return found

    def tell(self, event: str, **more: Any) -> None:  # noqa: ANN401 - whatever JSON can say
        """Write a line into the events."""
        line = {"at": round(time.time(), 2), "event": event, **more}
        with self._writing, self._events.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    # The parts of a round

    def _befall(self, number: int, faults: list[Fault]) -> list[str]:
        """Let all faults come and go; returns what went wrong in doing them."""
        troubles: list[str] = []
        doing = Doing(self._fleet, number)

        def do(fault: Fault) -> None:
            time.sleep(fault.after_s)
            try:
                self.tell("fault", number=number, **asdict(fault))
                doing.begin(fault)
                time.sleep(fault.hold_s)
                doing.end(fault)
                self.tell("undone", number=number, kind=fault.kind, host=fault.host)
            except LabError as error:
                troubles.append(f"{fault}: {error}")
                self.tell("trouble", number=number, kind=fault.kind, error=str(error))

        with ThreadPoolExecutor(len(faults)) as pool:
            for each in [pool.submit(do, fault) for fault in faults]:
                each.result()
        return troubles

    def _wait_for_answers(self, found: Round, verdicts: Verdicts) -> None:
        since = time.monotonic()
        missing = {host.name for host in self._fleet.lab.minions}
        limit_s = self._limits.stranded_s
        while missing and time.monotonic() - since < limit_s:
            for name in self._answering(missing):
                found.by_host[name] = round(time.monotonic() - since, 1)
                missing.discard(name)
        found.recovery_s = round(time.monotonic() - since, 1)
        verdicts.stranded += [f"{name} does not answer after {limit_s:g} s" for name in missing]
        verdicts.slow += [
            f"{name} answered after {took_s:.1f} s"
            for name, took_s in found.by_host.items()
            if took_s > self._limits.recovery_s
        ]

    def _answering(self, names: set[str]) -> set[str]:
        answered = self._fleet.answering(names)
        if not answered:  # the master may be away, and say so at once
            time.sleep(0.2)
        return answered

    def _wait_for_ends(self, works: list[Work], verdicts: Verdicts) -> dict[str, Known]:
        jids = [work.jid for work in works if work.jid]
        known: dict[str, Known] = {}
        deadline = time.monotonic() + self._limits.calm_s
        while time.monotonic() < deadline:
            try:
                known = self._fleet.known(jids)
            except LabError as error:
                verdicts.wrong.append(f"the master can't be asked: {error}")
                break
            if all(each.is_ended for each in known.values()):
                break
            time.sleep(1.0)
        return known

    def _ledger(self, name: str) -> list[str]:
        return self._fleet.lab.host(name).exec(f"cat {LEDGER} 2>/dev/null").out.splitlines()

    def _figures(self) -> dict[str, float]:
        """What the master says of its own size, so that a leak is seen in the events."""
        try:
            return dict(self._fleet.limpet_json("status")["figures"])
        except LabError:
            return {}

    def _master_pid(self) -> str:
        asked = f"systemctl show -P MainPID {MASTER_UNIT}"
        return self._fleet.lab.master.exec(asked).out.strip()

    def _look_at_full_master(self, stream: Stream, before: str) -> list[str]:
        """The master with a full disk says so to those who give jobs, and needs no restart."""
        silent = [why for why in stream.refused if "space" not in why and "full" not in why]
        wrong = [f"with a full disk the master said: {why}" for why in silent]
        if (after := self._master_pid()) != before:
            wrong.append(f"the master was restarted for a full disk: pid {before}, then {after}")
        return wrong


def crashes(host: str, journal: str, faults: list[Fault]) -> list[str]:
    """Give the lines of a host's journal that tell of an end that no fault explains."""
    if any(f.host == host and (f.kind == "stop" or f.manner == "kill") for f in faults):
        return []
    signs = ("Traceback (most recent call last)", "Main process exited", "Failed with result")
    return [f"{host}: {line}" for line in journal.splitlines() if any(s in line for s in signs)]


def circumstances(host: str, faults: list[Fault]) -> Circumstances:
    """Say what a round's faults did to one host."""
    own = [fault for fault in faults if fault.host in (host, "*")]
    masters = [fault for fault in faults if fault.is_of_master and fault.kind != "fill disk"]
    return Circumstances(
        may_end_jobs=any(fault.ends_jobs for fault in own),
        was_full=any(fault.kind == "fill disk" for fault in own),
        was_away=bool(masters) or any(fault.kind != "fill disk" for fault in own),
    )
