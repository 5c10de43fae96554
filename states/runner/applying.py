"""Applying states on this minion: compiled with its grains and pillar, run, judged.

This is what the functions of the module `state` are made of.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from limpet.common.errors import UsageError
from limpet.states.compiler.compile import Compilation, Lowstate, Minion
from limpet.states.compiler.declarations import declare
from limpet.states.compiler.functions import ContextFunctions
from limpet.states.compiler.options import salt_options
from limpet.states.compiler.ordering import WATCHING
from limpet.states.compiler.settings import CompilerSettings
from limpet.states.context import FunctionContext
from limpet.states.fileroots.choosing import (
    cache_directory,
    cache_of,
    configured_roots,
    roots_of,
)
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.library import registry
from limpet.states.library.context import Chunk, StateContext
from limpet.states.library.tree import Rendering, RootsTree
from limpet.states.pillar.compile import Pillar
from limpet.states.runner.progress import Nobody, Progress
from limpet.states.runner.run import Run
from limpet.states.sls.errors import RenderError
from limpet.states.sls.jinja.calls import Functions

if TYPE_CHECKING:  # it loads what speaks to web servers
    from limpet.states.fileroots.downloads import Downloads

NO_STATES: Final = "no_|-states_|-states_|-None"
"""The key of the only result where the top file has nothing for a minion."""

Results = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What whoever asks for a run says beside the names of the states."""

    test: bool | None = None
    """None: as the configuration says."""
    saltenv: str | None = None
    pillarenv: str | None = None
    pillar: Mapping[str, Any] | None = None
    """Laid over the minion's pillar for this run."""
    exclude: Sequence[Any] = ()
    whitelist: Sequence[str] = ()


@dataclass(slots=True)
class Applying:
    """One request to compile, and perhaps to run. Not shared between threads."""

    context: FunctionContext
    """The surroundings of the function that asks; a failed run sets its retcode."""
    wishes: Wishes = field(default_factory=Wishes)
    progress: Progress = field(default_factory=Nobody)
    _compilation: Compilation | None = None

    @property
    def is_test(self) -> bool:
        """Change nothing, only say what would change."""
        wanted = self.wishes.test
        return bool(_configured(self.context, "test", False)) if wanted is None else wanted

    @property
    def compilation(self) -> Compilation:
        """The compilation of this request; made when it is first needed."""
        if self._compilation is None:
            self._compilation = self._compile()
        return self._compilation

    def run_top(self) -> Results | list[str]:
        """Run what the top file has for this minion; give results, or errors."""
        if errors := self._pillar_errors():
            return errors
        wishes = self.wishes
        low = self.compilation.low_of_top(exclude=wishes.exclude, whitelist=wishes.whitelist)
        if not low.errors and not low.chunks:
            self.context.retcode = 1
            return _no_states(self.context)
        return self._run(low)

    def run_sls(
        self, names: Sequence[str], only: Callable[[Chunk], bool] | None = None
    ) -> Results | list[str]:
        """Run these SLS, or of them what `only` chooses and that needs; give results, or errors."""
        if errors := self._pillar_errors():
            return errors
        low = self.compilation.low_of_sls(names, exclude=self.wishes.exclude)
        if only is not None and not low.errors and not any(map(only, low.chunks)):
            raise UsageError(f"No matches for ID found in SLS '{','.join(names)}' (saltenv: base)")
        return self._run(low, only)

    def run_high(self, high: Mapping[str, Any]) -> Results | list[str]:
        """Run high data that was handed in; give results, or errors."""
        if errors := self._pillar_errors():
            return errors
        return self._run(self.compilation.low_of_high(dict(high)))

    def run_text(self, text: str) -> Results | list[str]:
        """Run the states of a text that is rendered as an SLS is; give results, or errors."""
        if errors := self._pillar_errors():
            return errors
        environment = self.wishes.saltenv or "base"
        try:
            document = self.compilation.renderers.text(text, environment, "", "<template-str>")
        except RenderError as error:
            self.context.retcode = 1
            return [f"Rendering the text failed: {error.told}"]
        data = document.data
        if not isinstance(data, dict):
            self.context.retcode = 1
            return ["Template <template-str> does not render to a dictionary"]
        high, included, errors = declare(data, "<template-str>", environment)
        if included:
            errors.append("a text of states can include no SLS")
        if errors:
            self.context.retcode = 1
            return errors
        return self._run(self.compilation.low_of_high(high))

    def run_chunks(self, chunks: Sequence[Chunk]) -> Results | list[str]:
        """Run chunks that were handed in, in their order."""
        if errors := self._pillar_errors():
            return errors
        return self._apply(chunks, None)

    def _pillar_errors(self) -> list[str]:
        errors = self.compilation.pillar.errors
        if not errors:
            return []
        self.context.retcode = 1
        return ["Pillar failed to render with the following messages:", *errors]

    def _run(
        self, low: Lowstate, only: Callable[[Chunk], bool] | None = None
    ) -> Results | list[str]:
        if low.errors:
            self.context.retcode = 1
            return low.errors
        return self._apply(low.chunks, only)

    def _apply(self, chunks: Sequence[Chunk], only: Callable[[Chunk], bool] | None) -> Results:
        run = Run(
            self.state_context(),
            is_failhard=bool(_configured(self.context, "failhard", False)),
            progress=self.progress,
            parallel_at_most=int(_configured(self.context, "state_max_parallel", 0) or 0),
        )
        run.refresh = lambda with_pillar: self._refresh(run.context.functions, with_pillar)
        results = run.apply(chunks, only)
        self.context.retcode = 0 if is_good(results, chunks) else 1
        return results

    def state_context(self) -> StateContext:
        """Give the surroundings of the states of this run."""
        functions = replace(
            self.context, pillar=self.compilation.pillar.data, is_published=False, retcode=0
        )
        tree = tree_of(self.context, lambda: self.compilation.renderers)
        return StateContext(functions=functions, tree=tree, is_test=self.is_test)

    def _refresh(self, functions: FunctionContext, with_pillar: bool) -> None:
        """Let templates see the grains as they are now, and with that pillar compiled anew."""
        self.context.forget_grains()
        kept = None if with_pillar else self.compilation.pillar
        self._compilation = self._compile(kept)
        functions.pillar = self.compilation.pillar.data

    def _compile(self, pillar: Pillar | None = None) -> Compilation:
        """Begin a compilation, with a pillar that is there already or a new one."""
        minion = self._minion()
        wishes = self.wishes
        if pillar is not None:
            return Compilation(
                minion, saltenv=wishes.saltenv, pillarenv=wishes.pillarenv, pillar=pillar
            )
        # As in a masterless Salt, files of pillar see the pillar that was there before.
        seed = Compilation(minion).pillar.items
        return Compilation(
            minion,
            saltenv=wishes.saltenv,
            pillarenv=wishes.pillarenv,
            pillar_override=wishes.pillar,
            seed_pillar=seed,
        )

    def _minion(self) -> Minion:
        context = self.context
        file_roots = configured_roots(context, "file_roots")
        pillar_roots = configured_roots(context, "pillar_roots")

        def functions(pillar: Mapping[str, Any]) -> Functions:
            return ContextFunctions(replace(context, pillar=pillar, is_published=False))

        return Minion(
            minion_id=context.minion_id,
            grains=context.grains,
            file_roots=roots_of(context),
            pillar_roots=DirectoryRoots(pillar_roots),
            functions=functions,
            options=salt_options(
                context.configuration,
                minion_id=context.minion_id,
                file_roots=file_roots,
                pillar_roots=pillar_roots,
                cache_directory=cache_directory(context),
                is_local=context.sources is None,
                test_mode=self.is_test,
                saltenv=self.wishes.saltenv,
                pillarenv=self.wishes.pillarenv,
                grains=context.grains,
            ),
            settings=CompilerSettings.of(context.configuration),
            can_watch=can_watch,
        )


def tree_of(context: FunctionContext, rendering: Rendering) -> RootsTree:
    """Give the tree that this job sees: the master's, or that of the minion's own file roots."""

    def downloads() -> "Downloads":
        from limpet.states.fileroots.downloads import Downloads  # few jobs need it

        system = context.host.system
        return Downloads(cache_of(context), system.now, system.sleep)

    return RootsTree(roots_of(context), rendering, downloads)


def can_watch(module: str) -> bool:
    """Say whether a state module reacts to changes in what it watches, here or in Salt."""
    if module in registry.MODULES:
        return registry.has_mod_watch(module)
    return module in WATCHING


def is_good(results: Mapping[str, Mapping[str, Any]], chunks: Iterable[Chunk] = ()) -> bool:
    """Say whether a run has no failed state, save those whose failure another state deals with.

    Such a state has `onfail_stop: False` and a requisite `onfail`, and did not fail itself.
    """
    return all(
        result.get("result") is not False or _is_dealt_with(key, results, chunks)
        for key, result in results.items()
    )


def _is_dealt_with(
    key: str, results: Mapping[str, Mapping[str, Any]], chunks: Iterable[Chunk]
) -> bool:
    module, id_ = key.split("_|-")[:2]
    handlers = [
        chunk
        for chunk in chunks
        if chunk.get("onfail_stop", True) is False
        and any(
            isinstance(each, Mapping) and each.get(module) == id_
            for each in chunk.get("onfail") or ()
        )
    ]
    ended = [
        result.get("result")
        for chunk in handlers
        for result in results.values()
        if result.get("__id__") == chunk["__id__"]
    ]
    return bool(ended) and all(each is True for each in ended)


def _no_states(context: FunctionContext) -> Results:
    return {
        NO_STATES: {
            "result": False,
            "comment": (
                "No states found for this minion: the top file has none that match, or there is "
                f"no top file in the file_roots of {context.places.configuration_file}"
            ),
            "name": "No States",
            "changes": {},
            "__run_num__": 0,
        }
    }


def _configured(context: FunctionContext, key: str, default: object) -> Any:  # noqa: ANN401
    """Give a setting by Salt's name; those that limpet has not stand under `custom`."""
    found = context.configuration.get(key)
    if found is None:
        found = (context.configuration.get("custom") or {}).get(key)
    return default if found is None else found
