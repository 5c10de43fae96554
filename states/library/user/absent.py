"""`user.absent`."""

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed
from limpet.states.ports import accounts


def absent(
    context: StateContext, name: str, purge: bool = False, force: bool = False, **_odd: Loose
) -> Outcome:
    """See to it that an account is not there; with `purge` its home goes too."""
    host = context.host
    if accounts.user(host, name) is None:
        return Outcome(True, f"User {name} is not present")
    if context.is_test:
        return Outcome(None, f"User {name} set for removal")
    before = {each.name for each in accounts.groups(host)}
    try:
        is_gone = context.call("user.delete", name, remove=purge, force=force)
    except HostError as error:
        return failed(f"Failed to remove user {name}: {error}")
    if not is_gone:
        return failed(f"Failed to remove user {name}")
    gone = sorted(before - {each.name for each in accounts.groups(host)})
    changes = {**{f"{each} group": "removed" for each in gone}, name: "removed"}
    return Outcome(True, f"Removed user {name}", changes)
