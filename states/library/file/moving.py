"""`file.copy` and `file.rename`: files of this machine put somewhere else on it."""

from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file.owners import (
    Ownership,
    enforce,
    make_parents,
    normal_mode,
    shown_mode,
    unknown_owner,
)
from limpet.states.library.file.writing import is_there, kind_of
from limpet.states.outcome import Outcome, failed


def copy_(
    context: StateContext,
    name: str,
    source: str,
    force: bool = False,
    makedirs: bool = False,
    preserve: bool = False,
    user: Loose = None,
    group: Loose = None,
    mode: Loose = None,
    dir_mode: Loose = None,
    subdir: bool = False,
    **_odd: Loose,
) -> Outcome:
    """Copy a file or directory; one that is there stays, unless `force` is given."""
    if not name:
        return failed("Must provide name to file.copy")
    if not name.startswith("/"):
        return failed(f"Specified file {name} is not an absolute path")
    origin = context.file_system.facts(source, is_following=True)
    if origin is None:
        return failed(f'Source file "{source}" is not present')
    if unknown := unknown_owner(context, user, group):
        return failed(unknown)
    if kind_of(context, name) == "directory" and subdir:
        name = f"{name.rstrip('/')}/{source.rstrip('/').rpartition('/')[2]}"
    there = is_there(context, name)
    if there and not force:
        return Outcome(True, f'The target file "{name}" exists and will not be overwritten')
    if context.is_test:
        return Outcome(None, f'File "{source}" is set to be copied to "{name}"')
    wanted = Ownership(user, group, normal_mode(mode) or shown_mode(origin.mode))
    if preserve:
        wanted = Ownership(origin.uid, origin.gid, shown_mode(origin.mode))
    try:
        if there:
            context.file_system.remove(name)
        parent = name.rpartition("/")[0] or "/"
        if kind_of(context, parent) != "directory":
            if not makedirs:
                return failed(f"The target directory {parent} is not present")
            make_parents(context, name, Ownership(user, group, normal_mode(dir_mode)))
        context.file_system.copy(source, name)
        changes: dict[str, Any] = {name: source}
        own = enforce(context, name, wanted)
    except HostError as error:
        return failed(str(error))
    return Outcome(
        True, f'Copied "{source}" to "{name}"', changes if preserve else {**changes, **own}
    )


def rename(
    context: StateContext,
    name: str,
    source: str,
    force: bool = False,
    makedirs: bool = False,
    **_odd: Loose,
) -> Outcome:
    """Give a file another name, once; one that has the name stays, unless `force` is given."""
    if not name:
        return failed("Must provide name to file.rename")
    if not name.startswith("/"):
        return failed(f"Specified file {name} is not an absolute path")
    if not is_there(context, source):
        return Outcome(True, f'Source file "{source}" has already been moved out of place')
    there = is_there(context, name)
    if there and not force:
        return Outcome(True, f'The target file "{name}" exists and will not be overwritten')
    if context.is_test:
        return Outcome(None, f'File "{source}" is set to be moved to "{name}"')
    parent = name.rpartition("/")[0] or "/"
    try:
        if kind_of(context, parent) != "directory":
            if not makedirs:
                return failed(f"The target directory {parent} is not present")
            make_parents(context, name, Ownership())
        if there:
            context.file_system.remove(name)
        context.file_system.rename(source, name)
    except HostError as error:
        return failed(str(error))
    return Outcome(True, f'Moved "{source}" to "{name}"', {name: source})
