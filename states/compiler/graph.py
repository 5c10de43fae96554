"""Which state waits for which: the graph of requisites.

A node is a state, by its tag, or the test run of one before those that have it in `prereq`. An edge
leads from what is required to what requires it, and knows the kind of requisite.
"""

import fnmatch
from typing import Any, Final

from limpet.states.compiler.chunks import Low, tag_of
from limpet.states.compiler.keywords import WEIGHTS

_ORDERED: Final = (
    "require",
    "require_any",
    "watch",
    "watch_any",
    "prereq",
    "onfail",
    "onfail_any",
    "onfail_all",
    "onchanges",
    "onchanges_any",
)
"""The requisites that decide an order, in which they are looked at."""
_TEST: Final = "_|-__prereq_test__"

Edges = dict[str, dict[str, dict[str, None]]]


class Graph:
    """The states of one run and their requisites."""

    def __init__(self) -> None:
        self.chunks: dict[str, Low] = {}
        """The chunk of each node; a test run has that of its state."""
        self.after: Edges = {}
        """node -> nodes that wait for it -> kinds."""
        self.before: Edges = {}
        """node -> nodes that it waits for -> kinds."""
        self._by_name: dict[tuple[str, Any], dict[str, None]] = {}
        self._by_sls: dict[str, dict[str, None]] = {}

    def add(self, low: Low) -> None:
        """Add a state, to be found by id, by name and by its SLS and those that include it."""
        node = tag_of(low)
        self.chunks[node] = low
        for key in (
            (low["state"], low["name"]),
            (low["state"], low["__id__"]),
            ("id", low["__id__"]),
            ("id", low["name"]),
        ):
            self._by_name.setdefault(key, {})[node] = None
        for sls in (low.get("__sls__"), *low.get("__sls_included_from__", ())):
            if sls:
                self._by_sls.setdefault(sls, {})[node] = None

    def connect(self, low: Low, disabled: frozenset[str] = frozenset()) -> str | None:
        """Add the edges of a state's requisites; an error in Salt's words, or None."""
        for kind in _ORDERED:
            if kind in disabled:
                continue
            for each in low.get(kind) or ():
                error = self._connect_one(low, kind, each)
                if error is not None:
                    return error
        return None

    def _connect_one(self, low: Low, kind: str, requisite: Any) -> str | None:  # noqa: ANN401
        key, value = _key_and_value(requisite)
        if value is None:
            return None
        if not isinstance(value, str):
            return (
                f"Requisite [{kind}: {key}] in state [{low['name']}] in SLS [{low.get('__sls__')}]"
                " must have a string as the value"
            )
        found = self.matching(key, value)
        if found is None:
            return (
                f"Referenced state does not exist for requisite [{kind}: ({key}: {value})] in "
                f"state [{low['name']}] in SLS [{low.get('__sls__')}]"
            )
        for node in found:
            if kind == "prereq":
                self._add_prereq(tag_of(low), node)
            else:
                self._add_requisite(tag_of(low), node, kind)
        return None

    def matching(self, key: str, value: str) -> list[str] | None:
        """Give the nodes that a requisite means; None where there is none."""
        is_pattern = any(mark in value for mark in "*?[]")
        if key == "sls":
            if not is_pattern:
                return list(self._by_sls.get(value, ())) or None
            return [
                node
                for sls, nodes in self._by_sls.items()
                if fnmatch.fnmatch(sls, value)
                for node in nodes
            ]
        if not is_pattern:
            return list(self._by_name.get((key, value), ())) or None
        matching = [
            node
            for (module, name), nodes in self._by_name.items()
            if module == key and isinstance(name, str) and fnmatch.fnmatch(name, value)
            for node in nodes
        ]
        return matching or None

    def _edge(self, first: str, then: str, kind: str) -> None:
        self.after.setdefault(first, {}).setdefault(then, {})[kind] = None
        self.before.setdefault(then, {}).setdefault(first, {})[kind] = None

    def _add_requisite(self, node: str, required: str, kind: str) -> None:
        if self.chunks[node].get("__prereq__"):
            self._edge(required, node + _TEST, kind)
        self._edge(required, node, kind)

    def _add_prereq(self, node: str, checked: str) -> None:
        """Have `checked` tried before `node` and run after it; what it waits for comes before."""
        self.chunks[node]["__prerequiring__"] = True
        self.chunks[checked]["__prereq__"] = True
        test = checked + _TEST
        if test not in self.chunks:
            self.chunks[test] = self.chunks[checked]
            for first, kinds in list(self.before.get(checked, {}).items()):
                for kind in list(kinds):
                    if kind != "prereq":
                        self._edge(first, test, kind)
        self._edge(test, node, "prereq")
        self._edge(node, checked, "require")
        if node + _TEST in self.chunks:
            self._edge(test, node + _TEST, "prereq")

    def cycle(self) -> list[tuple[str, str, str]]:
        """Give the edges of one cycle as (first, then, kind), in the order of the walk, or none."""
        finished: set[str] = set()
        for root in self.chunks:
            if root in finished:
                continue
            found = self._cycle_from(root, finished)
            if found:
                return found
        return []

    def _cycle_from(self, root: str, finished: set[str]) -> list[tuple[str, str, str]]:
        way: list[tuple[str, str, str]] = []
        above = {root}
        walks = [iter(list(self.after.get(root, {}).items()))]
        here = root
        while walks:
            step = next(walks[-1], None)
            if step is None:
                walks.pop()
                above.discard(here)
                finished.add(here)
                if way:
                    here = way.pop()[0]
                continue
            then, kinds = step
            edge = (here, then, next(iter(kinds)))
            if then in above:
                start = next((i for i, each in enumerate(way) if each[0] == then), len(way))
                return [*way[start:], edge]
            if then not in finished:
                way.append(edge)
                above.add(then)
                walks.append(iter(list(self.after.get(then, {}).items())))
                here = then
        return []

    def told_cycle(self) -> str:
        """Tell one cycle in Salt's words."""
        parts = []
        for first, then, kind in self.cycle():
            waiting = self.chunks[then]
            told = "prereq" if kind == "require" and "require" not in waiting else kind
            parts.append(f"({_shown(waiting)}, '{told}', {_shown(self.chunks[first])})")
        return ", ".join(parts)


def _shown(low: Low) -> str:
    shown = {"SLS": low.get("__sls__"), "ID": low["__id__"]}
    if low["__id__"] != low["name"]:
        shown["NAME"] = low["name"]
    return str(shown)


def _key_and_value(requisite: Any) -> tuple[str, Any]:  # noqa: ANN401
    """Take a requisite apart; a bare text means an id, and a module may be written with a dot."""
    if isinstance(requisite, str):
        return "id", requisite
    key, value = next(iter(requisite.items()))
    return str(key).split(".")[0], value


def weight(kind: str) -> int:
    """Give how much a kind of requisite counts in placing a state."""
    return WEIGHTS[kind]
