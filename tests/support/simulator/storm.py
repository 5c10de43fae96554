"""A whole fleet loses its connections in one instant: it must not come back in one instant."""

from limpet.minion.core import effects as minion_do
from limpet.minion.sessions.backoff import BASE_S, FLEET_PER_S
from support.simulator.checking import Checker, Scene
from support.simulator.minion_host import MinionHost
from support.simulator.network import Network

STORM_S = 5.0
"""When all connections are reset: everybody is READY by then."""
ENOUGH = 20
"""Fewer minions say nothing of a distribution."""
FIRST_CONNECT_S = 0.3


class Storm(Checker):
    """Resets everybody, and looks at when each asks again."""

    def __init__(self, scene: Scene, network: Network, fleet: int) -> None:
        super().__init__(scene)
        self._network = network
        self._window_s = max(BASE_S, fleet / FLEET_PER_S)
        self._awaited: set[str] = set()
        self._back: list[float] = []

    def begin(self) -> None:
        """Reset every connection."""
        ready = [host for host in self.scene.minions if host.ready_at is not None]
        if len(ready) < ENOUGH:
            return
        self.world.note("storm", f"{len(ready)} minions lose their connection")
        self._awaited = {host.name for host in ready}
        for host in ready:
            for connection in self._network.of(host.weather):
                self._network.reset(connection)
        self.world.later(self._window_s + FIRST_CONNECT_S, self._judge)

    def on_minion_effect(self, host: MinionHost, effect: minion_do.Effect) -> None:
        if host.name in self._awaited and isinstance(effect, minion_do.OpenSocket):
            self._awaited.discard(host.name)
            self._back.append(self.world.t)

    def _judge(self) -> None:
        """Check that all came, over the whole time allowed, and in no half of it nearly all."""
        if self._awaited:
            self.broken(f"{len(self._awaited)} did not come back within {self._window_s:.1f} s")
        spread_s = max(self._back) - min(self._back)
        middle = STORM_S + self._window_s / 2
        early = sum(at < middle for at in self._back) / len(self._back)
        if spread_s < self._window_s / 2 or not 0.15 < early < 0.85:
            self.broken(
                f"{len(self._back)} minions came back within {spread_s:.2f} s of each other, "
                f"{early:.0%} of them early; {self._window_s:.1f} s are theirs"
            )
