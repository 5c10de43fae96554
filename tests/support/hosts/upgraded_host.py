"""A made-up host whose minion is upgraded: what is on its disk, what runs, how good the package is.

`cut_after(n)` takes the power away when the n-th act has begun: of the act itself the disk has
nothing, half, or all. Then `boot` starts what `current` names, and the upgrade goes on from its
record, as the service at boot has it. Time only passes where the machine waits.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from limpet.common.clock import Instant, Moment
from limpet.minion.upgrading.record import Record
from limpet.minion.upgrading.upgrade import (
    LOOK_EVERY_S,
    Effect,
    End,
    Install,
    Restart,
    Restore,
    Save,
    Sight,
    Switch,
    Upgrade,
)

OLD, NEW = "1.0-aaaaaaaaaaaa", "2.0-bbbbbbbbbbbb"
Manner = Literal["good", "ends at once", "ends after 3 s", "never READY", "hangs"]
Half = Literal["nothing", "half", "all"]
START_S = 1.0
"""From the order to start until READY."""


class PowerCut(Exception):
    """The host is off."""


def record(**changes: object) -> Record:
    values: dict[str, object] = {
        "id": "0123456789abcdef",
        "kind": "package",
        "phase": "prepared",
        "old": OLD,
        "old_version": "1.0",
        "new_version": "2.0",
        "package": "/package.deb",
        "previous": "/previous.deb",
        "boot_id": "boot 1",
        "started_s": 1000.0,
        **changes,
    }
    return Record(**values)  # type: ignore[arg-type]


@dataclass
class UpgradedHost:
    """The host."""

    manner: Manner = "good"
    """How the new version behaves."""
    install_problem: str = ""
    """What dpkg says when the package is installed."""
    is_switched_by_failure: bool = False
    """The package had switched `current` before it failed."""
    master_is_away_until: float = 0.0
    now_s: float = 1000.0
    boot_id: str = "boot 1"
    disk: Record | None = field(default_factory=record)
    last: Record | None = None
    current: str = OLD
    database: str = "1.0"
    running: str = OLD
    started_s: float = 0.0
    """When the process that runs was started."""
    ends: int = 0
    pid: int = 1
    cut_at: int = -1
    cut_leaves: Half = "nothing"
    acts: list[str] = field(default_factory=list)

    def boot(self) -> None:
        """Switch the host on again."""
        self.boot_id = f"boot {self.pid + 1}"
        self.cut_at = -1
        self._start(self.current)

    def carry_out(self, *, limit_s: float = 7200.0) -> Record | None:
        """Do what the service does: go on with the record, if there is one, to its end."""
        if self.disk is None:
            return self.last
        machine = Upgrade(self.disk)
        self._act_all(machine, machine.start(self._now(), self.boot_id))
        until_s = self.now_s + limit_s
        while not machine.is_over:
            assert machine.is_looking, "a machine that is not over waits for something"
            assert self.now_s < until_s, "an upgrade has an end"
            self.now_s += LOOK_EVERY_S
            self._act_all(machine, machine.on_sight(self._now(), self.sight()))
            if not machine.is_over and self._now().boot >= machine.next_deadline:
                self._act_all(machine, machine.on_deadline(self._now()))
        return machine.record

    def sight(self) -> Sight:
        """Say how the minion is now."""
        age_s = self.now_s - self.started_s
        is_away = self.now_s < self.master_is_away_until
        manner = self.manner if self.running == NEW else "good"
        lives_s = {"ends at once": 0.2, "ends after 3 s": 3.0}.get(manner)
        if lives_s is not None and age_s >= lives_s:
            self.ends += 1
            self.pid += 1
            self.started_s = self.now_s + 1.0  # RestartSec
            self.running = self.current
        if self.now_s < self.started_s + START_S or manner in ("hangs", "ends at once"):
            return Sight(ends=self.ends, detail="the unit is activating")
        is_ready = manner != "never READY" and not is_away
        return Sight(
            directory=self.running,
            state="READY" if is_ready else "BACKOFF",
            process=(self.pid, self.started_s),
            ends=self.ends,
            is_master_reachable=not is_away,
        )

    @property
    def is_well(self) -> bool:
        """Say whether the version that `current` names runs, and is not a broken one."""
        is_good = self.running == OLD or self.manner == "good"
        return self.running == self.current and is_good

    def _now(self) -> Moment:
        return Moment(Instant(self.now_s), self.now_s)

    def _act_all(self, machine: Upgrade, effects: list[Effect]) -> None:
        waiting = deque(effects)
        while waiting:
            waiting.extend(self._act(machine, waiting.popleft()))

    def _act(self, machine: Upgrade, effect: Effect) -> list[Effect]:
        is_cut = len(self.acts) == self.cut_at
        self.acts.append(type(effect).__name__)
        if is_cut and self.cut_leaves == "nothing":
            raise PowerCut
        is_half = is_cut and self.cut_leaves == "half"
        events: list[Effect] = []
        match effect:
            case Save(record=record):
                self.disk = record
            case Install():
                events = self._install(machine, is_half=is_half, is_cut=is_cut)
            case Switch(directory=directory):
                self.current = directory
                events = [] if is_cut else machine.on_switched(self._now(), "")
            case Restart():
                self._start(self.current)
                events = [] if is_cut else machine.on_restarted(self._now(), "")
            case Restore():
                self.database = "half" if is_half else "1.0"
                events = [] if is_cut else machine.on_restored(self._now(), "")
            case End(record=record):
                self.last = record
                if not is_half:
                    self.disk = None
        if is_cut:
            raise PowerCut
        return events

    def _install(self, machine: Upgrade, *, is_half: bool, is_cut: bool) -> list[Effect]:
        self.database = "half"
        if is_half:
            self.current = NEW if self.is_switched_by_failure else self.current
            return []
        if self.install_problem:
            self.current = NEW if self.is_switched_by_failure else self.current
        else:
            self.database, self.current = "2.0", NEW
        if is_cut:
            return []
        return machine.on_installed(self._now(), self.install_problem, self.current)

    def _start(self, directory: str) -> None:
        self.running = directory
        self.started_s = self.now_s
        self.pid += 1
        self.ends = 0
