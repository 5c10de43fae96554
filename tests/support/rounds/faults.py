"""The faults: what is done to a host, for how long, and how it is undone.

A plan is made of a seed alone, so a seed names a whole run. Each kind comes up equally often.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from limpet_lab import Direction, Host, LabError
from limpet_lab.fleet import Fleet, for_each, install
from limpet_lab.lab import MASTER
from limpet_lab.packages import repacked
from limpet_lab.running import wait_until

Kind = Literal[
    "power-off", "reboot", "cut", "cut one way", "restart master", "power-off master", "upgrade",
    "fill disk", "stop",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
CUT_S = 60.0
MINION = "limpet-minion.service"
MASTER_UNIT = "limpet-master.service"
UPGRADE_TIMEOUT_S = 240.0
RESTART_S = 30.0
SECOND_KINDS: tuple[Kind, ...] = ("power-off", "reboot", "cut one way", "restart master")
"""What may come on top of another fault: nothing whose own outcome a second one would decide."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, as planned."""

    kind: Kind
    host: str
    after_s: float
    """From the start of the round."""
    hold_s: float
    """Until it is undone."""
    manner: str = ""
    """Which of several ways: a direction, `kill`, …"""

    def __str__(self) -> str:
        """Say it in a few words."""
        manner = f" ({self.manner})" if self.manner else ""
        host = "" if "master" in self.kind else f" {self.host}"
        return f"{self.kind}{host}{manner}"

    @property
    def ends_jobs(self) -> bool:
        """Whether jobs that run on the host may end without a result."""
        return self.kind in ("power-off", "reboot")

    @property
    def is_of_master(self) -> bool:
        """Whether the master goes, or its disk."""
        return self.host == MASTER


def plan(seed: int, rounds: int, hosts: list[str]) -> list[list[Fault]]:
    """Plan the faults of all rounds; each kind is there `rounds / 9` times at least."""
    order = random.Random(seed)
    kinds: list[Kind] = []
    while len(kinds) < rounds:
        some = list(KINDS)
        order.shuffle(some)
        kinds += some
    return [
        _round(random.Random(f"{seed}/{number}"), kind, hosts)
        for number, kind in enumerate(kinds[:rounds], 1)
    ]


def _round(chance: random.Random, kind: Kind, hosts: list[str]) -> list[Fault]:
    first = _fault(chance, kind, hosts, is_alone=True)
    faults = [first]
    if first.host != "*" and chance.random() < 0.4:
        others = [host for host in hosts if host != first.host]
        seconds = [each for each in SECOND_KINDS if not (first.is_of_master and "master" in each)]
        faults.append(_fault(chance, chance.choice(seconds), others))
    return faults


def _fault(chance: random.Random, kind: Kind, hosts: list[str], *, is_alone: bool = False) -> Fault:
    host, manner = chance.choice(hosts), ""
    hold_s = chance.uniform(1.0, 15.0)
    match kind:
        case "cut":
            hold_s = CUT_S
        case "cut one way":
            manner, hold_s = chance.choice(["in", "out"]), chance.uniform(5.0, 40.0)
        case "restart master":
            host, manner, hold_s = MASTER, chance.choice(["restart", "kill"]), 0.0
        case "power-off master":
            host = MASTER
        case "power-off" if is_alone and chance.random() < 0.25:
            host = "*"
        case "fill disk":
            host, hold_s = chance.choice([*hosts, MASTER, MASTER]), chance.uniform(10.0, 25.0)
        case "stop":
            manner = chance.choice(["continued", "left to systemd"])
            # Left alone for as long as the watchdog (60 s) and the way to SIGKILL (30 s) take.
            hold_s = chance.uniform(10.0, 30.0) if manner == "continued" else 100.0
        case "upgrade":
            host = chance.choice(["*", "*", MASTER])
    return Fault(kind, host, chance.uniform(1.0, 4.0), hold_s, manner)


class Doing:
    """Does faults to a fleet and undoes them."""

    def __init__(self, fleet: Fleet, number: int) -> None:
        self._fleet = fleet
        self._number = number

    def begin(self, fault: Fault) -> None:
        """Let it befall the host; an upgrade and a reboot are over when this returns."""
        lab = self._fleet.lab
        match fault.kind:
            case "power-off" if fault.host == "*":  # the whole site, the master too
                for_each(lab.hosts, Host.power_off)
            case "power-off" | "power-off master":
                lab.host(fault.host).power_off()
            case "reboot":
                lab.host(fault.host).reboot()
            case "cut":
                lab.host(fault.host).cut()
            case "cut one way":
                direction: Direction = "in" if fault.manner == "in" else "out"
                lab.host(fault.host).cut(direction)
            case "restart master" if fault.manner == "kill":
                lab.master.signal(MASTER_UNIT, "KILL")
            case "restart master":
                lab.master.exec(["systemctl", "restart", MASTER_UNIT], timeout_s=60).checked()
            case "upgrade" if fault.is_of_master:
                self._upgrade_master()
            case "upgrade":
                self._upgrade()
            case "fill disk":
                lab.host(fault.host).fill_disk()
            case "stop":
                lab.host(fault.host).exec(_stop(), timeout_s=10).checked()

    def end(self, fault: Fault) -> None:
        """Undo it, and come back when the host is up."""
        lab = self._fleet.lab
        undo: dict[Kind, Callable[[Host], object]] = {
            "power-off": Host.boot,
            "power-off master": Host.boot,
            "cut": Host.heal,
            "cut one way": Host.heal,
            "fill disk": Host.free_disk,
            "stop": lambda host: host.exec(_go_on()) if fault.manner == "continued" else None,
        }
        if fault.kind == "power-off" and fault.host == "*":
            for_each(lab.hosts, Host.boot)
        elif fault.kind in undo:
            undo[fault.kind](lab.host(fault.host))

    def _upgrade(self) -> None:
        """Bring all minions to a version that nobody has had yet, by the master's command."""
        version = f"{self._fleet.packages.version}+round{self._number}"
        package = repacked(self._fleet.packages.minion, version)
        there = self._fleet.lab.master.push(package)
        self._fleet.limpet(
            "upgrade", "*", "--package", there, "--batch", "2", timeout_s=UPGRADE_TIMEOUT_S
        ).checked()
        self._fleet.lab.master.exec(["rm", there]).checked()
        self._fleet.wait_ready(timeout_s=5, version=version)

    def _upgrade_master(self) -> None:
        """Install a newer package on the master's host; its own scripts restart the master."""
        version = f"{self._fleet.packages.version}+round{self._number}"
        install(self._fleet.lab.master, [repacked(self._fleet.packages.master, version)])

        def is_new() -> bool:
            return f"master {version}," in self._fleet.limpet("status").out

        if not wait_until(is_new, RESTART_S):
            raise LabError(f"the master is not {version} {RESTART_S:g} s after dpkg ended")


def _stop() -> str:
    """Stop the minion itself and its helpers: not its jobs, which have scopes of their own."""
    return f"systemctl kill --kill-whom=all --signal=SIGSTOP {MINION}"


def _go_on() -> str:
    return f"systemctl kill --kill-whom=all --signal=SIGCONT {MINION}"


def prepare(fleet: Fleet, rounds: list[list[Fault]]) -> list[Path]:
    """Make the packages of all upgrades of a plan, so that no round waits for them."""
    packages = fleet.packages
    return [
        repacked(
            packages.master if fault.is_of_master else packages.minion,
            f"{packages.version}+round{number}",
        )
        for number, faults in enumerate(rounds, 1)
        for fault in faults
        if fault.kind == "upgrade"
    ]
