"""One seed, one story: hosts, jobs, faults, calm, and the checks."""

import random
from dataclasses import dataclass, field

from limpet.common.identifiers import MinionId, MinionKey
from limpet.master.store.operations import KeyRow, PutKey, PutToken, TokenRow
from limpet.minion import effects as minion_effects
from support.simulator.checkers import READY_BOUND_S, Checkers
from support.simulator.coverage import Pairs
from support.simulator.faults import Faults
from support.simulator.master_host import MasterHost
from support.simulator.minion_host import MinionHost
from support.simulator.network import Network
from support.simulator.operator import Command
from support.simulator.truth import Truth
from support.simulator.world import WALL_AT_START_S, World

FAULTS_END_S = 60.0
CALM_S = 200.0


@dataclass
class Ending:
    """What a story came to."""

    seed: int
    recovery_s: float
    """From the end of the faults until all were READY; 0: they were all along."""
    jobs: int
    runs: int
    steps: int
    faults: list[str]
    trace: list[str] = field(default_factory=list)


class Story:
    """A fleet under faults, drawn from a seed."""

    def __init__(self, seed: int, *, traced: bool = False, faults_max: int = 8) -> None:
        self.world = World(seed, traced=traced)
        self.truth = Truth()
        self.network = Network(self.world)
        self.master = MasterHost(self.world, self.network, self.truth)
        self.minions: list[MinionHost] = []
        self.commands: list[Command] = []
        chance = self.world.chance
        for number in range(1, chance.choice((1, 2, 2, 3, 3, 4)) + 1):
            self._add_minion(number, is_enrolled=chance.random() < 0.85)
        self._add_token()
        self.checkers = Checkers(self.world, self.master, self.minions, self.truth)
        self._watch()
        self.faults = Faults(self.world, self.network, self.master, self.minions, FAULTS_END_S)
        self.faults.watch = self._watch_minion
        for _ in range(chance.randint(0, faults_max)):
            self.faults.draw(chance.uniform(0.0, FAULTS_END_S - 1))
        for _ in range(chance.randint(1, 6)):
            self.world.at(chance.uniform(2.0, FAULTS_END_S + 5), self._command)

    def _add_minion(self, number: int, *, is_enrolled: bool) -> None:
        key = f"{number:064x}"
        name = f"web{number}"
        host = MinionHost(
            self.world, self.network, self.master, self.truth, name=name, minion_id=name, key=key
        )
        self.minions.append(host)
        if is_enrolled:
            row = KeyRow(
                MinionKey(key),
                MinionId(name),
                "accepted",
                WALL_AT_START_S,
                "192.0.2.9",
                "",
                WALL_AT_START_S,
            )
            self.master.store.apply(number, (PutKey(row),))
        else:
            self.truth.keys_changed.add(name)

    def _add_token(self) -> None:
        token = TokenRow(
            "tok", b"v" * 32, WALL_AT_START_S + 1e9, 100, 0, "*", "root", WALL_AT_START_S
        )
        self.master.store.apply(10, (PutToken(token),))

    def _watch(self) -> None:
        checkers = self.checkers
        for host in self.minions:
            self._watch_minion(host)
        inner_master = self.master._do

        def checked_master(effect: object) -> None:
            checkers.master_effect(effect)  # type: ignore[arg-type]
            inner_master(effect)  # type: ignore[arg-type]

        self.master._do = checked_master  # type: ignore[method-assign, assignment]

    def _watch_minion(self, host: MinionHost) -> None:
        checkers = self.checkers
        inner = host._do

        def checked(effect: minion_effects.Effect) -> None:
            checkers.minion_effect(host, effect)
            before = len(self.truth.runs)
            inner(effect)
            if len(self.truth.runs) > before:
                checkers.started_run(host, self.truth.runs[-1].jid)

        host._do = checked  # type: ignore[method-assign]

    def _command(self) -> None:
        chance = self.world.chance
        target = chance.choice(("*", "*", "web1", "web1,web2"))
        self.commands.append(
            Command(
                self.world,
                self.master,
                self.truth,
                target=target,
                function=chance.choice(
                    ("cmd.run", "cmd.run", "cmd.run", "state.apply", "test.ping")
                ),
                seconds=chance.choice((0.05, 1.0, 5.0, 20.0)),
                outcome=chance.choice(("ok", "ok", "failed")),
                size=chance.choice((10, 10, 10_000, 40_000, 400_000)),
                ttl_s=chance.choice((None, None, 5.0, 30.0, 60.0)),
                job_timeout_s=chance.choice((0.0, 0.0, 3.0)),
                batch=chance.choice(("", "", "", "1")),
                is_streamed=chance.random() < 0.2,
                cancel_after_s=chance.choice((None, None, None, 0.0, 0.5, 4.0)),
            )
        )

    def count_into(self, minion_pairs: Pairs, master_pairs: Pairs) -> None:
        """Count which event met which state."""
        for host in self.minions:
            host.count_into = minion_pairs
        self.master.count_into = master_pairs

    def play(self) -> Ending:
        """Run to the end. Raises `Broken`, or whatever a core raises."""
        world, chance = self.world, self.world.chance
        world.at(chance.choice((0.0, 0.0, 1.5)), self.master.boot)
        for host in self.minions:
            world.at(chance.uniform(0.0, 2.0), host.boot)
        world.run_until(FAULTS_END_S)
        self._calm()
        recovery = 0.0
        while world.t < FAULTS_END_S + READY_BOUND_S:
            world.run_until(world.t + 0.25)
            if not all(host.ready_at is not None for host in self.minions):
                recovery = world.t - FAULTS_END_S
        self.checkers.all_ready(FAULTS_END_S)
        world.run_until(FAULTS_END_S + CALM_S)
        self.checkers.all_ready(FAULTS_END_S)
        self.checkers.all_told(self.commands)
        self.checkers.nothing_left()
        return Ending(
            world.seed,
            recovery,
            len(self.commands),
            len(self.truth.runs),
            world.steps,
            self.faults.happened,
            world.trace,
        )

    def _calm(self) -> None:
        self.world.note("story", "calm")
        self.master.crash_after_effects = None
        for host in self.minions:
            host.crash_after_effects = None


def seeds(first: int, number: int) -> list[int]:
    """Give the seeds of a batch: spread, so that neighbours share nothing."""
    return [random.Random(first + offset).getrandbits(48) for offset in range(number)]
