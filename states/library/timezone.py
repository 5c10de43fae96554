"""The `timezone` state: the machine's time zone and what its hardware clock shows."""

from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def system(context: StateContext, name: str, utc: bool = True, **_odd: Loose) -> Outcome:
    """See to it that the machine has this time zone, and its hardware clock UTC or not."""
    try:
        is_set = context.call("timezone.zone_compare", name)
        is_utc = context.call("timezone.get_hwclock") == "UTC"
    except HostError as error:
        return failed(f"Unable to compare desired timezone '{name}' to system timezone: {error}")
    if is_set and is_utc == utc:
        return Outcome(True, f"Timezone {name} already set, UTC already set to {utc}")
    lines: list[str] = []
    changes: dict[str, Any] = {}
    if context.is_test:
        lines += [] if is_set else [f"Timezone {name} needs to be set"]
        lines += [] if is_utc == utc else [f"UTC needs to be set to {utc}"]
        return Outcome(None, ", ".join(lines))
    try:
        if not is_set:
            context.call("timezone.set_zone", name)
            changes["timezone"] = name
            lines.append(f"Set timezone {name}")
        if is_utc != utc:
            context.call("timezone.set_hwclock", "UTC" if utc else "localtime")
            changes["utc"] = utc
            lines.append(f"Set UTC to {utc}")
    except HostError as error:
        return Outcome(False, f"Failed to set timezone {name} or UTC: {error}", changes)
    return Outcome(True, ", ".join(lines), changes)
