"""`file.directory`: a directory with this owner and mode, and what is below it."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file.keeping import keeps, unwanted
from limpet.states.library.file.owners import (
    Ownership,
    differences,
    enforce,
    make_parents,
    normal_mode,
    unknown_owner,
)
from limpet.states.library.file.writing import is_link, is_there, kind_of
from limpet.states.outcome import Outcome, failed

_RECURSE: Final = frozenset(("user", "group", "mode", "ignore_files", "ignore_dirs", "silent"))


@dataclass(frozen=True, slots=True)
class DirectoryOptions:
    """Arguments of `file.directory`."""

    name: str
    user: Loose = None
    group: Loose = None
    recurse: Loose = None
    """Any of `user`, `group`, `mode`, `ignore_files`, `ignore_dirs`, `silent`."""
    max_depth: int | None = None
    dir_mode: Loose = None
    mode: Loose = None
    """As `dir_mode`."""
    file_mode: Loose = None
    makedirs: bool = False
    clean: bool = False
    """Remove what neither this state's requisites nor `exclude_pat` keep."""
    require: Loose = None
    exclude_pat: Loose = None
    follow_symlinks: bool = False
    force: bool = False
    backupname: str | None = None
    allow_symlink: bool = True
    children_only: bool = False


@dataclass(frozen=True, slots=True)
class _Wanted:
    directory: Ownership
    file: Ownership
    recurse: frozenset[str]

    def below(self, is_directory: bool) -> Ownership:
        """Give what an entry below is to have, as far as `recurse` names it."""
        source = self.directory if is_directory else self.file
        return Ownership(
            source.user if "user" in self.recurse else None,
            source.group if "group" in self.recurse else None,
            source.mode if "mode" in self.recurse else None,
        )


def directory(context: StateContext, options: DirectoryOptions) -> Outcome:
    """See to it that a directory is there, with its owner and mode."""
    name = options.name.rstrip("/") or options.name[:1]
    options = dataclasses.replace(options, name=name)
    if problem := _problem(context, options):
        return failed(problem)
    try:
        wanted = _wanted(options)
        obstacle = _obstacle(context, options)
        if isinstance(obstacle, Outcome):
            return obstacle
        found = _compared(context, options, wanted)
        if context.is_test or not (found or obstacle):
            return _announced(name, {**obstacle, **found})
        return _done(context, options, wanted, {**obstacle, **found})
    except HostError as error:
        return failed(str(error))


def _problem(context: StateContext, options: DirectoryOptions) -> str:
    if not options.name:
        return "Must provide name to file.directory"
    if options.max_depth is not None and options.clean:
        return "Cannot specify both max_depth and clean"
    if not options.name.startswith("/"):
        return f"Specified file {options.name} is not an absolute path"
    if unknown := unknown_owner(context, options.user, options.group):
        return unknown
    recurse = options.recurse or []
    if not isinstance(recurse, list):
        return "'recurse' must be formed as a list of strings"
    if odd := [str(each) for each in recurse if each not in _RECURSE]:
        known = ", ".join(sorted(_RECURSE))
        return f"Types for 'recurse' limited to {known}, not {', '.join(odd)}"
    return ""


def _wanted(options: DirectoryOptions) -> _Wanted:
    directory_mode = normal_mode(options.dir_mode if options.dir_mode else options.mode)
    file_mode = normal_mode(options.file_mode) or directory_mode
    return _Wanted(
        Ownership(options.user, options.group, directory_mode),
        Ownership(options.user, options.group, file_mode),
        frozenset(options.recurse or ()),
    )


def _obstacle(context: StateContext, options: DirectoryOptions) -> dict[str, Any] | Outcome:
    """Deal with a file or link that stands in the way; give what that changes, or the failure."""
    name = options.name
    linked = is_link(context, name)
    is_file = kind_of(context, name) not in ("", "directory")
    is_in_the_way = is_file or (linked and (not options.allow_symlink or options.force))
    if not is_in_the_way:
        return {}
    if options.backupname is not None:
        return _moved_away(context, options, options.backupname)
    if not options.force:
        kind = "symlink" if linked and not is_file else "file"
        return failed(f"Specified location {name} exists and is a {kind}")
    kind = "Symlink" if linked else "File"
    if context.is_test:
        return {"forced": f"{kind} would be forcibly replaced"}
    context.file_system.remove(name)
    return {"forced": f"{kind} was forcibly replaced"}


def _moved_away(
    context: StateContext, options: DirectoryOptions, backup: str
) -> dict[str, Any] | Outcome:
    changes: dict[str, Any] = {}
    if is_there(context, backup):
        if not options.force:
            return failed(f"File exists where the backup target {backup} should go")
        if context.is_test:
            changes["forced"] = f"Existing file at backup path {backup} would be removed"
        else:
            context.file_system.remove(backup)
    if context.is_test:
        changes["backup"] = f"{options.name} would be renamed to {backup}"
        changes[options.name] = {"directory": "new"}
        comment = f"{options.name} would be backed up and replaced with a new directory"
        return Outcome(None, comment, changes)
    context.file_system.rename(options.name, backup)
    return {**changes, options.name: {"directory": "new"}}


def _compared(context: StateContext, options: DirectoryOptions, wanted: _Wanted) -> dict[str, Any]:
    """Give what would change, by path."""
    name = options.name
    if kind_of(context, name) != "directory" or (is_link(context, name) and options.force):
        return {name: {"directory": "new"}}
    found: dict[str, Any] = {}
    if not options.children_only and (own := differences(context, name, wanted.directory)):
        found[name] = own
    for path, is_directory in _below(context, options):
        is_wanted = "ignore_dirs" if is_directory else "ignore_files"
        if is_wanted in wanted.recurse or not wanted.recurse:
            continue
        if changed := differences(
            context, path, wanted.below(is_directory), is_following=options.follow_symlinks
        ):
            found[path] = changed
    if options.clean:
        for path in unwanted(
            context, name, keeps(context, name, options.require), options.exclude_pat
        ):
            found[path] = {"removed": "Removed due to clean"}
    return found


def _below(context: StateContext, options: DirectoryOptions) -> list[tuple[str, bool]]:
    """Give what is below the directory, down to `max_depth`, and whether each is a directory."""
    if not options.recurse:
        return []
    found: list[tuple[str, bool]] = []
    top = options.name.rstrip("/")
    for folder, folders, files in context.file_system.walk(options.name):
        depth = folder[len(top) :].count("/")
        if options.max_depth is not None and depth > options.max_depth - (options.max_depth > 0):
            continue
        base = folder.rstrip("/")
        found += [(f"{base}/{each}", False) for each in files]
        found += [(f"{base}/{each}", True) for each in folders]
    return found


def _announced(name: str, changes: dict[str, Any]) -> Outcome:
    if not changes:
        return Outcome(True, f"The directory {name} is in the correct state")
    lines = [
        f"{path}: {what} - {value}"
        for path, changed in changes.items()
        if isinstance(changed, dict)
        for what, value in changed.items()
    ]
    comment = "The following files will be changed:\n" + "".join(f"{line}\n" for line in lines)
    return Outcome(None, comment, changes)


def _done(
    context: StateContext,
    options: DirectoryOptions,
    wanted: _Wanted,
    changes: dict[str, Any],
) -> Outcome:
    name = options.name
    for what, value in (("user", options.user), ("group", options.group)):
        if what in wanted.recurse and value in (None, ""):
            return failed(
                f"{what} not specified, but configured as a target for recursive ownership "
                "management"
            )
    own_changes: dict[str, Any] = {}
    if changes.get(name) == {"directory": "new"}:
        parent = name.rpartition("/")[0] or "/"
        if kind_of(context, parent) != "directory":
            if not options.makedirs:
                return Outcome(False, f"No directory to create {name} in", changes)
            make_parents(context, name, wanted.directory)
        make_parents(context, f"{name}/.", wanted.directory)
    elif not options.children_only:
        own_changes = enforce(context, name, wanted.directory)
    is_silent = "silent" in wanted.recurse
    changes = {"recursion": "Changes silenced"} if is_silent else changes
    changes = {**changes, **own_changes}
    if wanted.recurse:
        for path, is_directory in _below(context, options):
            if ("ignore_dirs" if is_directory else "ignore_files") in wanted.recurse:
                continue
            changed = enforce(
                context, path, wanted.below(is_directory), is_following=options.follow_symlinks
            )
            if not is_silent:
                changes |= changed
    comment = f"Directory {name}{'/*' if options.children_only else ''} updated"
    if options.clean:
        kept = keeps(context, name, options.require)
        removed = unwanted(context, name, kept, options.exclude_pat, is_topmost=True)
        for path in removed:
            context.file_system.remove(path)
        if removed:
            changes["removed"] = removed
            comment = f"Files cleaned from directory {name}"
    return Outcome(True, comment, changes)
