"""The `schedule` states, which are refused: minions have no schedule yet."""

from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed

_REFUSAL = "schedule.{}: not there yet; docs/from-salt.md says what to use instead"


def present(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Fail, and say where to read on."""
    return failed(_REFUSAL.format("present"))


def absent(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Succeed: there is none."""
    return Outcome(True, f"{name} is not there")


def enabled(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Fail, and say where to read on."""
    return failed(_REFUSAL.format("enabled"))


def disabled(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Succeed: there is none that could run."""
    return Outcome(True, f"{name} is not there")
