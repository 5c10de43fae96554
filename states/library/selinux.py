"""The `selinux` states: mode, booleans and file contexts; an error where there is no SELinux."""

from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.functions.selinux import mode_of, switch_of
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def mode(context: StateContext, name: Loose, **_odd: Loose) -> Outcome:
    """See to it that SELinux is in a mode, now and after the next boot."""
    try:
        wanted = mode_of(name)
        before = context.call("selinux.getenforce")
        configured = context.call("selinux.getconfig") or before.lower()
        # Disabled is a thing of the next boot: a running SELinux can't be taken away.
        is_now = before == wanted or wanted == "Disabled"
        if is_now and configured == wanted.lower():
            return Outcome(True, f"SELinux is already in {wanted} mode")
        if context.is_test:
            return Outcome(None, f"SELinux mode is set to be changed to {wanted}")
        after = context.call("selinux.setenforce", wanted)
    except HostError as error:
        return failed(str(error))
    if after != wanted and wanted != "Disabled":
        return failed(f"Failed to set SELinux to {wanted} mode")
    old = before if before != wanted else configured.capitalize()
    return Outcome(True, f"SELinux has been set to {wanted} mode", {"old": old, "new": wanted})


def boolean(
    context: StateContext, name: str, value: Loose, persist: bool = False, **_odd: Loose
) -> Outcome:
    """See to it that a boolean of SELinux is on or off."""
    try:
        wanted = switch_of(value)
        found = context.call("selinux.getsebool", name)
        if not found:
            return failed(f"Boolean {name} is not available")
        if found["State"] == wanted and (not persist or found["Default"] == wanted):
            return Outcome(True, f"Boolean is in the correct state: {wanted}")
        if context.is_test:
            return Outcome(None, f"Boolean {name} is set to be changed to {wanted}")
        if not context.call("selinux.setsebool", name, wanted, persist):
            return failed(f"Failed to set the boolean {name} to {wanted}")
    except HostError as error:
        return failed(str(error))
    changes: dict[str, Any] = {"State": {"old": found["State"], "new": wanted}}
    if persist:
        changes["Default"] = {"old": found["Default"], "new": wanted}
    return Outcome(True, f"Boolean {name} has been set to {wanted}", changes)


def fcontext_policy_present(
    context: StateContext,
    name: str,
    sel_type: str,
    filetype: str = "a",
    sel_user: str | None = None,
    sel_level: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that there is a local rule for the context of files."""
    wanted = {"sel_type": sel_type, "sel_user": sel_user, "sel_level": sel_level}
    try:
        found = context.call("selinux.fcontext_get_policy", name, filetype)
        given = {key: each for key, each in wanted.items() if each}
        new = {name: {"filetype": filetype, **given}}
        if found and all(found[key] == each for key, each in given.items()):
            comment = f'SELinux policy for "{name}" already present with specified filetype'
            return Outcome(True, comment)
        changes = {"old": {name: dict(found)} if found else {}, "new": new}
        if context.is_test:
            return Outcome(None, f'SELinux policy for "{name}" would be set', changes)
        told = context.call("selinux.fcontext_add_policy", name, filetype, **wanted)
    except HostError as error:
        return failed(str(error))
    if told["retcode"]:
        return failed(f"Error adding new rule for SELinux context: {told['stderr']}")
    return Outcome(True, f'SELinux policy for "{name}" set', changes)


def fcontext_policy_absent(
    context: StateContext, name: str, filetype: str = "a", **_odd: Loose
) -> Outcome:
    """See to it that there is no local rule for the context of files."""
    try:
        found = context.call("selinux.fcontext_get_policy", name, filetype)
        if not found:
            return Outcome(True, f'SELinux policy for "{name}" already absent')
        changes = {"old": {name: dict(found)}, "new": {}}
        if context.is_test:
            return Outcome(None, f'SELinux policy for "{name}" would be removed', changes)
        told = context.call("selinux.fcontext_delete_policy", name, filetype)
    except HostError as error:
        return failed(str(error))
    if told["retcode"]:
        return failed(f"Error deleting policy for SELinux context: {told['stderr']}")
    return Outcome(True, f'SELinux policy for "{name}" removed', changes)


def fcontext_policy_applied(
    context: StateContext, name: str, recursive: bool = False, **_odd: Loose
) -> Outcome:
    """See to it that files have the context that the rules say."""
    try:
        if not context.call("selinux.fcontext_policy_is_applied", name, recursive):
            return Outcome(True, f'SELinux policies are already applied for filespec "{name}"')
        if context.is_test:
            return Outcome(None, f'SELinux policies would be applied for filespec "{name}"')
        told = context.call("selinux.fcontext_apply_policy", name, recursive)
    except HostError as error:
        return failed(str(error))
    if told["retcode"]:
        return failed(f'SELinux policies can\'t be applied for filespec "{name}"')
    changes = told["changes"] or {name: "context restored"}
    return Outcome(True, f'SELinux policies applied for filespec "{name}"', changes)
