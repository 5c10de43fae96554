"""What can be said of a template without rendering it: its names, filters, tests and functions."""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jinja2
from jinja2 import nodes

from limpet.states.fileroots.port import FileRoots
from limpet.states.lint.findings import Report, meant, near
from limpet.states.lint.tree.names import Known
from limpet.states.lint.tree.profiles import grain_names
from limpet.states.sls.jinja.calls import NoFunctions
from limpet.states.sls.jinja.environment import (
    Compiled,
    Environment,
    Loader,
    header_options,
    make_environment,
)
from limpet.states.sls.jinja.rendering import TemplateSettings
from limpet.states.sls.places import sls_variables

GLOBALS: Final = frozenset(
    (
        "salt", "grains", "pillar", "opts", "saltenv", "env", "sls", "slspath", "slsdotpath",
        "slscolonpath", "sls_path", "tplpath", "tplfile", "tpldir", "tpldot", "tplroot", "source",
        "raise", "show_full_context", "odict", "ifelse", "range", "dict", "lipsum", "cycler",
        "joiner", "namespace", "self", "super", "caller", "varargs", "kwargs", "loop", "name",
        "proxy",
    )
)  # fmt: skip
"""Names that Salt and Jinja give to every template."""
FILE_GLOBALS: Final = GLOBALS | {
    "user",
    "group",
    "mode",
    "template",
    "context",
    "accumulator",
}
"""Those that the template of a managed file sees besides."""
_SALT_TESTS: Final = frozenset(("list", "match", "equalto"))


@dataclass(slots=True)
class Template:
    """One parsed template."""

    path: str
    """Inside the roots."""
    real_path: str
    text: str
    tree: nodes.Template
    environment: Environment
    undeclared: dict[str, int] = field(default_factory=dict)
    """Names that are read and that nothing in the template sets, with the first line."""
    exports: frozenset[str] = frozenset()
    """Names that the template sets."""


@dataclass(slots=True)
class Templates:
    """Parses templates of one environment of the roots, each once, and judges them."""

    roots: FileRoots
    environment: str
    known: Known
    report: Report
    settings: TemplateSettings = field(default_factory=TemplateSettings)
    is_elsewhere: Callable[[str], bool] = lambda _path: False
    """Says whether a path is not of this tree, but of another formula."""
    _parsed: dict[str, Template | None] = field(default_factory=dict)

    def parse(self, path: str, real_path: str, text: str) -> Template | None:
        """Parse a template; None (and a finding) where it does not parse."""
        if path in self._parsed:
            return self._parsed[path]
        body, header = header_options(text)
        loader = Loader(self.roots, self.environment, Compiled(), NoFunctions())
        environment = make_environment(
            loader, NoFunctions(), {}, {**self.settings.options, **header}
        )
        found: Template | None = None
        try:
            tree = environment.parse(body, path, real_path)
        except jinja2.TemplateSyntaxError as error:
            self.report.add(
                "jinja-syntax", str(error.message), real_path, error.lineno, hint=_opened(error)
            )
        except RecursionError:
            self.report.add("jinja-syntax", "nested too deeply", real_path)
        else:
            found = Template(path, real_path, body, tree, environment)
            _Names(found).collect()
        self._parsed[path] = found
        return found

    def by_path(self, path: str) -> Template | None:
        """Parse the template at a path of the roots; None where there is none that parses."""
        if path not in self._parsed:
            file = self.roots.read(path, self.environment)
            if file is None:
                return None
            try:
                text = file.content.decode("utf-8-sig")
            except UnicodeDecodeError:
                self._parsed[path] = None
                return None
            self.parse(path, file.real_path, text)
        return self._parsed[path]

    def judge(self, template: Template, sls: str | None, *, allowed: frozenset[str]) -> None:
        """Look at everything that a template names; `allowed` are the names that it is given."""
        self._filters_and_tests(template)
        self._imports(template, sls)
        self._functions(template)
        self._grains(template)
        if sls is not None:
            self.undefined(template, allowed)

    def undefined(self, template: Template, allowed: frozenset[str], rule: str = "") -> None:
        """Tell of names that nothing defines."""
        for name, line in template.undeclared.items():
            if name in allowed:
                continue
            names = {*allowed, *template.exports} - {name}
            self.report.add(
                rule or "undefined-variable",
                f"'{name}' is not defined",
                template.real_path,
                line,
                _column(template.text, line, name),
                hint=meant(name, names, 0.75),
            )

    def _filters_and_tests(self, template: Template) -> None:
        environment = template.environment
        asks = re.compile(r"'([\w.]+)' is (?:filter|test)")
        guarded = set(asks.findall(template.text))
        for node in template.tree.find_all((nodes.Filter, nodes.Test)):
            assert isinstance(node, nodes.Filter | nodes.Test)
            is_filter = isinstance(node, nodes.Filter)
            there = environment.filters if is_filter else environment.tests
            if node.name in there or node.name in guarded:
                continue
            kind = "filter" if is_filter else "test"
            self.report.add(
                f"unknown-{kind}",
                f"there is no {kind} '{node.name}'",
                template.real_path,
                node.lineno,
                _column(template.text, node.lineno, node.name),
                hint=meant(node.name, there),
            )

    def _imports(self, template: Template, sls: str | None) -> None:
        # Others are told where they are by what imports them, or by the state that manages them.
        places = {**sls_variables(template.path, sls), "sls": sls} if sls else {}
        kinds = (nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends)
        for node in template.tree.find_all(kinds):
            wanted = _texts(node.template, places)  # type: ignore[attr-defined]
            if wanted is None or (isinstance(node, nodes.Include) and node.ignore_missing):
                continue
            paths = [self._resolved(each, template) for each in wanted]
            there = [each for each in paths if self.roots.exists(each, self.environment)]
            if not there and not self.is_elsewhere(wanted[0]):
                self.report.add(
                    "missing-template",
                    f"there is no file '{wanted[0]}'",
                    template.real_path,
                    node.lineno,
                    _column(template.text, node.lineno, posixpath.basename(wanted[0])),
                    hint=meant(wanted[0], self.roots.files(self.environment), 0.7),
                )
            elif there and isinstance(node, nodes.FromImport):
                self._imported_names(template, node, there[0])

    def _resolved(self, wanted: str, template: Template) -> str:
        if wanted.split("/", 1)[0] in (".", ".."):
            folder = posixpath.dirname(template.path)
            return posixpath.normpath(posixpath.join(folder, wanted))
        return wanted

    def _imported_names(self, template: Template, node: nodes.FromImport, path: str) -> None:
        imported = self.by_path(path)
        if imported is None or any(True for _ in imported.tree.find_all(nodes.Extends)):
            return
        for each in node.names:
            name = each if isinstance(each, str) else each[0]
            if name in imported.exports:
                continue
            alias = each if isinstance(each, str) else each[1]
            is_used = any(
                other.name == alias and other.ctx == "load"
                for other in template.tree.find_all(nodes.Name)
            )
            self.report.add(
                "missing-import-name",
                f"'{path}' does not define '{name}'",
                template.real_path,
                node.lineno,
                _column(template.text, node.lineno, name),
                hint=meant(name, imported.exports),
                is_hint=not is_used,
            )

    def _functions(self, template: Template) -> None:
        guarded = set(re.findall(r"['\"]([\w.]+)['\"] (?:not )?in salt\b", template.text))
        for name, line in _called(template.tree):
            if self.known.has_function(name) or name in guarded:
                continue
            self.report.add(
                "unknown-function",
                f"there is no execution function '{name}'",
                template.real_path,
                line,
                _column(template.text, line, name.rpartition(".")[2]),
                hint=meant(name, self.known.function_names(), 0.7),
            )

    def _grains(self, template: Template) -> None:
        known = grain_names()
        for node in template.tree.find_all((nodes.Getitem, nodes.Getattr)):
            name = _key_of(node, "grains")
            if not name or name in known:
                continue
            like = near(name, known, 0.88)
            if like:
                self.report.add(
                    "unknown-grain",
                    f"no host has the grain '{name}' by itself",
                    template.real_path,
                    node.lineno,
                    _column(template.text, node.lineno, name),
                    hint=f"did you mean '{like}'?",
                )


def _opened(error: jinja2.TemplateSyntaxError) -> str:
    found = re.search(r"The innermost block that needs to be closed is '(\w+)'", str(error.message))
    return f"the block '{found.group(1)}' is never closed" if found else ""


def _column(text: str, line: int, word: str) -> int | None:
    lines = text.splitlines()
    if not 1 <= line <= len(lines):
        return None
    found = lines[line - 1].find(word)
    return found + 1 if found >= 0 else None


def _key_of(node: nodes.Node, owner: str) -> str:
    """Give the key of `owner.key` or `owner['key']`, else nothing."""
    inner = getattr(node, "node", None)
    if not isinstance(inner, nodes.Name) or inner.name != owner:
        return ""
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return node.arg.value if isinstance(node.arg.value, str) else ""
    return ""


def _called(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    """Give the execution functions that a template names, with lines."""
    for call in tree.find_all(nodes.Call):
        target = call.node
        name = _key_of(target, "salt")
        if "." in name:
            yield name, target.lineno
        elif isinstance(target, nodes.Getattr):
            module = _key_of(target.node, "salt")
            if module and "." not in module and module != "get":
                yield f"{module}.{target.attr}", target.lineno


def _texts(node: nodes.Node, places: Mapping[str, str]) -> list[str] | None:
    """Work out the names of templates; None where that takes a rendering."""
    if isinstance(node, nodes.List | nodes.Tuple):
        found = [_text(each, places) for each in node.items]
        return None if None in found else [each for each in found if each is not None]
    text = _text(node, places)
    return None if text is None else [text]


def _text(node: nodes.Node, places: Mapping[str, str]) -> str | None:
    if isinstance(node, nodes.Const):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, nodes.Name):
        return places.get(node.name)
    parts: list[nodes.Node] = []
    if isinstance(node, nodes.Concat):
        parts = list(node.nodes)
    elif isinstance(node, nodes.Add):
        parts = [node.left, node.right]
    if not parts:
        return None
    texts = [_text(each, places) for each in parts]
    return None if None in texts else "".join(each for each in texts if each is not None)


_GUARDS: Final = frozenset(("default", "d"))


class _Names:
    """Finds which names a template sets, and which it reads without having set them."""

    def __init__(self, template: Template) -> None:
        self._template = template

    def collect(self) -> None:
        tree = self._template.tree
        stored = {node.name for node in tree.find_all(nodes.Name) if node.ctx in ("store", "param")}
        stored |= {node.name for node in tree.find_all(nodes.Macro)}
        stored |= {node.target for node in tree.find_all(nodes.Import)}
        for each in tree.find_all(nodes.FromImport):
            stored |= {name if isinstance(name, str) else name[1] for name in each.names}
        self._template.exports = frozenset(stored)
        guarded = self._guarded(tree)
        for node in tree.find_all(nodes.Name):
            if node.ctx == "load" and node.name not in stored and node.name not in guarded:
                self._template.undeclared.setdefault(node.name, node.lineno)

    def _guarded(self, tree: nodes.Template) -> set[str]:
        """Give the names for which the template asks whether they are there."""
        found: set[str] = set()
        for node in tree.find_all((nodes.Test, nodes.Filter)):
            assert isinstance(node, nodes.Test | nodes.Filter)
            is_guard = (isinstance(node, nodes.Test) and node.name in ("defined", "undefined")) or (
                isinstance(node, nodes.Filter) and node.name in _GUARDS
            )
            inner: Any = node.node
            while is_guard and isinstance(inner, nodes.Getattr | nodes.Getitem):
                inner = inner.node
            if is_guard and isinstance(inner, nodes.Name):
                found.add(inner.name)
        return found
