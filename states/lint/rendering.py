"""Rendering for lint: as for a run, but that each line of the result knows where it came from.

The compiled template of an SLS is given marks (`placed.mark`) in the text that stands outside of
macros and captured blocks; they are taken out before the text is read as YAML.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, Final

import jinja2
from jinja2 import nodes

from limpet.states.fileroots.port import FileRoots
from limpet.states.lint.tree.placed import LineMap, PlacedDocument, mark, read_placed, unmarked
from limpet.states.lint.unknown import default, is_defined
from limpet.states.sls.errors import RenderError
from limpet.states.sls.jinja.environment import Compiled
from limpet.states.sls.jinja.rendering import TemplateSettings
from limpet.states.sls.limits import Limits
from limpet.states.sls.renderers import DEFAULT, Renderers
from limpet.states.sls.renderers.call import Call, Render
from limpet.states.sls.renderers.registry import find
from limpet.states.sls.surroundings import Surroundings
from limpet.states.sls.yaml_source import Document

LIMITS: Final = Limits(seconds=3.0)


class Opaque(RenderError):
    """A file that lint does not render: it is a program, or a renderer is missing."""


@dataclass(slots=True)
class Rendered:
    """What came of one file for one kind of host."""

    document: PlacedDocument = field(default_factory=PlacedDocument)
    lines: LineMap = field(default_factory=lambda: LineMap([]))
    error: RenderError | None = None
    is_yaml_error: bool = False
    is_opaque: bool = False
    """Nobody knows what it would render to."""


class MarkingCompiled(Compiled):
    """Compiles templates; that of one file with marks for its lines."""

    def __init__(self) -> None:
        super().__init__()
        self.marked_path = ""
        self.is_for_lint = False
        """Values may be unknown."""
        self._marked: dict[tuple[str, str], CodeType] = {}

    def code(
        self, environment: jinja2.Environment, text: str, name: str | None, real_path: str
    ) -> CodeType:
        """Compile a template. Raises `TemplateSyntaxError`."""
        if self.is_for_lint:
            _let_ask_for_unknown(environment)
        if real_path != self.marked_path:
            return super().code(environment, text, name, real_path)
        key = (real_path, f"{getattr(environment, 'options_text', '')}\0{text}")
        if key not in self._marked:
            tree = environment.parse(text, name, real_path)
            _mark_lines(tree.body)
            self._marked[key] = environment.compile(tree, name, real_path)
        return self._marked[key]


def _let_ask_for_unknown(environment: jinja2.Environment) -> None:
    """Have what lint does not know count as undefined where a template asks for that."""
    environment.tests["defined"] = is_defined
    environment.tests["undefined"] = lambda value: not is_defined(value)
    environment.filters["default"] = environment.filters["d"] = default


def _mark_lines(body: Sequence[nodes.Node]) -> None:
    """Put marks into the text of a template's own output."""
    for node in body:
        if isinstance(node, nodes.Output):
            for child in node.nodes:
                if isinstance(child, nodes.TemplateData):
                    child.data = _marked(child.data, child.lineno)
        elif isinstance(node, nodes.If):
            _mark_lines(node.body)
            _mark_lines(node.else_)
            _mark_lines(node.elif_)
        elif isinstance(node, nodes.For):
            _mark_lines(node.body)
            _mark_lines(node.else_)
        elif isinstance(node, nodes.With | nodes.Scope):
            _mark_lines(node.body)


def _marked(text: str, line: int) -> str:
    return "\n".join(mark(number) + each for number, each in enumerate(text.split("\n"), line))


class RecordingRenderers(Renderers):
    """Renders as a run does, and keeps the places of what it has rendered, by file."""

    def __init__(self, roots: FileRoots, surroundings: Surroundings, **settings: Any) -> None:  # noqa: ANN401
        self._marking = settings.pop("marking", None) or MarkingCompiled()
        super().__init__(roots, surroundings, compiled=self._marking, **settings)
        self.records: dict[str, Rendered] = {}
        self.texts: dict[str, str] = {}

    def record_of(self, real_path: str) -> Rendered:
        """Give what is known of a file, from its first step on."""
        return self.records.setdefault(real_path, Rendered())

    def text(
        self,
        text: str,
        environment: str,
        sls: str,
        real_path: str,
        *,
        pipe: str | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> Document:
        """Render a text, as `Renderers.text`. Raises `RenderError`."""
        self.records[real_path] = Rendered(lines=unmarked(text, text)[1])
        self.texts[real_path] = text
        try:
            return super().text(text, environment, sls, real_path, pipe=pipe, variables=variables)
        finally:
            self._marking.marked_path = ""

    def _renderer(self, name: str) -> Render:
        """Give a renderer; of templates and of YAML those that keep the places."""
        own: dict[str, Render] = {"jinja": self._jinja, "yaml": self._read_yaml}
        return own.get(name) or super()._renderer(name)

    def _jinja(self, found: Any, call: Call) -> str:  # noqa: ANN401
        self._marking.marked_path = call.real_path
        made = find("jinja")(found, call)
        plain, self.record_of(call.real_path).lines = unmarked(made, call.text)
        return plain

    def _read_yaml(self, found: Any, call: Call) -> Document:  # noqa: ANN401
        document: Document = find("yaml")(found, call)
        self.record_of(call.real_path).document = read_placed(str(found), call.real_path)
        return document


class LintRenderers(RecordingRenderers):
    """Renders SLS for one kind of host, in less time, and runs no Python of the tree's."""

    def __init__(
        self,
        roots: FileRoots,
        surroundings: Surroundings,
        *,
        marking: MarkingCompiled,
        default: str = DEFAULT,
        sls_settings: TemplateSettings | None = None,
        file_settings: TemplateSettings | None = None,
    ) -> None:
        super().__init__(
            roots,
            surroundings,
            marking=marking,
            default=default,
            sls_settings=sls_settings,
            file_settings=file_settings,
            allowed=LIMITS,
        )
        self._marking.is_for_lint = True

    def rendered(self, text: str, environment: str, sls: str, real_path: str) -> Rendered:
        """Render a text; never raises for what is wrong with it."""
        now = Rendered()
        try:
            document = self.text(text, environment, sls, real_path)
            now = self.records.pop(real_path)
            if not now.document.keys:
                now.document.data = document.data
        except Opaque:
            now.is_opaque = True
        except RenderError as error:
            now = self.records.pop(real_path, now)
            now.error = error
        finally:
            self._allowance.is_used_up = False
        return now

    def _renderer(self, name: str) -> Render:
        return self._no_python if name == "py" else super()._renderer(name)

    def _read_yaml(self, found: Any, call: Call) -> Document:  # noqa: ANN401
        now = self.record_of(call.real_path)
        now.is_yaml_error = True
        now.document = read_placed(str(found), call.real_path)
        now.is_yaml_error = False
        return Document(now.document.data or {})

    def _no_python(self, found: Any, call: Call) -> Any:  # noqa: ANN401
        raise Opaque("lint does not run Python", call.real_path)
