"""A few real minions of limpet, beside Salt's where that is installed, and the floor.

    python tests/benchmarks/few.py --few 5 --rounds 5 --salt /path/to/salt/bin

What a swarm can't show, as its jobs run nothing: states and pillar in workers, processes at rest.
All three are driven in a process that stays, by `limpet.Client` and by Salt's `LocalClient`.
"""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.floor import Floor
from benchmarks.measuring import (
    Figures,
    Options,
    Place,
    cpu_s,
    in_turns,
    main,
    pss_mb,
    timed,
    tree,
)
from benchmarks.salt_side import SaltSide
from benchmarks.swarm_side import PATIENCE_S, lasting_ports

from limpet import Client
from support.fleet import Fleet

STATES: Final = "".join(f"nop-{number}:\n  test.nop: []\n" for number in range(200))
PILLAR: Final = "bench:\n" + "".join(f"  key{number}: value {number}\n" for number in range(50))
MEGABYTE: Final = "head -c 1000000 /dev/zero | tr '\\0' x"
UNICASTS: Final = 20
FILE_BYTES: Final = 20_000_000
SETTLE_S: Final = 12.0
"""Grains are collected, helpers have ended."""

Call = Callable[..., float]


def measure(place: Place, options: Options) -> Figures:
    """Measure."""
    few, rounds = options.few, options.rounds
    # Not below the folder of the place: Salt's Unix sockets have long names of their own.
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lb-")))
        fleet, limpet = stack.enter_context(limpet_side(folder / "limpet", few))
        floor = stack.enter_context(Floor(few))
        calls: dict[str, Call] = {"limpet": limpet}
        trees = {"limpet": folder / "limpet"}
        salt: SaltSide | None = None
        if options.salt:
            salt = SaltSide(folder / "salt", few, Path(options.salt), fleet.port + 10)
            trees["salt"] = folder / "salt"
        for root in trees.values():
            write_trees(root)
        if salt is not None:
            calls["salt"] = stack.enter_context(salt).call
        figures = {"idle": at_rest(fleet, salt, options.quiet_s)}
        figures.update(at_work(calls, floor, rounds, trees))
        figures["master_killed_s"] = in_turns(
            min(rounds, 2),
            {
                "limpet": lambda: restart(fleet, few),
                **({"salt": salt.restart_master} if salt is not None else {}),
            },
            over=("limpet",),
        )
    return {"few": {"minions": few, "states": 200, "file_bytes": FILE_BYTES, **figures}}


def at_work(calls: dict[str, Call], floor: Floor, rounds: int, trees: dict[str, Path]) -> Figures:
    """Run each kind of job in turns."""

    def all_of(*call: str) -> dict[str, Callable[[], float]]:
        return {name: lambda act=act: act(*call) for name, act in calls.items()}  # type: ignore[misc]

    def one_by_one(act: Call) -> float:
        return sum(act("test.ping", target="web1") for _ in range(UNICASTS)) / UNICASTS

    def fetch(name: str, act: Call) -> float:
        (trees[name] / "states" / "body.bin").write_bytes(os.urandom(1_000_000) * 20)
        return act("cp.cache_file", "salt://body.bin")

    def each_floor() -> float:
        took = floor.ask_each(UNICASTS)
        return sum(took) / len(took)

    for act in calls.values():  # the first of a kind starts what stays
        act("state.apply", "nops")
    over = ("floor", "limpet")
    return {
        "ping_all_s": in_turns(rounds, {"floor": floor.ping_all, **all_of("test.ping")}, over=over),
        "ping_one_s": in_turns(
            rounds,
            {
                "floor": each_floor,
                **{n: lambda act=act: one_by_one(act) for n, act in calls.items()},  # type: ignore[misc]
            },
            over=over,
        ),
        "apply_200_states_s": in_turns(rounds, all_of("state.apply", "nops"), over=over),
        "pillar_s": in_turns(rounds, all_of("pillar.items"), over=over),
        "return_1mb_s": in_turns(
            rounds,
            {"floor": lambda: floor.returns(1_000_000), **all_of("cmd.run", MEGABYTE)},
            over=over,
        ),
        "file_s": in_turns(
            rounds,
            {
                "floor": lambda: floor.give_file(FILE_BYTES),
                **{n: lambda n=n, act=act: fetch(n, act) for n, act in calls.items()},  # type: ignore[misc]
            },
            over=over,
        ),
    }


@contextlib.contextmanager
def limpet_side(folder: Path, minions: int) -> Iterator[tuple[Fleet, Call]]:
    """Run a master and minions, and give what runs a function on them."""
    folder.mkdir(parents=True)
    with lasting_ports(Fleet(folder)) as fleet:
        settings = fleet.master.root / "master.yaml"
        roots = f"file_roots:\n  base: ['{folder}/states']\n"
        roots += f"pillar_roots:\n  base: ['{folder}/pillar']\n"
        settings.write_text(settings.read_text() + roots)
        fleet.start_master()
        fleet.add_minions(minions)
        fleet.wait_ready(minions)
        with Client(root=str(fleet.master.root), first_patience_s=30.0) as client:

            def call(function: str, *arguments: str, target: str = "*") -> float:
                began = time.perf_counter()
                found = client.run(target, function, *arguments, timeout_s=PATIENCE_S).minions
                took_s = time.perf_counter() - began
                expected = minions if target == "*" else 1
                good = sum(each.status == "ok" for each in found.values())
                assert good == len(found) == expected, found
                return took_s

            yield fleet, call


def write_trees(root: Path) -> None:
    """Write the same states and pillar for either side."""
    for name in ("states", "pillar"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "states" / "nops.sls").write_text(STATES)
    (root / "pillar" / "top.sls").write_text("base:\n  '*':\n    - bench\n")
    (root / "pillar" / "bench.sls").write_text(PILLAR)


def restart(fleet: Fleet, minions: int) -> float:
    """Kill the master, start it at once, and give the seconds until all are READY."""
    fleet.master.kill_tree()

    def act() -> None:
        fleet.start_master()
        fleet.wait_ready(minions)

    return timed(act)


def at_rest(fleet: Fleet, salt: SaltSide | None, quiet_s: float) -> Figures:
    """Look on while nothing happens: CPU and memory of masters and of a minion."""
    time.sleep(SETTLE_S)
    sides = {
        "limpet_master": tree(fleet.master.pid),
        "limpet_minion": tree(fleet.minions["web1"].pid),
    }
    if salt is not None:
        sides["salt_master"] = salt.pids_of("master")
        sides["salt_minion"] = salt.pids_of("web1")
    used = {name: cpu_s(pids) for name, pids in sides.items()}
    began = time.perf_counter()
    time.sleep(quiet_s)
    took_s = time.perf_counter() - began
    return {
        name: {
            "cpu_percent": round(100 * (cpu_s(pids) - used[name]) / took_s, 2),
            "pss_mb": pss_mb(pids),
        }
        for name, pids in sides.items()
    }


if __name__ == "__main__":
    main(__doc__, measure)
