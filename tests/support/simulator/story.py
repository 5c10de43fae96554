"""One seed, one story: hosts, jobs, faults, calm, and the checks."""

import random
from dataclasses import dataclass, field
from functools import partial

from limpet.common.identifiers import MinionId, MinionKey
from limpet.master.store.operations import KeyRow, PutKey, PutToken, TokenRow
from limpet.minion.sessions.backoff import cap_s, reconnect_s
from limpet.minion.sessions.states import BEATS_TO_LOSS, CONNECTING_S
from support.simulator.administrator import Administrator
from support.simulator.checking import Scene
from support.simulator.conduct import Conduct
from support.simulator.coverage import Coverage
from support.simulator.durability import Durability
from support.simulator.endings import Endings
from support.simulator.faults import ALL, FLEET, GENTLE, Faults
from support.simulator.gremlin import MinionGremlin
from support.simulator.master_gremlin import MasterGremlin
from support.simulator.master_host import ADDRESS, MasterHost
from support.simulator.master_keys import Rotator
from support.simulator.minion_host import MinionHost
from support.simulator.network import Network
from support.simulator.network_faults import GHOST
from support.simulator.operator import Command
from support.simulator.puller import Puller
from support.simulator.storm import STORM_S, Storm
from support.simulator.transfers import Transfers
from support.simulator.truth import Truth
from support.simulator.watching import Watchers
from support.simulator.world import WALL_AT_START_S, World

LOOK_EVERY_S = 0.25


@dataclass(frozen=True)
class Kind:
    """What sort of story a seed tells."""

    name: str
    faults_end_s: float
    calm_s: float


MIXED = Kind("mixed", 60.0, 200.0)
"""A few minions, up to eight faults of any sort."""
GREMLIN = Kind("gremlin", 60.0, 200.0)
"""The same, with events that nobody expects."""
GENTLE_ONES = Kind("gentle", 60.0, 200.0)
"""Only faults that may cost no session."""
FLEET_ONES = Kind("fleet", 40.0, 140.0)
"""30 to 100 minions, whose faults befall all of them."""


def ready_bound_s(fleet: int, *, is_key_changed: bool) -> float:
    """Give the time from the end of the last fault to READY that nobody may exceed.

    The worst that can be left over: the last echo came just before the end of the faults (three
    beats until the loss is noticed), then the longest of a first pause after a loss, of a pause
    after a failure and of a dead address that is tried first; and half a second for names,
    handshakes, greeting and SYNC. A minion whose key was turned away polls: it has asked just
    before it was accepted, and asks again after a quarter more than 15 s at most.
    """
    beat_s = max(5.0, fleet / 1000)
    back_s = max(reconnect_s(_Longest(), fleet), cap_s(fleet))
    if is_key_changed:
        return 15.0 * 1.25 + CONNECTING_S + back_s + 0.5
    return BEATS_TO_LOSS * beat_s + back_s + 0.5


class _Longest(random.Random):
    """Chance that always chooses the upper end."""

    def uniform(self, a: float, b: float) -> float:
        return b


@dataclass
class Ending:
    """What a story came to."""

    seed: int
    kind: str
    recoveries: list[float]
    """For each minion: from the end of its faults until it was READY for good; 0: all along."""
    jobs: int
    runs: int
    steps: int
    faults: list[str]
    trace: list[str] = field(default_factory=list)


class Story:
    """A fleet under faults, drawn from a seed."""

    def __init__(
        self,
        seed: int,
        *,
        traced: bool = False,
        faults_max: int = 8,
        coverage: Coverage | None = None,
        kind: Kind | None = None,
    ) -> None:
        self.world = World(seed, traced=traced)
        chance = self.world.chance
        drawn = chance.choices((MIXED, GREMLIN, GENTLE_ONES, FLEET_ONES), (48, 43, 8, 1))[0]
        self.kind = kind or drawn
        self.truth = Truth()
        self.network = Network(self.world)
        self.master = MasterHost(self.world, self.network, self.truth)
        self.master.coverage = coverage
        self.scene = Scene(self.world, self.master, self.truth)
        self._coverage = coverage
        self.fleet = 0
        end = self.kind.faults_end_s
        self.administrator = Administrator(self.world, self.master, self.truth)
        self.faults = Faults(
            self.scene, self.network, self.administrator, end, self._add_copy, self._command
        )
        self.durability, self.conduct = Durability(self.scene), Conduct(self.scene)
        self.endings = Endings(self.scene)
        self.transfers = Transfers(self.scene)
        self.watchers = Watchers(self.durability, self.conduct, self.transfers)
        if self.kind is GREMLIN:
            self.watchers.all.append(MinionGremlin(self.scene, end))
            self.watchers.all.append(MasterGremlin(self.scene, end, chance.choice((0.3, 1.0, 3.0))))
        self.master.watcher = self.watchers
        self._add_token()
        if self.kind is FLEET_ONES:
            self._populate_fleet()
        else:
            self._populate(faults_max)
        self._pull_files()
        self._ask_for_pillar()
        if self.kind in (MIXED, GREMLIN):
            self.rotator = Rotator(self, end)
        for each in (self.master, *self.scene.minions):
            each.up_by = end

    # -- who takes part ------------------------------------------------------------------------

    def _populate(self, faults_max: int) -> None:
        chance, end = self.world.chance, self.kind.faults_end_s
        for number in range(1, chance.choice((1, 2, 2, 3, 3, 4)) + 1):
            self._add_minion(number, is_enrolled=chance.random() < 0.85)
        self.fleet = len(self.scene.minions)
        if self.master.settings.sync_at_once == 1:
            self._accept(GHOST, "ghost")
            self.fleet += 1
        among = GENTLE if self.kind is GENTLE_ONES else ALL
        for _ in range(chance.randint(0, faults_max)):
            self.faults.draw(chance.uniform(0.0, end - 1), among)
        for _ in range(chance.randint(1, 6)):
            target = chance.choice(("*", "*", "web1", "web1,web2"))
            self.world.at(chance.uniform(2.0, end + 5), partial(self._command, target))

    def _populate_fleet(self) -> None:
        chance, end = self.world.chance, self.kind.faults_end_s
        number = chance.randint(30, 100)
        for each in range(1, number + 1):
            self._add_minion(each, is_enrolled=True)
        absent = chance.choice((0, 0, 2000))  # accepted and never seen: the fleet is larger
        for each in range(number + 1, number + absent + 1):
            self._accept(f"{each:064x}", f"old{each}")
        self.fleet = number + absent
        self.storm = Storm(self.scene, self.network, self.fleet)
        self.watchers.all.append(self.storm)
        self.world.at(STORM_S, self.storm.begin)
        for _ in range(chance.randint(1, 3)):
            self.faults.draw(chance.uniform(STORM_S + 1, end - 5), FLEET)
        for _ in range(chance.randint(1, 3)):
            size = chance.choice(("", "10%"))
            self.world.at(chance.uniform(3.0, end), partial(self._command, "web*", batch=size))

    def _accept(self, key: str, name: str) -> None:
        now_s = WALL_AT_START_S
        row = KeyRow(MinionKey(key), MinionId(name), "accepted", now_s, ADDRESS, "", now_s)
        store = self.master.store
        store.apply(store.commit + 1, (PutKey(row),))

    def _add_minion(self, number: int, *, is_enrolled: bool) -> None:
        chance = self.world.chance
        name, key = f"web{number}", f"{number:064x}"
        has_token = is_enrolled or chance.random() < 0.5
        host = MinionHost(
            self.world,
            self.network,
            self.master,
            self.truth,
            name=name,
            minion_id=name,
            key=key,
            master_name=chance.choice(("master.example", "master.example", "192.0.2.1")),
            token_id="tok" if has_token else "",
        )
        host.watcher, host.coverage = self.watchers, self._coverage
        self.scene.minions.append(host)
        if is_enrolled:
            self._accept(key, name)
            return
        self.truth.keys_changed.add(name)
        if not has_token:
            self.world.at(
                chance.uniform(1.0, 30.0), lambda: self.administrator.change("accept", name)
            )

    def _add_copy(self, host: MinionHost) -> MinionHost:
        copy = MinionHost(
            self.world,
            self.network,
            self.master,
            self.truth,
            name=f"{host.name}'",
            minion_id=host.settings.minion_id,
            key=host.key,
        )
        copy.set_records(list(host.records))
        copy.trusting.copy_of(host.trusting)
        copy.watcher, copy.coverage, copy.up_by = self.watchers, self._coverage, host.up_by
        self.scene.copies.append(copy)
        return copy

    def _ask_for_pillar(self) -> None:
        """Let jobs ask for their minion's pillar, in the calm as well, some at the same moment.

        Where answers are dropped and files pulled too, the calm would be too short for them all.
        """
        if self.master.file_server.share_dropped and self.transfers.pullers:
            return
        chance, end = random.Random(self.world.seed + 2), self.kind.faults_end_s
        for _ in range(chance.choice((0, 0, 1, 2, 4))):
            host, begun_at = chance.choice(self.scene.minions), chance.uniform(2.0, end + 20)
            for _ in range(chance.choice((1, 1, 3))):
                puller = Puller(self.world, host, "pillar", "")
                self.transfers.pullers.append(puller)
                self.world.at(begun_at, puller.begin)

    def _pull_files(self) -> None:
        """Let jobs pull files, some of which change meanwhile; in the calm as well."""
        chance, end = random.Random(self.world.seed + 1), self.kind.faults_end_s
        for name, size in (("small", 300), ("middle", 100_000), ("large", 700_000)):
            self.master.file_server.put(name, chance.randbytes(size))
        if chance.random() < 0.3:
            self.master.file_server.slowest_s = 3.0
        self.master.file_server.share_dropped = chance.choice((0.0, 0.0, 0.2))
        host, begun_at = self.scene.minions[0], 2.0
        for _ in range(chance.randint(0, 6)):
            kind = chance.choice(("file", "file", "file", "file", "listing"))
            name = chance.choice(("small", "middle", "large", "large", "none"))
            if chance.random() < 0.7:  # else at the same moment as the one before, and beside it
                host = chance.choice(self.scene.minions)
                begun_at = chance.uniform(2.0, end + 20)
            puller = Puller(self.world, host, kind, name if kind == "file" else "")
            self.transfers.pullers.append(puller)
            self.world.at(begun_at, puller.begin)
            if chance.random() < 0.15:
                self.world.at(begun_at + chance.uniform(0.0, 5.0), puller.end)
        for _ in range(chance.randint(0, 2)):
            name, size = chance.choice(("middle", "large")), chance.randint(1, 700_000)
            body = chance.randbytes(size)
            self.world.at(
                chance.uniform(5.0, end + 20), partial(self.master.file_server.put, name, body)
            )

    def _add_token(self) -> None:
        token = TokenRow(
            "tok", b"v" * 32, WALL_AT_START_S + 1e9, 100, 0, "*", "root", WALL_AT_START_S
        )
        self.master.store.apply(1, (PutToken(token),))

    def _command(self, target: str, *, batch: str | None = None, brief: bool = False) -> None:
        chance = self.world.chance
        durations = (0.05, 1.0, 5.0) if self.kind is FLEET_ONES else (0.05, 1.0, 5.0, 20.0)
        self.scene.commands.append(
            Command(
                self.world,
                self.master,
                self.truth,
                target=target,
                function=chance.choice(
                    ("cmd.run", "cmd.run", "cmd.run", "state.apply", "test.ping")
                ),
                seconds=0.01 if brief else chance.choice(durations),
                outcome=chance.choice(("ok", "ok", "failed")),
                size=chance.choice((10, 10, 10_000, 40_000, 400_000)),
                ttl_s=None if brief else chance.choice((None, None, 5.0, 30.0, 60.0)),
                job_timeout_s=chance.choice((0.0, 0.0, 3.0)),
                batch=chance.choice(("", "", "", "1")) if batch is None else batch,
                is_streamed=chance.random() < 0.2,
                cancel_after_s=chance.choice((None, None, None, 0.0, 0.5, 4.0)),
            )
        )

    # -- what happens --------------------------------------------------------------------------

    def play(self) -> Ending:
        """Run to the end. Raises `Broken`, or whatever a core raises."""
        world, chance, end = self.world, self.world.chance, self.kind.faults_end_s
        world.at(chance.choice((0.0, 0.0, 1.5)), self.master.boot)
        for host in self.scene.minions:
            world.at(chance.uniform(0.0, 2.0), host.boot)
        while world.t < end:
            world.run_until(min(end, world.t + 2.0))
            self._look()
        world.note("story", "calm")
        for process in (self.master, *self.scene.minions, *self.scene.copies):
            process.crash_after_effects = None
        recoveries = self._recover()
        losses = {host.name: host.losses for host in self.scene.minions}
        world.run_until(max(world.t, end + self.kind.calm_s))
        self._end(losses)
        names = [host.name for host in self.scene.minions]
        return Ending(
            world.seed,
            self.kind.name,
            [recoveries.get(name, 0.0) for name in names],
            len(self.scene.commands),
            len(self.truth.runs),
            world.steps,
            self.faults.happened,
            world.trace,
        )

    def _look(self) -> None:
        self.conduct.look()
        self.durability.look()
        self.transfers.look()

    def _recover(self) -> dict[str, float]:
        """Wait until everybody's bound has passed; gives how long each was away at the end."""
        world = self.world
        away: dict[str, float] = {}
        while True:
            bounds = {host.name: self._bound(host.name) for host in self.scene.minions}
            latest = max(self._calm_since(name) + bound for name, bound in bounds.items())
            if world.t > latest:
                break
            world.run_until(world.t + LOOK_EVERY_S)
            self._look()
            for host in self.scene.minions:
                since = self._calm_since(host.name)
                if host.ready_at is None:
                    away[host.name] = world.t - since
                if world.t - since > bounds[host.name] + LOOK_EVERY_S:
                    self._is_back(host, bounds[host.name])
        self.endings.all_ready(bounds)
        return away

    def _is_back(self, host: MinionHost, bound_s: float) -> None:
        if host.ready_at is None:
            state = host.core.state if host.core is not None else "no process"
            self.scene.broken(f"{host.name} is not READY {bound_s:.1f} s after its faults: {state}")

    def _calm_since(self, name: str) -> float:
        return max(self.kind.faults_end_s, self.truth.last_fault_at.get(name, 0.0))

    def _bound(self, name: str) -> float:
        is_changed = name in self.truth.keys_changed | self.truth.cloned
        is_changed = is_changed or self.truth.is_store_rolled_back
        return ready_bound_s(self.fleet, is_key_changed=is_changed)

    def _end(self, losses: dict[str, int]) -> None:
        bounds = {host.name: self._bound(host.name) for host in self.scene.minions}
        self.endings.all_ready(bounds)
        for host in self.scene.minions:
            if host.losses > losses[host.name]:
                self.scene.broken(f"{host.name} was lost in the calm")
            if self.kind is GENTLE_ONES and host.losses:
                self.scene.broken(f"{host.name} was lost {host.losses} times without a fault")
        self.endings.all_told()
        self.endings.nothing_lost(self.durability)
        self.endings.nothing_left()
        self.transfers.all_ended()


def seeds(first: int, number: int) -> list[int]:
    """Give the seeds of a batch: spread, so that neighbours share nothing."""
    return [random.Random(first + offset).getrandbits(48) for offset in range(number)]
