"""What goes wrong in a story: each fault begins, and ends by itself before the calm."""

from collections.abc import Callable
from typing import Protocol

from support.simulator import host_faults as hosts
from support.simulator import network_faults as network
from support.simulator import people_faults as people
from support.simulator.administrator import Administrator
from support.simulator.checking import Scene
from support.simulator.minion_host import MinionHost
from support.simulator.network import Network


class Command(Protocol):
    """Whoever can ask a job of a target."""

    def __call__(self, target: str, *, brief: bool = False) -> None:
        """Ask: something random, or something that is over at once, and that nobody waits for."""
        ...


Fault = Callable[["Faults", float], None]


SLOW = frozenset(
    (
        "long_way",
        "slow_way",
        "stop_master",
        "stop_minion",
        "suspend_host",
        "black_hole",
        "black_hole_all",
        "one_way_up",
        "one_way_down",
        "vanish_with_job",
        "slow_handshakes",
    )
)
"""Faults after which frames arrive that are seconds old."""


class Faults:
    """The faults that a story may draw, and the hosts they befall."""

    def __init__(
        self,
        scene: Scene,
        network: Network,
        administrator: Administrator,
        end: float,
        add_copy: Callable[[MinionHost], MinionHost],
        command: "Command",
    ) -> None:
        self.world = scene.world
        self.network = network
        self.master = scene.master
        self.minions = scene.minions
        self.truth = scene.truth
        self.administrator = administrator
        self.end = end
        self.happened: list[str] = []
        self.command = command
        """Let somebody ask a job of a target."""
        self._add_copy = add_copy

    def clone_of(self, host: MinionHost, seconds: float) -> None:
        """Start a copy of a host, for a while."""
        copy = self._add_copy(host)
        host.truth.cloned.add(host.settings.minion_id)
        copy.boot()

        def end() -> None:
            copy.is_on = False
            copy.workers.kill_all()
            copy.kill()

        self.world.later(seconds, end)

    def draw(self, when: float, among: tuple[Fault, ...]) -> None:
        """Plan one random fault for a time."""
        self.plan(when, self.world.chance.choice(among))

    def plan(self, when: float, fault: Fault) -> None:
        """Plan a fault for a time."""
        self.world.at(when, lambda: self._begin(fault))

    def _begin(self, fault: Fault) -> None:
        room = self.end - self.world.t
        if room <= 0.5:
            return
        name = fault.__name__
        self.happened.append(name)
        self.world.note("fault", name)
        self.truth.is_way_slow |= name in SLOW
        fault(self, room)

    def minion(self) -> MinionHost:
        """Pick a victim."""
        return self.world.chance.choice(self.minions)

    def seconds(self, room: float, most: float) -> float:
        """Draw a duration that ends within the room; short ones are as likely as long ones."""
        longest = min(room - 0.1, most)
        return max(0.05, longest * self.world.chance.random() ** 2)


GENTLE: tuple[Fault, ...] = (
    hosts.stall_master_disk,
    hosts.stall_minion_disk,
    hosts.fill_master_disk,
    hosts.fill_minion_disk,
    hosts.no_workers,
    hosts.slow_workers,
    hosts.slow_proof,
    hosts.jump_clock,
    people.run_locally,
)
"""Faults that cost no session: beats go on through them."""

SEVERE: tuple[Fault, ...] = (
    hosts.kill_master,
    hosts.kill_master,
    hosts.kill_master,
    hosts.stop_and_start_master,
    hosts.reboot_master,
    hosts.restore_backup,
    hosts.stop_master,
    hosts.enrol_down,
    hosts.kill_link,
    hosts.kill_link,
    hosts.kill_tree,
    hosts.power_off,
    hosts.reimage,
    hosts.stop_minion,
    hosts.suspend_host,
    hosts.stop_and_start_minion,
    hosts.no_proof,
    network.black_hole,
    network.black_hole_all,
    network.one_way_up,
    network.one_way_down,
    network.resets,
    network.half_open,
    network.straggle,
    network.hang_in_sync,
    network.hang_in_sync,
    network.refuse,
    network.break_handshakes,
    network.slow_handshakes,
    network.dead_family,
    network.slow_way,
    network.long_way,
    network.no_resolver,
    network.garble,
    network.full_peer,
    people.change_key,
    people.clone,
    people.vanish_with_job,
    people.vanish_with_job,
    people.vanish_with_job,
    people.vanish_with_job,
)

ALL = SEVERE + GENTLE

FLEET: tuple[Fault, ...] = (
    hosts.kill_master,
    hosts.kill_master,
    hosts.stop_and_start_master,
    hosts.reboot_master,
    hosts.stop_master,
    hosts.stall_master_disk,
    network.black_hole_all,
    network.resets,
    network.long_way,
)
"""Faults that befall a whole fleet."""
