"""A few real minions of limpet, beside Salt's where that is installed, and the floor.

    python tests/benchmarks/few.py --few 20 --rounds 3 --salt /path/to/salt/bin --parts rest,pings

What a swarm can't show, as its jobs run nothing: states and pillar in workers, processes at rest.
All three are driven in a process that stays, by `limpet.Client` and by Salt's `LocalClient`.
"""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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
    quantiles,
    spread,
    timed,
    tree,
)
from benchmarks.salt_side import SaltSide
from benchmarks.swarm_side import PATIENCE_S, lasting_ports

from limpet import Client
from support.master.fleet import Fleet

STATES: Final = "".join(f"nop-{number}:\n  test.nop: []\n" for number in range(200))
PILLAR: Final = "bench:\n" + "".join(f"  key{number}: value {number}\n" for number in range(50))
MEGABYTE: Final = "head -c 1000000 /dev/zero | tr '\\0' x"
UNICASTS: Final = 50
FILE_BYTES: Final = 20_000_000
SETTLE_S: Final = 12.0
"""Grains are collected, helpers have ended."""

CLIENTS: Final = 4
JOBS: Final = 25
"""Pings of each of the clients in a round."""

Call = Callable[..., float]
Callers = Callable[[int], contextlib.AbstractContextManager[list[Callable[[str], bool]]]]


def measure(place: Place, options: Options) -> Figures:
    """Measure."""
    few, rounds, parts = options.few, options.rounds, options.parts.split(",")
    # Not below the folder of the place: Salt's Unix sockets have long names of their own.
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lb-")))
        began = time.perf_counter()
        fleet, limpet = stack.enter_context(limpet_side(folder / "limpet", few))
        figures: Figures = {"started_s": {"limpet": round(time.perf_counter() - began, 2)}}
        floor = stack.enter_context(Floor(few))
        calls: dict[str, Call] = {"limpet": limpet}
        callers: dict[str, Callers] = {"limpet": partial(clients, fleet)}
        trees = {"limpet": folder / "limpet"}
        salt: SaltSide | None = None
        if options.salt:
            salt = SaltSide(folder / "salt", few, Path(options.salt), fleet.port + 10)
            trees["salt"] = folder / "salt"
        for root in trees.values():
            write_trees(root)
        if salt is not None:
            began = time.perf_counter()
            stack.enter_context(salt)
            figures["started_s"]["salt"] = round(time.perf_counter() - began, 2)
            calls["salt"], callers["salt"] = salt.call, salt.callers
        if "rest" in parts:
            figures["idle"] = at_rest(fleet, salt, options.quiet_s)
        if "pings" in parts:
            figures.update(pings(calls, callers, floor, rounds, few))
        if "work" in parts:
            figures.update(at_work(calls, floor, rounds, trees))
        if "killed" in parts:
            figures["master_killed_s"] = in_turns(
                min(rounds, 2),
                {
                    "limpet": lambda: restart(fleet, few),
                    **({"salt": salt.restart_master} if salt is not None else {}),
                },
                over=("limpet",),
            )
    return {"few": {"minions": few, "states": 200, "file_bytes": FILE_BYTES, **figures}}


def pings(
    calls: dict[str, Call], callers: dict[str, Callers], floor: Floor, rounds: int, few: int
) -> Figures:
    """Ping all, one after the other, and as many as possible, in turns."""
    samples: dict[str, list[float]] = {"floor": [], **{name: [] for name in calls}}
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for act in calls.values():
        act("test.ping")
    all_of_them: dict[str, Callable[[], float]] = {
        name: partial(act, "test.ping") for name, act in calls.items()
    }
    with contextlib.ExitStack() as stack:
        clients = {name: stack.enter_context(each(CLIENTS)) for name, each in callers.items()}
        for own in clients.values():
            together(own, 1, few)
        for number in range(rounds):
            samples["floor"] += floor.ask_each(UNICASTS)
            for name in calls if number % 2 == 0 else reversed(calls):
                for each in range(UNICASTS):
                    samples[name].append(calls[name]("test.ping", target=f"web{each % few + 1}"))
                rates[name].append(together(clients[name], JOBS, few))
    over = ("floor", "limpet")
    return {
        "ping_all_s": in_turns(rounds, {"floor": floor.ping_all, **all_of_them}, over=over),
        "ping_one_s": {name: quantiles(found) for name, found in samples.items()},
        "jobs_a_second": {name: spread(found) for name, found in rates.items()},
    }


def together(clients: list[Callable[[str], bool]], times: int, few: int) -> float:
    """Have several clients ping one minion after the other, each so often; gives pings a second."""

    def ping(first: int, ask: Callable[[str], bool]) -> bool:
        return all(ask(f"web{(first + number) % few + 1}") for number in range(times))

    began = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        assert all(pool.map(ping, range(len(clients)), clients))
    return len(clients) * times / (time.perf_counter() - began)


@contextlib.contextmanager
def clients(fleet: Fleet, number: int) -> Iterator[list[Callable[[str], bool]]]:
    """Give so many that ping a minion, each with a client of its own."""

    def ping(client: Client, target: str) -> bool:
        return client.run(target, "test.ping").minions[target].status == "ok"

    with contextlib.ExitStack() as stack:
        own = [stack.enter_context(Client(root=str(fleet.master.root))) for _ in range(number)]
        yield [partial(ping, client) for client in own]


def at_work(calls: dict[str, Call], floor: Floor, rounds: int, trees: dict[str, Path]) -> Figures:
    """Run each kind of job in turns."""

    def all_of(*call: str) -> dict[str, Callable[[], float]]:
        return {name: lambda act=act: act(*call) for name, act in calls.items()}  # type: ignore[misc]

    def fetch(name: str, act: Call) -> float:
        (trees[name] / "states" / "body.bin").write_bytes(os.urandom(1_000_000) * 20)
        return act("cp.cache_file", "salt://body.bin")

    for act in calls.values():  # the first of a kind starts what stays
        act("state.apply", "nops")
    over = ("floor", "limpet")
    return {
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
