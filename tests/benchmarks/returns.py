"""Large answers: a return of 1 MB from each, which the master has on its disk before it says so.

    python tests/benchmarks/returns.py --minions 1000 --rounds 5

From at most a hundred of the N minions: each round leaves what it brought in the store. The floor
throws it away.
"""

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.floor import Floor
from benchmarks.measuring import Figures, Options, Place, in_turns, main, timed
from benchmarks.swarm_side import PATIENCE_S, SwarmSide

BYTES: Final = 1_000_000
MINIONS_MAX: Final = 100
PREFIX: Final = "large-"


def measure(place: Place, options: Options) -> Figures:
    """Measure."""
    minions = min(options.minions, MINIONS_MAX)
    with (
        SwarmSide(place, options.minions) as limpet,
        Floor(minions) as floor,
        limpet.client() as client,
    ):
        limpet.add(minions, PREFIX, "--return-bytes", str(BYTES))

        def all_return() -> None:
            found = client.run(f"{PREFIX}*", "cmd.run", "cat", timeout_s=PATIENCE_S).minions
            got = [len(each.value or "") for each in found.values() if each.status == "ok"]
            assert got == [BYTES] * minions, (len(got), minions)

        figures = in_turns(
            options.rounds,
            {"floor": lambda: floor.returns(BYTES), "limpet": lambda: timed(all_return)},
        )
    each = figures["limpet"]["median"]
    rate = round(minions * BYTES / each / 1e6, 1)
    return {"return_1mb": {"minions": minions, "s": figures, "limpet_mb_per_s": rate}}


if __name__ == "__main__":
    main(__doc__, measure)
