"""Accounts as states and functions see them, and the shadow tools that change them.

Looking goes through the system's own database, or through the files below another root. Changing is
the tools' business (`useradd`, `chpasswd`, …): they lock the files and keep them consistent.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.ports import programs
from limpet.states.ports.machine import Account, Group, Host

REDACTED: Final = "XXX-REDACTED-XXX"
"""Stands for every password and hash, as in Salt."""
GECOS: Final = ("fullname", "roomnumber", "workphone", "homephone", "other")
_NAME: Final = r"[^\s:,/\0-][^\s:,/\0]{0,254}"
_LOCKED: Final = ("cannot lock", "try again later")
_ATTEMPTS_MAX: Final = 8
_BETWEEN_S: Final = 0.5
_DATABASE_BYTES_MAX: Final = 64 * 1024 * 1024


def user_name(name: object) -> str:
    """Give a name if an account may have it. Raises `HostError`."""
    return programs.plain_word(name, "the name of a user", _NAME)


def group_name(name: object) -> str:
    """Give a name if a group may have it. Raises `HostError`."""
    return programs.plain_word(name, "the name of a group", _NAME)


def tool(
    host: Host, argv: Sequence[str], root: str | None = None, *, stdin: str | None = None
) -> programs.Answer:
    """Run one of the shadow tools; wait a little where another one holds the files locked."""
    words = [argv[0], *(["-R", root] if root else []), *argv[1:]]
    for _ in range(_ATTEMPTS_MAX):
        answer = programs.run(host.commands, words, stdin=stdin)
        if answer.is_good or not any(each in answer.stderr for each in _LOCKED):
            break
        host.system.sleep(_BETWEEN_S)
    return answer


def users(host: Host, root: str | None = None) -> list[Account]:
    """Give all accounts."""
    if not root:
        return host.accounts.all_users()
    found = []
    for fields in _lines(host, f"{root}/etc/passwd", 7):
        name, password, uid, gid, gecos, home, shell = fields[:7]
        if uid.isdigit() and gid.isdigit():
            fullname = gecos.split(",")[0]
            found.append(Account(name, int(uid), int(gid), home, shell, fullname, gecos, password))
    return found


def groups(host: Host, root: str | None = None) -> list[Group]:
    """Give all groups."""
    if not root:
        return host.accounts.all_groups()
    found = []
    for name, password, gid, members, *_ in _lines(host, f"{root}/etc/group", 4):
        if gid.isdigit():
            named = tuple(each for each in members.split(",") if each)
            found.append(Group(name, int(gid), named, password))
    return found


def user(host: Host, name: str, root: str | None = None) -> Account | None:
    """Find an account by name."""
    if not root:
        return host.accounts.user(name)
    return next((each for each in users(host, root) if each.name == name), None)


def group(host: Host, name: str, root: str | None = None) -> Group | None:
    """Find a group by name."""
    return next((each for each in groups(host, root) if each.name == name), None)


def groups_of(host: Host, account: Account, root: str | None = None) -> list[str]:
    """Give the names of a user's groups, the primary one too, sorted."""
    return sorted(
        {
            each.name
            for each in groups(host, root)
            if each.gid == account.gid or account.name in each.members
        }
    )


def user_information(host: Host, account: Account, root: str | None = None) -> dict[str, Any]:
    """Give what Salt's `user.info` gives."""
    parts = [*account.gecos.split(",", 4), "", "", "", "", ""][:5]
    return {
        "gid": account.gid,
        "groups": groups_of(host, account, root),
        "home": account.home,
        "name": account.name,
        "passwd": account.password,
        "shell": account.shell,
        "uid": account.uid,
        **dict(zip(GECOS, parts, strict=True)),
    }


def group_information(found: Group) -> dict[str, Any]:
    """Give what Salt's `group.info` gives."""
    return {
        "name": found.name,
        "passwd": found.password,
        "gid": found.gid,
        "members": list(found.members),
    }


@dataclass(frozen=True, slots=True)
class Shadow:
    """One line of the shadow file; days since 1970, -1 where nothing is said."""

    name: str
    password: str
    last_change: int
    least: int
    most: int
    warning: int
    inactive: int
    expires: int

    def information(self) -> dict[str, Any]:
        """Give what Salt's `shadow.info` gives."""
        return {
            "name": self.name,
            "passwd": self.password,
            "lstchg": self.last_change,
            "min": self.least,
            "max": self.most,
            "warn": self.warning,
            "inact": self.inactive,
            "expire": self.expires,
        }


def shadow(host: Host, name: str, root: str | None = None) -> Shadow | None:
    """Find a user's line of the shadow file; only root may."""
    for found in _lines(host, f"{root or ''}/etc/shadow", 8):
        if found[0] == name:
            days = [int(each) if each.lstrip("-").isdigit() else -1 for each in found[2:8]]
            return Shadow(name, found[1], *days)
    return None


def set_password(host: Host, name: str, hashed: str, root: str | None = None) -> None:
    """Set a hash; it goes through standard input. Raises `HostError` without the hash in it."""
    user_name(name)
    for character in "\n\r\0:":
        if character in hashed:
            raise HostError(f"the password hash for {name} has {character!r} in it")
    if not hashed:
        tool(host, ["passwd", "-d", name], root).checked()
        return
    answer = tool(host, ["chpasswd", "-e"], root, stdin=f"{name}:{hashed}\n")
    if not answer.is_good:
        raise HostError(answer.complaint.replace(hashed, REDACTED))


def day_number(value: object) -> int:
    """Give the number of a day since 1970: a number, a date or YYYY-MM-DD. Raises `HostError`."""
    if isinstance(value, datetime.datetime):
        value = value.date()
    if isinstance(value, datetime.date):
        return (value - datetime.date(1970, 1, 1)).days
    text = str(value)
    try:
        return int(text)
    except ValueError:
        try:
            return day_number(datetime.date.fromisoformat(text))
        except ValueError:
            raise HostError(f"{text!r} is no day: a number or YYYY-MM-DD is expected") from None


def _lines(host: Host, path: str, fields_min: int) -> list[list[str]]:
    text = host.files.read_text(path, bytes_max=_DATABASE_BYTES_MAX) or ""
    found = [line.split(":") for line in text.splitlines() if line and line[0] not in "#+-"]
    return [fields for fields in found if len(fields) >= fields_min]
