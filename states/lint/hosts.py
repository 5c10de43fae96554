"""A tree as it renders for one kind of host: pillar first, then each SLS and what it declares."""

import fnmatch
from collections.abc import Sequence
from typing import Any, Final

from limpet.states.compiler.highstate import absolute_sls
from limpet.states.compiler.options import salt_options
from limpet.states.compiler.settings import CompilerSettings
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.lint.checks.closures import Key
from limpet.states.lint.checks.declarations import Declarations
from limpet.states.lint.checks.faults import tell_fault
from limpet.states.lint.checks.sources import Sources
from limpet.states.lint.checks.tops import TopFile
from limpet.states.lint.findings import Report, meant
from limpet.states.lint.functions import LintFunctions
from limpet.states.lint.rendering import LintRenderers, MarkingCompiled, Rendered
from limpet.states.lint.tree.finding import LintTree
from limpet.states.lint.tree.names import Known
from limpet.states.lint.tree.profiles import MINION_ID
from limpet.states.lint.tree.reading import Source
from limpet.states.lint.tree.view import View
from limpet.states.lint.unknown import Loose, Touched, loose
from limpet.states.pillar.merging import merge
from limpet.states.sls.names import SlsNames
from limpet.states.sls.renderers import registry
from limpet.states.sls.surroundings import Surroundings

PRIMARY: Final = 2
"""So many of the typical hosts, the first ones, are those that every tree is made for."""


class KindOfHost:
    """The tree for one kind of host."""

    def __init__(
        self,
        tree: LintTree,
        report: Report,
        marking: MarkingCompiled,
        number: int,
        grains: Loose,
        roots: DirectoryRoots,
        pillar_roots: DirectoryRoots,
        known: Known,
    ) -> None:
        self.number = number
        self.settings = CompilerSettings.of(tree.configuration)
        self._tree = tree
        self._report = report
        self._marking = marking
        self._grains = grains
        self._roots = roots
        self._pillar_roots = pillar_roots
        self._known = known
        self._sources = Sources(roots)
        self._pillar = Loose()
        self.functions = LintFunctions(known, grains, self._pillar, tree.configuration)
        self._renderers = self._renderers_for(roots)

    def _renderers_for(self, roots: DirectoryRoots) -> LintRenderers:
        tree = self._tree
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
            marking=self._marking,
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
            self._report,
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
        view.tell_repeated()
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

    def states(self, sources: Sequence[Source]) -> dict[Key, View]:
        """Render all SLS and look at what they declare."""
        found: dict[Key, View] = {}
        for source in sources:
            if source.sls.endswith("top") or not source.is_judged:
                continue  # `state_top.sls` and its like are examples of top files
            if not self._can_render(source):
                view = View(
                    source.name, source.file.path, source.sls, source.environment, source.text,
                    Rendered(is_opaque=True), self._report,
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
            is_formula=self._tree.is_formula,
        )

    def _can_render(self, source: Source) -> bool:
        return all(name in registry.NAMES for name in source.pipe)
