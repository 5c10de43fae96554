"""Compiling the cases of `sls_cases`: the steps that show a stage, without a run."""

from collections.abc import Callable, Mapping
from typing import Any

from limpet.common.errors import LimpetError
from limpet.states.compiler.compile import Compilation, PillarFailed
from limpet.states.compiler.functions import ContextFunctions
from limpet.states.compiler.minion import Minion
from limpet.states.compiler.options import salt_options
from limpet.states.compiler.settings import CompilerSettings
from limpet.states.context import FunctionContext, Places
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.host.machine import ThisMachine
from limpet.states.pillar import lookup, merging
from limpet.states.sls.jinja.calls import Functions
from support.states.sls_cases import Sandbox, Step

COMPILED = (
    "pillar.items",
    "state.id_exists",
    "state.show_highstate",
    "state.show_low_sls",
    "state.show_lowstate",
    "state.show_sls",
    "state.show_states",
    "state.show_top",
    "state.sls_exists",
)
"""The functions of steps that compile and do not run."""

MINION_ID = "minion1"


class CaseFunctions:
    """This machine's functions, and the few that are pillar's own business."""

    def __init__(self, context: FunctionContext) -> None:
        self._registered: Functions = ContextFunctions(context)
        self._pillar = context.pillar
        self._own: dict[str, Callable[..., Any]] = {
            "pillar.get": self._get,
            "slsutil.merge": _merge,
        }

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._registered

    def names(self) -> list[str]:
        return [*self._own, *self._registered.names()]

    def call(self, name: str, positional: list[Any], keyword: dict[str, Any]) -> Any:  # noqa: ANN401
        own = self._own.get(name)
        if own is not None and name not in self._registered:
            return own(*positional, **keyword)
        return self._registered.call(name, positional, keyword)

    def _get(
        self,
        key: str,
        default: Any = "",  # noqa: ANN401
        merge: bool = False,
        delimiter: str = ":",
    ) -> Any:  # noqa: ANN401
        return lookup.get(self._pillar, key, default, is_merging=merge, delimiter=delimiter)


def _merge(under: Any, over: Any, strategy: str = "smart", merge_lists: bool = False) -> Any:  # noqa: ANN401
    return merging.merge(under, over, strategy, is_joining_lists=merge_lists)


def make_minion(sandbox: Sandbox) -> Minion:
    """Give the minion of a case, on this machine, with the case's grains."""
    configuration = sandbox.configuration
    grains = sandbox.grains

    def functions(pillar: Mapping[str, Any]) -> Functions:
        work = sandbox.work
        context = FunctionContext(
            minion_id=MINION_ID,
            host=ThisMachine(),
            places=Places(work / "minion.yaml", work / "grains", work / "state"),
            configuration={"custom": configuration},
            load_grains=lambda _context: grains,
            pillar=pillar,
            is_published=False,
        )
        return CaseFunctions(context)

    return Minion(
        minion_id=MINION_ID,
        grains=grains,
        file_roots=DirectoryRoots(sandbox.file_roots),
        pillar_roots=DirectoryRoots(sandbox.pillar_roots),
        functions=functions,
        options=salt_options(
            configuration,
            minion_id=MINION_ID,
            file_roots=sandbox.file_roots,
            pillar_roots=sandbox.pillar_roots,
            cache_directory=str(sandbox.work / "cache"),
            is_local=True,
            grains=grains,
        ),
        settings=CompilerSettings.of(configuration),
    )


def compile_step(sandbox: Sandbox, step: Step) -> tuple[Any, int]:
    """Carry out a step that compiles; give the answer, restored, and the retcode."""
    try:
        answer, retcode = _answer(sandbox, step)
    except LimpetError as error:
        answer, retcode = {"error": str(error)}, 1
    return sandbox.restored(answer), retcode


def _answer(sandbox: Sandbox, step: Step) -> tuple[Any, int]:
    minion = make_minion(sandbox)
    seed = Compilation(minion).pillar.items
    compilation = Compilation(
        minion,
        saltenv=step.keywords.get("saltenv") or sandbox.configuration.get("saltenv"),
        pillarenv=step.keywords.get("pillarenv"),
        pillar_override=step.keywords.get("pillar"),
        seed_pillar=seed,
    )
    wanted = [each for argument in step.arguments for each in str(argument).split(",")]
    match step.function:
        case "pillar.items":
            return compilation.pillar_items(), 0
        case "state.show_top":
            return _judged(compilation.show_top())
        case "state.show_highstate":
            return _judged(compilation.show_highstate())
        case "state.show_lowstate":
            return compilation.show_lowstate(), 0
        case "state.show_states":
            return compilation.show_states(), 0
        case "state.show_sls":
            return _judged(compilation.show_sls(wanted))
        case "state.show_low_sls":
            chunks = compilation.show_low_sls(wanted)
            return chunks, int(any(isinstance(each, str) for each in chunks))
        case "state.sls_exists":
            is_there = isinstance(compilation.show_sls(wanted), dict)
            return is_there, int(not is_there)
        case "state.id_exists":
            ids = str(step.arguments[0]).split(",")
            found = {
                each["__id__"]
                for each in compilation.show_low_sls(str(step.arguments[1]).split(","))
                if isinstance(each, dict)
            }
            return found.issuperset(ids), 0
        case other:
            raise AssertionError(f"{other} is no step that compiles")


def _judged(answer: Any) -> tuple[Any, int]:  # noqa: ANN401
    return answer, int(isinstance(answer, list))


__all__ = ["COMPILED", "PillarFailed", "compile_step", "make_minion"]
