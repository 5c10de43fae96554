"""The `process` states: processes that must not run."""

from limpet.common.errors import LimpetError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def absent(
    context: StateContext,
    name: str,
    user: str | None = None,
    signal: Loose = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that no process runs whose command line a pattern fits."""
    try:
        found = context.call("ps.pgrep", name, user=user, full=True) or []
        if not found:
            return Outcome(True, "No matching processes running")
        listed = {"killed": [str(each) for each in found]}
        if context.is_test:
            return Outcome(None, f"{len(found)} processes will be killed", listed)
        killed = context.call("ps.pkill", name, user=user, signal=signal or 15, full=True)
    except LimpetError as error:
        return failed(str(error))
    pids = (killed or {}).get("killed", []) if isinstance(killed, dict) else []
    return Outcome(True, f"Killed {len(pids)} processes", {"killed": pids})
