"""Compiling a minion's states: pillar, top, high data, low chunks, each stage on its own.

    pillar -> top -> matches -> highstate -> low chunks in order

Nothing is run and nothing is written; files come through `FileRoots`, functions of templates
through `Functions`. The `show_…` methods answer as the functions of Salt's `state` module do: the
data, or a list of errors.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from limpet.common.errors import LimpetError, SourceError
from limpet.states.compiler.chunks import Low, TooManyChunks, make_chunks
from limpet.states.compiler.declarations import High
from limpet.states.compiler.extending import (
    apply_exclusions,
    apply_extensions,
    apply_in_requisites,
)
from limpet.states.compiler.graph import Graph
from limpet.states.compiler.highstate import Highstate, HighstateRenderer
from limpet.states.compiler.matching import Matching
from limpet.states.compiler.minion import Environments, Minion, pillar_of, renderers_for
from limpet.states.compiler.ordering import order_chunks
from limpet.states.compiler.top import (
    NoTargets,
    Top,
    match_top,
    merge_tops,
    read_tops,
    verify_top,
)
from limpet.states.compiler.verify import verify_high
from limpet.states.pillar.compile import Pillar
from limpet.states.sls.errors import RenderError
from limpet.states.sls.limits import LimitReached, rendering
from limpet.states.sls.names import SlsNames
from limpet.states.sls.renderers import Renderers

Matches = dict[str, list[str]]
"""SLS by environment."""


class PillarFailed(LimpetError):
    """Pillar has errors, so no state is compiled."""

    def __init__(self, pillar: Pillar) -> None:
        self.errors = pillar.errors
        self.problems = pillar.problems
        listed = "\n".join(f"- {each}" for each in pillar.errors)
        super().__init__(f"Pillar failed to render. Additional info follows:\n\n{listed}")


@dataclass(slots=True)
class Lowstate:
    """What a run needs: chunks in order, or errors."""

    chunks: list[Low] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    graph: Graph = field(default_factory=Graph)
    highstate: Highstate = field(default_factory=Highstate)
    """The high data that the chunks were made of, with places."""
    had_states: bool = True
    """The files had something in them, though all of it may have been excluded."""


class Compilation:
    """One compilation. What is rendered once is kept, save high data, which stages change."""

    def __init__(
        self,
        minion: Minion,
        *,
        saltenv: str | None = None,
        pillarenv: str | None = None,
        pillar_override: Mapping[str, Any] | None = None,
        seed_pillar: Mapping[str, Any] | None = None,
        pillar: Pillar | None = None,
    ) -> None:
        """`pillar`: compiled elsewhere (by the master); None: compiled here when it is needed."""
        self.minion = minion
        self._saltenv = saltenv
        if pillarenv is None and minion.settings.pillarenv_from_saltenv:
            pillarenv = saltenv
        self._environments = Environments(saltenv, pillarenv)
        self._override = pillar_override
        self._seed = seed_pillar
        self._pillar = pillar
        self._names = SlsNames(minion.file_roots)
        self._renderers: Renderers | None = None
        self._matching: Matching | None = None
        self.renderers_kind: type[Renderers] = Renderers
        """What renders SLS; one that keeps places may be set before anything is rendered."""

    @property
    def pillar(self) -> Pillar:
        """The minion's pillar, with its errors."""
        if self._pillar is None:
            self._pillar = pillar_of(
                self.minion, self._environments, override=self._override, seed=self._seed
            )
        return self._pillar

    @property
    def renderers(self) -> Renderers:
        """Renders SLS and templates of managed files with this minion's pillar."""
        if self._renderers is None:
            self._renderers = renderers_for(
                self.minion,
                self.pillar.data,
                self.minion.file_roots,
                self._environments,
                kind=self.renderers_kind,
            )
        return self._renderers

    @property
    def matching(self) -> Matching:
        """Decides which targets mean this minion; knows those that nobody understands."""
        if self._matching is None:
            minion = self.minion
            self._matching = Matching(
                minion.minion_id, minion.grains, self.pillar.data, minion.settings.nodegroups
            )
        return self._matching

    def pillar_items(self) -> dict[str, Any]:
        """Give pillar as `pillar.items` shows it."""
        return self.pillar.items

    def require_pillar(self) -> None:
        """Raise `PillarFailed` where pillar has errors."""
        if self.pillar.errors:
            raise PillarFailed(self.pillar)

    # Stages

    def environments(self) -> list[str]:
        """Give the environments in the order in which top files are read."""
        known = self.minion.file_roots.environments()
        wanted = self.minion.settings.top.env_order
        return [each for each in wanted if each in known] if wanted else known

    def top(self, *, is_verified: bool = True) -> tuple[Top, list[str]]:
        """Give the merged top file, and errors: files that do not render.

        Where it `is_verified`, odd forms are errors too. Salt looks at them before it runs and
        where it shows a top file, and not where it shows low chunks.
        """
        settings = self.minion.settings.top
        tops = read_tops(
            self._read_top,
            self.environments(),
            self._saltenv,
            settings,
            self._names.available,
            self._names.path,
        )
        errors = [f"Rendering top file failed: {_told(problem)}" for problem in tops.problems]
        try:
            top = merge_tops(tops.data, settings)
        except NoTargets as error:
            return {}, [*errors, str(error)]
        return top, errors + (verify_top(top) if is_verified else [])

    def _read_top(self, path: str, environment: str) -> Any:  # noqa: ANN401
        file = self.minion.file_roots.read(path, environment)
        return None if file is None else self.renderers.source(file, environment).data

    def matches(self, top: Top) -> Matches:
        """Give the SLS that a top file has for this minion."""
        return match_top(top, self._saltenv, self.minion.file_roots.environments(), self.matching)

    def highstate(self, matches: Mapping[str, Sequence[str]]) -> Highstate:
        """Render the SLS and all that they include."""
        renderer = HighstateRenderer(
            self.minion.file_roots,
            self.renderers,
            self._names,
            is_ordering=self.minion.settings.auto_order,
        )
        return renderer.render({name: list(wanted) for name, wanted in matches.items()})

    def low_of(self, highstate: Highstate, *, is_thorough: bool = False) -> Lowstate:
        """Compile high data to chunks in order; changes the high data.

        Errors of form end it before requisites are looked at, unless `is_thorough`.
        """
        together = ", ".join(list(highstate.files)[:5]) or "states that were handed in"
        try:
            with rendering(together, self.minion.settings.limits, "compiling"):
                return self._low_of(highstate, is_thorough)
        except LimitReached as error:
            return Lowstate(errors=[*highstate.errors, str(error)], highstate=highstate)

    def _low_of(self, highstate: Highstate, is_thorough: bool) -> Lowstate:
        made = Lowstate(errors=list(highstate.errors), highstate=highstate)
        high = highstate.high
        made.errors += apply_extensions(high)
        made.errors += verify_high(high)
        if made.errors and not is_thorough:
            return made
        made.errors += apply_in_requisites(high, self.minion.settings.disabled_requisites)
        apply_exclusions(high)
        return made if made.errors else self._ordered(made, high)

    def _ordered(self, made: Lowstate, high: High) -> Lowstate:
        try:
            chunks = make_chunks(high)
        except TooManyChunks as error:
            return replace(made, errors=[str(error)])
        ordered, errors, graph = order_chunks(
            chunks, self.minion.settings.disabled_requisites, self.minion.can_watch
        )
        return replace(made, chunks=ordered, errors=errors, graph=graph)

    # What runs

    def low_of_top(self, *, exclude: Iterable[Any] = (), whitelist: Iterable[str] = ()) -> Lowstate:
        """Compile what the top file gives. Raises `PillarFailed`.

        `exclude` is as the `exclude` of an SLS; of a `whitelist` only those SLS are taken.
        """
        self.require_pillar()
        top, errors = self.top()
        matches = {} if errors else self.matches(top)
        chosen = set(whitelist)
        if chosen:
            matches = {
                name: [each for each in wanted if each in chosen]
                for name, wanted in matches.items()
            }
        return self._low(self.highstate(matches), errors, exclude)

    def low_of_sls(self, wanted: Sequence[str], *, exclude: Iterable[Any] = ()) -> Lowstate:
        """Compile these SLS, out of `saltenv` or `base`. Raises `PillarFailed`."""
        self.require_pillar()
        return self._low(self._highstate_of_sls(wanted), [], exclude)

    def low_of_high(self, high: High) -> Lowstate:
        """Compile high data that was handed in (`state.high`)."""
        return self._low(Highstate(copy.deepcopy(high)), [], ())

    def _low(self, highstate: Highstate, errors: list[str], exclude: Iterable[Any]) -> Lowstate:
        had_states = bool(highstate.high)
        excluded = [each if isinstance(each, dict) else str(each) for each in exclude]
        if excluded:
            highstate.high.setdefault("__exclude__", []).extend(excluded)
        if errors or highstate.errors:
            return Lowstate(errors=[*errors, *highstate.errors], highstate=highstate)
        return replace(self.low_of(highstate), had_states=had_states)

    def _highstate_of_sls(self, wanted: Sequence[str]) -> Highstate:
        environment = self._saltenv or "base"
        around = self.renderers.surroundings
        seen = around.options
        around.options = {**seen, "saltenv": environment}  # as Salt's `state.sls` sets it
        try:
            return self.highstate({environment: wanted})
        finally:
            around.options = seen

    # What is shown

    def show_top(self) -> Matches | list[str]:
        """Give the SLS by environment, or errors. Raises `PillarFailed`."""
        self.require_pillar()
        top, errors = self.top()
        return errors or self.matches(top)

    def show_highstate(self) -> High | list[str]:
        """Give the high data of the top file, or errors. Raises `PillarFailed`."""
        self.require_pillar()
        top, errors = self.top()
        made = self.highstate(self.matches(top))
        return errors + made.errors or made.high

    def show_lowstate(self) -> list[Low] | list[str]:
        """Give the chunks of the top file in order, or errors. Raises `PillarFailed`."""
        self.require_pillar()
        top, errors = self.top(is_verified=False)
        if errors:
            return errors
        made = self.low_of(self.highstate(self.matches(top)), is_thorough=True)
        return made.errors or made.chunks

    def show_states(self) -> list[str]:
        """Give the SLS that have states to run, in their order, or errors."""
        shown = self.show_lowstate()
        return list(
            dict.fromkeys(each if isinstance(each, str) else str(each["__sls__"]) for each in shown)
        )

    def show_sls(self, wanted: Sequence[str]) -> High | list[str]:
        """Give the high data of these SLS, or errors. Raises `PillarFailed`."""
        self.require_pillar()
        made = self._highstate_of_sls(wanted)
        return made.errors + verify_high(made.high) or made.high

    def show_low_sls(self, wanted: Sequence[str]) -> list[Low] | list[str]:
        """Give the chunks of these SLS, or errors.

        As in Salt without what one declaration does to others: `extend`, `exclude`, `…_in`.
        Raises `PillarFailed`.
        """
        self.require_pillar()
        made = self._highstate_of_sls(wanted)
        errors = made.errors + verify_high(made.high)
        if errors:
            return errors
        low = self._ordered(Lowstate(highstate=made), made.high)
        return low.errors or low.chunks


def _told(problem: SourceError) -> str:
    if isinstance(problem, RenderError):
        return f"{problem.path}: {problem.told}"
    return str(problem)
