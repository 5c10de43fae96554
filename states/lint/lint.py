"""Lint of one tree: every file read, parsed, rendered for typical hosts, and judged."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from limpet.common.errors import SourceError
from limpet.states.compiler.options import salt_options
from limpet.states.compiler.settings import CompilerSettings
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.fileroots.names import sls_of
from limpet.states.fileroots.port import SourceFile
from limpet.states.lint import files
from limpet.states.lint.book import Book
from limpet.states.lint.closures import Closures, Key
from limpet.states.lint.declarations import Declarations
from limpet.states.lint.faults import tell_fault
from limpet.states.lint.findings import Finding, Report, meant
from limpet.states.lint.functions import LintFunctions
from limpet.states.lint.names import Known, known_in, salt_names
from limpet.states.lint.profiles import MINION_ID, PROFILES, grains_of
from limpet.states.lint.rendering import LintRenderers, MarkingCompiled
from limpet.states.lint.sources import Sources
from limpet.states.lint.templates import FILE_GLOBALS, GLOBALS, Templates
from limpet.states.lint.tops import TopFile
from limpet.states.lint.tree import LintTree, root_of
from limpet.states.lint.unknown import Loose, Touched, loose
from limpet.states.lint.view import View
from limpet.states.pillar.merging import merge
from limpet.states.sls.names import SlsNames
from limpet.states.sls.surroundings import Surroundings

TEMPLATE_ENDINGS: Final = (".jinja", ".jinja2", ".j2")
RENDERERS: Final = frozenset(("jinja", "json", "py", "text", "toml", "yaml"))
FILES_MAX: Final = 20_000
PRIMARY: Final = 2
"""So many of the typical hosts, the first ones, are those that every tree is made for."""


@dataclass(slots=True)
class Source:
    """One SLS of the tree."""

    file: SourceFile
    name: str
    """For messages: where it is."""
    sls: str
    environment: str
    text: str
    pipe: list[str]
    is_judged: bool


@dataclass(slots=True)
class Lint:
    """One run of lint. `findings` gives what came of it."""

    tree: LintTree
    is_strict: bool = False
    grains: Mapping[str, Any] | None = None
    """Grains of the user's own: the only kind of host then."""
    report: Report = field(default_factory=Report)
    marking: MarkingCompiled = field(default_factory=MarkingCompiled)
    """Templates that were compiled for one kind of host already."""

    def findings(self) -> list[Finding]:
        """Look at the whole tree."""
        profiles = self._profiles()
        self.report = Report(len(profiles), self.is_strict)
        roots = DirectoryRoots(self.tree.file_roots)
        pillar_roots = DirectoryRoots(self.tree.pillar_roots)
        known = known_in(roots)
        sources = self._read(roots)
        pillars = self._read(pillar_roots)
        templates = {
            name: Templates(
                roots,
                name,
                known,
                self.report,
                is_elsewhere=lambda path: self.tree.is_elsewhere(path, roots),
            )
            for name in roots.environments()
        }
        pillar_templates = {
            name: Templates(pillar_roots, name, known, self.report)
            for name in pillar_roots.environments()
        }
        self._judge_templates(sources, templates, roots)
        self._judge_templates(pillars, pillar_templates, None)
        book = Book(self.report, lambda name: name == "id" or known.has_state_module(name))
        uses: dict[tuple[str, str], list[frozenset[str] | None]] = {}
        for number, grains in enumerate(profiles):
            made = _Profile(self, number, grains, roots, pillar_roots, known)
            made.pillar(pillars)
            views = made.states(sources, templates)
            book.know(views.values())
            self._meet(made, views, roots, book, sources)
            for view in views.values():
                for use in view.uses:
                    uses.setdefault((use.environment, use.source), []).append(use.names)
        names = SlsNames(roots)
        book.tell(
            (sls for name in roots.environments() for sls in names.available(name)),
            has_top=any(each.sls == "top" for each in sources),
            is_formula=self.tree.is_formula,
        )
        self._judge_uses(uses, templates, roots)
        found = self.report.findings()
        only = self.tree.only
        return [each for each in found if not only or each.file.startswith(only)]

    def _profiles(self) -> list[Loose]:
        if self.grains is not None:
            base = grains_of("Debian 12")
            return [loose({**base, **self.grains})]
        return [grains_of(name) for name in PROFILES]

    def _read(self, roots: DirectoryRoots) -> list[Source]:
        """Read every SLS; tell of what can be seen in its bytes and its name."""
        found: list[Source] = []
        for environment in roots.environments():
            for root in roots.roots_of(environment):
                if os.path.isdir(root) and not self.tree.is_formula:
                    files.check_links(root, self.report)
            listed = roots.files(environment)
            own = roots.roots_of(environment)
            named = [each for each in listed if sls_of(each) is not None][:FILES_MAX]
            judged = {
                each: root
                for each in named
                if self.tree.is_looked_at(each, root := root_of(each, own))
            }
            files.check_names(judged, self.report)
            for path in named:
                sls = sls_of(path) or ""
                source = self._read_one(roots, path, environment, sls, path in judged)
                if source is not None:
                    found.append(source)
        return found

    def _read_one(
        self, roots: DirectoryRoots, path: str, environment: str, sls: str, is_judged: bool
    ) -> Source | None:
        if not is_judged and self.tree.is_formula:
            return None
        try:
            file = roots.read(path, environment)
        except SourceError as error:
            self.report.add("unreadable", _without_place(error), error.path)
            return None
        if file is None:
            return None
        text = files.text_of(file.content, file.real_path, self.report)
        if text is None:
            return None
        pipe = self._pipe(text, file.real_path)
        if pipe[-1] == "py":
            files.check_python(text, file.real_path, self.report)
        if "yaml" in pipe:
            files.check_tabs(text, file.real_path, self.report)
        return Source(file, file.real_path, sls, environment, text, pipe, is_judged)

    def _pipe(self, text: str, file: str) -> list[str]:
        """Give the renderers of a file; tell of those that are not there."""
        first = text.split("\n", 1)[0].strip()
        named = first.startswith("#!") and not first.startswith("#!/")
        default = str(self.tree.configuration.get("renderer") or "jinja|yaml")
        pipe = (first.removeprefix("#!") if named else default).strip()
        pipe = {"yaml_jinja": "jinja|yaml", "json_jinja": "jinja|json"}.get(pipe, pipe)
        names = [(part.split() or [""])[0] for part in pipe.split("|")]
        for name in names:
            # Those that Salt has and limpet has not: `--salt-compat` tells of them.
            if name not in RENDERERS and name not in salt_names().renderers:
                self.report.add(
                    "unknown-renderer",
                    f"there is no renderer '{name}'",
                    file,
                    1,
                    first.find(name) + 1 or None,
                    hint=meant(name, RENDERERS) or f"there are {', '.join(sorted(RENDERERS))}",
                )
        return names

    def _judge_templates(
        self,
        sources: Sequence[Source],
        templates: Mapping[str, Templates],
        roots: DirectoryRoots | None,
    ) -> None:
        """Look at all templates without rendering them."""
        for source in sources:
            if "jinja" not in source.pipe or not source.is_judged:
                continue
            judge = templates[source.environment]
            parsed = judge.parse(source.file.path, source.name, source.text)
            if parsed is not None:
                # What includes a pillar file may hand it variables.
                is_open = roots is None and "defaults" in "".join(each.text for each in sources)
                allowed = GLOBALS | (frozenset(parsed.undeclared) if is_open else frozenset())
                judge.judge(parsed, source.sls, allowed=allowed)
        if roots is None:
            return
        for environment in roots.environments():
            own = roots.roots_of(environment)
            for path in roots.files(environment):
                if not path.endswith(TEMPLATE_ENDINGS):
                    continue
                if not self.tree.is_looked_at(path, root_of(path, own)):
                    continue
                file = roots.read(path, environment)
                text = (
                    None
                    if file is None
                    else files.text_of(file.content, file.real_path, self.report)
                )
                if file is not None and text is not None:
                    judge = templates[environment]
                    parsed = judge.parse(path, file.real_path, text)
                    if parsed is not None:
                        judge.judge(parsed, None, allowed=GLOBALS)

    def _meet(
        self,
        made: "_Profile",
        views: Mapping[Key, View],
        roots: DirectoryRoots,
        book: Book,
        sources: Sequence[Source],
    ) -> None:
        """Compile SLS together: each with its includes, and those of a target of a top file."""
        names = SlsNames(roots)
        closures = Closures(
            views,
            names,
            roots.environments(),
            self.report,
            book,
            lambda path: self.tree.is_elsewhere(path, roots),
        )
        for key in closures.roots():
            closures.check([key])
        for source in sources:
            if source.file.path == made.settings.top.state_top:
                view = made.view(source)
                top = TopFile(
                    view,
                    names,
                    roots.environments(),
                    made.settings.nodegroups,
                    is_pillar=False,
                )
                if view.rendered.error is not None:
                    made.tell_fault(view)
                    continue
                for keys in top.check():
                    book.applied |= closures.check(keys)

    def _judge_uses(
        self,
        uses: Mapping[tuple[str, str], Sequence[frozenset[str] | None]],
        templates: Mapping[str, Templates],
        roots: DirectoryRoots,
    ) -> None:
        """Look at the templates of managed files, with the names that the states give them."""
        for (environment, path), given in uses.items():
            judge = templates.get(environment)
            if judge is None:
                continue
            try:
                parsed = judge.by_path(path)
            except SourceError:
                continue
            if parsed is None:
                continue
            if not path.endswith((*TEMPLATE_ENDINGS, ".sls")):
                judge.judge(parsed, None, allowed=GLOBALS)
            if None in given:
                continue
            allowed = FILE_GLOBALS.union(*(each for each in given if each is not None))
            judge.undefined(parsed, allowed, "template-context")


class _Profile:
    """The tree for one kind of host."""

    def __init__(
        self,
        lint: Lint,
        number: int,
        grains: Loose,
        roots: DirectoryRoots,
        pillar_roots: DirectoryRoots,
        known: Known,
    ) -> None:
        self.number = number
        self.settings = CompilerSettings.of(lint.tree.configuration)
        self._lint = lint
        self._grains = grains
        self._roots = roots
        self._pillar_roots = pillar_roots
        self._known = known
        self._sources = Sources(roots)
        self._pillar = Loose()
        self.functions = LintFunctions(known, grains, self._pillar, lint.tree.configuration)
        self._renderers = self._renderers_for(roots)

    def _renderers_for(self, roots: DirectoryRoots) -> LintRenderers:
        tree = self._lint.tree
        options = salt_options(
            {key: tree.configuration[key] for key in tree.configuration},
            minion_id=MINION_ID,
            file_roots={name: list(paths) for name, paths in tree.file_roots.items()},
            pillar_roots={name: list(paths) for name, paths in tree.pillar_roots.items()},
            cache_directory="/var/cache/salt/minion",
            is_local=False,
            saltenv="base",
            grains=self._grains,
        )
        return LintRenderers(
            roots,
            Surroundings(
                minion_id=MINION_ID,
                grains=self._grains,
                pillar=self._pillar,
                options=loose(options),
                functions=self.functions,
            ),
            marking=self._lint.marking,
            default=self.settings.renderer,
            sls_settings=self.settings.sls_templates,
            file_settings=self.settings.file_templates,
        )

    def view(self, source: Source, renderers: LintRenderers | None = None) -> View:
        """Render one file."""
        Touched.is_touched = False
        rendered = (renderers or self._renderers).rendered(
            source.text, source.environment, source.sls, source.name
        )
        return View(
            source.name,
            source.file.path,
            source.sls,
            source.environment,
            source.text,
            rendered,
            self._lint.report,
            is_primary=self.number < PRIMARY,
        )

    def pillar(self, pillars: Sequence[Source]) -> None:
        """Render all pillar files and lay them over one another: what states may find."""
        renderers = self._renderers_for(self._pillar_roots)
        names = SlsNames(self._pillar_roots)
        merged: dict[str, Any] = {}
        for source in pillars:
            if not self._can_render(source):
                continue
            view = self.view(source, renderers)
            if view.rendered.error is not None:
                self.tell_fault(view)
                continue
            if source.file.path == self.settings.top.state_top:
                TopFile(
                    view,
                    names,
                    self._pillar_roots.environments(),
                    self.settings.nodegroups,
                    is_pillar=True,
                ).check()
                continue
            merged = self._with(merged, view, names)
        self._pillar.update(loose(merged))

    def _with(self, merged: dict[str, Any], view: View, names: SlsNames) -> dict[str, Any]:
        for each in view.rendered.document.repeated:
            place = view.rendered.lines.place(*each.place)
            self._lint.report.add(
                "duplicate-key",
                f"the key '{each.key}' stands twice",
                view.file,
                place.line,
                place.column,
            )
        data = view.data
        if not data:
            return merged
        if not isinstance(data, dict):
            view.tell("pillar-shape", "pillar is a mapping", ())
            return merged
        included = data.get("include")
        if included is not None and not isinstance(included, list):
            view.tell("include-shape", "`include` is a list", ("include",))
        for index, each in enumerate(included if isinstance(included, list) else ()):
            wanted = next(iter(each), "") if isinstance(each, dict) else each
            self._pillar_include(view, wanted, index, names)
        own = {key: value for key, value in data.items() if key != "include"}
        result: dict[str, Any] = merge(merged, own)
        return result

    def _pillar_include(self, view: View, wanted: Any, place: int, names: SlsNames) -> None:  # noqa: ANN401
        import fnmatch

        from limpet.states.compiler.highstate import absolute_sls

        if not isinstance(wanted, str):
            view.tell("include-shape", "an entry of `include` is no name", ("include", place))
            return
        available = names.available(view.environment)
        absolute = absolute_sls(wanted.replace("/", "."), view.sls, view.path) or wanted
        if not fnmatch.filter(available, absolute) and not fnmatch.filter(
            available, wanted.lstrip(".").replace("/", ".")
        ):
            view.tell(
                "missing-include",
                f"there is no pillar SLS '{absolute}'",
                ("include", place),
                hint=meant(absolute, available),
            )

    def states(
        self, sources: Sequence[Source], templates: Mapping[str, Templates]
    ) -> dict[Key, View]:
        """Render all SLS and look at what they declare."""
        found: dict[Key, View] = {}
        for source in sources:
            if source.sls.endswith("top") or not source.is_judged:
                continue  # `state_top.sls` and its like are examples of top files
            if not self._can_render(source):
                view = View(
                    source.name, source.file.path, source.sls, source.environment, source.text,
                    _opaque(), self._lint.report,
                )  # fmt: skip
                found[source.environment, source.sls] = view
                continue
            view = self.view(source)
            found[source.environment, source.sls] = view
            if view.rendered.error is not None:
                self.tell_fault(view)
                continue
            if not view.rendered.is_opaque:
                Declarations(view, self._known, self._sources).check()
        return found

    def tell_fault(self, view: View) -> None:
        """Report why a file did not render."""
        tell_fault(
            view,
            self.number,
            Touched.is_touched,
            is_formula=self._lint.tree.is_formula,
        )

    def _can_render(self, source: Source) -> bool:
        return all(name in RENDERERS for name in source.pipe)


def _opaque() -> Any:  # noqa: ANN401
    from limpet.states.lint.rendering import Rendered

    return Rendered(is_opaque=True)


def _without_place(error: SourceError) -> str:
    return str(error).removeprefix(f"{error.path}: ")
