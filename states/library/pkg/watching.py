"""What a `pkg` state does when something that it watches has changed."""

from limpet.states.context import Loose
from limpet.states.library import registry
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed

_AGAIN = ("installed", "latest", "purged", "removed")


def mod_watch(
    context: StateContext, name: str, sfun: str | None = None, **arguments: Loose
) -> Outcome:
    """Look again, and do what is to be done: what is watched may have changed the repositories."""
    function = registry.find(f"pkg.{sfun}") if sfun in _AGAIN else None
    if function is None:
        return failed(f"pkg.{sfun} does not work with the watch requisite")
    return registry.call(function, context, {"name": name, **arguments})
