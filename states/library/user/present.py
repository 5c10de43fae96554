"""`user.present`: an account is there, with its number, groups, home, shell, comment, password."""

from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.functions.random.crypt import hashed
from limpet.states.library.context import StateContext
from limpet.states.library.user.differences import (
    AGES,
    Wanted,
    applied,
    differences,
    forbidden,
    shown,
)
from limpet.states.outcome import Outcome, failed
from limpet.states.ports import accounts


@dataclass(frozen=True, slots=True)
class PresentOptions:
    """Arguments of `user.present`; those for Windows and BSD are taken and have no effect."""

    name: str
    uid: Loose = None
    gid: Loose = None
    usergroup: bool | None = None
    """A group of the same name becomes the primary one of a new user."""
    groups: list[str] | None = None
    optional_groups: list[str] | None = None
    """Those of them that there are."""
    remove_groups: bool = True
    """Groups that stand in neither list are left."""
    home: str | None = None
    createhome: bool = True
    password: Loose = None
    """The hash, or with `hash_password` the password itself."""
    hash_password: bool = False
    enforce_password: bool = True
    """False: only a user that has none yet gets the password."""
    empty_password: bool = False
    shell: str | None = None
    unique: bool = True
    system: bool = False
    fullname: Loose = None
    roomnumber: Loose = None
    workphone: Loose = None
    homephone: Loose = None
    other: Loose = None
    loginclass: str | None = None
    date: Loose = None
    mindays: int | None = None
    maxdays: int | None = None
    inactdays: int | None = None
    warndays: int | None = None
    expire: Loose = None
    win_homedrive: str | None = None
    win_profile: str | None = None
    win_logonscript: str | None = None
    win_description: str | None = None
    nologinit: bool = False
    allow_uid_change: bool = False
    allow_gid_change: bool = False
    password_lock: bool | None = None
    local: bool = False


def present(context: StateContext, options: PresentOptions) -> Outcome:
    """See to it that an account is there and is as described; what is not named stays as it is."""
    for part in accounts.GECOS[:4]:
        value = getattr(options, part)
        if value is not None and (odd := {",", ":", "="} & set(str(value))):
            return failed(f"Unsupported char {sorted(odd)[0]!r} in {value}")
    known = {each.name for each in accounts.groups(context.host)}
    missing = [each for each in options.groups or () if each not in known]
    if missing and not context.is_test:
        return failed(f"The following group(s) are not present: {','.join(missing)}")
    if accounts.user(context.host, options.name) is None:
        return _created(context, options, known, missing)
    return _adjusted(context, options, known, missing)


def _created(
    context: StateContext, options: PresentOptions, known: set[str], missing: list[str]
) -> Outcome:
    name = options.name
    if context.is_test:
        pending = f" (pending groups: {','.join(missing)})" if missing else ""
        return Outcome(None, f"User {name} set to be added{pending}")
    optional = [each for each in options.optional_groups or () if each in known]
    arguments = {
        key: getattr(options, key)
        for key in ("uid", "gid", "home", "shell", "usergroup", *accounts.GECOS)
        if getattr(options, key) is not None
    }
    try:
        is_there = context.call(
            "user.add",
            name,
            groups=[*(options.groups or ()), *optional],
            unique=options.unique,
            system=options.system,
            createhome=options.createhome,
            nologinit=options.nologinit,
            **arguments,
        )
    except HostError as error:
        return failed(f"Failed to create new user {name}: {error}")
    if not is_there:
        return failed(f"Failed to create new user {name}")
    changes: dict[str, Any] = context.call("user.info", name)
    undone = []
    password = _password(context, options)
    if password is not None:
        if context.call("shadow.set_password", name, password):
            changes["password"] = accounts.REDACTED if password else ""
        else:
            undone.append("password")
    for key, function, _ in AGES:
        value = getattr(options, key)
        if value is not None:
            if context.call(function, name, value):
                changes[key] = value
            else:
                undone.append(key)
    if options.password_lock and not context.call("shadow.lock_password", name):
        undone.append("password_lock")
    if undone:
        comment = f"User {name} created but failed to set {', '.join(undone)}"
        return Outcome(False, comment, changes)
    return Outcome(True, f"New user {name} created", changes)


def _adjusted(
    context: StateContext, options: PresentOptions, known: set[str], missing: list[str]
) -> Outcome:
    name = options.name
    groups = None
    if options.groups is not None or options.optional_groups is not None:
        optional = [each for each in options.optional_groups or () if each in known]
        asked = [each for each in options.groups or () if each in known]
        groups = sorted({*asked, *optional})
    wanted = Wanted(
        uid=options.uid,
        gid=options.gid,
        groups=groups,
        is_removing_groups=options.remove_groups,
        home=options.home,
        is_making_home=options.createhome,
        shell=options.shell,
        password=_password(context, options),
        is_enforcing_password=options.enforce_password,
        is_locking=options.password_lock,
        gecos={
            part: str(value)
            for part in accounts.GECOS
            if (value := getattr(options, part)) is not None
        },
        ages={
            key: getattr(options, key) for key, _, _ in AGES if getattr(options, key) is not None
        },
    )
    try:
        found = differences(context, name, wanted)
        if errors := forbidden(
            context,
            name,
            found,
            may_change_uid=options.allow_uid_change,
            may_change_gid=options.allow_gid_change,
        ):
            told = "\n".join(f"- {each}" for each in errors)
            return failed(
                "Encountered error checking for needed changes. Additional info follows:\n\n" + told
            )
        if not found and not missing:
            return Outcome(True, f"User {name} is present and up to date")
        if context.is_test:
            pending = f"groups (pending creation): {','.join(missing)}\n" if missing else ""
            return Outcome(None, f"{shown(found)}{pending}")
        before = _state(context, name)
        applied(context, name, found, is_removing_groups=options.remove_groups)
        return _judged(context, name, wanted, before)
    except HostError as error:
        return failed(str(error))


def _judged(context: StateContext, name: str, wanted: Wanted, before: dict[str, Any]) -> Outcome:
    after = _state(context, name)
    changes = {key: value for key, value in after.items() if before.get(key) != value}
    if changes.pop("homeDoesNotExist", None) is not None and "home" not in changes:
        changes["homeDoesNotExist"] = after["home"]
    if before["passwd"] != after["passwd"]:
        changes["passwd"] = accounts.REDACTED
    undone = differences(context, name, wanted)
    if undone:
        return Outcome(False, f"These values could not be changed: {shown(undone)}", changes)
    return Outcome(True, f"Updated user {name}", changes)


def _state(context: StateContext, name: str) -> dict[str, Any]:
    found: dict[str, Any] = context.call("user.info", name)
    shadow = accounts.shadow(context.host, name)
    if shadow is not None:
        found.update(shadow.information())
    home = found.get("home")
    found["homeDoesNotExist"] = "" if home and context.host.files.is_directory(home) else home
    return found


def _password(context: StateContext, options: PresentOptions) -> str | None:
    """Give the hash that is wanted: empty for none at all, None where nothing is asked for."""
    if options.empty_password:
        return ""
    if options.password is None:
        return None
    password = str(options.password)
    if not options.hash_password:
        return password
    present = accounts.shadow(context.host, options.name)
    parts = present.password.split("$") if present is not None else []
    if len(parts) == 4 and parts[1] in ("5", "6"):  # the same password gives the same hash again
        algorithm = {"5": "sha256", "6": "sha512"}[parts[1]]
        try:
            if hashed(password, parts[2], algorithm) == "$".join(parts):
                return "$".join(parts)
        except UsageError:  # an odd salt: whatever it is, it gets replaced
            return hashed(password, None, "sha512")
    return hashed(password, None, "sha512")
