"""What minions cost while nothing happens: CPU and memory of the master, bytes on the wire.

    python tests/benchmarks/idle.py --minions 1000 --quiet 10

All sides are looked on over the same seconds. The floor beats as often as limpet does; it keeps
nothing about its peers but their number. Memory is PSS of the master and its processes; what a
minion costs is the slope between a quarter of N and N.
"""

import sys
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.floor import Floor
from benchmarks.measuring import Figures, Options, Place, cpu_s, main, pss_mb, tree, wire
from benchmarks.swarm_side import SwarmSide

from limpet.master.core.settings import MasterSettings

SETTLE_S: Final = 4.0
"""After a login: helpers end, grains are written, the first beats are sent."""


def measure(place: Place, options: Options) -> Figures:
    """Measure with a quarter of the minions, and with all."""
    quarter = max(1, options.minions // 4)
    few = look(place, quarter, options.quiet_s)
    all_of_them = look(place, options.minions, options.quiet_s)
    more = options.minions - quarter
    return {
        "idle": {
            "quarter": few,
            "all": all_of_them,
            "each": {
                "master_kib": slope(few["master_pss_mb"], all_of_them["master_pss_mb"], more),
                "swarm_kib": slope(few["swarm_pss_mb"], all_of_them["swarm_pss_mb"], more),
                "floor_kib": slope(few["floor_pss_mb"], all_of_them["floor_pss_mb"], more),
            },
        }
    }


def slope(few: float, many: float, more: int) -> float:
    """Give the KiB that each further minion takes."""
    return round((many - few) * 1024 / max(1, more), 1)


def look(place: Place, minions: int, quiet_s: float) -> Figures:
    """Look on for so many seconds."""
    interval_s = MasterSettings().beat_interval(minions)
    quiet_s = max(quiet_s, 2 * interval_s)
    with SwarmSide(place, minions) as limpet, Floor(minions) as floor:
        time.sleep(SETTLE_S)
        floor.start_beats(interval_s, quiet_s + 1.0)
        sides = {
            "master": tree(limpet.fleet.master.pid),
            "swarm": tree(limpet.swarm.pid),
            "floor": [floor.server_pid],
        }
        wires = {"master": wire(limpet.port), "floor": wire(floor.port)}
        used = {name: cpu_s(pids) for name, pids in sides.items()}
        began = time.perf_counter()
        time.sleep(quiet_s)
        took_s = time.perf_counter() - began
        used = {name: cpu_s(pids) - used[name] for name, pids in sides.items()}
        moved = {
            "master": wire(limpet.port).since(wires["master"]),
            "floor": wire(floor.port).since(wires["floor"]),
        }
        memory = {name: pss_mb(pids) for name, pids in sides.items()}
        beats = floor.beats_heard(quiet_s + 1.0)
    return {
        "minions": minions,
        "beat_interval_s": interval_s,
        "seconds": round(took_s, 1),
        "floor_beats": beats,
        **{f"{name}_cpu_percent": round(100 * each / took_s, 1) for name, each in used.items()},
        "master/floor_cpu": round(used["master"] / max(used["floor"], 0.01), 1),
        **{
            f"{name}_bytes_each_minute": round(each / minions / took_s * 60)
            for name, each in moved.items()
        },
        **{f"{name}_pss_mb": each for name, each in memory.items()},
    }


if __name__ == "__main__":
    main(__doc__, measure)
