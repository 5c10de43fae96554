"""Owners and modes of files: read from loose values, compared, set.

A mode is told as four octal digits, an owner by name where it has one.
"""

from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.ports.file_system import missing_folders


@dataclass(frozen=True, slots=True)
class Ownership:
    """What a file is to have; None: as it is."""

    user: Loose = None
    group: Loose = None
    mode: str | None = None

    def ids(self, context: StateContext) -> tuple[int, int]:
        """Give the numbers; -1 keeps what is there. Raises `HostError` for unknown names."""
        return user_id(context, self.user), group_id(context, self.group)

    @property
    def mode_bits(self) -> int | None:
        """The mode as a number."""
        return None if self.mode is None else bits(self.mode)


def normal_mode(mode: Loose) -> str | None:
    """Give a mode as four digits: 644, `0644`, `'644'` and `0o644` are all `0644`; None: none."""
    if mode is None or mode == "":
        return None
    text = str(mode).replace("0o", "0").strip("\"'").lstrip("0").zfill(4)
    bits(text)
    return text


def bits(mode: str) -> int:
    """Give a mode as a number. Raises `HostError`."""
    try:
        return int(mode, 8)
    except ValueError:
        raise HostError(f"the mode {mode!r} is no octal number such as 0644") from None


def shown_mode(value: int) -> str:
    """Show the bits of a mode as four digits."""
    return f"{value:04o}"


def user_id(context: StateContext, user: Loose) -> int:
    """Give a user's number; -1 for None. Raises `HostError` for an unknown name."""
    if user is None or user == "":
        return -1
    if isinstance(user, int):
        return user
    found = context.host.accounts.user(str(user))
    if found is not None:
        return found.uid
    if str(user).isdigit():
        return int(user)
    raise HostError(f"User {user} is not available")


def group_id(context: StateContext, group: Loose) -> int:
    """Give a group's number; -1 for None. Raises `HostError` for an unknown name."""
    if group is None or group == "":
        return -1
    if isinstance(group, int):
        return group
    found = context.host.accounts.group_id(str(group))
    if found is not None:
        return found
    if str(group).isdigit():
        return int(group)
    raise HostError(f"Group {group} is not available")


def user_name(context: StateContext, uid: int) -> Any:  # noqa: ANN401
    """Give a user's name, or the number where there is none."""
    found = context.host.accounts.user_of(uid)
    return uid if found is None else found.name


def group_name(context: StateContext, gid: int) -> Any:  # noqa: ANN401
    """Give a group's name, or the number where there is none."""
    found = context.host.accounts.group_name(gid)
    return gid if found is None else found


def unknown_owner(
    context: StateContext, user: Loose, group: Loose, *, is_strict: bool = False
) -> str:
    """Say which of the two names this machine doesn't know; empty: it knows both.

    In test mode none is missed, unless `is_strict`: a state before may be what makes the account.
    """
    if context.is_test and not is_strict:
        return ""
    found = []
    for find, name in ((user_id, user), (group_id, group)):
        try:
            find(context, name)
        except HostError as error:
            found.append(str(error))
    return " ".join(found)


def differences(
    context: StateContext, path: str, wanted: Ownership, *, is_following: bool = True
) -> dict[str, Any]:
    """Give what `enforce` would change, in Salt's shape: `mode`, `user`, `group`."""
    facts = context.file_system.facts(path, is_following=is_following)
    if facts is None:
        return {}
    found: dict[str, Any] = {}
    uid = gid = -1
    for what, find, name in (("user", user_id, wanted.user), ("group", group_id, wanted.group)):
        try:
            number = find(context, name)
        except HostError:
            if not context.is_test:
                raise
            found[what] = name  # a state before this one may be what makes the account
            continue
        uid, gid = (number, gid) if what == "user" else (uid, number)
    if uid not in (-1, facts.uid):
        found["user"] = user_name(context, uid)
    if gid not in (-1, facts.gid):
        found["group"] = group_name(context, gid)
    bits_wanted = wanted.mode_bits
    if bits_wanted is not None and bits_wanted != facts.mode and facts.kind != "link":
        found["mode"] = wanted.mode
    return found


def enforce(
    context: StateContext, path: str, wanted: Ownership, *, is_following: bool = True
) -> dict[str, Any]:
    """Give the file its owner and mode; give what was changed (in test mode: what would be)."""
    found = differences(context, path, wanted, is_following=is_following)
    if context.is_test or not found:
        return found
    if "user" in found or "group" in found:
        uid, gid = wanted.ids(context)
        context.file_system.set_owner(path, uid, gid, is_following=is_following)
    facts = context.file_system.facts(path, is_following=is_following)
    mode = wanted.mode_bits
    # A change of owner takes setuid away, so the mode is looked at again.
    if facts is not None and mode is not None and facts.kind != "link" and facts.mode != mode:
        context.file_system.set_mode(path, mode)
    return found


def make_parents(context: StateContext, path: str, wanted: Ownership) -> None:
    """Make the missing directories above `path`, each with that owner and mode."""
    system = context.file_system
    parent = path.rstrip("/").rpartition("/")[0]
    missing = missing_folders(
        parent, lambda each: system.facts(each, is_following=True) is not None
    )
    uid, gid = wanted.ids(context)
    for each in missing:
        context.file_system.make_directory(each, wanted.mode_bits)
        if (uid, gid) != (-1, -1):
            context.file_system.set_owner(each, uid, gid)


def directory_mode(mode: str | None) -> str | None:
    """Give the mode for directories that are made for a file of that mode: with `x` where not 0."""
    if mode is None:
        return None
    return "".join(digit if digit == "0" else str(int(digit) | 1) for digit in mode[-3:])
