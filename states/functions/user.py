"""`user.*`: the accounts of this machine."""

from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.ports import accounts, programs
from limpet.states.ports.machine import Account


@dataclass(frozen=True, slots=True)
class AddOptions:
    """Arguments of `user.add`."""

    name: str
    uid: Loose = None
    gid: Loose = None
    """Name or number of the primary group."""
    groups: list[str] | None = None
    home: str | None = None
    shell: str | None = None
    unique: bool = True
    system: bool = False
    fullname: Loose = ""
    roomnumber: Loose = ""
    workphone: Loose = ""
    homephone: Loose = ""
    other: Loose = ""
    createhome: bool = True
    loginclass: str | None = None
    """Of BSD; has no effect here."""
    nologinit: bool = False
    """Leave the user out of the logs of logins (for very high numbers)."""
    root: str | None = None
    usergroup: bool | None = None
    """Make a group of the same name."""
    local: bool = False
    """Taken: the tools here write the local files."""


def add(context: FunctionContext, options: AddOptions) -> bool:
    """Add a user; false if that was refused.

    CLI Example: limpet run '*' user.add ann uid=2001 groups=sudo shell=/bin/bash
    """
    name = accounts.user_name(options.name)
    words = ["useradd"]
    if options.shell:
        words += ["-s", programs.plain_line(options.shell, "a shell", ":")]
    if options.uid not in (None, ""):
        words += ["-u", programs.plain_word(options.uid, "the number of a user", r"\d{1,10}")]
    if options.gid not in (None, ""):
        words += ["-g", accounts.group_name(options.gid)]
    elif options.usergroup is not None:
        words += ["-U" if options.usergroup else "-N"]
    elif accounts.group(context.host, name, options.root) is not None:
        words += ["-g", name]  # Salt: else the tool refuses, the group being there already
    if options.groups:
        words += ["-G", ",".join(accounts.group_name(each) for each in options.groups)]
    if options.home:
        words += ["-d", programs.plain_line(options.home, "a home", ":")]
    words += ["-m" if options.createhome else "-M"]
    words += [] if options.unique else ["-o"]
    words += ["-r"] if options.system else []
    words += ["-l"] if options.nologinit else []
    gecos = _gecos([getattr(options, each) for each in accounts.GECOS])
    words += ["-c", gecos] if gecos else []
    return _done(context, [*words, name], options.root)


def delete(
    context: FunctionContext,
    name: str,
    remove: bool = False,
    force: bool = False,
    root: str | None = None,
    local: bool = False,
) -> bool:
    """Remove a user, with `remove` the home as well; false if that was refused.

    CLI Example: limpet run '*' user.delete ann remove=True force=True
    """
    words = ["userdel", *(["-r"] if remove else []), *(["-f"] if force else [])]
    return _done(context, [*words, accounts.user_name(name)], root)


def info(context: FunctionContext, name: str, root: str | None = None) -> dict[str, Any]:
    """Give everything about a user but the hash; nothing if there is none.

    CLI Example: limpet run '*' user.info root
    """
    found = accounts.user(context.host, name, root)
    return {} if found is None else accounts.user_information(context.host, found, root)


def getent(
    context: FunctionContext, refresh: bool = False, root: str | None = None
) -> list[dict[str, Any]]:
    """Give everything about all users but the hashes.

    CLI Example: limpet run '*' user.getent
    """
    host = context.host
    return [accounts.user_information(host, each, root) for each in accounts.users(host, root)]


def list_users(context: FunctionContext, root: str | None = None) -> list[str]:
    """Name all users.

    CLI Example: limpet run '*' user.list_users
    """
    return sorted(each.name for each in accounts.users(context.host, root))


def list_groups(context: FunctionContext, name: str, root: str | None = None) -> list[str]:
    """Name the groups of a user.

    CLI Example: limpet run '*' user.list_groups ann
    """
    found = accounts.user(context.host, name, root)
    return [] if found is None else accounts.groups_of(context.host, found, root)


def primary_group(context: FunctionContext, name: str) -> str:
    """Give the name of a user's primary group.

    CLI Example: limpet run '*' user.primary_group ann
    """
    return context.host.accounts.group_name(_known(context, name, None).gid) or ""


def get_loginclass(context: FunctionContext, name: str) -> bool:
    """Give false: login classes are a thing of BSD.

    CLI Example: limpet run '*' user.get_loginclass ann
    """
    return False


def chuid(context: FunctionContext, name: str, uid: int, root: str | None = None) -> bool:
    """Change the number of a user. Files that belong to the old one are left alone.

    CLI Example: limpet run '*' user.chuid ann 4376
    """
    return _changed(context, name, ["-u", str(uid)], {"uid": uid}, root)


def chgid(context: FunctionContext, name: str, gid: Loose, root: str | None = None) -> bool:
    """Change the primary group of a user.

    CLI Example: limpet run '*' user.chgid ann 4376
    """
    number = gid
    if not isinstance(gid, int) and not str(gid).isdigit():
        found = accounts.group(context.host, str(gid), root)
        if found is None:
            raise HostError(f"Group '{gid}' does not exist")
        number = found.gid
    return _changed(context, name, ["-g", str(number)], {"gid": int(number)}, root)


def chshell(context: FunctionContext, name: str, shell: str, root: str | None = None) -> bool:
    """Change the login shell of a user.

    CLI Example: limpet run '*' user.chshell ann /bin/zsh
    """
    words = ["-s", programs.plain_line(shell, "a shell", ":")]
    return _changed(context, name, words, {"shell": shell}, root)


def chhome(
    context: FunctionContext, name: str, home: str, persist: bool = False, root: str | None = None
) -> bool:
    """Change the home of a user, with `persist` moving what is in it.

    CLI Example: limpet run '*' user.chhome ann /srv/ann persist=True
    """
    words = ["-d", programs.plain_line(home, "a home", ":"), *(["-m"] if persist else [])]
    return _changed(context, name, words, {"home": home}, root)


def chgroups(
    context: FunctionContext,
    name: str,
    groups: list[str],
    append: bool = False,
    root: str | None = None,
) -> bool:
    """Set the groups of a user beside the primary one, or with `append` add to them.

    CLI Example: limpet run '*' user.chgroups ann 'sudo,adm' append=True
    """
    _known(context, name, root)
    wanted = ",".join(accounts.group_name(each) for each in groups)
    words = ["usermod", *(["-a"] if append else []), "-G", wanted]
    return _done(context, [*words, accounts.user_name(name)], root)


def chfullname(
    context: FunctionContext, name: str, fullname: Loose, root: str | None = None
) -> bool:
    """Change the full name of a user.

    CLI Example: limpet run '*' user.chfullname ann 'Ann Example'
    """
    return _regecos(context, name, "fullname", fullname, root)


def chroomnumber(
    context: FunctionContext, name: str, roomnumber: Loose, root: str | None = None
) -> bool:
    """Change the room of a user.

    CLI Example: limpet run '*' user.chroomnumber ann 123
    """
    return _regecos(context, name, "roomnumber", roomnumber, root)


def chworkphone(
    context: FunctionContext, name: str, workphone: Loose, root: str | None = None
) -> bool:
    """Change the work phone of a user.

    CLI Example: limpet run '*' user.chworkphone ann 5550123
    """
    return _regecos(context, name, "workphone", workphone, root)


def chhomephone(
    context: FunctionContext, name: str, homephone: Loose, root: str | None = None
) -> bool:
    """Change the home phone of a user.

    CLI Example: limpet run '*' user.chhomephone ann 5551234
    """
    return _regecos(context, name, "homephone", homephone, root)


def chother(context: FunctionContext, name: str, other: Loose, root: str | None = None) -> bool:
    """Change the last part of a user's comment.

    CLI Example: limpet run '*' user.chother ann fubar
    """
    return _regecos(context, name, "other", other, root)


def chloginclass(
    context: FunctionContext, name: str, loginclass: str, root: str | None = None
) -> bool:
    """Give false: login classes are a thing of BSD.

    CLI Example: limpet run '*' user.chloginclass ann staff
    """
    return False


def rename(context: FunctionContext, name: str, new_name: str, root: str | None = None) -> bool:
    """Give a user another name.

    CLI Example: limpet run '*' user.rename ann anna
    """
    if accounts.user(context.host, new_name, root) is not None:
        raise HostError(f"User '{new_name}' already exists")
    _known(context, name, root)
    return _done(
        context, ["usermod", "-l", accounts.user_name(new_name), accounts.user_name(name)], root
    )


def _regecos(
    context: FunctionContext, name: str, part: str, value: Loose, root: str | None
) -> bool:
    found = _known(context, name, root)
    parts = [*found.gecos.split(",", 4), "", "", "", "", ""][:5]
    wanted = "" if value is None else str(value)
    if parts[accounts.GECOS.index(part)] == wanted:
        return True
    parts[accounts.GECOS.index(part)] = wanted
    return _done(context, ["usermod", "-c", _gecos(parts), found.name], root)


def _gecos(parts: list[Loose]) -> str:
    texts = ["" if each is None else str(each) for each in parts]
    for each in texts[:4]:
        programs.plain_line(each, "a part of a user's comment", ",:")
    programs.plain_line(texts[4], "a part of a user's comment", ":")
    return ",".join(texts).rstrip(",")


def _changed(
    context: FunctionContext, name: str, words: list[str], wanted: dict[str, Any], root: str | None
) -> bool:
    found = _known(context, name, root)
    if all(getattr(found, key) == value for key, value in wanted.items()):
        return True
    if not _done(context, ["usermod", *words, found.name], root):
        return False
    after = accounts.user(context.host, name, root)
    return after is not None and all(getattr(after, key) == value for key, value in wanted.items())


def _known(context: FunctionContext, name: str, root: str | None) -> Account:
    found = accounts.user(context.host, name, root)
    if found is None:
        raise HostError(f"User '{name}' does not exist")
    return found


def _done(context: FunctionContext, words: list[str], root: str | None) -> bool:
    answer = accounts.tool(context.host, words, root)
    if not answer.is_good:
        context.retcode = int(context.is_published)
    return answer.is_good
