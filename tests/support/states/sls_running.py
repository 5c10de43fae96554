"""Running the cases of `sls_cases`: the steps that change the sandbox, through `state.*` itself."""

from typing import Any

from limpet.common.errors import LimpetError
from limpet.common.terminal.arguments import parse_value
from limpet.states.context import FunctionContext, Places
from limpet.states.custom import using
from limpet.states.functions import registry
from limpet.states.host.machine import ThisMachine
from support.states.sls_cases import Sandbox, Step, results_in_order

MINION_ID = "minion1"


def make_context(sandbox: Sandbox) -> FunctionContext:
    """Give what a local call on the case's minion is handed."""
    work = sandbox.work
    state = work / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    return FunctionContext(
        minion_id=MINION_ID,
        host=ThisMachine(),
        places=Places(work / "minion.yaml", work / "grains", state),
        configuration={
            "custom": sandbox.configuration,
            "file_roots": sandbox.file_roots,
            "pillar_roots": sandbox.pillar_roots,
        },
        load_grains=lambda context: _grains(sandbox, context),
    )


def _grains(sandbox: Sandbox, context: FunctionContext) -> dict[str, Any]:
    """Give the case's grains, and over them those of its own modules."""
    custom = using.used()
    own = {} if custom is None else custom.grains(context, sandbox.grains)
    return {**sandbox.grains, **own}


def run_step(sandbox: Sandbox, step: Step) -> tuple[Any, int]:
    """Carry out a step as a local call does; give the answer, restored, and the retcode."""
    context = make_context(sandbox)
    using.use(context.places)
    arguments = [parse_value(each) if isinstance(each, str) else each for each in step.arguments]
    try:
        answer = registry.call(step.function, arguments, step.keywords, context)
        retcode = context.retcode_of(answer)
    except LimpetError as error:
        answer, retcode = {"error": str(error)}, 1
    if isinstance(answer, dict) and all(
        isinstance(each, dict) and "result" in each for each in answer.values()
    ):
        answer = [_without_pid(each) for each in results_in_order(answer)]
    return sandbox.restored(answer), retcode


def _without_pid(result: dict[str, Any]) -> dict[str, Any]:
    changes = result.get("changes")
    if not isinstance(changes, dict):
        return result
    return {**result, "changes": {key: value for key, value in changes.items() if key != "pid"}}
