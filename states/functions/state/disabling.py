"""SLS and the highstate, disabled on a minion: kept as a grain, as in Salt."""

from collections.abc import Iterable
from typing import Any, Final

from limpet.states.context import FunctionContext, Loose

GRAIN: Final = "state_runs_disabled"
DISABLED_HIGHSTATE: Final = {
    "name": "Salt highstate run is disabled. To re-enable, run state.enable highstate",
    "result": "False",
    "comment": "Disabled",
}
"""What stands for the results of a highstate that is disabled."""


def list_disabled(context: FunctionContext) -> list[str]:
    """Give what is disabled on this minion.

    CLI Example: limpet run '*' state.list_disabled
    """
    found = context.grains.get(GRAIN)
    return [str(each) for each in found] if isinstance(found, list | tuple) else []


def disable(context: FunctionContext, states: Loose) -> dict[str, Any]:
    """Keep SLS, or the `highstate`, from being run by `state.apply` and its like.

    CLI Example: limpet run '*' state.disable highstate,web.server
    """
    known = list_disabled(context)
    said = []
    for name in _listed(states):
        if name in known:
            said.append(f"Info: {name} state already disabled.")
        else:
            said.append(f"Info: {name} state disabled.")
            known.append(name)
    context.call("grains.setval", GRAIN, known)
    return {"res": True, "msg": "\n".join(said)}


def enable(context: FunctionContext, states: Loose) -> dict[str, Any]:
    """Let SLS, or the `highstate`, be run again.

    CLI Example: limpet run '*' state.enable highstate
    """
    known = list_disabled(context)
    said = []
    for name in _listed(states):
        if name in known:
            said.append(f"Info: {name} state enabled.")
            known.remove(name)
        else:
            said.append(f"Info: {name} state already enabled.")
    context.call("grains.setval", GRAIN, known)
    return {"res": True, "msg": "\n".join(said)}


def disabled_among(context: FunctionContext, names: Iterable[str]) -> list[str]:
    """Give those of the names that are disabled; `web.*` disables all that begins with `web.`."""
    disabled = list_disabled(context)
    if not disabled:
        return []
    begins = tuple(each.removesuffix("*") for each in disabled if each.endswith(".*"))
    return [name for name in names if name in disabled or (begins and name.startswith(begins))]


def _listed(states: Loose) -> list[str]:
    if isinstance(states, str):
        return [each.strip() for each in states.split(",") if each.strip()]
    return [str(each) for each in states]
