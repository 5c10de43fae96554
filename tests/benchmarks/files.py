"""Files and pillar: one large file to a few, a small one to N, pillar to N.

    python tests/benchmarks/files.py --minions 1000 --rounds 5 --megabytes 100

The minions are a swarm's: they ask as real ones do, piece by piece, hash what comes, and throw it
away. Each round has a file that nobody has had. The floor sends pieces of half a megabyte, two
under way at a time, and hashes nothing.
"""

import os
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.floor import Floor
from benchmarks.measuring import Figures, Options, Place, in_turns, main, timed
from benchmarks.swarm_side import PATIENCE_S, SwarmSide

from limpet import Client

LARGE_MINIONS: Final = 10
SMALL_BYTES: Final = 1_000_000
LARGE_PREFIX: Final = "fetch-"
PILLAR: Final = "bench:\n" + "".join(f"  key{number}: value {number}\n" for number in range(50))


def measure(place: Place, options: Options) -> Figures:
    """Measure."""
    minions, rounds = options.minions, options.rounds
    few = min(LARGE_MINIONS, minions)
    large_bytes = options.megabytes * 1_000_000
    limpet_side = SwarmSide(place, minions)
    files = prepare(limpet_side)
    with limpet_side as limpet, Floor(minions) as floor, Floor(few) as few_floor:
        limpet.add(few, LARGE_PREFIX)
        with limpet.client() as client:
            large = in_turns(
                rounds,
                {
                    "floor": lambda: few_floor.give_file(large_bytes),
                    "limpet": lambda: fetch(client, files, LARGE_PREFIX, large_bytes, few),
                },
            )
            small = in_turns(
                rounds,
                {
                    "floor": lambda: floor.give_file(SMALL_BYTES),
                    "limpet": lambda: fetch(client, files, "swarm-", SMALL_BYTES, minions),
                },
            )
            pillar = in_turns(
                min(rounds, 2),
                {
                    "floor": lambda: floor.returns(len(PILLAR)),
                    "limpet": lambda: limpet.run_all(client, "pillar.items"),
                },
            )
    return {
        "file_to_few": {
            "minions": few,
            "bytes": large_bytes,
            "s": large,
            **rates(large, few, large_bytes),
        },
        "file_to_all": {"minions": minions, "bytes": SMALL_BYTES, "s": small},
        "pillar": {"minions": minions, "s": pillar, **per_second(pillar, minions)},
    }


def prepare(limpet: SwarmSide) -> Path:
    """Give the master trees of files and pillar before it starts; gives the tree of files."""
    root = limpet.fleet.master.root
    files, pillar = root / "files", root / "pillar"
    for folder in (files, pillar):
        folder.mkdir(exist_ok=True)
    (pillar / "top.sls").write_text("base:\n  '*':\n    - bench\n")
    (pillar / "bench.sls").write_text(PILLAR)
    settings = root / "master.yaml"
    text = settings.read_text()
    if "file_roots" not in text:
        roots = f"file_roots:\n  base: ['{files}']\npillar_roots:\n  base: ['{pillar}']\n"
        settings.write_text(text + roots)
        if limpet.fleet.master.is_running:
            limpet.fleet.master.stop()
    return files


def fetch(client: Client, files: Path, prefix: str, size: int, minions: int) -> float:
    """Have all fetch a file that nobody has had; gives seconds."""
    path = files / "body.bin"
    path.unlink(missing_ok=True)
    path.write_bytes(os.urandom(1_000_000) * (size // 1_000_000))

    def act() -> None:
        call = (f"{prefix}*", "cp.cache_file", f"salt://{path.name}")
        found = client.run(*call, timeout_s=PATIENCE_S).minions
        moved = [each.value["bytes"] for each in found.values() if each.status == "ok"]
        assert moved == [size] * minions, (len(found), moved[:5])

    return timed(act)


def rates(figures: Figures, minions: int, size: int) -> Figures:
    """Say what went out in a second, of all together."""
    return {
        f"{side}_mb_per_s": round(minions * size / 1e6 / figures[side]["median"], 1)
        for side in ("floor", "limpet")
    }


def per_second(figures: Figures, minions: int) -> Figures:
    """Say how many of them were served in a second."""
    return {"limpet_per_s": round(minions / figures["limpet"]["median"], 1)}


if __name__ == "__main__":
    main(__doc__, measure)
