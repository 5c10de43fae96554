"""Lint of one tree: every file read, parsed, rendered for typical hosts, and judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from limpet.common.errors import SourceError
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.lint.checks import files
from limpet.states.lint.checks.closures import Closures, Key
from limpet.states.lint.checks.requisite_use import RequisiteUse
from limpet.states.lint.checks.templates import FILE_GLOBALS, GLOBALS, Templates
from limpet.states.lint.checks.tops import TopFile
from limpet.states.lint.findings import Finding, Report
from limpet.states.lint.hosts import KindOfHost
from limpet.states.lint.rendering import MarkingCompiled
from limpet.states.lint.tree.finding import LintTree, root_of
from limpet.states.lint.tree.names import known_in
from limpet.states.lint.tree.profiles import PROFILES, grains_of
from limpet.states.lint.tree.reading import Source, read
from limpet.states.lint.tree.view import View
from limpet.states.lint.unknown import Loose, loose
from limpet.states.sls.names import SlsNames

TEMPLATE_ENDINGS: Final = (".jinja", ".jinja2", ".j2")


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
        sources = read(self.tree, roots, self.report)
        pillars = read(self.tree, pillar_roots, self.report)
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
        requisites = RequisiteUse(
            self.report, lambda name: name == "id" or known.has_state_module(name)
        )
        uses: dict[tuple[str, str], list[frozenset[str] | None]] = {}
        for number, grains in enumerate(profiles):
            made = KindOfHost(
                self.tree, self.report, self.marking, number, grains, roots, pillar_roots, known
            )
            made.pillar(pillars)
            views = made.states(sources)
            requisites.know(views.values())
            self._meet(made, views, roots, requisites, sources)
            for view in views.values():
                for use in view.uses:
                    uses.setdefault((use.environment, use.source), []).append(use.names)
        names = SlsNames(roots)
        requisites.tell(
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
        made: KindOfHost,
        views: Mapping[Key, View],
        roots: DirectoryRoots,
        requisites: RequisiteUse,
        sources: Sequence[Source],
    ) -> None:
        """Compile SLS together: each with its includes, and those of a target of a top file."""
        names = SlsNames(roots)
        closures = Closures(
            views,
            names,
            roots.environments(),
            self.report,
            requisites,
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
                    requisites.applied |= closures.check(keys)

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
