"""What people do at the wrong moment: keys, copies of hosts, jobs by hand."""

from typing import TYPE_CHECKING

from support.simulator.network_faults import darken

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


def vanish_with_job(faults: "Faults", room: float) -> None:
    """A minion goes away just after a job was asked of it: dark, off, shut out, or made anew."""
    chance = faults.world.chance
    there = [host for host in faults.minions if host.ready_at is not None]
    if not there:
        return
    host = chance.choice(there)
    faults.command(host.settings.minion_id, brief=chance.random() < 0.7)
    how = chance.choice(("dark", "dark", "off", "reject", "reject", "anew"))

    def act() -> None:
        left = faults.end - faults.world.t
        if left < 5 or not host.is_on:
            return
        if how == "dark":
            darken([host], faults, left, up=True, down=True, least_s=min(17.0, left - 1))
        elif how == "off":
            host.power_off(min(left - 1, chance.choice((1.0, 20.0))))
        elif how == "reject":
            faults.administrator.change("reject", host.settings.minion_id)
            faults.world.later(
                min(left - 1, chance.choice((0.5, 5.0))),
                lambda: faults.administrator.change("accept", host.settings.minion_id),
            )
        else:
            host.reimage()

    faults.world.later(chance.choice((0.003, 0.004, 0.005, 0.006, 0.007, 0.02, 1.0)), act)


def clone(faults: "Faults", room: float) -> None:
    """Start a copy of a host, its key and journal included, elsewhere, for a while."""
    faults.clone_of(faults.minion(), faults.seconds(room, 40.0))
