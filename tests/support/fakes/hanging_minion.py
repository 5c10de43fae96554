"""`python tests/support/fakes/hanging_minion.py ROOT`: a minion that can hang its loop.

The watchdog has a limit of one second instead of thirty. What it starts afresh is the real minion.
"""

import sys
import time
from typing import Any

from limpet.minion.process.loop import run
from limpet.minion.process.plan import hand_over
from limpet.minion.process.startup import make_plan
from limpet.states.functions.instant import INSTANT


def hang(positional: list[Any], keyword: dict[str, Any]) -> None:
    """Hold the loop for ever."""
    time.sleep(100_000)


if __name__ == "__main__":
    plan = make_plan(sys.argv[1], {})
    sys.exit(run(hand_over(plan), limit_s=1.0, instant={**INSTANT, "test.hang": hang}))
