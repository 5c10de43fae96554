"""What goes wrong on the way between minions and their master."""

from typing import TYPE_CHECKING

from limpet.common.identifiers import MinionKey
from limpet.common.messages.session import Hello
from limpet.common.wire.codec import encode
from support.simulator.master_host import MasterHost
from support.simulator.minion_host import MinionHost
from support.simulator.minion_socket import MASTER_FOUR, MASTER_SIX, MinionSocket
from support.simulator.network import Weather

if TYPE_CHECKING:
    from support.simulator.faults import Faults

GHOST = MinionKey("dd" * 32)
"""The key of a minion that has no host: it is there in some stories, and never works."""
HUNG_S = 16.0
"""Longer than the master waits for a page of SYNC."""


def black_hole(faults: "Faults", room: float) -> None:
    """Nothing passes between one minion and the master; old connections may be dead for ever."""
    darken([faults.minion()], faults, room, up=True, down=True)


def black_hole_all(faults: "Faults", room: float) -> None:
    """Nothing passes for anybody."""
    darken(faults.minions, faults, room, up=True, down=True)


def one_way_up(faults: "Faults", room: float) -> None:
    """What the minion sends is lost; the other direction works."""
    darken([faults.minion()], faults, room, up=True, down=False)


def one_way_down(faults: "Faults", room: float) -> None:
    """What the master sends is lost; the other direction works."""
    darken([faults.minion()], faults, room, up=False, down=True)


def darken(
    hosts: list[MinionHost],
    faults: "Faults",
    room: float,
    *,
    up: bool,
    down: bool,
    least_s: float = 0.0,
) -> None:
    """Let nothing pass between the hosts and the master for a while, in one direction or both."""
    seconds = max(least_s, faults.seconds(room, 60.0))
    old_ones_die = faults.world.chance.random() < 0.5
    for host in hosts:
        host.weather.up_is_dropped |= up
        host.weather.down_is_dropped |= down
        if old_ones_die:
            for connection in faults.network.of(host.weather):
                connection.is_dead = True

    def heal() -> None:
        for host in hosts:
            host.weather.up_is_dropped = host.weather.down_is_dropped = False
            host.weather.slow_until = faults.world.t
            faults.network.heal(host.weather)

    faults.world.later(seconds, heal)


def resets(faults: "Faults", room: float) -> None:
    """Every connection of one minion, or of all, is reset, a few times."""
    hosts = faults.minions if faults.world.chance.random() < 0.3 else [faults.minion()]

    def act() -> None:
        for host in hosts:
            for connection in faults.network.of(host.weather):
                faults.network.reset(connection)

    for number in range(faults.world.chance.randint(1, 4)):
        if number * 0.7 < room:
            faults.world.later(number * 0.7 * faults.world.chance.random(), act)


def half_open(faults: "Faults", room: float) -> None:
    """A middle box forgets a connection: dead at both ends, in silence."""
    host = faults.minion()
    for connection in faults.network.of(host.weather):
        connection.is_dead = True


def straggle(faults: "Faults", room: float) -> None:
    """A connection ends for the minion; what it had sent comes late, after the next greeting."""
    host = faults.minion()
    for connection in faults.network.of(host.weather):
        faults.network.lag(connection, faults.seconds(room, 12.0))
        if connection.minion_end_open:
            connection.minion_end_open = False
            connection.tell_minion("disconnected")


def dead_family(faults: "Faults", room: float) -> None:
    """One of the two addresses of the master's name leads nowhere for a while."""
    host, chance = faults.minion(), faults.world.chance
    host.weather.dead_addresses = {chance.choice((MASTER_FOUR, MASTER_SIX))}
    if chance.random() < 0.7:
        for connection in faults.network.of(host.weather):
            faults.network.reset(connection)
    faults.world.later(faults.seconds(room, 30.0), host.weather.dead_addresses.clear)


def slow_handshakes(faults: "Faults", room: float) -> None:
    """Names and handshakes take their time, and connections do not last."""
    host, chance = faults.minion(), faults.world.chance
    host.socket.handshake_s = chance.choice((0.3, 1.5, 4.0))
    host.socket.resolving_s = chance.choice((0.3, 2.0, 4.0))
    for connection in faults.network.of(host.weather):
        faults.network.reset(connection)

    def end() -> None:
        host.socket.handshake_s = 0.0
        host.socket.resolving_s = 0.01

    faults.world.later(faults.seconds(room, 20.0), end)


def refuse(faults: "Faults", room: float) -> None:
    """Connects of one minion are refused for a while."""
    host = faults.minion()
    host.weather.is_refused = True
    for connection in faults.network.of(host.weather):
        faults.network.reset(connection)

    def end() -> None:
        host.weather.is_refused = False

    faults.world.later(faults.seconds(room, 30.0), end)


def break_handshakes(faults: "Faults", room: float) -> None:
    """TCP connects, CURVE never finishes."""
    host = faults.minion()
    host.weather.handshake_breaks = True
    for connection in faults.network.of(host.weather):
        faults.network.reset(connection)

    def end() -> None:
        host.weather.handshake_breaks = False

    faults.world.later(faults.seconds(room, 20.0), end)


def hang_in_sync(faults: "Faults", room: float) -> None:
    """A minion greets, is let in, and says nothing more: others wait for its turn of SYNC."""
    if GHOST not in faults.master.store.keys or not faults.master.is_alive or room < HUNG_S:
        return
    chance, world = faults.world.chance, faults.world
    connection = faults.network.open(
        key=GHOST,
        weather=Weather(),
        to_minion=lambda _frame: None,
        tell_minion=lambda _what: None,
        **faults.master.accept("main", GHOST),
    )
    faults.master.opened(connection, "main")
    hello = Hello(
        protocol_min=1,
        protocol_max=1,
        version="1",
        boot_id=f"{chance.getrandbits(128):032x}",
        link_counter=1,
        nonce=chance.randbytes(16),
        journal_id=f"{chance.getrandbits(128):032x}",
        grains_digest="",
        store_id="",
        store_commit=0,
        last_loss="",
        attempts=0,
    )
    faults.network.send(connection, upwards=True, frame=encode(hello))
    world.later(HUNG_S, lambda: faults.network.close_minion_end(connection))

    def act() -> None:
        for host in faults.minions:
            for each in faults.network.of(host.weather):
                faults.network.reset(each)

    for after_s in (0.01, 5.0):
        world.later(after_s, act)


def slow_way(faults: "Faults", room: float) -> None:
    """A slow and long way for a while."""
    host = faults.minion()
    host.weather.latency_s = 0.3
    host.weather.jitter_s = 0.4
    host.weather.slow_bytes_s = 30_000.0

    def end() -> None:
        host.weather.latency_s = host.weather.jitter_s = 0.001
        host.weather.slow_bytes_s = 0.0
        host.weather.slow_until = faults.world.t

    faults.world.later(faults.seconds(room, 30.0), end)


def long_way(faults: "Faults", room: float) -> None:
    """A long way for everybody: many things are under way when others happen."""
    for host in faults.minions:
        host.weather.latency_s = faults.world.chance.choice((0.05, 0.5, 1.5))
        host.weather.jitter_s = host.weather.latency_s

    def end() -> None:
        for host in faults.minions:
            host.weather.latency_s = host.weather.jitter_s = 0.001
            host.weather.slow_until = faults.world.t

    faults.world.later(faults.seconds(room, 40.0), end)


def no_resolver(faults: "Faults", room: float) -> None:
    """The name of the master can't be resolved for a while, and its connection is gone."""
    host = faults.minion()
    host.socket.resolves = False
    for connection in faults.network.of(host.weather):
        faults.network.reset(connection)
    faults.world.later(faults.seconds(room, 20.0), lambda: setattr(host.socket, "resolves", True))


def garble(faults: "Faults", room: float) -> None:
    """Frames come through that nobody can read, at one end, for a moment."""
    chance = faults.world.chance
    victims: list[MasterHost | MinionSocket] = [faults.master]
    victims += [host.socket for host in faults.minions]
    victim = chance.choice(victims)
    victim.garbles = True

    def end() -> None:
        victim.garbles = False

    faults.world.later(faults.seconds(room, 3.0), end)


def full_peer(faults: "Faults", room: float) -> None:
    """A minion reads nothing: what the master sends it is not taken."""
    peers = list(faults.master.peers)
    if peers:
        peer = faults.world.chance.choice(sorted(peers))
        faults.master.full_peers.add(peer)
        faults.world.later(
            faults.seconds(room, 20.0), lambda: faults.master.full_peers.discard(peer)
        )
