"""The `salt` states of orchestration, which are refused: a minion commands no others."""

from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def state(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Fail, and say where to read on."""
    return _refused("state")


def function(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Fail, and say where to read on."""
    return _refused("function")


def runner(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Fail, and say where to read on."""
    return _refused("runner")


def wheel(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Fail, and say where to read on."""
    return _refused("wheel")


def parallel_runners(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Fail, and say where to read on."""
    return _refused("parallel_runners")


def wait_for_event(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Fail, and say where to read on."""
    return _refused("wait_for_event")


def _refused(function_name: str) -> Outcome:
    return failed(
        f"salt.{function_name}: orchestration is not there; docs/from-salt.md says how to run "
        "steps on several minions in order"
    )
