"""Applying states on this minion: compiled with its grains and pillar, run, judged.

This is what the functions of the module `state` are made of.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from limpet.common.errors import UsageError
from limpet.states.compiler.compile import Compilation, Lowstate
from limpet.states.compiler.declarations import declare
from limpet.states.compiler.functions import ContextFunctions
from limpet.states.compiler.minion import Minion
from limpet.states.compiler.options import salt_options
from limpet.states.compiler.ordering import WATCHING
from limpet.states.compiler.settings import CompilerSettings
from limpet.states.context import FunctionContext
from limpet.states.custom.bringing import bring_for_a_run
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
from limpet.states.pillar.job import JobPillar, load
from limpet.states.runner import single
from limpet.states.runner.earlier import Earlier
from limpet.states.runner.following import Asked, Following
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
    top: str | None = None
    """Another top file than the configured one."""


@dataclass(slots=True)
class Applying:
    """One request to compile, and perhaps to run. Not shared between threads."""

    context: FunctionContext
    """The context of the function that asks; a failed run sets its retcode."""
    wishes: Wishes = field(default_factory=Wishes)
    progress: Progress = field(default_factory=Nobody)
    earlier: Earlier = field(default_factory=Earlier)
    """What the run has done already that this one goes on from."""
    _compilation: Compilation | None = None

    @property
    def is_test(self) -> bool:
        """Change nothing, only say what would change."""
        wanted = self.wishes.test
        return bool(self.context.configured("test", False)) if wanted is None else wanted

    @property
    def compilation(self) -> Compilation:
        """The compilation of this request; made when it is first needed."""
        if self._compilation is None:
            bring_for_a_run(self.context, self.wishes.saltenv)
            self._compilation = self._compile()
        return self._compilation

    def keep_pillar(self, data: Mapping[str, Any]) -> None:
        """Compile nothing of pillar: templates see this one."""
        self._compilation = self._compile(Pillar(dict(data)))

    def run(self, asked: Asked) -> Results | list[str]:
        """Run what is asked for; give results, or errors.

        Raises `UsageError` where an id is asked for that its SLS have not.
        """
        if errors := self._pillar_errors():
            return errors
        if asked.kind == "chunks":
            wrong = [single.prepare(chunk) for chunk in asked.data]
            if errors := [error for each in wrong if isinstance(each, list) for error in each]:
                self.context.retcode = 1
                return errors
            return self._apply(asked, asked.data, None)
        low = self._low(asked)
        only = None if asked.id_ is None else _is_named(asked.id_)
        if low.errors:
            self.context.retcode = 1
            return low.errors
        if asked.kind == "top" and not low.had_states:
            self.context.retcode = 1
            return _no_states(self.context)
        if only is not None and not any(map(only, low.chunks)):
            names = ",".join(asked.data)
            raise UsageError(f"No matches for ID found in SLS '{names}' (saltenv: base)")
        return self._apply(asked, low.chunks, only)

    def _low(self, asked: Asked) -> Lowstate:
        wishes = self.wishes
        if asked.kind == "top":
            return self.compilation.low_of_top(exclude=wishes.exclude, whitelist=wishes.whitelist)
        if asked.kind == "sls":
            return self.compilation.low_of_sls(asked.data, exclude=wishes.exclude)
        high = dict(asked.data) if asked.kind == "high" else self._high_of_text(asked.data)
        if isinstance(high, list):
            return Lowstate(errors=high)
        return self.compilation.low_of_high(high)

    def _high_of_text(self, asked: str | dict[str, str]) -> dict[str, Any] | list[str]:
        """Render the states of a text as an SLS is; give high data, or errors."""
        text, sls = (asked, "") if isinstance(asked, str) else (asked["text"], asked["sls"])
        name = sls or "<template-str>"
        environment = self.wishes.saltenv or "base"
        try:
            document = self.compilation.renderers.text(text, environment, sls, name)
        except RenderError as error:
            return [f"Rendering the text failed: {error.told}"]
        data = document.data
        if not isinstance(data, dict):
            return [f"Template {name} does not render to a dictionary"]
        high, included, errors = declare(data, name, environment)
        if included:
            errors.append("a text of states can include no SLS")
        for body in high.values():  # as in Salt, the states of a bare text are of no SLS
            if isinstance(body, dict) and not sls:
                body.pop("__sls__", None)
        return errors or high

    def _pillar_errors(self) -> list[str]:
        told = self.compilation.pillar.told
        if not told:
            return []
        self.context.retcode = 1
        return ["Pillar failed to render with the following messages:", *told]

    def _apply(
        self, asked: Asked, chunks: Sequence[Chunk], only: Callable[[Chunk], bool] | None
    ) -> Results:
        with Following(self.context, self.progress, self.earlier) as following:
            following.open(asked, self._wishes_kept(), is_test=self.is_test)
            run = Run(
                self.state_context(),
                is_failhard=self._is_failhard(),
                progress=following,
                parallel_at_most=int(self.context.configured("state_max_parallel", 0) or 0),
                earlier=self.earlier,
            )
            run.refresh = lambda with_pillar: self._refresh(run.context.functions, with_pillar)
            results = run.apply(chunks, only)
            # As in Salt, a run that has nothing to do has not done what was wanted of it.
            is_well = bool(results) and is_good(results, chunks)
            following.over(is_good=is_well)
        self.context.retcode = 0 if is_well else 1
        _add_warnings(results, following.warnings)
        return results

    def _wishes_kept(self) -> dict[str, Any]:
        """Give what compiling the same once more needs to know, for the journal of the run."""
        wishes = self.wishes
        return {
            "saltenv": wishes.saltenv,
            "pillarenv": wishes.pillarenv,
            "pillar": wishes.pillar,
            "exclude": list(wishes.exclude),
            "whitelist": list(wishes.whitelist),
            "top": wishes.top,
        }

    def state_context(self) -> StateContext:
        """Give the context of the states of this run."""
        functions = replace(
            self.context, pillar=self.compilation.pillar.data, is_published=False, retcode=0
        )
        tree = tree_of(self.context, lambda: self.compilation.renderers)
        return StateContext(functions=functions, tree=tree, is_test=self.is_test)

    def _refresh(self, functions: FunctionContext, with_pillar: bool) -> None:
        """Let templates see the grains as they are now, and with that pillar compiled anew."""
        self.context.forget_grains()
        kept = None if with_pillar else self.compilation.pillar
        if with_pillar and isinstance(self.context.pillar, JobPillar):
            self.context.pillar.forget()
        self._compilation = self._compile(kept)
        functions.pillar = self.compilation.pillar.data

    def _compile(self, pillar: Pillar | None = None) -> Compilation:
        """Begin a compilation, with a pillar that is there already or a new one."""
        wishes = self.wishes
        if pillar is None:
            pillar = self._pillar()
        return Compilation(
            self.minion(pillar), saltenv=wishes.saltenv, pillarenv=wishes.pillarenv, pillar=pillar
        )

    def _pillar(self) -> Pillar:
        """Have the pillar of this request rendered, or take the job's own where that is meant."""
        context, wishes = self.context, self.wishes
        pillarenv = wishes.pillarenv
        if pillarenv is None and context.configured("pillarenv_from_saltenv", False):
            pillarenv = wishes.saltenv
        is_usual = not wishes.pillar and not wishes.saltenv and not pillarenv
        if is_usual and isinstance(context.pillar, JobPillar) and context.sources is not None:
            return context.pillar.loaded
        return load(context, saltenv=wishes.saltenv, pillarenv=pillarenv, override=wishes.pillar)

    def minion(self, pillar: Pillar | None = None) -> Minion:
        """Give this minion as compilations want it; the pillar's master may rule its language."""
        context = self.context
        configuration = dict(context.configuration) if pillar is None else self._ruled(pillar)
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
                configuration,
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
            settings=CompilerSettings.of(configuration),
            can_watch=can_watch,
            host=context.host,
        )

    def _is_failhard(self) -> bool:
        """Let a run end with its first failed state, if master or minion say so."""
        language = self.compilation.pillar.language
        return bool(self.context.configured("failhard", False) or language.get("failhard"))

    def _ruled(self, pillar: Pillar) -> dict[str, Any]:
        """Give the configuration as the master and the request change it."""
        found = {**self.context.configuration, **pillar.language}
        if self.wishes.top is not None:
            found["state_top"] = self.wishes.top
        return found


def tree_of(context: FunctionContext, rendering: Rendering) -> RootsTree:
    """Give the tree that this job sees: the master's, or that of the minion's own file roots."""

    def downloads() -> "Downloads":
        from limpet.states.fileroots.downloads import Downloads  # few jobs need it

        system = context.host.system
        return Downloads(cache_of(context), system.now, system.sleep)

    return RootsTree(roots_of(context), rendering, downloads)


def can_watch(module: str) -> bool:
    """Say whether a state module reacts to changes in what it watches, here or in Salt."""
    if module in registry.modules():
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


def _is_named(id_: str) -> Callable[[Chunk], bool]:
    return lambda chunk: id_ in (chunk["__id__"], chunk["name"])


def _add_warnings(results: Results, warnings: Sequence[str]) -> None:
    """Say what is to be said of the whole run beside the first of its results."""
    if warnings and results:
        first = min(results.values(), key=lambda each: int(each["__run_num__"]))
        first["warnings"] = [*(first.get("warnings") or ()), *warnings]


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
