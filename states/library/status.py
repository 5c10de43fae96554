"""The `status` states: load and processes of this machine; nothing is changed."""

import re

from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed

_LOADS = ("1-min", "5-min", "15-min")


def loadavg(
    context: StateContext,
    name: str,
    maximum: Loose = None,
    minimum: Loose = None,
    **_odd: Loose,
) -> Outcome:
    """Fail if a load average is above or below a limit."""
    if name not in _LOADS:
        return failed(f"Requested load average {name} not available ")
    load = context.host.system.load_average()[_LOADS.index(name)]
    if minimum and load < float(minimum):
        return failed(f"Load avg is below minimum of {minimum} at {load}")
    if maximum and load > float(maximum):
        return failed(f"Load avg above maximum of {maximum} at {load}")
    return Outcome(True, "Load avg in acceptable range")


def process(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Fail if no process runs whose command line a pattern fits."""
    try:
        pattern = re.compile(name)
    except re.error as error:
        return failed(f"{name!r} is no regular expression: {error}")
    lines = (" ".join(each.cmdline) or each.name for each in context.host.processes.all())
    if any(pattern.search(line) for line in lines):
        return Outcome(True, f'Process signature "{name}" was found ')
    return failed(f'Process signature "{name}" not found ')
