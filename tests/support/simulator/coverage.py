"""Which event met which state, and how often: the proof that a batch of seeds looked everywhere."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

Pairs = Counter[tuple[str, str]]
Core = Any
StateOf = Callable[[Any, tuple[Any, ...]], str]


class Counted:
    """Stands before a core and counts each event together with the state that it met."""

    def __init__(self, core: Core, pairs: Pairs, state_of: StateOf) -> None:
        self._core = core
        self._pairs = pairs
        self._state_of = state_of

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        found = getattr(self._core, name)
        if not name.startswith("on_"):
            return found

        def counted(*arguments: Any) -> Any:  # noqa: ANN401
            event = name.removeprefix("on_")
            if name == "on_message":
                event = type(arguments[-1]).__name__
            elif name == "on_link":
                event = f"link {arguments[-1]}"
            elif name == "on_request":
                event = type(arguments[-1]).__name__
            self._pairs[(self._state_of(self._core, arguments), event)] += 1
            return found(*arguments)

        return counted


def table(pairs: Pairs) -> str:
    """Print the counts: events down, states across."""
    states = sorted({state for state, _ in pairs})
    events = sorted({event for _, event in pairs})
    width = max((len(event) for event in events), default=5)
    head = " " * width + "".join(f"{state[:11]:>12}" for state in states)
    lines = [head]
    for event in events:
        cells = "".join(f"{pairs.get((state, event), 0) or '·':>12}" for state in states)
        lines.append(f"{event:<{width}}{cells}")
    return "\n".join(lines)


def rare(pairs: Pairs, expected: Iterable[tuple[str, str]], least: int = 10) -> list[str]:
    """Name the pairs that were met fewer than `least` times."""
    return [
        f"{state} with {event}: {pairs.get((state, event), 0)}"
        for state, event in expected
        if pairs.get((state, event), 0) < least
    ]
