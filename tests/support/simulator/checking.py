"""What all checkers share: whom they watch, and how they end a story."""

from dataclasses import dataclass, field

from limpet.common.identifiers import JobId, MinionId
from limpet.master.store.operations import DeliveryRow
from support.simulator.master_host import MasterHost
from support.simulator.minion_host import MinionHost
from support.simulator.operator import Command
from support.simulator.truth import Truth
from support.simulator.watching import Watcher
from support.simulator.world import Broken, World


@dataclass
class Scene:
    """All that takes part in one story."""

    world: World
    master: MasterHost
    truth: Truth
    minions: list[MinionHost] = field(default_factory=list)
    copies: list[MinionHost] = field(default_factory=list)
    """Clones of some of the minions."""
    commands: list[Command] = field(default_factory=list)

    def broken(self, text: str) -> None:
        """End the story."""
        raise Broken(f"seed {self.world.seed}, at {self.world.t:.3f} s: {text}")

    def row(self, jid: str, minion: str) -> DeliveryRow | None:
        """Give a delivery as it is on the master's disk."""
        return self.master.store.deliveries.get(JobId(jid), {}).get(MinionId(minion))

    def minion_of(self, key: str) -> str:
        """Give the id of the minion whose key it is."""
        return next(
            (host.settings.minion_id for host in self.minions if host.key == key), "an unknown key"
        )


class Checker(Watcher):
    """A watcher that ends the story when something is not as it must be."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.world = scene.world
        self.master = scene.master
        self.truth = scene.truth

    def broken(self, text: str) -> None:
        """End the story."""
        self.scene.broken(text)
