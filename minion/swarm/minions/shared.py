"""What the minions of one process of the swarm share."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from limpet.common.clock import Clock
from limpet.common.identifiers import Attempt
from limpet.common.transport.sockets import Context
from limpet.minion.swarm.figures import Figures
from limpet.minion.swarm.minions.held_files import Shared
from limpet.minion.swarm.minions.proving import Prover
from limpet.minion.swarm.plan import Order


@dataclass(slots=True)
class SharedWorld:
    """One for all minions of a process."""

    order: Order
    context: Context
    clock: Clock
    chance: random.Random
    boot_id: str
    figures: Figures
    wants_name: Callable[[int, Attempt], None]
    """Called where the master's name has to be looked up for a minion."""
    wants_look: Callable[[int], None]
    """Called where a minion's new socket has to be looked at once, before its descriptors tell."""
    prover: Prover
    readings: Shared = field(default_factory=Shared)
