"""The plan of a compilation: what would run, in which order, and why; nothing is run.

The data is what `state.plan` gives, plain enough for the wire.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from limpet.common.errors import LimpetError
from limpet.states.compiler.chunks import Low, tag_of
from limpet.states.compiler.compile import Compilation, Lowstate
from limpet.states.compiler.highstate import FIRST_ORDER
from limpet.states.lint.checks.declarations import Declarations
from limpet.states.lint.checks.sources import Sources
from limpet.states.lint.findings import Finding, Report
from limpet.states.lint.rendering import RecordingRenderers, Rendered
from limpet.states.lint.tree.names import known_in
from limpet.states.lint.tree.view import View

_CONDITIONS: Final = ("unless", "onlyif", "creates", "check_cmd", "retry", "failhard")
_LATER: Final = ("listen", "listen_in")
"""Requisites that decide no order: what they name reacts after all others."""
_PREVIEW: Final = "_|-__prereq_test__"


def plan_of(compilation: Compilation, sls: Sequence[str], exclude: Sequence[Any]) -> dict[str, Any]:
    """Compile the named SLS, or without names what the top file has; give the plan.

    `chunks` in their order, `errors` (then there are no chunks), `findings` as those of lint.
    """
    compilation.renderers_kind = RecordingRenderers
    pillar_errors = list(compilation.pillar.errors)
    if pillar_errors:
        return {"errors": pillar_errors, "chunks": [], "findings": []}
    if sls:
        low = compilation.low_of_sls(sls, exclude=exclude)
    else:
        low = compilation.low_of_top(exclude=exclude)
    planning = _Planning(compilation, low)
    findings = planning.findings()
    return {
        "errors": list(low.errors),
        "chunks": [] if low.errors else planning.chunks(),
        "findings": [_as_data(each) for each in findings],
    }


class _Planning:
    """One compilation on its way into data."""

    def __init__(self, compilation: Compilation, low: Lowstate) -> None:
        self._compilation = compilation
        self._low = low
        renderers = compilation.renderers
        assert isinstance(renderers, RecordingRenderers)
        self._renderers = renderers
        self._views: dict[str, View] = {}
        self._report = Report()
        for name, path in low.highstate.files.items():
            environment, _, sls = name.partition(":")
            inside = path
            for root in sorted(self._roots_of(environment), key=len, reverse=True):
                if path.startswith(f"{root.rstrip('/')}/"):
                    inside = path[len(root.rstrip("/")) + 1 :]
                    break
            self._views[name] = View(
                path,
                inside,
                sls,
                environment,
                renderers.texts.get(path, ""),
                renderers.records.get(path, Rendered()),
                self._report,
            )

    def _roots_of(self, environment: str) -> list[str]:
        options: Any = self._renderers.surroundings.options.get("file_roots") or {}
        return [str(each) for each in options.get(environment, ())]

    def findings(self) -> list[Finding]:
        """Judge what was compiled as lint does; the values are this host's own."""
        roots = self._compilation.minion.file_roots
        known, sources = known_in(roots), Sources(roots)
        for view in self._views.values():
            Declarations(view, known, sources).check()
        return self._report.findings()

    def chunks(self) -> list[dict[str, Any]]:
        """Give the states in their order."""
        numbers: dict[str, int] = {}
        found: list[dict[str, Any]] = []
        for low in self._low.chunks:
            tag = tag_of(low)
            if tag in numbers:  # a state that others have in `prereq` stands there twice
                continue
            numbers[tag] = len(found) + 1
            found.append(self._chunk(low, tag, len(found) + 1))
        for each in found:
            each["why"] = self._why(each, numbers)
        return found

    def _chunk(self, low: Low, tag: str, position: int) -> dict[str, Any]:
        file, line = self._place(low)
        return {
            "position": position,
            "tag": tag,
            "id": low["__id__"],
            "name": low["name"],
            "function": f"{low['state']}.{low['fun']}",
            "sls": low.get("__sls__"),
            "environment": low.get("__env__"),
            "file": file,
            "line": line,
            "order": low.get("order"),
            "requisites": self._requisites(low, tag),
            "parallel": bool(low.get("parallel")),
            "conditions": {key: low[key] for key in _CONDITIONS if key in low},
        }

    def _place(self, low: Low) -> tuple[str | None, int | None]:
        view = self._views.get(f"{low.get('__env__')}:{low.get('__sls__')}")
        if view is None:
            return None, None
        name, module = low["__id__"], low["state"]
        for key in (f"{module}.{low['fun']}", module):
            if (name, key) in view.rendered.document.keys:
                return view.file, view.place((name, key))[0]
        return view.file, view.place((name,))[0]

    def _requisites(self, low: Low, tag: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for first, kinds in self._low.graph.before.get(tag, {}).items():
            for kind in kinds:
                found.setdefault(kind, []).append(first.removesuffix(_PREVIEW))
        for kind in _LATER:
            for each in low.get(kind) or ():
                module, name = (
                    ("id", each) if isinstance(each, str) else next(iter(each.items()), ("id", ""))
                )
                tags = self._low.graph.matching(str(module), str(name)) or []
                found.setdefault(kind, []).extend(tags)
        return found

    def _why(self, chunk: Mapping[str, Any], numbers: Mapping[str, int]) -> list[str]:
        """Say why a state stands where it stands."""
        found: list[str] = []
        for kind, tags in chunk["requisites"].items():
            if kind in _LATER:
                continue
            for tag in tags:
                if tag in numbers and tag != chunk["tag"]:
                    found.append(f"after {numbers[tag]} ({kind})")
        found.append(self._order_told(chunk))
        drawn = self._drawn_by(chunk, numbers)
        if drawn:
            found.append(drawn)
        return found

    def _order_told(self, chunk: Mapping[str, Any]) -> str:
        wanted = self._written_order(chunk)
        if wanted is not None and (isinstance(wanted, str) or wanted < FIRST_ORDER):
            return f"order: {wanted}"
        order = chunk["order"]
        if isinstance(order, int | float) and order >= FIRST_ORDER:
            return f"declared as number {int(order) - FIRST_ORDER + 1}"
        return f"order: {order}"

    def _written_order(self, chunk: Mapping[str, Any]) -> Any:  # noqa: ANN401
        body = self._low.highstate.high.get(chunk["id"])
        module = str(chunk["function"]).partition(".")[0]
        arguments = body.get(module) if isinstance(body, dict) else None
        for each in arguments if isinstance(arguments, list) else ():
            if isinstance(each, dict) and isinstance(each.get("order"), int | float | str):
                return each["order"]
        return None

    def _drawn_by(self, chunk: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
        """Name the state that draws this one forward, because it needs it early."""
        own = chunk["order"]
        graph = self._low.graph
        early = [
            (graph.chunks[then].get("order"), then.removesuffix(_PREVIEW))
            for then in graph.after.get(str(chunk["tag"]), {})
        ]
        smaller = [
            (order, tag)
            for order, tag in early
            if isinstance(order, int | float) and isinstance(own, int | float) and order < own
        ]
        if not smaller:
            return ""
        _, tag = min(smaller)
        return f"before {numbers[tag]}, which needs it" if tag in numbers else ""


def _as_data(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in Finding.__dataclass_fields__}


def dot_of(plan: Mapping[str, Any], name: str) -> str:
    """Give a plan as a graph in the language of Graphviz."""
    lines = [f"digraph {_quoted(name)} {{", "  rankdir=LR;", "  node [shape=box];"]
    for chunk in plan.get("chunks") or ():
        label = f"{chunk['position']}. {chunk['function']}\\n{_escaped(str(chunk['name']))}"
        lines.append(f'  {_quoted(chunk["tag"])} [label="{label}"];')
    for chunk in plan.get("chunks") or ():
        for kind, tags in chunk["requisites"].items():
            style = ", style=dashed" if kind in _LATER else ""
            for tag in tags:
                lines.append(
                    f'  {_quoted(tag)} -> {_quoted(chunk["tag"])} [label="{kind}"{style}];'
                )
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def plan_for(
    compilation: Compilation, sls: Sequence[str], exclude: Sequence[Any]
) -> dict[str, Any]:
    """Give the plan; what ends the compilation at once stands among its errors."""
    try:
        return plan_of(compilation, sls, exclude)
    except LimpetError as error:
        return {"errors": [str(error)], "chunks": [], "findings": []}
