"""SLS together with what they include: ids that meet, extends, requisites, circles.

Each SLS is compiled as if it were applied alone, and the SLS of each target of the top file
together, all for one kind of host after another. A requisite is missing only if it is found in none
of these, for no kind of host.
"""

import copy
import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from limpet.states.compiler.chunks import Low, TooManyChunks, make_chunks, tag_of
from limpet.states.compiler.declarations import High, declare, number
from limpet.states.compiler.extending import (
    apply_exclusions,
    apply_extensions,
    apply_in_requisites,
)
from limpet.states.compiler.graph import Graph
from limpet.states.compiler.highstate import FIRST_ORDER, absolute_sls
from limpet.states.compiler.keywords import IN_REQUISITES, REQUISITES
from limpet.states.lint.checks.requisite_use import RequisiteUse
from limpet.states.lint.findings import Report, meant
from limpet.states.lint.tree.view import View, Written
from limpet.states.lint.unknown import MARK, is_unknown
from limpet.states.sls.names import SlsNames

CYCLES_MAX = 10
Key = tuple[str, str]
"""Environment and name of an SLS."""


class Closures:
    """The SLS of a tree for one kind of host."""

    def __init__(
        self,
        views: Mapping[Key, View],
        names: SlsNames,
        environments: Sequence[str],
        report: Report,
        requisites: RequisiteUse,
        is_elsewhere: Callable[[str], bool],
    ) -> None:
        """Take the views; `is_elsewhere` says whether a path is of another formula."""
        self._is_elsewhere = is_elsewhere
        self._views = views
        self._names = names
        self._environments = environments
        self._report = report
        self._requisites = requisites
        self._told_cycles: set[frozenset[str]] = set()

    def roots(self, most: int = 150) -> list[Key]:
        """Choose which SLS are compiled alone: all, or those that no other includes."""
        if len(self._views) <= most:
            return list(self._views)
        included = {key for view in self._views.values() for key, _ in self._included(view)}
        return [key for key in self._views if key not in included]

    def check(self, wanted: Sequence[Key]) -> set[str]:
        """Compile some SLS together with all that they include; give the names of all."""
        order: list[View] = []
        unclear = [False]
        done: set[Key] = set()
        for key in wanted:
            self._gather(key, done, order, unclear)
        high, is_unclear = self._merged(order)
        self._judge(order, high, is_unclear or unclear[0], unclear[0])
        return {view.sls for view in order}

    def _gather(self, key: Key, done: set[Key], order: list[View], unclear: list[bool]) -> None:
        """Walk the includes; what is included stands before what includes it."""
        pending = [(key, False)]
        while pending:
            here, is_left = pending.pop()
            view = self._views.get(here)
            if view is None:
                continue
            if is_left:
                order.append(view)
                continue
            if here in done:
                continue
            done.add(here)
            pending.append((here, True))
            for included, is_known in reversed(list(self._included(view))):
                if not is_known:
                    unclear[0] = True
                elif included not in done:
                    pending.append((included, False))

    def _included(self, view: View) -> Iterable[tuple[Key, bool]]:
        """Give the SLS that one includes; tell of those that are not there."""
        data = view.data
        listed = data.get("include") if isinstance(data, dict) else None
        for place, each in enumerate(listed if isinstance(listed, list) else ()):
            environment, wanted = view.environment, each
            if isinstance(each, dict) and each:
                environment, wanted = list(each.items())[-1]
            if is_unknown([environment, wanted]):
                yield (str(environment), str(wanted)), False
                continue
            if not isinstance(wanted, str):
                continue
            path = ("include", place)
            if environment not in self._environments and environment != "_xenv":
                view.tell(
                    "unknown-environment",
                    f"there is no environment '{environment}'",
                    path,
                    hint=meant(str(environment), self._environments),
                )
                continue
            absolute = absolute_sls(wanted, view.sls, view.path)
            if absolute is None:
                view.tell("missing-include", f"'{wanted}' leads above the root", path)
                continue
            for chosen in self._environments if environment == "_xenv" else [environment]:
                found = fnmatch.filter(self._names.available(chosen), absolute)
                if found:
                    yield from (((chosen, sls), True) for sls in found)
                    break
            else:
                if self._is_elsewhere(absolute.replace(".", "/")):
                    yield (str(environment), absolute), False
                    continue
                available = self._names.available(view.environment)
                view.tell(
                    "missing-include",
                    f"there is no SLS '{absolute}'",
                    path,
                    hint=meant(absolute, available),
                    is_hint=not view.is_primary and "{{" in view.written_at(path),
                )

    def _merged(self, order: Sequence[View]) -> tuple[High, bool]:
        """Make one body of high data; tell of ids that stand in two SLS."""
        high: High = {}
        owners: dict[str, View] = {}
        next_number = FIRST_ORDER
        is_unclear = False
        for view in order:
            if view.rendered.is_opaque or view.rendered.error is not None:
                is_unclear = True
                continue
            if not isinstance(view.data, dict):
                continue
            data = copy.deepcopy(view.data)
            extensions = data.get("extend")
            for name in view.bad_ids:
                data.pop(name, None)
                if isinstance(extensions, dict):
                    extensions.pop(name, None)
            made, _, _ = declare(data, view.sls, view.environment)
            next_number = number(made, next_number)
            for key in ("__extend__", "__exclude__"):
                if key in made:
                    high.setdefault(key, []).extend(made.pop(key))
            for name, body in made.items():
                if not isinstance(name, str) or not isinstance(body, dict):
                    continue
                if MARK in name:
                    is_unclear = True
                known = owners.get(name)
                if known is not None and known is not view and not is_unknown([high[name], body]):
                    line, _ = known.place((name,))
                    view.tell(
                        "duplicate-id",
                        f"the id '{name}' stands in the SLS '{known.sls}' too "
                        f"({known.file}:{line})",
                        (name,),
                        is_hint=not view.is_primary,
                    )
                high[name] = body
                owners[name] = view
        return high, is_unclear

    def _judge(
        self, order: Sequence[View], high: High, is_unclear: bool, unclear_include: bool
    ) -> None:
        self._extensions(order, high, is_unclear)
        self._exclusions(order, high, is_unclear)
        apply_in_requisites(high)
        apply_exclusions(high)
        try:
            chunks = make_chunks(high)
        except TooManyChunks as error:
            self._report.add("compile", str(error), order[-1].file if order else "")
            return
        graph = Graph()
        for low in chunks:
            graph.add(low)
        for view in order:
            for written in view.requisites:
                self._requisite(view, written, graph, chunks, order, is_unclear, unclear_include)
        self._cycles(order, graph, chunks)

    def _extensions(self, order: Sequence[View], high: High, is_unclear: bool) -> None:
        for extension in high.pop("__extend__", []):
            high["__extend__"] = [extension]
            errors = apply_extensions(high)
            for wanted, body in extension.items():
                is_bad = any(f"'{wanted}'" in error for error in errors)
                if not is_bad or is_unclear or is_unknown(wanted):
                    continue
                view = next((each for each in order if each.sls == body.get("__sls__")), None)
                if view is not None:
                    known = [each for each in high if isinstance(each, str)]
                    view.tell(
                        "unknown-extend",
                        f"`extend` names '{wanted}', and no SLS included here has such a state",
                        ("extend", wanted),
                        hint=meant(str(wanted), known, 0.7),
                        is_hint=not view.is_primary,
                    )

    def _exclusions(self, order: Sequence[View], high: High, is_unclear: bool) -> None:
        available = {view.sls for view in order}
        for view in order:
            data = view.data
            listed = data.get("exclude") if isinstance(data, dict) else None
            for place, each in enumerate(listed if isinstance(listed, list) else ()):
                key, value = next(iter(each.items())) if isinstance(each, dict) and each else (
                    "sls", each,
                )  # fmt: skip
                if is_unclear or is_unknown(value) or not isinstance(value, str):
                    continue
                known = available if key == "sls" else set(map(str, high))
                if key in ("sls", "id") and not fnmatch.filter(known, value):
                    view.tell(
                        "unknown-exclude",
                        f"`exclude` names the {key} '{value}', which is nowhere here",
                        ("exclude", place),
                        hint=meant(value, known),
                        is_hint=not view.is_primary,
                    )

    def _requisite(
        self,
        view: View,
        written: Written,
        graph: Graph,
        chunks: Sequence[Low],
        order: Sequence[View],
        is_unclear: bool,
        unclear_include: bool,
    ) -> None:
        found = graph.matching(written.module, written.target)
        is_found = found is not None
        if not is_found and written.module == "sls":
            is_found = any(fnmatch.fnmatch(each.sls, written.target) for each in order)
        if not is_found and is_unclear:
            is_found = any(
                MARK in f"{low['name']}{low['__id__']}" and written.module in (low["state"], "id")
                for low in chunks
            ) or any(
                written.target in each.text
                for each in order
                if each.rendered.is_opaque or each.rendered.error is not None
            )
        # What another formula brings, nobody here knows.
        is_found = is_found or unclear_include
        self._requisites.note(view, written, is_found)
        if found and written.kind in REQUISITES and written.module != "sls":
            own = [
                tag_of(low)
                for low in chunks
                if low["__id__"] == written.owner and low["state"] == written.owner_module
            ]
            if set(found) == set(own) and written.kind != "listen":
                view.tell(
                    "self-requisite",
                    f"'{written.owner}' has itself in '{written.kind}'",
                    written.path,
                    is_hint=not view.is_primary,
                )

    def _cycles(self, order: Sequence[View], graph: Graph, chunks: Sequence[Low]) -> None:
        for low in chunks:
            kept = dict(low)
            for kind in REQUISITES:
                if isinstance(low.get(kind), list):
                    kept[kind] = [each for each in low[kind] if self._is_plain(graph, low, each)]
            graph.connect(kept)
        for _ in range(CYCLES_MAX):
            edges = graph.cycle()
            if not edges:
                return
            nodes = frozenset(f"{graph.chunks[each].get('__sls__')} {each}" for each, _, _ in edges)
            first, then, _ = edges[-1]
            if nodes not in self._told_cycles:
                self._told_cycles.add(nodes)
                self._tell_cycle(order, graph, edges)
            graph.after[first].pop(then, None)

    def _is_plain(self, graph: Graph, low: Low, requisite: Any) -> bool:  # noqa: ANN401
        """Say whether a requisite can be followed, and does not mean its own state alone."""
        if isinstance(requisite, str):
            key, value = "id", requisite
        elif isinstance(requisite, dict) and len(requisite) == 1:
            key, value = next(iter(requisite.items()))
        else:
            return False
        if not isinstance(key, str) or not isinstance(value, str):
            return False
        found = graph.matching(key.split(".")[0], value)
        return bool(found) and found != [tag_of(low)]

    def _tell_cycle(
        self, order: Sequence[View], graph: Graph, edges: Sequence[tuple[str, str, str]]
    ) -> None:
        steps = [graph.chunks[first] for first, _, _ in edges]
        names = [f"{low['state']}: {low['__id__']}" for low in steps]
        told = " <- ".join([*names, names[0]])
        for first, then, _ in edges:
            required, waiting = graph.chunks[first], graph.chunks[then]
            for view in order:
                for written in view.requisites:
                    is_own = (
                        written.owner == waiting["__id__"]
                        and written.owner_module == waiting["state"]
                        and written.kind not in IN_REQUISITES
                        and written.target in (required["__id__"], required["name"])
                    )
                    is_handed = (
                        written.kind in IN_REQUISITES
                        and written.owner == required["__id__"]
                        and written.target in (waiting["__id__"], waiting["name"])
                    )
                    if is_own or is_handed:
                        view.tell(
                            "requisite-cycle",
                            f"requisites lead in a circle: {told}",
                            written.path,
                            is_hint=not view.is_primary,
                        )
                        return
        if order:
            self._report.add(
                "requisite-cycle",
                f"requisites lead in a circle: {told}",
                order[-1].file,
                is_hint=not order[-1].is_primary,
            )
