"""Ping of N, the round trip of one job, and jobs in a second: one after the other, and several.

    python tests/benchmarks/pings.py --minions 1000 --rounds 5

`test.ping` is answered by a minion's link; each is a job like any other for the master, which
stores it before anybody is told. The floor keeps nothing. While the floor is measured, master and
swarm stand still, so that their beats take nothing from it.
"""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.floor import Floor
from benchmarks.measuring import Figures, Options, Place, in_turns, main, quantiles, with_ratios
from benchmarks.swarm_side import PATIENCE_S, SwarmSide

from limpet import Client

UNICASTS: Final = 200
AHEAD: Final = 16
"""Jobs under way at the same time, each of a client of its own."""
JOBS_AHEAD: Final = 800


def measure(place: Place, options: Options) -> Figures:
    """Measure."""
    minions, rounds = options.minions, options.rounds
    with (
        SwarmSide(place, minions) as limpet,
        Floor(minions) as floor,
        limpet.client() as client,
    ):
        limpet.ping_all(client)
        used_s: list[float] = []

        def ping_all() -> float:
            before_s = limpet.master_cpu_s()
            took_s = limpet.ping_all(client)
            used_s.append(limpet.master_cpu_s() - before_s)
            return took_s

        all_s = in_turns(rounds, {"floor": alone(limpet, floor.ping_all), "limpet": ping_all})
        ones: dict[str, list[float]] = {"floor": [], "limpet": []}
        for _ in range(rounds):
            with limpet.standing_still():
                ones["floor"] += floor.ask_each(UNICASTS)
            ones["limpet"] += [ping_one(client, number, minions) for number in range(UNICASTS)]
        ahead = in_turns(
            rounds,
            {
                "floor": alone(limpet, lambda: JOBS_AHEAD / floor.ask_ahead(JOBS_AHEAD, AHEAD)),
                "limpet": lambda: JOBS_AHEAD / jobs_ahead(limpet, JOBS_AHEAD, AHEAD),
                "limpet_async": lambda: JOBS_AHEAD / jobs_async(limpet, JOBS_AHEAD),
            },
        )
    in_a_row = {name: [1 / (sum(took) / len(took))] for name, took in ones.items()}
    return {
        "ping_all": {
            "minions": minions,
            "s": all_s,
            "limpet_master_cpu_us_each": round(sum(used_s) / rounds / minions * 1e6, 1),
        },
        "ping_one": {
            "minions": minions,
            "s": with_ratios(ones),
            **{name: quantiles(took) for name, took in ones.items()},
        },
        "jobs_per_s": {
            "in_a_row": with_ratios(in_a_row),
            "at_once": ahead,
            "under_way": AHEAD,
        },
    }


def alone(limpet: SwarmSide, act: Callable[[], float]) -> Callable[[], float]:
    """Make of something that is measured the same while limpet does nothing."""

    def measured() -> float:
        with limpet.standing_still():
            return act()

    return measured


def ping_one(client: Client, number: int, minions: int) -> float:
    """Ping one minion; gives seconds."""
    minion = f"swarm-{number % minions + 1:05d}"
    began = time.perf_counter()
    found = client.run(minion, "test.ping").minions
    took_s = time.perf_counter() - began
    assert [(name, each.status) for name, each in found.items()] == [(minion, "ok")], found
    return took_s


def jobs_ahead(limpet: SwarmSide, jobs: int, clients: int) -> float:
    """Run jobs from several clients at once; gives the seconds for all."""
    failures: list[str] = []
    opened = threading.Barrier(clients + 1)

    def work(first: int) -> None:
        try:
            with limpet.client() as client:
                ping_one(client, first, limpet.minions)
                opened.wait(PATIENCE_S)
                for number in range(first, jobs, clients):
                    ping_one(client, number, limpet.minions)
        except Exception as error:  # noqa: BLE001 - told below, in the thread that measures
            failures.append(repr(error))
            opened.abort()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    opened.wait(PATIENCE_S)
    began = time.perf_counter()
    for thread in threads:
        thread.join(PATIENCE_S)
    took_s = time.perf_counter() - began
    assert not failures, failures
    assert not any(thread.is_alive() for thread in threads), "a client still waits"
    return took_s


def jobs_async(limpet: SwarmSide, jobs: int) -> float:
    """Store jobs without waiting for any, then wait for the last to end; gives seconds."""
    with limpet.client() as client:
        began = time.perf_counter()
        stored = [
            client.submit(f"swarm-{number % limpet.minions + 1:05d}", "test.ping").jid
            for number in range(jobs)
        ]
        last = client.wait(stored[-1], timeout_s=PATIENCE_S)
        took_s = time.perf_counter() - began
    assert all(each.status == "ok" for each in last.minions.values()), last
    return took_s


if __name__ == "__main__":
    main(__doc__, measure)
