"""What goes wrong in a story: each fault begins, and ends by itself before the calm."""

from collections.abc import Callable

from support.simulator.master_host import MasterHost
from support.simulator.minion_host import MinionHost
from support.simulator.network import Network
from support.simulator.world import World

Fault = Callable[["Faults", float], None]


class Faults:
    """The faults that a story may draw, and the hosts they befall."""

    def __init__(
        self,
        world: World,
        network: Network,
        master: MasterHost,
        minions: list[MinionHost],
        end: float,
    ) -> None:
        self.world = world
        self.network = network
        self.master = master
        self.minions = minions
        self.end = end
        self.happened: list[str] = []
        self.watch: Callable[[MinionHost], None] = lambda _host: None

    def clone_of(self, host: MinionHost, seconds: float) -> None:
        """Start a copy of a host, for a while."""
        copy = MinionHost(
            self.world,
            self.network,
            self.master,
            host.truth,
            name=f"{host.name}'",
            minion_id=host.settings.minion_id,
            key=host.key,
        )
        copy.records = list(host.records)
        copy.count_into = host.count_into
        self.watch(copy)
        host.truth.cloned.add(host.settings.minion_id)
        copy.boot()

        def end() -> None:
            copy.is_on = False
            for worker in list(copy.workers.values()):
                worker.is_gone = True
                if worker.run is not None and not worker.run.ended:
                    worker.run.ended = "died"
            copy.kill()

        self.world.later(seconds, end)

    def draw(self, when: float) -> None:
        """Plan one random fault for a time."""
        fault = self.world.chance.choice(ALL)
        self.world.at(when, lambda: self._begin(fault))

    def _begin(self, fault: Fault) -> None:
        room = self.end - self.world.t
        if room <= 0.5:
            return
        name = fault.__name__
        self.happened.append(name)
        self.world.note("fault", name)
        fault(self, room)

    def minion(self) -> MinionHost:
        """Pick a victim."""
        return self.world.chance.choice(self.minions)

    def seconds(self, room: float, most: float) -> float:
        """Draw a duration that ends within the room; short ones are as likely as long ones."""
        longest = min(room - 0.1, most)
        return max(0.05, longest * self.world.chance.random() ** 2)


def kill_master(faults: Faults, room: float) -> None:
    """Kill -9 of the master, now or between two of its next effects."""
    master, chance = faults.master, faults.world.chance
    master.restart_after_s = faults.seconds(room, chance.choice((1.0, 5.0, 40.0)))
    if chance.random() < 0.6:
        master.crash_after_effects = chance.randint(1, 12)
    else:
        master.kill()


def kill_link(faults: Faults, room: float) -> None:
    """Kill -9 of a minion's link, its jobs going on."""
    host, chance = faults.minion(), faults.world.chance
    host.restart_after_s = faults.seconds(room, chance.choice((0.5, 20.0)))
    if chance.random() < 0.6:
        host.crash_after_effects = chance.randint(1, 12)
    else:
        host.kill()


def kill_tree(faults: Faults, room: float) -> None:
    """Kill -9 of a minion with all its jobs."""
    host = faults.minion()
    host.restart_after_s = faults.seconds(room, 20.0)
    host.kill_tree()


def power_off(faults: Faults, room: float) -> None:
    """A host loses power and boots again."""
    host = faults.minion()
    if host.is_on:
        host.power_off(faults.seconds(room, 30.0))


def reimage(faults: Faults, room: float) -> None:
    """A host is installed anew, keeping its key."""
    host = faults.minion()
    if host.is_on and room > 4:
        host.reimage()


def black_hole(faults: Faults, room: float) -> None:
    """Nothing passes between one minion and the master; old connections may be dead for ever."""
    _darken([faults.minion()], faults, room, up=True, down=True)


def black_hole_all(faults: Faults, room: float) -> None:
    """Nothing passes for anybody."""
    _darken(faults.minions, faults, room, up=True, down=True)


def one_way_up(faults: Faults, room: float) -> None:
    """What the minion sends is lost; the other direction works."""
    _darken([faults.minion()], faults, room, up=True, down=False)


def one_way_down(faults: Faults, room: float) -> None:
    """What the master sends is lost; the other direction works."""
    _darken([faults.minion()], faults, room, up=False, down=True)


def _darken(hosts: list[MinionHost], faults: Faults, room: float, *, up: bool, down: bool) -> None:
    seconds = faults.seconds(room, 60.0)
    old_ones_die = faults.world.chance.random() < 0.5
    for host in hosts:
        host.weather.up_is_dropped |= up
        host.weather.down_is_dropped |= down
        if old_ones_die:
            for connection in faults.network.connections.values():
                if connection.weather is host.weather:
                    connection.is_dead = True

    def heal() -> None:
        for host in hosts:
            host.weather.up_is_dropped = host.weather.down_is_dropped = False
            faults.network.heal(host.weather)

    faults.world.later(seconds, heal)


def resets(faults: Faults, room: float) -> None:
    """Every connection of one minion, or of all, is reset, a few times."""
    hosts = faults.minions if faults.world.chance.random() < 0.3 else [faults.minion()]

    def act() -> None:
        for connection in list(faults.network.connections.values()):
            if any(connection.weather is host.weather for host in hosts) and not connection.is_dead:
                faults.network.reset(connection)

    for number in range(faults.world.chance.randint(1, 4)):
        if number * 0.7 < room:
            faults.world.later(number * 0.7 * faults.world.chance.random(), act)


def half_open(faults: Faults, room: float) -> None:
    """A middle box forgets a connection: dead at both ends, in silence."""
    host = faults.minion()
    for connection in faults.network.connections.values():
        if connection.weather is host.weather:
            connection.is_dead = True


def refuse(faults: Faults, room: float) -> None:
    """Connects of one minion are refused for a while."""
    host = faults.minion()
    host.weather.is_refused = True
    resets_of = [c for c in faults.network.connections.values() if c.weather is host.weather]
    for connection in resets_of:
        faults.network.reset(connection)

    def end() -> None:
        host.weather.is_refused = False

    faults.world.later(faults.seconds(room, 30.0), end)


def break_handshakes(faults: Faults, room: float) -> None:
    """TCP connects, CURVE never finishes."""
    host = faults.minion()
    host.weather.handshake_breaks = True
    for connection in list(faults.network.connections.values()):
        if connection.weather is host.weather:
            faults.network.reset(connection)

    def end() -> None:
        host.weather.handshake_breaks = False

    faults.world.later(faults.seconds(room, 20.0), end)


def slow_way(faults: Faults, room: float) -> None:
    """A slow and long way for a while."""
    host = faults.minion()
    host.weather.latency_s = 0.3
    host.weather.jitter_s = 0.4
    host.weather.slow_bytes_s = 30_000.0

    def end() -> None:
        host.weather.latency_s = host.weather.jitter_s = 0.001
        host.weather.slow_bytes_s = 0.0

    faults.world.later(faults.seconds(room, 30.0), end)


def stop_master(faults: Faults, room: float) -> None:
    """SIGSTOP of the master, or a loop that hangs."""
    faults.master.pause(faults.seconds(room, 60.0))


def stop_minion(faults: Faults, room: float) -> None:
    """SIGSTOP of a link, or a suspended host."""
    faults.minion().pause(faults.seconds(room, 60.0))


def stall_master_disk(faults: Faults, room: float) -> None:
    """The master's disk takes its time."""
    faults.master.disk.stalled_until = faults.world.t + faults.seconds(room, 20.0)


def stall_minion_disk(faults: Faults, room: float) -> None:
    """A minion's disk takes its time."""
    faults.minion().disk.stalled_until = faults.world.t + faults.seconds(room, 20.0)


def fill_master_disk(faults: Faults, room: float) -> None:
    """No space left on the master for a while."""
    disk = faults.master.disk
    disk.is_full = True
    faults.world.later(faults.seconds(room, 20.0), lambda: setattr(disk, "is_full", False))


def fill_minion_disk(faults: Faults, room: float) -> None:
    """No space left on a minion for a while."""
    disk = faults.minion().disk
    disk.is_full = True
    faults.world.later(faults.seconds(room, 20.0), lambda: setattr(disk, "is_full", False))


def jump_clock(faults: Faults, room: float) -> None:
    """The wall clock of some host jumps; boot clocks never do."""
    clocks = [faults.master.clock, *(host.clock for host in faults.minions)]
    clock = faults.world.chance.choice(clocks)
    clock.wall_skew_s += faults.world.chance.choice(
        (-86400.0, -3600.0, -5.0, 5.0, 3600.0, 86400.0 * 365)
    )


def full_peer(faults: Faults, room: float) -> None:
    """A minion reads nothing: what the master sends it is not taken."""
    peers = list(faults.master.peers)
    if peers:
        peer = faults.world.chance.choice(sorted(peers))
        faults.master.full_peers.add(peer)
        faults.world.later(
            faults.seconds(room, 20.0), lambda: faults.master.full_peers.discard(peer)
        )


def enrol_down(faults: Faults, room: float) -> None:
    """The enrol process is gone for a while."""
    faults.master.is_enrol_up = False
    faults.world.later(
        faults.seconds(room, 20.0), lambda: setattr(faults.master, "is_enrol_up", True)
    )


def restore_backup(faults: Faults, room: float) -> None:
    """The master's store is brought back from an older copy."""
    backup = faults.master.store.copy()

    def act() -> None:
        if faults.world.t < faults.end:
            faults.master.restart_after_s = 1.0
            faults.master.restore(backup)

    faults.world.later(faults.seconds(room, 20.0), act)


def stop_and_start_master(faults: Faults, room: float) -> None:
    """Stop the master in good order, and start it again."""
    faults.master.stop_and_start(faults.seconds(room, 20.0))


def stop_and_start_minion(faults: Faults, room: float) -> None:
    """Stop a minion in good order, and start it again."""
    faults.minion().stop_and_start(faults.seconds(room, 20.0))


def no_resolver(faults: Faults, room: float) -> None:
    """The name of the master can't be resolved for a while, and its connection is gone."""
    host = faults.minion()
    host.resolver_works = False
    for connection in list(faults.network.connections.values()):
        if connection.weather is host.weather and not connection.is_dead:
            faults.network.reset(connection)
    faults.world.later(faults.seconds(room, 20.0), lambda: setattr(host, "resolver_works", True))


def no_workers(faults: Faults, room: float) -> None:
    """No process can be made on a host for a while."""
    host = faults.minion()
    host.spawning_works = False
    faults.world.later(faults.seconds(room, 20.0), lambda: setattr(host, "spawning_works", True))


def no_proof(faults: Faults, room: float) -> None:
    """The join string can't be used on a host for a while."""
    host = faults.minion()
    host.proving_works = False
    faults.world.later(faults.seconds(room, 20.0), lambda: setattr(host, "proving_works", True))


def garble(faults: Faults, room: float) -> None:
    """Frames come through that nobody can read, at one end, for a moment."""
    victim = faults.world.chance.choice([faults.master, *faults.minions])
    victim.garbles = True
    faults.world.later(faults.seconds(room, 3.0), lambda: setattr(victim, "garbles", False))


def long_way(faults: Faults, room: float) -> None:
    """A long way for everybody: many things are under way when others happen."""
    for host in faults.minions:
        host.weather.latency_s = faults.world.chance.choice((0.05, 0.5, 1.5))
        host.weather.jitter_s = host.weather.latency_s

    def end() -> None:
        for host in faults.minions:
            host.weather.latency_s = host.weather.jitter_s = 0.001

    faults.world.later(faults.seconds(room, 40.0), end)


def run_locally(faults: Faults, room: float) -> None:
    """Run something on a host by hand."""
    faults.minion().run_locally(faults.seconds(room, 10.0))


def change_key(faults: Faults, room: float) -> None:
    """Reject or delete a key, and accept it again before the calm."""
    host = faults.minion()
    chance = faults.world.chance
    faults.master.change_key(chance.choice(("reject", "reject", "delete")), host.settings.minion_id)
    faults.world.later(
        faults.seconds(room, 20.0),
        lambda: faults.master.change_key("accept", host.settings.minion_id),
    )


def clone(faults: Faults, room: float) -> None:
    """Start a copy of a host, its key and journal included, elsewhere, for a while."""
    faults.clone_of(faults.minion(), faults.seconds(room, 40.0))


ALL: tuple[Fault, ...] = (
    stop_and_start_master,
    stop_and_start_minion,
    no_resolver,
    no_workers,
    no_proof,
    garble,
    long_way,
    run_locally,
    change_key,
    clone,
    kill_master,
    kill_master,
    kill_master,
    kill_link,
    kill_link,
    kill_tree,
    power_off,
    reimage,
    black_hole,
    black_hole_all,
    one_way_up,
    one_way_down,
    resets,
    half_open,
    refuse,
    break_handshakes,
    slow_way,
    stop_master,
    stop_minion,
    stall_master_disk,
    stall_minion_disk,
    fill_master_disk,
    fill_minion_disk,
    jump_clock,
    full_peer,
    enrol_down,
    restore_backup,
)
