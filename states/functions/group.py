"""`group.*`: the groups of this machine."""

from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.arguments import Mismatch, convert
from limpet.states.ports import accounts


def info(context: FunctionContext, name: str, root: str | None = None) -> dict[str, Any]:
    """Give name, number and members of a group; nothing if there is none.

    CLI Example: limpet run '*' group.info sudo
    """
    found = accounts.group(context.host, name, root)
    return {} if found is None else accounts.group_information(found)


def getent(
    context: FunctionContext, refresh: bool = False, root: str | None = None
) -> list[dict[str, Any]]:
    """Give all groups.

    CLI Example: limpet run '*' group.getent
    """
    return [accounts.group_information(each) for each in accounts.groups(context.host, root)]


def list_groups(context: FunctionContext, root: str | None = None) -> list[str]:
    """Name all groups.

    CLI Example: limpet run '*' group.list_groups
    """
    return sorted(each.name for each in accounts.groups(context.host, root))


def add(
    context: FunctionContext,
    name: str,
    gid: Loose = None,
    system: bool = False,
    root: str | None = None,
    non_unique: bool = False,
    **_odd: Loose,
) -> bool:
    """Add a group.

    CLI Example: limpet run '*' group.add developers 3456
    """
    words = ["groupadd"]
    if gid is not None and gid != "":
        words += ["-g", str(_number(gid))]
        words += ["-o"] if non_unique else []
    words += ["-r"] if system else []
    return _done(context, [*words, accounts.group_name(name)], root)


def delete(context: FunctionContext, name: str, root: str | None = None, **_odd: Loose) -> bool:
    """Remove a group.

    CLI Example: limpet run '*' group.delete developers
    """
    return _done(context, ["groupdel", accounts.group_name(name)], root)


def adduser(
    context: FunctionContext, name: str, username: str, root: str | None = None, **_odd: Loose
) -> bool:
    """Add a user to a group.

    CLI Example: limpet run '*' group.adduser developers ann
    """
    user = accounts.user_name(username)
    return _done(context, ["gpasswd", "-a", user, accounts.group_name(name)], root)


def deluser(
    context: FunctionContext, name: str, username: str, root: str | None = None, **_odd: Loose
) -> bool:
    """Take a user out of a group.

    CLI Example: limpet run '*' group.deluser developers ann
    """
    found = accounts.group(context.host, name, root)
    if found is None or username not in found.members:
        return True
    return _done(context, ["gpasswd", "-d", accounts.user_name(username), found.name], root)


def members(
    context: FunctionContext,
    name: str,
    members_list: list[str],
    root: str | None = None,
    **_odd: Loose,
) -> bool:
    """Have a group consist of exactly these users.

    CLI Example: limpet run '*' group.members developers 'ann,bob'
    """
    wanted = ",".join(accounts.user_name(each) for each in members_list)
    return _done(context, ["gpasswd", "-M", wanted, accounts.group_name(name)], root)


def chgid(
    context: FunctionContext,
    name: str,
    gid: int,
    root: str | None = None,
    non_unique: bool = False,
    **_odd: Loose,
) -> bool:
    """Change the number of a group. Files that belong to the old one are left alone.

    CLI Example: limpet run '*' group.chgid developers 4376
    """
    found = accounts.group(context.host, name, root)
    if found is None:
        raise HostError(f"Group '{name}' does not exist")
    if found.gid == gid:
        return True
    words = ["groupmod", "-g", str(gid), *(["-o"] if non_unique else [])]
    if not _done(context, [*words, found.name], root):
        return False
    after = accounts.group(context.host, name, root)
    return after is not None and after.gid == gid


def _done(context: FunctionContext, words: list[str], root: str | None) -> bool:
    answer = accounts.tool(context.host, words, root)
    if not answer.is_good:
        context.retcode = int(context.is_published)
    return answer.is_good


def _number(gid: Loose) -> int:
    try:
        return int(convert(gid, int))
    except Mismatch as mismatch:
        raise HostError(f"the gid must be {mismatch}, not {gid!r}") from None
