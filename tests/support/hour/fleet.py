"""One hour of a fleet, with a census before and after."""

import gc
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from limpet.master.core.settings import MasterSettings
from support.hour.census import Census, name_of
from support.hour.churn import Churn
from support.hour.master import FleetMaster
from support.hour.memories import HEADLINES, may_name, memory_of
from support.simulator.network import Network
from support.simulator.truth import Truth
from support.simulator.world import Broken, World

SETTLING_S: Final = 90.0
"""From the start until everybody is there and has said all that it says once."""
CALM_S: Final = 1000.0
"""What outlasts the churn by design: a body that came in half (600 s), a job that a late word may
still correct (`HISTORY_S`), what is pruned then (each `PRUNE_S`), bodies for pulling (60 s)."""
HISTORY_S: Final = 600.0
PRUNE_S: Final = 60.0
BEAT_S: Final = 10.0
"""As a fleet of 10,000 has it."""
STEPS_MAX: Final = 10**12


@dataclass
class Hour:
    """What came of it."""

    minions: int
    seconds: float
    before: Counter[str]
    after: Counter[str]
    stray: dict[str, list[int]]
    """Objects that live and that no census found, where their number is another, by class."""
    gone: dict[str, int]
    """What still names keys that were deleted, and is no memory."""
    happened: Counter[str]
    ended: Counter[str]
    """How many deliveries ended how."""
    missing: list[str]
    """Minions that are not READY at the end."""
    trouble: Counter[str]
    """Lines that the master would have logged at `error`, by topic."""
    steps: int
    cpu_s: float

    @property
    def differences(self) -> dict[str, list[int]]:
        """Give what is not as it was, and is not a memory within its bound."""
        found: dict[str, list[int]] = {}
        for name in sorted(self.before.keys() | self.after.keys()):
            pair = [self.before[name], self.after[name]]
            memory = memory_of(name)
            is_fine = pair[0] == pair[1] or (
                memory is not None and pair[1] <= memory.bound(self.minions)
            )
            if not is_fine:
                found[name] = pair
        return found

    @property
    def headlines(self) -> dict[str, list[int]]:
        """Give the figures that people ask for first: before, after."""
        return {text: [self.before[name], self.after[name]] for text, name in HEADLINES.items()}

    @property
    def memories(self) -> dict[str, list[int]]:
        """Give the memories that changed: before, after, bound."""
        found: dict[str, list[int]] = {}
        for name in sorted(self.before.keys() | self.after.keys()):
            memory = memory_of(name)
            if memory is not None and self.before[name] != self.after[name]:
                found[name] = [self.before[name], self.after[name], memory.bound(self.minions)]
        return found


class Fleet:
    """A master and its minions on one virtual clock."""

    def __init__(self, number: int, *, seed: int = 1) -> None:
        self.world = World(seed)
        self.network = Network(self.world)
        self.truth = Truth()
        settings = MasterSettings(
            beat_interval_s=BEAT_S,
            history_age_s=HISTORY_S,
            prune_every_s=PRUNE_S,
            sync_at_once=max(2, number // 100),  # so that some have to wait for their turn
        )
        self.master = FleetMaster(self.world, self.network, self.truth, settings)
        self.churn = Churn(self.world, self.network, self.master, self.truth, number)
        self.number = number

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.world.run_until(self.world.t + seconds, steps_max=STEPS_MAX)

    def settle(self) -> None:
        """Start everything, and wait until it is as it stays."""
        self.master.boot()
        for host in self.churn.minions:
            self.world.at(self.world.chance.uniform(0.0, 30.0), host.boot)
        self.run(SETTLING_S)
        if self.churn.strays:
            raise Broken(f"not READY at the start: {self.churn.strays[:5]}")

    def play(self, seconds: float) -> Hour:
        """Settle, count, let things happen, let them pass, and count again."""
        began = time.process_time()
        self.settle()
        self.churn.tidy()
        before, stray_before, _ = self.count()
        self.churn.begin(seconds)
        self.run(seconds)
        self.churn.end()
        self.run(CALM_S)
        self.churn.tidy()
        after, stray_after, named = self.count()
        return Hour(
            self.number,
            seconds,
            before,
            after,
            {
                name: [stray_before[name], stray_after[name]]
                for name in sorted(stray_before.keys() | stray_after.keys())
                if stray_before[name] != stray_after[name]
            },
            {name: named[name] for name in sorted(named) if not may_name(name)},
            self.churn.happened,
            self.master.ended,
            self.churn.strays,
            self.master.trouble,
            self.world.steps,
            round(time.process_time() - began, 1),
        )

    def check_sums(self) -> None:
        """Compare what the master counts as it goes with what is there. Raises `Broken`."""
        core = self.master.core
        assert core is not None
        registry, followers = core._registry, core._announcements
        minions = registry.by_key.values()
        for name, kept, counted in (
            ("presences", +registry.presences, Counter(each.presence for each in minions)),
            ("ailing", set(registry.troubled), {each.key for each in minions if each.condition}),
            ("knowing", followers.knowing, sum(followers.knows_next(each.key) for each in minions)),
        ):
            if kept != counted:
                raise Broken(f"{name}: {kept} was kept, and {counted} counted")

    def count(self) -> tuple[Counter[str], Counter[str], Counter[str]]:
        """Count what both sides hold, what else of ours lives, and what names deleted keys."""
        census = Census(frozenset(self.churn.deleted))
        for part in (self.master.core, self.master.effect_runner, self.master.rates):
            census.walk(part)
        for host in self.churn.minions:
            census.walk(host.core)
        found, named = census.counts.copy(), census.named.copy()
        census.walk(list(self._disks()))  # what the simulator holds of ours is no stray
        gc.collect()
        alive = Counter(filter(None, (name_of(type(each)) for each in gc.get_objects())))
        stray = Counter(
            {name: max(0, number - census.counts[name]) for name, number in alive.items()}
        )
        return found, stray, named

    def _disks(self) -> Iterator[object]:
        yield from (self.master.settings, vars(self.master.store), vars(self.master.keys.model))
        for host in (*self.churn.minions, *self.churn.retired):
            yield from (host.settings, host.records, host.on_disk, host.trusting.held)
