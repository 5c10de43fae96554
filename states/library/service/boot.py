"""`service.enabled` and `service.disabled`, and the same as a part of the other states."""

from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed

_NEVER_BY_ITSELF = ("static", "generated", "transient")
"""Nothing starts these at boot for their own sake: there is nothing to disable."""
OFFLINE = "Running in OFFLINE mode. Nothing to do"


def enabled(
    context: StateContext,
    name: str,
    unmask: bool = False,
    unmask_runtime: bool = False,
    **_odd: Loose,
) -> Outcome:
    """See to it that a service is started at boot."""
    if not context.call("service.available", name):
        if context.is_test:
            return Outcome(
                None,
                f"Service {name} not present; if created in this state run, "
                "it would have been enabled",
            )
        return not_available(name)
    return at_boot(
        context, name, True, "in the desired state", unmask=unmask, unmask_runtime=unmask_runtime
    )


def disabled(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """See to it that a service is not started at boot. One that is not there never is."""
    if not context.call("service.available", name):
        return Outcome(True, f"The named service {name} is not available")
    return at_boot(context, name, False, "in the desired state")


def not_available(name: str) -> Outcome:
    """Give the outcome for a service that is not there."""
    return failed(f"The named service {name} is not available")


def at_boot(
    context: StateContext,
    name: str,
    is_wanted: bool,
    now: str,
    *,
    unmask: bool = False,
    unmask_runtime: bool = False,
) -> Outcome:
    """Have the service started at boot or not; `now` says how it is else (`running`, `dead`)."""
    done = "enabled" if is_wanted else "disabled"
    is_enabled = context.call("service.enabled", name)
    if is_enabled == is_wanted:
        return Outcome(True, f"Service {name} is already {done}, and is {now}")
    if not is_wanted and context.host.services.look(name).boot in _NEVER_BY_ITSELF:
        return Outcome(True, f"Service {name} is only started by others, and is {now}")
    if context.is_test:
        return Outcome(None, f"Service {name} set to be {done}")
    complaint = ""
    try:
        if is_wanted:
            context.call("service.enable", name, unmask=unmask, unmask_runtime=unmask_runtime)
        elif not context.call("service.disable", name):
            complaint = "the service manager refused"
    except HostError as error:
        complaint = str(error)
    after = context.host.services.look(name)
    if not complaint and after.is_enabled == is_wanted:
        return Outcome(True, f"Service {name} has been {done}, and is {now}", {name: True})
    if not complaint and not is_wanted:
        # What is only started by others (static, generated) can't be disabled any further.
        return Outcome(True, f"Service {name} has been {done}, and is {now}")
    way = "start at boot" if is_wanted else "not start at boot"
    told = f" Additional information follows:\n\n{complaint}" if complaint else ""
    return failed(f"Failed when setting service {name} to {way}, and it is {now}.{told}")


def both(first: Outcome, boot: Outcome, changes: dict[str, Any]) -> Outcome:
    """Give one outcome for how it runs and what is at boot; Salt shows the boot's comment."""
    result = first.result if boot.result is not False else False
    return Outcome(result, boot.comment, {**changes, **boot.changes})
