"""`file.symlink` and `file.hardlink`."""

from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file.owners import (
    Ownership,
    group_name,
    make_parents,
    normal_mode,
    unknown_owner,
    user_name,
)
from limpet.states.library.file.writing import is_link, is_there, kind_of
from limpet.states.outcome import Outcome, failed
from limpet.states.ports.file_system import Facts


def symlink(
    context: StateContext,
    name: str,
    target: str,
    force: bool = False,
    backupname: str | None = None,
    makedirs: bool = False,
    user: Loose = None,
    group: Loose = None,
    mode: Loose = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that a symbolic link points there. A wrong link is replaced without `force`."""
    if not name:
        return failed("Must provide name to file.symlink")
    if not name.startswith("/"):
        return failed(f"Specified file {name} is not an absolute path")
    if unknown := unknown_owner(context, user, group, is_strict=True):
        return failed(unknown)
    try:
        owner = _owner(context, user, group)
        if context.is_test:
            return _announced(context, name, target, force, backupname, makedirs, owner)
        parent = name.rpartition("/")[0] or "/"
        if kind_of(context, parent) != "directory":
            if not makedirs:
                return failed(f"Directory {parent} for symlink is not present")
            make_parents(context, name, Ownership(user, group, normal_mode(mode)))
        return _done(context, name, target, force, backupname, owner)
    except HostError as error:
        return failed(str(error))


def _owner(context: StateContext, user: Loose, group: Loose) -> tuple[int, int]:
    """Give the numbers of the link's owner: those asked for, else this process's."""
    own_uid, _ = context.host.accounts.own()
    uid, gid = Ownership(user, group).ids(context)
    uid = own_uid if uid == -1 else uid
    if gid == -1:
        account = context.host.accounts.user_of(uid)
        gid = account.gid if account is not None else 0
    return uid, gid


def _announced(
    context: StateContext,
    name: str,
    target: str,
    force: bool,
    backupname: str | None,
    makedirs: bool,
    owner: tuple[int, int],
) -> Outcome:
    parent = name.rpartition("/")[0] or "/"
    more = ""
    if kind_of(context, parent) != "directory":
        more = f"\n{parent} will be created" if makedirs else ""
        more = more or f"\nDirectory {parent} for symlink is not present"
    if not is_there(context, name):
        comment = f"Symlink {name} to {target} is set for creation{more}"
        return Outcome(None, comment, {"new": name})
    if is_link(context, name):
        if context.host.files.target(name) != target:
            comment = f"Link {name} target is set to be changed to {target}{more}"
            return Outcome(None, comment, {"change": name})
        if _has_owner(context, name, owner):
            return Outcome(
                True, f"The symlink {name} is present and owned by {_shown(context, owner)}"
            )
        comment = f"Ownership of the symlink {name} would be changed to {_shown(context, owner)}"
        return Outcome(None, comment, {"ownership": _shown(context, owner)})
    if backupname is not None or force:
        way = f"be moved to {backupname}" if backupname is not None else "removal"
        comment = (
            f"The file or directory {name} is set for {way} to make way for a new symlink "
            f"targeting {target}"
        )
        return Outcome(None, comment)
    return failed(
        f"File or directory exists where the symlink {name} should be. Did you mean to use force?"
    )


def _done(
    context: StateContext,
    name: str,
    target: str,
    force: bool,
    backupname: str | None,
    owner: tuple[int, int],
) -> Outcome:
    if is_link(context, name) and context.host.files.target(name) == target:
        shown = _shown(context, owner)
        if _has_owner(context, name, owner):
            return Outcome(True, f"Symlink {name} is present and owned by {shown}")
        context.file_system.set_owner(name, *owner, is_following=False)
        return Outcome(True, f"Set ownership of symlink {name} to {shown}", {"ownership": shown})
    changes: dict[str, Any] = {}
    if is_there(context, name) and not is_link(context, name):
        kind = kind_of(context, name)
        if backupname is not None:
            backup = backupname if "/" in backupname else f"{name.rpartition('/')[0]}/{backupname}"
            if is_there(context, backup):
                if not force:
                    return failed(
                        f"Symlink & backup dest exists and Force not set. {name} -> {target} - "
                        f"backup: {backupname}"
                    )
                context.file_system.remove(backup)
            context.file_system.rename(name, backup)
        elif force:
            if kind == "directory":
                context.file_system.remove(name)
        else:
            what = {"file": "File", "directory": "Directory"}.get(kind, "File system entry")
            return failed(f"{what} exists where the symlink {name} should be")
    context.file_system.make_link(name, target)
    changes["new"] = name
    if not _has_owner(context, name, owner):
        context.file_system.set_owner(name, *owner, is_following=False)
    return Outcome(True, f"Created new symlink {name} -> {target}", changes)


def _has_owner(context: StateContext, name: str, owner: tuple[int, int]) -> bool:
    facts = context.file_system.facts(name)
    return facts is not None and (facts.uid, facts.gid) == owner


def _shown(context: StateContext, owner: tuple[int, int]) -> str:
    return f"{user_name(context, owner[0])}:{group_name(context, owner[1])}"


def hardlink(
    context: StateContext,
    name: str,
    target: str,
    force: bool = False,
    makedirs: bool = False,
    user: Loose = None,
    group: Loose = None,
    dir_mode: Loose = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that a file has this second name."""
    if not name:
        return failed("Must provide name to file.hardlink")
    for path, what in ((name, "file"), (target, "target")):
        if not path.startswith("/"):
            return failed(f"Specified {what} {path} is not an absolute path")
    if unknown := unknown_owner(context, user, group, is_strict=True):
        return failed(unknown)
    theirs = context.file_system.facts(target)
    present = context.file_system.facts(name)
    if theirs is None:
        return failed(f"Target {target} for hard link does not exist")
    if theirs.kind == "directory":
        return failed(f"Unable to hard link from directory {target}")
    if present is not None and (present.device, present.inode) == (theirs.device, theirs.inode):
        comment = f"Target of hard link {name} is already pointing to {target}"
        if context.is_test:
            comment = f"The hard link {name} is presently targeting {target}"
        return Outcome(True, comment)
    if in_the_way := _in_the_way(name, present, force):
        return failed(in_the_way)
    if context.is_test:
        return _hard_link_announced(name, target, present)
    try:
        parent = name.rpartition("/")[0]
        if kind_of(context, parent or "/") != "directory":
            if not makedirs:
                return failed(f"Directory {parent} for hard link is not present")
            make_parents(context, name, Ownership(user, group, normal_mode(dir_mode)))
        context.file_system.make_hard_link(name, target)
    except HostError as error:
        return failed(str(error))
    changes = {"new": name}
    if present is not None and present.links < 2:
        changes = {"forced": "File for hard link was forcibly replaced", **changes}
    return Outcome(True, f"Created new hard link {name} -> {target}", changes)


def _in_the_way(name: str, present: Facts | None, force: bool) -> str:
    """Say why what is there now is not replaced by a hard link; empty: it is, or there is none."""
    if present is None:
        return ""
    if present.kind == "directory":
        return f"Unable to hard link over directory {name}"
    if not force and present.links < 2:
        return f"File exists where the hard link {name} should be"
    return ""


def _hard_link_announced(name: str, target: str, present: Facts | None) -> Outcome:
    """Say what would be done, with what is there now."""
    if present is None:
        return Outcome(None, f"Hard link {name} to {target} is set for creation", {"new": name})
    if present.links < 2:
        comment = (
            f"The file or directory {name} is set for removal to make way for a new hard "
            f"link targeting {target}"
        )
        return Outcome(None, comment)
    return Outcome(None, f"Link {name} target is set to be changed to {target}", {"change": name})
