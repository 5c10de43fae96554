"""The `loop` states: wait until a function gives what is expected."""

import operator
from typing import Any

from limpet.common.errors import LimpetError
from limpet.states.context import Loose
from limpet.states.functions import registry as functions
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def until(
    context: StateContext,
    name: str,
    m_args: Loose = None,
    m_kwargs: Loose = None,
    condition: str | None = None,
    period: float = 1,
    timeout: float = 60,
    **_odd: Loose,
) -> Outcome:
    """Call a function until `condition`, an expression of `m_ret`, is true of what it gives."""
    if functions.find(name) is None:
        return failed(f"Cannot find module {name}")
    if condition is None:
        return failed("An exit condition must be specified")
    if context.is_test:
        return Outcome(None, f"The execution module {name} will be run")

    def is_met(answer: Any) -> bool:  # noqa: ANN401
        # The tree's own code, as an SLS is; Salt's condition is an expression of Python too.
        return bool(eval(condition, {}, {"m_ret": answer}))  # noqa: S307

    try:
        _, is_good = _repeated(context, name, m_args, m_kwargs, is_met, period, timeout)
    except (LimpetError, SyntaxError, NameError, TypeError, LookupError) as error:
        return failed(f"{name}: {error}")
    if is_good:
        return Outcome(True, f"Condition {condition} was met")
    return failed(f"Timed out while waiting for condition {condition}")


def until_no_eval(
    context: StateContext,
    name: str,
    expected: Loose,
    compare_operator: str = "eq",
    timeout: float = 60,
    period: float = 1,
    init_wait: float = 0,
    args: Loose = None,
    kwargs: Loose = None,
    **_odd: Loose,
) -> Outcome:
    """Call a function until what it gives compares with `expected` as the operator says."""
    if functions.find(name) is None and not context.is_test:
        return failed(f'Module.function "{name}" is unavailable.')
    compare = getattr(operator, str(compare_operator), None)
    if compare is None:
        return failed(f"there is no operator {compare_operator!r}; eq, ne, lt, gt, contains are")
    if context.is_test:
        return Outcome(None, f'Would have waited for "{name}" to produce "{expected}".')
    context.host.system.sleep(init_wait)
    try:
        attempts, is_good = _repeated(
            context, name, args, kwargs, lambda got: bool(compare(got, expected)), period, timeout
        )
    except (LimpetError, TypeError) as error:
        return failed(f"Exception occurred while executing {name}: {error}")
    if is_good:
        return Outcome(True, f"Call provided the expected results in {attempts} attempts")
    return failed(f"Call did not produce the expected result after {attempts} attempts")


def _repeated(
    context: StateContext,
    name: str,
    positional: Loose,
    keyword: Loose,
    is_met: Any,  # noqa: ANN401 — says whether an answer ends it
    period: float,
    timeout: float,
) -> tuple[int, bool]:
    """Call until it is met or the time is over; give the number of calls, and whether it is."""
    system = context.host.system
    end_s = system.now() + timeout
    attempts = 0
    while True:
        attempts += 1
        answer = context.call(name, *(positional or []), **(keyword or {}))
        if is_met(answer):
            return attempts, True
        if system.now() + period > end_s:
            return attempts, False
        system.sleep(max(0.01, period))
