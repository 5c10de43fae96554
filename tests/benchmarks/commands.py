"""What a user waits for at a terminal, and what a real minion costs, with ten of them.

    python tests/benchmarks/commands.py --rounds 10

Whole processes of `limpet run`, beside the start of a Python that imports click and does nothing.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.measuring import (
    Figures,
    Options,
    Place,
    in_turns,
    main,
    pss_mb,
    spread,
    timed,
    tree,
)
from benchmarks.swarm_side import lasting_ports

from limpet import Client
from support.master.fleet import Fleet

MINIONS: Final = 10
SETTLE_S: Final = 12.0
"""Grains are collected, helpers have ended."""


def measure(place: Place, options: Options) -> Figures:
    """Measure."""
    folder = place.folder / "commands"
    folder.mkdir(exist_ok=True)
    fleet = lasting_ports(Fleet(folder, minions=MINIONS))
    with fleet:
        time.sleep(SETTLE_S)
        minions = [pss_mb(tree(node.pid)) for node in fleet.minions.values()]
        master = pss_mb(tree(fleet.master.pid))
        return {
            "commands": {
                "minions": MINIONS,
                "minion_pss_mb": spread(minions),
                "master_pss_mb": master,
                "s": in_turns(
                    options.rounds,
                    {
                        "python": lambda: timed(
                            lambda: subprocess.run(
                                [sys.executable, "-c", "import click"], check=True
                            )
                        ),
                        "ping_one": lambda: command(fleet, "run", "web1", "test.ping"),
                        "ping_all": lambda: command(fleet, "run", "*", "test.ping"),
                        "status": lambda: command(fleet, "status"),
                    },
                    over=("python",),
                ),
                "minion_start_to_answer_s": spread(
                    [start_to_answer(fleet) for _ in range(options.rounds)]
                ),
            }
        }


def command(fleet: Fleet, *words: str) -> float:
    """Run a command that has to go well; gives seconds."""

    def act() -> None:
        done = fleet.limpet(*words)
        assert done.returncode == 0, done.stderr

    return timed(act)


def start_to_answer(fleet: Fleet) -> float:
    """Start a minion with a known key, and give the seconds until it has answered."""
    node = fleet.minions["web1"]
    node.stop()

    def act() -> None:
        node.start()
        with Client(root=str(fleet.master.root)) as client:
            while client.run("web1", "test.ping", timeout_s=5).minions["web1"].status != "ok":
                time.sleep(0.005)

    return timed(act)


if __name__ == "__main__":
    main(__doc__, measure)
