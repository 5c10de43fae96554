"""What people do at the wrong moment: keys, copies of hosts, jobs by hand."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.simulator.faults import Faults


def run_locally(faults: "Faults", room: float) -> None:
    """Run something on a host by hand."""
    faults.minion().run_locally(faults.seconds(room, 10.0))


def change_key(faults: "Faults", room: float) -> None:
    """Reject or delete a key, and accept it again before the calm."""
    minion, chance = faults.minion().settings.minion_id, faults.world.chance
    faults.administrator.change(chance.choice(("reject", "reject", "delete")), minion)
    faults.world.later(
        faults.seconds(room, 20.0), lambda: faults.administrator.change("accept", minion)
    )


def clone(faults: "Faults", room: float) -> None:
    """Start a copy of a host, its key and journal included, elsewhere, for a while."""
    faults.clone_of(faults.minion(), faults.seconds(room, 40.0))
