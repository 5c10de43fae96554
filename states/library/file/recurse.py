"""`file.recurse`: a whole folder of the tree brought to the machine."""

from dataclasses import dataclass, field
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.fileroots.names import parse_address
from limpet.states.library.context import Chunk, StateContext
from limpet.states.library.file.directory import DirectoryOptions, directory
from limpet.states.library.file.keeping import is_chosen, keeps, unwanted
from limpet.states.library.file.links import symlink
from limpet.states.library.file.managed import managed
from limpet.states.library.file.managed_options import ManagedOptions
from limpet.states.library.file.owners import Ownership, make_parents, normal_mode, unknown_owner
from limpet.states.library.file.writing import kind_of
from limpet.states.outcome import Outcome, failed


@dataclass(frozen=True, slots=True)
class RecurseOptions:
    """Arguments of `file.recurse`."""

    name: str
    source: Loose
    keep_source: bool = True
    clean: bool = False
    require: Loose = None
    user: Loose = None
    group: Loose = None
    dir_mode: Loose = None
    file_mode: Loose = None
    sym_mode: Loose = None
    template: str | None = None
    context: Loose = None
    replace: bool = True
    defaults: Loose = None
    include_empty: bool = False
    backup: Loose = ""
    include_pat: Loose = None
    exclude_pat: Loose = None
    maxdepth: int | None = None
    keep_symlinks: bool = False
    force_symlinks: bool = False
    merge: bool = False
    """Take the files of all sources, of each path the first; else those of the first source."""
    win_owner: Loose = None
    win_perms: Loose = None
    win_deny_perms: Loose = None
    win_inheritance: Loose = None
    show_changes: bool = True


@dataclass(slots=True)
class _Sum:
    """What came of all the files."""

    result: bool | None = True
    changes: dict[str, Any] = field(default_factory=dict)
    comments: dict[str, list[str]] = field(default_factory=dict)

    def add(self, path: str, outcome: Outcome) -> None:
        """Take an outcome in; the worst result stands for the whole."""
        if self.result is True or (self.result is None and outcome.result is False):
            self.result = outcome.result
        if outcome.comment:
            shown = outcome.comment
            text = shown if isinstance(shown, str) else "\n".join(shown)
            self.comments.setdefault(path, []).append(text)
        if outcome.changes:
            self.changes[path] = dict(outcome.changes)


def recurse(context: StateContext, options: RecurseOptions) -> Outcome:
    """See to it that everything below a folder of the tree is on the machine as well."""
    name = options.name.rstrip("/") or "/"
    if not name.startswith("/"):
        return failed(f"Specified file {options.name} is not an absolute path")
    if unknown := unknown_owner(context, options.user, options.group):
        return failed(unknown)
    for what in ("mode",):
        if what in context.low:
            return failed(
                "'mode' is not allowed in 'file.recurse'. Please use 'file_mode' and 'dir_mode'."
            )
    try:
        folders = _folders(context, options)
        if not folders:
            return failed("Recurse failed: none of the specified sources were found")
        if kind_of(context, name) not in ("", "directory"):
            return failed(f"The path {name} exists and is not a directory")
        if not context.is_test:
            wanted = Ownership(options.user, options.group, normal_mode(options.dir_mode))
            make_parents(context, f"{name}/.", wanted)
        return _brought(context, options, name, folders)
    except HostError as error:
        return failed(str(error))


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder of the tree: its `salt://` address without slash, and its environment."""

    address: str
    saltenv: str

    def file(self, relative: str) -> str:
        """Give the address of a file in it."""
        return f"{self.address}/{relative}?saltenv={self.saltenv}"


def _folders(context: StateContext, options: RecurseOptions) -> list[_Folder]:
    """Give the folders of the tree that are to be brought: the first that there is, or all."""
    found: list[_Folder] = []
    for each in options.source if isinstance(options.source, list) else [options.source]:
        if not str(each).startswith("salt://"):
            raise HostError(f"Invalid source '{each}' (must be a salt:// URI)")
        folder = _folder(str(each), context.saltenv)
        if context.tree.names(folder.address, folder.saltenv) or context.tree.folders(
            folder.address, folder.saltenv
        ):
            found.append(folder)
    return found if options.merge else found[:1]


def _folder(source: str, saltenv: str) -> _Folder:
    path = source.removeprefix("salt://").strip("/")
    if not path:
        return _Folder("salt://", saltenv)
    try:
        address = parse_address(f"salt://{path}")
    except UsageError as error:
        raise HostError(str(error)) from error
    return _Folder(f"salt://{address.path}", address.environment or saltenv)


def _brought(
    context: StateContext, options: RecurseOptions, name: str, sources: list[_Folder]
) -> Outcome:
    total = _Sum()
    kept: set[str] = set()
    links: dict[str, str] = {}
    if options.keep_symlinks:
        for each in reversed(sources):
            links |= context.tree.links(each.address, each.saltenv)
    files = {
        relative: source
        for relative, source in _relative(context, options, sources).items()
        if relative not in links
    }
    # Of the folders only those are managed, and told of, in which files are.
    folders = dict.fromkeys(relative.rpartition("/")[0] for relative in files)
    if options.include_empty:
        for source in sources:
            for empty in context.tree.folders(source.address, source.saltenv):
                if is_chosen(empty, options.include_pat, options.exclude_pat):
                    folders[empty] = None
    for relative in folders:
        path = f"{name}/{relative}" if relative else name
        kept.add(path)
        total.add(path, _directory(context, options, path))
    for relative, source in files.items():
        path = f"{name}/{relative}"
        kept.add(path)
        total.add(path, _file(context, options, path, source.file(relative)))
    for relative, target in links.items():
        path = f"{name}/{relative}"
        kept.add(path)
        total.add(
            path,
            symlink(
                context, path, target, force=options.force_symlinks, makedirs=True,
                user=options.user, group=options.group, mode=options.sym_mode,
            ),
        )  # fmt: skip
    if options.clean:
        kept |= keeps(context, name, options.require)
        _clean(context, options, name, kept, total)
    return _summed(name, total)


def _relative(
    context: StateContext, options: RecurseOptions, sources: list[_Folder]
) -> dict[str, _Folder]:
    """Give the files to manage, relative to their folder, with the folder that each is from."""
    found: dict[str, _Folder] = {}
    for source in sources:
        for each in context.tree.names(source.address, source.saltenv):
            if options.maxdepth is not None and each.count("/") > options.maxdepth:
                continue
            if is_chosen(each, options.include_pat, options.exclude_pat):
                found.setdefault(each, source)
    return found


def _directory(context: StateContext, options: RecurseOptions, path: str) -> Outcome:
    outcome = directory(
        context,
        DirectoryOptions(
            path,
            user=options.user,
            group=options.group,
            dir_mode=options.dir_mode,
            makedirs=True,
        ),
    )
    return outcome if outcome.changes or outcome.result is False else Outcome(outcome.result)


def _file(context: StateContext, options: RecurseOptions, path: str, source: str) -> Outcome:
    if options.clean and kind_of(context, path) == "directory" and not context.is_test:
        context.file_system.remove(path)
    outcome = managed(
        context,
        ManagedOptions(
            path,
            source=source,
            user=options.user,
            group=options.group,
            mode=options.file_mode,
            template=options.template,
            makedirs=True,
            replace=options.replace,
            defaults=options.defaults,
            context=options.context,
            backup=options.backup,
            show_changes=options.show_changes,
        ),
    )
    return outcome if outcome.changes or outcome.result is False else Outcome(outcome.result)


def _clean(
    context: StateContext, options: RecurseOptions, name: str, kept: set[str], total: _Sum
) -> None:
    if kind_of(context, name) != "directory":
        return
    removed = unwanted(context, name, kept, options.exclude_pat, is_topmost=not context.is_test)
    if not removed:
        return
    if not context.is_test:
        for path in removed:
            context.file_system.remove(path)
    elif total.result:
        total.result = None
    total.comments.setdefault("removed", []).extend(removed)
    total.changes["removed"] = removed


def _summed(name: str, total: _Sum) -> Outcome:
    comment = "\n".join(
        "\n#### {} ####\n{}".format(path, "\n".join(lines))
        for path, lines in total.comments.items()
    ).strip()
    if not comment and total.changes:
        comment = f"Recursively updated {name}"
    if not total.changes and total.result:
        comment = f"The directory {name} is in the correct state"
    return Outcome(total.result, comment, total.changes)


def destinations(context: StateContext, chunk: Chunk) -> list[str]:
    """Give the paths that another state of this kind manages."""
    options = RecurseOptions(
        str(chunk["name"]),
        chunk.get("source"),
        include_pat=chunk.get("include_pat"),
        exclude_pat=chunk.get("exclude_pat"),
        maxdepth=chunk.get("maxdepth"),
        merge=bool(chunk.get("merge")),
    )
    folders = _folders(context, options)
    return [f"{options.name.rstrip('/')}/{each}" for each in _relative(context, options, folders)]
