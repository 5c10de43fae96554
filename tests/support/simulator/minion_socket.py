"""A minion's one socket: names, TCP and CURVE as far as a core can tell, then frames."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from limpet.common.identifiers import Attempt
from limpet.common.messages.fields import Message
from limpet.common.wire.codec import encode, enrol_answer_decoder, minion_decoder
from limpet.minion.core import effects as do
from support.simulator.master_ports import MasterPorts
from support.simulator.network import Connection, Network

if TYPE_CHECKING:
    from support.simulator.minion_host import MinionHost

MASTER_FOUR = "192.0.2.1"
MASTER_SIX = "2001:db8::1"

_minion_decoder = minion_decoder()
_enrol_decoder = enrol_answer_decoder()


class MinionSocket:
    """Carries out what a core asks of the network."""

    def __init__(self, host: "MinionHost", network: Network, master: MasterPorts) -> None:
        self._host = host
        self._world = host.world
        self._network = network
        self._master = master
        self.connection: Connection | None = None
        self.attempt = Attempt(0)
        self.resolves = True
        self.resolving_s = 0.01
        self.handshake_s = 0.0
        """How long a handshake takes besides the way."""
        self.garbles = False

    def drop(self) -> None:
        """Close the socket."""
        if self.connection is not None:
            self._network.close_minion_end(self.connection)
        self.connection = None
        self.attempt = Attempt(0)

    def close(self, attempt: Attempt) -> None:
        """Close the socket of an attempt."""
        if attempt == self.attempt:
            self.drop()

    def send(self, attempt: Attempt, message: Message) -> None:
        """Send, if the socket is of this attempt and connected."""
        if attempt == self.attempt and self.connection is not None:
            self._network.send(self.connection, upwards=True, frame=encode(message))

    def resolve(self, attempt: Attempt) -> None:
        """Look the master's name up: both families, the first not always the better."""
        host, chance = self._host, self._world.chance
        found = (MASTER_SIX, MASTER_FOUR) if self.resolves else ()
        took_s = self.resolving_s if self.resolves else chance.choice((0.01, 2.0, 9.0))
        host.step_later(took_s, lambda core: core.on_resolved(host.now(), attempt, found))

    def open(self, effect: do.OpenSocket) -> None:
        """Connect."""
        host, world, life, attempt = self._host, self._world, self._host.life, effect.attempt
        weather = host.weather
        self.drop()
        self.attempt = attempt

        def is_present() -> bool:
            return life == host.life and attempt == self.attempt

        def tell(what: str) -> None:
            def act() -> None:
                if attempt == self.attempt:
                    host.carry_out(host.the_core.on_link(host.now(), attempt, what))  # type: ignore[arg-type]

            host.let(life, act)

        def handshake() -> None:
            if not is_present() or weather.is_dark or effect.address in weather.dead_addresses:
                return  # SYN lost: silence
            if weather.is_refused or not self._master.is_listening(effect.port):
                tell("refused")
                return
            tell("connected")
            if weather.handshake_breaks:
                world.later(0.05, lambda: tell("handshake_failed"))
                return
            world.later(weather.latency_s * 4 + 0.002 + self.handshake_s, finish)

        def finish() -> None:
            if not is_present() or weather.is_dark or self._master.is_stopped:
                return  # where the master is stopped the kernel answers, nobody else does
            if not self._master.is_listening(effect.port):
                tell("disconnected")
            elif effect.server_key != self._master.server_key:
                tell("handshake_failed")
            elif effect.port == "main" and not self._master.allows(host.key):
                tell("denied")
            else:
                self._connect(effect, tell)

        world.later(weather.latency_s * 2 + world.chance.random() * 0.002, handshake)

    def _connect(self, effect: do.OpenSocket, tell: Callable[[str], None]) -> None:
        host, attempt, life = self._host, effect.attempt, self._host.life
        decode = (_minion_decoder if effect.port == "main" else _enrol_decoder).decode

        def act(frame: bytes) -> None:
            if attempt == self.attempt:
                if self.garbles:
                    host.carry_out(host.the_core.on_bad_frame(host.now(), attempt, "bad_schema"))
                else:
                    host.hear(attempt, decode(frame))

        self.connection = self._network.open(
            key=host.key,
            weather=host.weather,
            to_minion=lambda frame: host.let(life, lambda: act(frame)),
            tell_minion=tell,
            **self._master.accept(effect.port, host.key),
        )
        self._master.opened(self.connection, effect.port)
        tell("ready")
