"""What a piece of code costs, in steps and not in time."""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median_low
from types import FrameType
from typing import Any, Final, NamedTuple

from support.counting.containers import Passed

_TESTS: Final = str(Path(__file__).resolve().parents[2])


class Cost(NamedTuple):
    """Steps of one run."""

    calls: int
    """Of Python functions; each turn of a generator counts."""
    lines: int
    """Lines of Python run; each turn of a loop or comprehension counts."""
    c_calls: int
    entries: int
    """Entries of instrumented containers gone over."""

    def exceeds(self, other: "Cost", *, share: float, besides: int) -> bool:
        """Say whether any of it is more than the other's, and a share of it, and so many more."""
        return any(
            mine > theirs * (1 + share) + besides for mine, theirs in zip(self, other, strict=True)
        )


def cost_of(act: Callable[[], object]) -> Cost:
    """Run it and count what the product does; what tests do themselves is left out."""
    calls = lines = c_calls = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401
        nonlocal calls, lines
        if frame.f_code.co_filename.startswith(_TESTS):
            return None
        if event == "call":
            calls += 1
        elif event == "line":
            lines += 1
        return trace

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal c_calls
        if event == "c_call" and not frame.f_code.co_filename.startswith(_TESTS):
            c_calls += 1

    before = Passed.count
    traced, profiled = sys.gettrace(), sys.getprofile()
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(profiled)
        sys.settrace(traced)
    return Cost(calls, lines, c_calls, Passed.count - before)


def typical(costs: list[Cost]) -> Cost:
    """Give the median of each part: a sweep that is due once in many messages does not count."""
    return Cost(*(median_low(part) for part in zip(*costs, strict=True)))
