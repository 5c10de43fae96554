"""The `group` states: a group is there with its number and members, or is not there."""

from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.functions.arguments import Mismatch, convert
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed
from limpet.states.ports import accounts
from limpet.states.ports.machine import Group


@dataclass(frozen=True, slots=True)
class PresentOptions:
    """Arguments of `group.present`."""

    name: str
    gid: Loose = None
    system: bool = False
    addusers: list[str] | None = None
    """Those that are added to whoever is a member."""
    delusers: list[str] | None = None
    members: list[str] | None = None
    """Exactly those are members."""
    non_unique: bool = False
    """The number may be another group's too."""
    local: bool = False


def present(context: StateContext, options: PresentOptions) -> Outcome:
    """See to it that a group is there, with this number and these members."""
    name = options.name
    if options.members is not None and (options.addusers or options.delusers):
        return Outcome(
            None,
            'Error: Conflicting options "members" with "addusers" and/or "delusers" can not be '
            "used together. ",
        )
    if set(options.addusers or ()) & set(options.delusers or ()):
        return Outcome(None, "Error. Same user(s) can not be added and deleted simultaneously")
    try:
        gid = None if options.gid in (None, "") else int(convert(options.gid, int))
    except Mismatch as mismatch:
        return failed(f"The gid of group {name} must be {mismatch}, not {options.gid!r}")
    found = accounts.group(context.host, name)
    try:
        if found is None:
            return _created(context, options, gid)
        return _adjusted(context, options, gid, found)
    except HostError as error:
        return failed(str(error))


def absent(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """See to it that a group is not there."""
    if accounts.group(context.host, name) is None:
        return Outcome(True, "Group not present")
    if context.is_test:
        return Outcome(None, f"Group {name} is set for removal")
    try:
        is_gone = context.call("group.delete", name)
    except HostError as error:
        return failed(f"Failed to remove group {name}: {error}")
    if not is_gone:
        return failed(f"Failed to remove group {name}")
    return Outcome(True, f"Removed group {name}", {name: ""})


def _created(context: StateContext, options: PresentOptions, gid: int | None) -> Outcome:
    name = options.name
    if gid is not None and not options.non_unique:
        taken = next((each for each in accounts.groups(context.host) if each.gid == gid), None)
        if taken is not None:
            return failed(
                f"Group {name} is not present but gid {gid} is already taken by group {taken.name}"
            )
    if context.is_test:
        return Outcome(None, f"Group {name} set to be added")
    is_there = context.call(
        "group.add", name, gid=gid, system=options.system, non_unique=options.non_unique
    )
    if not is_there:
        return failed(f"Failed to create new group {name}")
    wanted: dict[str, Any] = {}
    if options.members:
        wanted["members"] = options.members
    if options.addusers:
        wanted["addusers"] = options.addusers
    if undone := _applied(context, name, wanted, non_unique=False):
        return Outcome(
            False,
            f"Group {name} has been created but, some changes could not be applied",
            {"Failed": undone},
        )
    return Outcome(True, f"New group {name} created", context.call("group.info", name))


def _adjusted(
    context: StateContext, options: PresentOptions, gid: int | None, found: Group
) -> Outcome:
    name = options.name
    wanted = _differences(options, gid, found)
    if not wanted:
        return Outcome(True, f"Group {name} is present and up to date")
    lines = ["The following group attributes are set to be changed:"]
    lines += [f"{key}: {value}" for key, value in wanted.items()]
    comment = "".join(f"{line}\n" for line in lines)
    if context.is_test:
        return Outcome(None, comment)
    if undone := _applied(context, name, wanted, non_unique=options.non_unique):
        return Outcome(False, f"{comment}Some changes could not be applied", {"Failed": undone})
    return Outcome(True, comment, {"Final": "All changes applied successfully"})


def _differences(options: PresentOptions, gid: int | None, found: Group) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if gid is not None and gid != found.gid:
        wanted["gid"] = gid
    if options.members:
        if sorted(set(options.members)) != sorted(found.members):
            wanted["members"] = options.members
        return wanted
    if options.members is not None and found.members:
        wanted["delusers"] = list(found.members)
    if added := [each for each in options.addusers or () if each not in found.members]:
        wanted["addusers"] = added
    if removed := [each for each in options.delusers or () if each in found.members]:
        wanted["delusers"] = removed
    return wanted


def _applied(
    context: StateContext, name: str, wanted: dict[str, Any], *, non_unique: bool
) -> dict[str, Any]:
    """Make the changes; give those that were refused."""
    undone: dict[str, Any] = {}
    if "gid" in wanted and not context.call(
        "group.chgid", name, wanted["gid"], non_unique=non_unique
    ):
        undone["gid"] = wanted["gid"]
    if "members" in wanted and not context.call("group.members", name, wanted["members"]):
        undone["members"] = wanted["members"]
    for key, function in (("addusers", "group.adduser"), ("delusers", "group.deluser")):
        refused = [each for each in wanted.get(key, ()) if not context.call(function, name, each)]
        if refused:
            undone[key] = refused
    return undone
