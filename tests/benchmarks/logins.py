"""Login of N from a cold start: the master restarted, all come at once, with known keys.

    python tests/benchmarks/logins.py --minions 1000 --rounds 5

From the first minion's begin to the last READY (the floor: to the last welcome), each by a clock of
those who log in, and each alone on the machine. Beside it the herd that `kill -9` of the master
makes: to READY again, and what it cost in sockets and handshakes.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.floor import Floor
from benchmarks.measuring import Figures, Options, Place, in_turns, main, spread, timed
from benchmarks.swarm_side import SwarmSide


def measure(place: Place, options: Options) -> Figures:
    """Measure."""
    with SwarmSide(place, options.minions) as limpet:
        limpet.stop()  # all have keys now
        figures = in_turns(
            options.rounds,
            {"floor": lambda: login_to_floor(options.minions), "limpet": limpet.login},
        )
    cpu_ms = [1000 * took / options.minions for took in limpet.login_cpu_s]
    return {
        "login": {
            "minions": options.minions,
            "s": figures,
            "limpet_master_cpu_ms_each": spread(cpu_ms),
        },
        "master_killed": after_kills(place, options),
    }


def login_to_floor(peers: int) -> float:
    """Let peers log in to the floor, and end it; gives seconds."""
    floor = Floor(peers)
    try:
        return floor.login()
    finally:
        floor.close()


def after_kills(place: Place, options: Options) -> Figures:
    """Kill the master and start it at once; each time all have to come back."""
    with SwarmSide(place, options.minions) as limpet:
        logins = limpet.minions
        samples = []
        with limpet.client() as client:  # who answers knows itself that it is READY, and counts it
            limpet.ping_all(client)
        for _ in range(options.rounds):
            limpet.fleet.master.kill_tree()
            limpet.fleet.start_master()
            samples.append(timed(lambda: limpet.wait_ready(limpet.minions)))
            logins += limpet.minions
            with limpet.client() as client:
                limpet.ping_all(client)
        seen = limpet.swarm.stop()
    return {
        "minions": options.minions,
        "ready_again_s": spread(samples),
        "sockets_each": round(seen["sockets_opened"] / seen["logins"], 3),
        "handshakes_each": round(seen["handshakes"] / seen["logins"], 3),
        "logins": seen["logins"],
        "logins_expected": logins,
    }


if __name__ == "__main__":
    main(__doc__, measure)
