"""The order of low chunks: requisites first, then order numbers among those that are free to run.

A state is placed by its own number, or by the smallest number of those that wait for it where that
is smaller: what must run early draws forward what it needs.
"""

import heapq
from collections.abc import Callable, Sequence
from typing import Any, Final

from limpet.states.compiler.chunks import Low, tag_of
from limpet.states.compiler.graph import Graph, weight

WATCHING: Final = frozenset(
    ("at", "cmd", "etcd", "event", "module", "mount", "pkg", "service", "supervisord", "test")
)
"""State modules that react to a change in what they watch (Salt: they have a `mod_watch`)."""

_LATE: Final = 1_000_000
"""Added to the cap for `order: last` and for negative numbers."""


def order_chunks(
    chunks: Sequence[Low],
    disabled: frozenset[str] = frozenset(),
    can_watch: Callable[[str], bool] = lambda module: module in WATCHING,
) -> tuple[list[Low], list[str], Graph]:
    """Give the chunks in order, errors in Salt's words, and the graph.

    A state that others have in `prereq` stands in the order twice: first for its test run. The
    chunks get their final `order` numbers. `can_watch` says whether a state module reacts to
    changes; `watch` of others becomes `require`.
    """
    graph = Graph()
    errors: list[str] = []
    for low in chunks:
        graph.add(low)
    cap = 1
    for low in chunks:
        if not can_watch(low["state"]):
            _require_watched(low)
        error = graph.connect(low, disabled)
        if error is not None:
            errors.append(error)
            continue
        order = low.get("order")
        if isinstance(order, int) and order > cap - 1 and order > 0:
            cap = order + 100
    nodes = _sorted(graph, cap)
    if nodes is None:
        errors.append(f"Recursive requisites were found: {graph.told_cycle()}")
        return [], errors, graph
    return [graph.chunks[node] for node in nodes], errors, graph


def _require_watched(low: Low) -> None:
    """Have a state whose module cannot react to changes require what it watches."""
    for watched, required in (("watch", "require"), ("watch_any", "require_any")):
        if watched in low:
            low[required] = [*(low.get(required) or ()), *(low.pop(watched) or ())]


def _sorted(graph: Graph, cap: int) -> list[str] | None:
    """Sort the nodes; None where requisites lead in a circle."""
    waiting = {
        node: sum(len(kinds) for kinds in graph.before.get(node, {}).values())
        for node in graph.chunks
    }
    free: list[tuple[Any, str, str]] = []
    for node in graph.chunks:
        if waiting[node] == 0:
            heapq.heappush(free, (_placing(graph, node, cap), _label(graph.chunks[node]), node))
    found: list[str] = []
    while free:
        _, _, node = heapq.heappop(free)
        found.append(node)
        for then, kinds in graph.after.get(node, {}).items():
            waiting[then] -= len(kinds)
            if waiting[then] == 0:
                heapq.heappush(free, (_placing(graph, then, cap), _label(graph.chunks[then]), then))
    return found if len(found) == len(graph.chunks) else None


def _label(low: Low) -> str:
    return f"{low['state']}{low['name']}{low['fun']}"


def _placing(graph: Graph, node: str, cap: int) -> tuple[float, float]:
    """Give what decides when a free node runs, and write its own number into its chunk."""
    low = graph.chunks[node]
    own = _number(low.get("order"), cap)
    place = low.pop("name_order", 0)
    if place:
        own += place / 10_000
    if own < 0:
        own += cap + _LATE
    low["order"] = own
    heaviest = -1
    smallest = float("inf")
    for then, kinds in graph.after.get(node, {}).items():
        for kind in kinds:
            if weight(kind) >= heaviest:
                heaviest = weight(kind)
                waiting = graph.chunks[then]
                number = _number(waiting.get("order"), cap)
                waiting["order"] = number
                smallest = min(smallest, number)
    return min(own, smallest), own


def _number(order: Any, cap: int) -> Any:  # noqa: ANN401
    """Give an order as a number: `first`, `last`, a number, or nothing that is understood."""
    if isinstance(order, int | float):
        return order
    if order == "last":
        return cap + _LATE
    return 0 if order == "first" else cap


def tags(chunks: Sequence[Low]) -> list[str]:
    """Give the keys under which the results of these chunks will stand."""
    return [tag_of(low) for low in chunks]
