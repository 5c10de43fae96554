"""Connections as TCP and CURVE behave: in order, or delayed, or dead without a word."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from limpet.common.identifiers import MinionKey
from support.simulator.world import World

Deliver = Callable[[bytes], None]
Tell = Callable[[str], None]


@dataclass
class Weather:
    """The way between one minion and the master."""

    latency_s: float = 0.001
    jitter_s: float = 0.001
    up_is_dropped: bool = False
    """Minion to master: nothing passes, nothing is said."""
    down_is_dropped: bool = False
    is_refused: bool = False
    """Connects are answered with RST."""
    handshake_breaks: bool = False
    """TCP connects, CURVE never finishes (flipped bits)."""
    slow_bytes_s: float = 0.0
    """0: no limit; else bytes a second, in either direction."""
    slow_until: float = -1e9
    """When frames took long for the last time."""
    dead_addresses: set[str] = field(default_factory=set)
    """Addresses of the master at which nothing answers."""

    @property
    def is_dark(self) -> bool:
        """Say whether a connection can't be made now."""
        return self.up_is_dropped or self.down_is_dropped


@dataclass
class Connection:
    """One TCP connection with its two ends."""

    number: int
    key: MinionKey
    peer: bytes
    weather: Weather
    to_master: Deliver
    to_minion: Deliver
    tell_minion: Tell
    tell_master: Callable[[], None]
    is_dead: bool = False
    """No byte passes any more, in silence (a middle box forgot it, a host vanished)."""
    minion_end_open: bool = True
    master_end_open: bool = True
    up_ready_at: float = 0.0
    down_ready_at: float = 0.0
    arrived_sent_at: float = -1e9
    """When the newest frame that has come to the master had left."""
    held: list[tuple[bool, bytes, float]] = field(default_factory=list)


class Network:
    """All connections between minions and the master's ports."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.connections: dict[int, Connection] = {}
        self._next = 0

    def open(self, **ends: Any) -> Connection:  # noqa: ANN401 - the fields of Connection
        """Make a connection whose handshake has finished."""
        self._next += 1
        peer = self._next.to_bytes(4, "big")
        connection = Connection(number=self._next, peer=peer, **ends)
        self.connections[self._next] = connection
        return connection

    def send(
        self, connection: Connection, *, upwards: bool, frame: bytes, left_at: float | None = None
    ) -> None:
        """Put a frame on its way; what can't pass now waits as in a kernel's buffer."""
        if connection.is_dead:
            return
        left = self.world.t if left_at is None else left_at
        weather = connection.weather
        if weather.up_is_dropped if upwards else weather.down_is_dropped:
            if len(connection.held) < 2_000:
                connection.held.append((upwards, frame, left))
            return
        delay = weather.latency_s + self.world.chance.random() * weather.jitter_s
        if weather.slow_bytes_s:
            delay += len(frame) / weather.slow_bytes_s
        ready = connection.up_ready_at if upwards else connection.down_ready_at
        ready = max(ready, self.world.t + delay)  # in order within a direction
        if upwards:
            connection.up_ready_at = ready
        else:
            connection.down_ready_at = ready
        self.world.at(ready, lambda: self._arrive(connection, upwards, frame, left))

    def _arrive(self, connection: Connection, upwards: bool, frame: bytes, left: float) -> None:
        if connection.is_dead:
            return
        weather = connection.weather
        if weather.up_is_dropped if upwards else weather.down_is_dropped:
            if len(connection.held) < 2_000:
                connection.held.append((upwards, frame, left))
        elif upwards and connection.master_end_open:
            connection.arrived_sent_at = max(connection.arrived_sent_at, left)
            connection.to_master(frame)
        elif not upwards and connection.minion_end_open:
            connection.to_minion(frame)

    def heal(self, weather: Weather) -> None:
        """Let held frames go on where their connection still lives (TCP sends again)."""
        for connection in list(self.connections.values()):
            if connection.weather is not weather or connection.is_dead:
                continue
            held, connection.held = connection.held, []
            for upwards, frame, left in held:
                self.send(connection, upwards=upwards, frame=frame, left_at=left)
            # an end that was closed in the dark is told to the other one now
            if not connection.minion_end_open:
                self._tell(connection, master=True)
            if not connection.master_end_open:
                self._tell(connection, master=False)

    def close_minion_end(self, connection: Connection) -> None:
        """Close, or vanish with the process: the other end hears of it if the way is open."""
        if connection.minion_end_open:
            connection.minion_end_open = False
            self._tell(connection, master=True)

    def close_master_end(self, connection: Connection) -> None:
        """Close the master's end: as above."""
        if connection.master_end_open:
            connection.master_end_open = False
            self._tell(connection, master=False)

    def reset(self, connection: Connection) -> None:
        """Reset the connection at both ends; what was under way is lost."""
        connection.held.clear()
        connection.is_dead = True
        if connection.minion_end_open:
            connection.minion_end_open = False
            self.world.later(0.0005, lambda: connection.tell_minion("disconnected"))
        if connection.master_end_open:
            connection.master_end_open = False
            self.world.later(0.0005, connection.tell_master)

    def _tell(self, connection: Connection, *, master: bool) -> None:
        weather = connection.weather
        if connection.is_dead or weather.is_dark:
            return
        delay = weather.latency_s
        ready = connection.up_ready_at if master else connection.down_ready_at
        when = max(ready, self.world.t + delay)  # FIN comes after the data before it

        def act() -> None:
            if connection.is_dead or connection.weather.is_dark:
                return
            if master and connection.master_end_open:
                connection.master_end_open = False
                connection.tell_master()
            if not master and connection.minion_end_open:
                connection.minion_end_open = False
                connection.tell_minion("disconnected")

        self.world.at(when, act)

    def lag(self, connection: Connection, seconds: float) -> None:
        """Let all that still goes up on a connection come late: after what a newer one brings."""
        connection.up_ready_at = max(connection.up_ready_at, self.world.t + seconds)

    def of(self, weather: Weather) -> list[Connection]:
        """Give the living connections of one host."""
        return [
            connection
            for connection in self.connections.values()
            if connection.weather is weather and not connection.is_dead
        ]

    def forget_closed(self) -> None:
        """Drop connections that nobody holds an end of."""
        for number, connection in list(self.connections.items()):
            if connection.is_dead or not (connection.minion_end_open or connection.master_end_open):
                del self.connections[number]
