"""Changing files by direct calls; what a state should do, the `file` states do."""

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.file.looking import directory_exists
from limpet.states.ports.file_system import missing_folders


def append(context: FunctionContext, path: str, *lines: Loose, args: Loose = None) -> str:
    """Add lines to the end of a file.

    CLI Example: limpet run '*' file.append /etc/motd 'With all thine offerings'
    """
    texts = _lines((*lines, *([] if args is None else [args])))
    before = _content(context, path)
    gap = "\n" if before and not before.endswith("\n") else ""
    _put(context, path, before + gap + "".join(f"{line}\n" for line in texts))
    return f'Wrote {len(texts)} lines to "{path}"'


def prepend(context: FunctionContext, path: str, *lines: Loose, args: Loose = None) -> str:
    """Add lines to the head of a file.

    CLI Example: limpet run '*' file.prepend /etc/motd 'With all thine offerings'
    """
    texts = _lines((*lines, *([] if args is None else [args])))
    _put(context, path, "".join(f"{line}\n" for line in texts) + _content(context, path))
    return f'Prepended {len(texts)} lines to "{path}"'


def write(context: FunctionContext, path: str, *lines: Loose, args: Loose = None) -> str:
    """Replace what is in a file by these lines.

    CLI Example: limpet run '*' file.write /etc/motd 'With all thine offerings'
    """
    texts = _lines((*lines, *([] if args is None else [args])))
    _put(context, path, "".join(f"{line}\n" for line in texts))
    return f'Wrote {len(texts)} lines to "{path}"'


def truncate(context: FunctionContext, path: str, length: int) -> None:
    """Keep only so many bytes of a file.

    CLI Example: limpet run '*' file.truncate /path/to/file 512
    """
    content = context.host.file_system.read(path)
    context.host.file_system.place(path, content[:length].ljust(length, b"\0"), mode=None)


def touch(
    context: FunctionContext,
    name: str,
    atime: float | None = None,
    mtime: float | None = None,
) -> bool:
    """Make a file that is not there, and set its times, to now if none are given.

    CLI Example: limpet run '*' file.touch /var/log/emptyfile
    """
    files = context.host.file_system
    if files.facts(name, is_following=True) is None:
        files.place(name, b"", mode=None)
    files.set_times(name, atime, mtime)
    return files.facts(name, is_following=True) is not None


def mkdir(
    context: FunctionContext,
    dir_path: str,
    user: Loose = None,
    group: Loose = None,
    mode: Loose = None,
) -> bool:
    """See to it that a directory is there, its parents too.

    CLI Example: limpet run '*' file.mkdir /opt/limpet/context
    """
    _make(context, dir_path, user, group, mode)
    return True


def makedirs(
    context: FunctionContext,
    path: str,
    user: Loose = None,
    group: Loose = None,
    mode: Loose = None,
) -> str | None:
    """See to it that the directory above a path is there; say so if it is already.

    CLI Example: limpet run '*' file.makedirs /opt/code/
    """
    folder = path.rpartition("/")[0] or "/"
    if directory_exists(context, folder):
        return f"Directory '{folder}' already exists"
    _make(context, folder, user, group, mode)
    return None


def makedirs_perms(
    context: FunctionContext,
    name: str,
    user: Loose = None,
    group: Loose = None,
    mode: Loose = "0755",
) -> None:
    """Make a directory and those above it that are missing, all with this owner and mode.

    CLI Example: limpet run '*' file.makedirs_perms /opt/code
    """
    _make(context, name, user, group, mode)


def rmdir(
    context: FunctionContext,
    path: str,
    recurse: bool = False,
    verbose: bool = False,
    older_than: Loose = None,
) -> Loose:
    """Remove an empty directory, or with `recurse` one in which there are only directories.

    False: there is more in it. With `older_than` only what nobody changed for so many days.

    CLI Example: limpet run '*' file.rmdir /tmp/foo/
    """
    if not path.startswith("/"):
        raise UsageError("File path must be absolute.")
    if not directory_exists(context, path):
        raise UsageError("A valid directory was not specified.")
    files = context.host.file_system
    oldest_s = context.host.system.now() - float(older_than or 0) * 86400
    folders = [each for each, _, _ in files.walk(path)] if recurse else [path]
    deleted, errors = [], []
    for folder in reversed(folders):
        facts = files.facts(folder)
        if files.names(folder):
            errors.append(f"{folder}: the directory is not empty")
        elif older_than is None or (facts is not None and facts.modified_s < oldest_s):
            files.remove(folder)
            deleted.append(folder)
    if verbose:
        return {"deleted": deleted, "errors": errors, "result": not errors}
    return not errors


def remove(context: FunctionContext, path: str) -> bool:
    """Remove a file, or a directory with all that is in it. False: there was nothing.

    CLI Example: limpet run '*' file.remove /tmp/foo
    """
    if not path.startswith("/"):
        raise UsageError(f"File path must be absolute: {path}")
    if not path.strip("/"):
        raise UsageError("the root directory is not removed")
    is_there = context.host.file_system.facts(path) is not None
    context.host.file_system.remove(path)
    return is_there


def copy(
    context: FunctionContext,
    src: str,
    dst: str,
    recurse: bool = False,
    remove_existing: bool = False,
) -> bool:
    """Copy a file, or with `recurse` a directory.

    CLI Example: limpet run '*' file.copy /path/to/src /path/to/dst recurse=True
    """
    files = context.host.file_system
    if not src.startswith("/"):
        raise UsageError("File path must be absolute.")
    if files.facts(src) is None:
        raise HostError(f"No such file or directory '{src}'")
    if directory_exists(context, src) and not recurse:
        raise UsageError("Cannot copy overtop of directory without 'recurse'")
    if remove_existing:
        files.remove(dst)
    elif directory_exists(context, dst):
        dst = f"{dst.rstrip('/')}/{src.rstrip('/').rpartition('/')[2]}"
    files.copy(src, dst)
    return True


def rename(context: FunctionContext, src: str, dst: str) -> bool:
    """Give a file another name.

    CLI Example: limpet run '*' file.rename /path/to/src /path/to/dst
    """
    if not src.startswith("/"):
        raise UsageError("File path must be absolute.")
    context.host.file_system.rename(src, dst)
    return True


def move(context: FunctionContext, src: str, dst: str) -> dict[str, Loose]:
    """Move a file or directory.

    CLI Example: limpet run '*' file.move /path/to/src /path/to/dst
    """
    if not src.startswith("/") or not dst.startswith("/"):
        raise UsageError("Source and destination path must be absolute.")
    context.host.file_system.rename(src, dst)
    return {"result": True, "comment": f"'{src}' moved to '{dst}'"}


def symlink(context: FunctionContext, src: str, path: str, force: bool = False) -> bool:
    """Make a symbolic link at `path` to `src`; another link is replaced with `force`.

    CLI Example: limpet run '*' file.symlink /path/to/file /path/to/link
    """
    if not path.startswith("/"):
        raise UsageError(f"Link path must be absolute: {path}")
    facts = context.host.file_system.facts(path)
    if facts is not None:
        if facts.kind == "link" and context.host.files.target(path) == src:
            return True
        if not force or facts.kind == "directory":
            raise HostError(f"Found existing file or link: {path}")
    context.host.file_system.make_link(path, src)
    return True


def link(context: FunctionContext, src: str, path: str) -> bool:
    """Make a hard link at `path` to the file `src`.

    CLI Example: limpet run '*' file.link /path/to/file /path/to/link
    """
    if not path.startswith("/"):
        raise UsageError(f"Link path must be absolute: {path}")
    if context.host.file_system.facts(path) is not None:
        raise HostError(f"cannot make the hard link {path}: something has that name")
    context.host.file_system.make_hard_link(path, src)
    return True


def _make(context: FunctionContext, path: str, user: Loose, group: Loose, mode: Loose) -> None:
    for each in missing_folders(path, lambda folder: directory_exists(context, folder)):
        bits = None if mode is None else int(str(mode).removeprefix("0o"), 8)
        context.host.file_system.make_directory(each, bits)
        if user is not None or group is not None:
            context.call("file.chown", each, user or "", group or "")


def _lines(args: tuple[Loose, ...]) -> list[str]:
    found: list[str] = []
    for each in args:
        found += [str(line) for line in each] if isinstance(each, list) else [str(each)]
    return found


def _content(context: FunctionContext, path: str) -> str:
    if context.host.file_system.facts(path, is_following=True) is None:
        return ""
    return context.host.file_system.read(path).decode("utf-8", "surrogateescape")


def _put(context: FunctionContext, path: str, text: str) -> None:
    context.host.file_system.place(path, text.encode("utf-8", "surrogateescape"), mode=None)
