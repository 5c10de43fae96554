"""Owners and modes of files."""

import hashlib
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.ports.file_system import Facts


def uid_to_user(context: FunctionContext, uid: int) -> str:
    """Give the name of a user's number; empty if there is none.

    CLI Example: limpet run '*' file.uid_to_user 0
    """
    found = context.host.accounts.user_of(uid)
    return "" if found is None else found.name


def user_to_uid(context: FunctionContext, user: Loose) -> Loose:
    """Give the number of a user; empty if there is none.

    CLI Example: limpet run '*' file.user_to_uid root
    """
    if isinstance(user, int):
        return user
    found = context.host.accounts.user(str(user))
    return "" if found is None else found.uid


def gid_to_group(context: FunctionContext, gid: int) -> str:
    """Give the name of a group's number; empty if there is none.

    CLI Example: limpet run '*' file.gid_to_group 0
    """
    return context.host.accounts.group_name(gid) or ""


def group_to_gid(context: FunctionContext, group: Loose) -> Loose:
    """Give the number of a group; empty if there is none.

    CLI Example: limpet run '*' file.group_to_gid root
    """
    if isinstance(group, int):
        return group
    found = context.host.accounts.group_id(str(group))
    return "" if found is None else found


def get_uid(context: FunctionContext, path: str, follow_symlinks: bool = True) -> int:
    """Give the number of a file's user.

    CLI Example: limpet run '*' file.get_uid /etc/passwd
    """
    return _facts(context, path, follow_symlinks).uid


def get_gid(context: FunctionContext, path: str, follow_symlinks: bool = True) -> int:
    """Give the number of a file's group.

    CLI Example: limpet run '*' file.get_gid /etc/passwd
    """
    return _facts(context, path, follow_symlinks).gid


def get_user(context: FunctionContext, path: str, follow_symlinks: bool = True) -> str:
    """Give the name of a file's user.

    CLI Example: limpet run '*' file.get_user /etc/passwd
    """
    return uid_to_user(context, _facts(context, path, follow_symlinks).uid)


def get_group(context: FunctionContext, path: str, follow_symlinks: bool = True) -> str:
    """Give the name of a file's group.

    CLI Example: limpet run '*' file.get_group /etc/passwd
    """
    return gid_to_group(context, _facts(context, path, follow_symlinks).gid)


def get_mode(context: FunctionContext, path: str, follow_symlinks: bool = True) -> str:
    """Give the mode of a file as four octal digits.

    CLI Example: limpet run '*' file.get_mode /etc/passwd
    """
    return f"{_facts(context, path, follow_symlinks).mode:04o}"


def set_mode(context: FunctionContext, path: str, mode: Loose) -> str:
    """Set the mode of a file, and give the one that it has then.

    CLI Example: limpet run '*' file.set_mode /etc/passwd 0644
    """
    text = str(mode).removeprefix("0o")
    try:
        bits = int(text, 8)
    except ValueError:
        raise UsageError(f"the mode {mode!r} is no octal number such as 0644") from None
    _facts(context, path, True)
    context.host.file_system.set_mode(path, bits)
    return get_mode(context, path)


def chown(context: FunctionContext, path: str, user: Loose, group: Loose) -> str | None:
    """Set user and group of a file; give what is wrong, if anything.

    CLI Example: limpet run '*' file.chown /etc/passwd root root
    """
    uid, gid = user_to_uid(context, user), group_to_gid(context, group)
    wrong = ["User does not exist"] if uid == "" and user else []
    wrong += ["Group does not exist"] if gid == "" and group else []
    if context.host.file_system.facts(path) is None:
        wrong.append("File not found")
    if wrong:
        context.retcode = 1
        return "\n".join(wrong)
    context.host.file_system.set_owner(path, -1 if uid == "" else uid, -1 if gid == "" else gid)
    return None


def chgrp(context: FunctionContext, path: str, group: Loose) -> str | None:
    """Set the group of a file; give what is wrong, if anything.

    CLI Example: limpet run '*' file.chgrp /etc/passwd root
    """
    return chown(context, path, "", group)


def stats(
    context: FunctionContext, path: str, hash_type: str = "sha256", follow_symlinks: bool = True
) -> dict[str, Any]:
    """Give everything about a file: owner, mode, size, times, checksum.

    CLI Example: limpet run '*' file.stats /etc/passwd
    """
    facts = _facts(context, path, follow_symlinks)
    kinds = {"directory": "dir", "character": "char"}
    found: dict[str, Any] = {
        "inode": facts.inode,
        "uid": facts.uid,
        "gid": facts.gid,
        "group": gid_to_group(context, facts.gid),
        "user": uid_to_user(context, facts.uid),
        "atime": facts.accessed_s,
        "mtime": facts.modified_s,
        "size": facts.size,
        "mode": f"{facts.mode:04o}",
        "type": kinds.get(facts.kind, facts.kind),
        "target": context.host.file_system.real_path(path),
    }
    if hash_type and facts.kind == "file":
        content = context.host.file_system.read(path)
        found["sum"] = hashlib.new(hash_type, content, usedforsecurity=False).hexdigest()
    return found


def _facts(context: FunctionContext, path: str, is_following: bool) -> Facts:
    found = context.host.file_system.facts(path, is_following=is_following)
    if found is None:
        raise HostError(f"Path not found: {path}")
    return found


def lchown(context: FunctionContext, path: str, user: Loose, group: Loose) -> str | None:
    """Give a name itself, not what it leads to, another owner; a text says what was wrong.

    CLI Example: limpet run '*' file.lchown /etc/passwd root root
    """
    uid = user_to_uid(context, user) if user not in ("", None) else -1
    gid = group_to_gid(context, group) if group not in ("", None) else -1
    for number, what in ((uid, "User"), (gid, "Group")):
        if number == "":
            return f"{what} does not exist"
    context.host.file_system.set_owner(path, int(uid), int(gid), is_following=False)
    return None
