"""What goes wrong on hosts: processes, power, disks, clocks, resolvers."""

from typing import TYPE_CHECKING

from support.simulator.master_host import MasterHost
from support.simulator.minion_host import MinionHost

if TYPE_CHECKING:
    from support.simulator.faults import Faults


def kill_master(faults: "Faults", room: float) -> None:
    """Kill -9 of the master, now or between two of its next effects."""
    master, chance = faults.master, faults.world.chance
    master.restart_after_s = faults.seconds(room, chance.choice((1.0, 5.0, 40.0)))
    if chance.random() < 0.6:
        master.crash_after_effects = chance.randint(1, 12)
    else:
        master.kill()


def kill_link(faults: "Faults", room: float) -> None:
    """Kill -9 of a minion's link, its jobs going on."""
    host, chance = faults.minion(), faults.world.chance
    host.restart_after_s = faults.seconds(room, chance.choice((0.5, 20.0)))
    if chance.random() < 0.6:
        host.crash_after_effects = chance.randint(1, 12)
    else:
        host.kill()


def kill_tree(faults: "Faults", room: float) -> None:
    """Kill -9 of a minion with all its jobs."""
    host = faults.minion()
    host.restart_after_s = faults.seconds(room, 20.0)
    host.kill_tree()


def power_off(faults: "Faults", room: float) -> None:
    """A host loses power and boots again."""
    host = faults.minion()
    if host.is_on:
        host.power_off(faults.seconds(room, 30.0))


def reimage(faults: "Faults", room: float) -> None:
    """A host is installed anew, keeping its key."""
    host = faults.minion()
    if host.is_on and room > 4:
        host.reimage()


def stop_master(faults: "Faults", room: float) -> None:
    """SIGSTOP of the master, or a loop that hangs."""
    faults.master.pause(faults.seconds(room, 60.0))


def stop_minion(faults: "Faults", room: float) -> None:
    """SIGSTOP of a link: its jobs go on."""
    faults.minion().pause(faults.seconds(room, 60.0))


def suspend_host(faults: "Faults", room: float) -> None:
    """A laptop is shut: all its processes stand still, its boot clock goes on."""
    faults.minion().suspend(faults.seconds(room, 60.0))


def reboot_master(faults: "Faults", room: float) -> None:
    """The master's host restarts, its boot clock with it."""
    faults.master.reboot(faults.seconds(room, 20.0))


def slow_workers(faults: "Faults", room: float) -> None:
    """A host so busy that making a process takes long."""
    workers = faults.minion().workers
    workers.spawning_s = faults.world.chance.choice((0.5, 3.0, 12.0, 40.0))
    faults.world.later(faults.seconds(room, 30.0), lambda: setattr(workers, "spawning_s", 0.0))


def slow_proof(faults: "Faults", room: float) -> None:
    """Signing, and collecting facts, takes long on a host."""
    host = faults.minion()
    host.proving_s = faults.world.chance.choice((1.0, 4.0))
    host.grains_s = 10.0
    faults.world.later(faults.seconds(room, 20.0), lambda: setattr(host, "proving_s", 0.1))


def stall_master_disk(faults: "Faults", room: float) -> None:
    """The master's disk takes its time."""
    faults.master.disk.stalled_until = faults.world.t + faults.seconds(room, 20.0)


def stall_minion_disk(faults: "Faults", room: float) -> None:
    """A minion's disk takes its time."""
    faults.minion().disk.stalled_until = faults.world.t + faults.seconds(room, 20.0)


def fill_master_disk(faults: "Faults", room: float) -> None:
    """No space left on the master for a while."""
    disk = faults.master.disk
    disk.is_full = True
    faults.world.later(faults.seconds(room, 20.0), lambda: setattr(disk, "is_full", False))


def fill_minion_disk(faults: "Faults", room: float) -> None:
    """No space left on a minion for a while."""
    disk = faults.minion().disk
    disk.is_full = True
    faults.world.later(faults.seconds(room, 20.0), lambda: setattr(disk, "is_full", False))


def jump_clock(faults: "Faults", room: float) -> None:
    """The wall clock of some host jumps; boot clocks never do."""
    chance = faults.world.chance
    victims: list[MasterHost | MinionHost] = [faults.master, *faults.minions]
    victim = chance.choice(victims)
    victim.clock.wall_skew_s += chance.choice((-86400.0, -3600.0, -5.0, 5.0, 3600.0, 86400.0 * 365))
    if victim is not faults.master:
        faults.truth.clocks_jumped.add(victim.name)


def enrol_down(faults: "Faults", room: float) -> None:
    """The enrol process is gone for a while."""
    faults.master.is_enrol_up = False
    faults.world.later(
        faults.seconds(room, 20.0), lambda: setattr(faults.master, "is_enrol_up", True)
    )


def restore_backup(faults: "Faults", room: float) -> None:
    """The master's store is brought back from an older copy, and keys are looked through again."""
    chance = faults.world.chance
    backup = faults.master.store.copy()

    def copy() -> None:
        nonlocal backup
        backup = faults.master.store.copy()

    if chance.random() < 0.6:  # in the moment of a job
        faults.command("*")
        faults.world.later(chance.uniform(0.002, 0.01), copy)

    def act() -> None:
        if faults.world.t < faults.end:
            faults.master.restart_after_s = 1.0
            faults.master.restore(backup)
            for host in faults.minions:
                faults.administrator.change("accept", host.settings.minion_id)

    faults.world.later(max(0.2, faults.seconds(room, 20.0)), act)


def stop_and_start_master(faults: "Faults", room: float) -> None:
    """Stop the master in good order, and start it again."""
    faults.master.stop_and_start(faults.seconds(room, 20.0))


def stop_and_start_minion(faults: "Faults", room: float) -> None:
    """Stop a minion in good order, and start it again."""
    faults.minion().stop_and_start(faults.seconds(room, 20.0))


def no_workers(faults: "Faults", room: float) -> None:
    """No process can be made on a host for a while."""
    host = faults.minion()
    host.workers.can_spawn = False
    faults.world.later(faults.seconds(room, 20.0), lambda: setattr(host.workers, "can_spawn", True))


def no_proof(faults: "Faults", room: float) -> None:
    """The join string can't be used on a host for a while."""
    host = faults.minion()
    host.proving_works = False
    faults.world.later(faults.seconds(room, 20.0), lambda: setattr(host, "proving_works", True))
