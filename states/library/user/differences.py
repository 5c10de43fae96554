"""What of an account is not as it should be, and making it so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.ports import accounts
from limpet.states.ports.file_system import missing_folders

AGES: Final = (
    ("date", "shadow.set_date", "last_change"),
    ("mindays", "shadow.set_mindays", "least"),
    ("maxdays", "shadow.set_maxdays", "most"),
    ("inactdays", "shadow.set_inactdays", "inactive"),
    ("warndays", "shadow.set_warndays", "warning"),
    ("expire", "shadow.set_expire", "expires"),
)
"""Argument, function that sets it, field of the shadow line."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an account should be; None: as it is."""

    uid: Loose
    gid: Loose
    groups: list[str] | None
    is_removing_groups: bool
    home: str | None
    is_making_home: bool
    shell: str | None
    password: str | None
    is_enforcing_password: bool
    is_locking: bool | None
    gecos: Mapping[str, str] = field(default_factory=dict)
    ages: Mapping[str, Any] = field(default_factory=dict)


def differences(context: StateContext, name: str, wanted: Wanted) -> dict[str, Any]:
    """Give what has to change, by Salt's name of it."""
    host = context.host
    account = accounts.user(host, name)
    if account is None:
        raise HostError(f"User '{name}' does not exist")
    found: dict[str, Any] = {}
    if wanted.uid not in (None, "") and str(wanted.uid) != str(account.uid):
        found["uid"] = wanted.uid
    primary = host.accounts.group_name(account.gid) or ""
    if wanted.gid not in (None, "") and str(wanted.gid) not in (str(account.gid), primary):
        found["gid"] = wanted.gid
    if wanted.groups is not None:
        others = [each for each in accounts.groups_of(host, account) if each != primary]
        asked = [each for each in wanted.groups if each != primary]
        if not wanted.is_removing_groups:
            asked = sorted({*asked, *others})
        if sorted(asked) != sorted(others):
            found["groups"] = asked
    home = wanted.home or account.home
    if wanted.home and wanted.home != account.home:
        found["home"] = wanted.home
    if wanted.is_making_home and home and not host.files.is_directory(home):
        found["homeDoesNotExist"] = home
    if wanted.shell and wanted.shell != account.shell:
        found["shell"] = wanted.shell
    found.update(_of_shadow(context, name, wanted))
    information = accounts.user_information(host, account)
    for part, value in wanted.gecos.items():
        if information[part] != value:
            found[part] = value
    return found


def forbidden(
    context: StateContext,
    name: str,
    found: Mapping[str, Any],
    *,
    may_change_uid: bool,
    may_change_gid: bool,
) -> list[str]:
    """Say which changes are not made unless they are asked for twice."""
    account = accounts.user(context.host, name)
    assert account is not None
    errors = []
    for key, present, is_allowed in (
        ("uid", account.uid, may_change_uid),
        ("gid", account.gid, may_change_gid),
    ):
        if key in found and not is_allowed:
            errors.append(
                f"Changing {key} ({present} -> {found[key]}) not permitted, set "
                f"allow_{key}_change to True to force this change. Note that this will not change "
                "file ownership."
            )
    return errors


def shown(found: Mapping[str, Any]) -> str:
    """Tell what has to change, without passwords."""
    lines = ["The following user attributes are set to be changed:"]
    for key, value in found.items():
        lines.append(f"{key}: {accounts.REDACTED if key == 'passwd' else value}")
    return "".join(f"{line}\n" for line in lines)


def applied(
    context: StateContext, name: str, found: Mapping[str, Any], *, is_removing_groups: bool
) -> None:
    """Make the changes. Raises `HostError` where a tool refuses with a reason."""
    # A password first: it sets the day of its change, which may be asked for as well.
    if "passwd" in found:
        context.call("shadow.set_password", name, found["passwd"])
    for key, function, _ in AGES:
        if key in found:
            context.call(function, name, found[key])
    for key, function in (("uid", "user.chuid"), ("gid", "user.chgid"), ("home", "user.chhome")):
        if key in found:
            context.call(function, name, found[key])
    if "homeDoesNotExist" in found:
        _make_home(context, name)
    if "groups" in found:
        context.call("user.chgroups", name, found["groups"], append=not is_removing_groups)
    if "shell" in found:
        context.call("user.chshell", name, found["shell"])
    for part in accounts.GECOS:
        if part in found:
            context.call(f"user.ch{part}", name, found[part])


def _of_shadow(context: StateContext, name: str, wanted: Wanted) -> dict[str, Any]:
    is_asked = wanted.password is not None or wanted.is_locking is not None or wanted.ages
    line = accounts.shadow(context.host, name) if is_asked else None
    if line is None:
        return {}
    found: dict[str, Any] = {}
    hashed = _hash(line.password, wanted)
    if hashed != line.password:
        found["passwd"] = hashed
    for key, _, attribute in AGES:
        if key in wanted.ages:
            value = wanted.ages[key]
            days = accounts.day_number(value) if key in ("date", "expire") else int(value)
            if getattr(line, attribute) != days:
                found[key] = value
    return found


def _hash(present: str, wanted: Wanted) -> str:
    """Give what should stand for the password; a `!` before it locks it."""
    is_unset = present in ("", "!", "!!", "*", "x")
    hashed = present
    if wanted.password is not None and (wanted.is_enforcing_password or is_unset):
        hashed = wanted.password
    if wanted.is_locking and not hashed.startswith("!"):
        return f"!{hashed}"
    if wanted.is_locking is False and len(hashed) > 1:
        return hashed.removeprefix("!") or hashed
    return hashed


def _make_home(context: StateContext, name: str) -> None:
    """Make the home that is missing, the user's own; whatever is above it must be there."""
    account = accounts.user(context.host, name)
    assert account is not None
    missing = missing_folders(account.home, context.host.files.exists)
    for each in missing:
        context.file_system.make_directory(each, 0o755)
    if missing:
        context.file_system.set_owner(account.home, account.uid, account.gid)
