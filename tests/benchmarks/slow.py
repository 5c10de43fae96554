"""A minion that reads nothing: what the others pay for it, with and without it in turns.

    python tests/benchmarks/slow.py --minions 1000 --rounds 5

The slow one is a process of its own, stopped by a signal, that is sent as many large jobs as a
minion may have under way; meanwhile all others are pinged one by one, and all at once. In the other
turns the same jobs go to it while it runs.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.measuring import (
    Figures,
    Options,
    Place,
    main,
    quantiles,
    spread,
    tree,
    with_ratios,
)
from benchmarks.pings import ping_one
from benchmarks.swarm_side import Swarm, SwarmSide

from limpet import Client

PREFIX: Final = "slow-"
JOBS: Final = 32
ARGUMENT: Final = "x" * 60_000
UNICASTS: Final = 200
Samples = dict[str, list[float]]


def measure(place: Place, options: Options) -> Figures:
    """Measure."""
    ones: Samples = {"none": [], "stopped": []}
    alls: Samples = {"none": [], "stopped": []}
    tails: Samples = {"none": [], "stopped": []}
    with SwarmSide(place, options.minions) as limpet, limpet.client() as client:
        slow = limpet.add(1, PREFIX)
        limpet.ping_all(client)
        for number in range(options.rounds):
            for turn in ("none", "stopped") if number % 2 == 0 else ("stopped", "none"):
                took, all_s = one_turn(limpet, client, slow, is_stopped=turn == "stopped")
                ones[turn] += took
                tails[turn].append(quantiles(took)["p99"])
                alls[turn].append(all_s)
    return {
        "slow_minion": {
            "minions": options.minions,
            "ping_one_s": {name: quantiles(took) for name, took in ones.items()},
            "p99_of_rounds_s": {name: spread(found) for name, found in tails.items()},
            "p99_ratio": round(
                quantiles(ones["stopped"])["p99"] / quantiles(ones["none"])["p99"], 2
            ),
            "ping_all_s": with_ratios(alls, over=("none",)),
        }
    }


def one_turn(
    limpet: SwarmSide, client: Client, slow: Swarm, *, is_stopped: bool
) -> tuple[list[float], float]:
    """Give the seconds of each ping, and of a ping of all, with one minion stopped or not."""
    pids = tree(slow.pid)
    if is_stopped:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(JOBS):
            client.submit(f"{slow.prefix}*", "cmd.run", ARGUMENT)
        took = [ping_one(client, number, limpet.minions) for number in range(UNICASTS)]
        return took, limpet.ping_all(client)
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
        limpet.wait_ready(limpet.minions + 1)


if __name__ == "__main__":
    main(__doc__, measure)
