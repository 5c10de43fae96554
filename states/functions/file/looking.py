"""Looking at files: whether they are there, what is in them, which there are."""

import fnmatch
import glob
import hashlib
import os
import posixpath
import re
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.ports.file_system import Facts


def file_exists(context: FunctionContext, path: str) -> bool:
    """Say whether a file is there.

    CLI Example: limpet run '*' file.file_exists /etc/passwd
    """
    facts = _facts(context, path)
    return facts is not None and facts.kind == "file"


def directory_exists(context: FunctionContext, path: str) -> bool:
    """Say whether a directory is there.

    CLI Example: limpet run '*' file.directory_exists /etc
    """
    facts = _facts(context, path)
    return facts is not None and facts.kind == "directory"


def path_exists_glob(context: FunctionContext, path: str) -> bool:
    """Say whether any path matches a pattern.

    CLI Example: limpet run '*' file.path_exists_glob '/etc/pam*/pass*'
    """
    return bool(glob.glob(_home(path)))


def access(context: FunctionContext, path: str, mode: str) -> bool:
    """Say whether this process may use a path: `f` (it is there), `r`, `w`, `x`.

    CLI Example: limpet run '*' file.access /etc/passwd r
    """
    modes = {"f": os.F_OK, "r": os.R_OK, "w": os.W_OK, "x": os.X_OK}
    if mode not in modes:
        raise UsageError("Invalid mode specified; f, r, w or x is expected")
    return os.access(_home(path), modes[mode])


def basename(context: FunctionContext, path: str) -> str:
    """Give the last part of a path.

    CLI Example: limpet run '*' file.basename test/test.config
    """
    return posixpath.basename(path)


def dirname(context: FunctionContext, path: str) -> str:
    """Give all but the last part of a path.

    CLI Example: limpet run '*' file.dirname test/path/filename.config
    """
    return posixpath.dirname(path)


def join(context: FunctionContext, *args: str) -> str:
    """Join parts to a path.

    CLI Example: limpet run '*' file.join / usr local bin
    """
    return posixpath.join(*args) if args else ""


def normpath(context: FunctionContext, path: str) -> str:
    """Give a path without double slashes, `.` and `..`.

    CLI Example: limpet run '*' file.normpath a/b/c/..
    """
    return posixpath.normpath(path)


def is_link(context: FunctionContext, path: str) -> bool:
    """Say whether a path is a symbolic link.

    CLI Example: limpet run '*' file.is_link /path/to/link
    """
    facts = context.host.file_system.facts(_home(path))
    return facts is not None and facts.kind == "link"


def readlink(context: FunctionContext, path: str, canonicalize: bool = False) -> str:
    """Give what a symbolic link points at.

    CLI Example: limpet run '*' file.readlink /path/to/link
    """
    path = _home(path)
    if not path.startswith("/"):
        raise UsageError("Path to link must be absolute.")
    if canonicalize:
        return context.host.file_system.real_path(path)
    return context.host.files.target(path) or path


def readdir(context: FunctionContext, path: str) -> list[str]:
    """Give the names in a directory, `.` and `..` too.

    CLI Example: limpet run '*' file.readdir /path/to/a/directory
    """
    path = _home(path)
    if not path.startswith("/"):
        raise UsageError("Dir path must be absolute.")
    if not directory_exists(context, path):
        raise UsageError("A valid directory was not specified.")
    return [".", "..", *context.host.file_system.names(path)]


def list_files(context: FunctionContext, path: str) -> list[str]:
    """Give a directory and everything below it.

    CLI Example: limpet run '*' file.list_files /path/to/a/directory
    """
    found = {path}
    for folder, folders, files in context.host.file_system.walk(path):
        found |= {f"{folder.rstrip('/')}/{each}" for each in (*folders, *files)}
    return sorted(found)


def read(context: FunctionContext, path: str, binary: bool = False) -> str:
    """Give the content of a file.

    CLI Example: limpet run '*' file.read /path/to/file
    """
    return _text(context, path)


def contains(context: FunctionContext, path: str, text: Loose) -> bool:
    """Say whether a text stands in a file.

    CLI Example: limpet run '*' file.contains /etc/crontab mymaintenance.sh
    """
    return file_exists(context, path) and str(text).strip() in _text(context, path)


def contains_regex(context: FunctionContext, path: str, regex: str, lchar: str = "") -> bool:
    """Say whether a regular expression matches in a line of a file.

    CLI Example: limpet run '*' file.contains_regex /etc/crontab '^maint'
    """
    if not file_exists(context, path):
        return False
    pattern = _compiled(regex)
    return any(
        pattern.search(line.lstrip(lchar) if lchar else line)
        for line in _text(context, path).splitlines()
    )


def contains_glob(context: FunctionContext, path: str, glob_expr: str) -> bool:
    """Say whether a line of a file matches a pattern.

    CLI Example: limpet run '*' file.contains_glob /etc/foobar '*cheese*'
    """
    if not file_exists(context, path):
        return False
    return any(fnmatch.fnmatch(line, glob_expr) for line in _text(context, path).splitlines())


def search(
    context: FunctionContext,
    path: str,
    pattern: str,
    flags: Loose = 8,
    bufsize: Loose = 1,
    ignore_if_missing: bool = False,
    multiline: bool = False,
) -> bool:
    """Say whether a regular expression matches in a file.

    CLI Example: limpet run '*' file.search /etc/crontab mymaintenance.sh
    """
    if not file_exists(context, path):
        if ignore_if_missing:
            return False
        raise HostError(f"{path}: file not found")
    return _compiled(pattern, _flags(flags)).search(_text(context, path)) is not None


def grep(context: FunctionContext, path: str, pattern: str, *opts: str) -> dict[str, Any]:
    """Run `grep` on a file and give what `cmd.run_all` gives.

    CLI Example: limpet run '*' file.grep /etc/passwd nobody -- -i
    """
    words = [word for each in opts for word in each.split()]
    return dict(
        context.call("cmd.run_all", ["grep", *words, pattern, _home(path)], python_shell=False)
    )


def get_hash(
    context: FunctionContext, path: str, form: str = "sha256", chunk_size: int = 65536
) -> str:
    """Give the checksum of a file.

    CLI Example: limpet run '*' file.get_hash /etc/shadow
    """
    content = context.host.file_system.read(_home(path))
    try:
        return hashlib.new(form, content, usedforsecurity=False).hexdigest()
    except ValueError:
        raise UsageError(f"Invalid hash type: {form}") from None


def get_sum(context: FunctionContext, path: str, form: str = "sha256") -> str:
    """Give the checksum of a file, or `File not found`.

    CLI Example: limpet run '*' file.get_sum /etc/passwd sha512
    """
    return get_hash(context, path, form) if file_exists(context, path) else "File not found"


def check_hash(context: FunctionContext, path: str, file_hash: str) -> bool:
    """Say whether a file has a checksum: `sha256:…`, `sha256=…` or bare.

    CLI Example: limpet run '*' file.check_hash /etc/fstab md5:d41d8cd98f00b204e9800998ecf8427e
    """
    form, _, wanted = file_hash.replace("=", ":", 1).rpartition(":")
    lengths = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
    form = form or lengths.get(len(wanted), "")
    if not form:
        raise UsageError(f"{file_hash[:80]!r} is no checksum such as sha256:…")
    return get_hash(context, path, form) == wanted.lower()


def is_empty(context: FunctionContext, filename: str) -> bool:
    """Say whether a file has nothing in it.

    CLI Example: limpet run '*' file.is_empty /etc/motd
    """
    facts = _facts(context, filename)
    return facts is not None and facts.size == 0


def is_text(context: FunctionContext, path: str) -> bool:
    """Say whether a file has text in it.

    CLI Example: limpet run '*' file.is_text /etc/motd
    """
    return file_exists(context, path) and not _is_binary(context, path)


def is_binary(context: FunctionContext, path: str) -> bool:
    """Say whether a file has something else than text in it.

    CLI Example: limpet run '*' file.is_binary /bin/ls
    """
    return file_exists(context, path) and _is_binary(context, path)


def _is_binary(context: FunctionContext, path: str) -> bool:
    return b"\0" in context.host.file_system.read(_home(path))[:4096]


def _facts(context: FunctionContext, path: str) -> Facts | None:
    return context.host.file_system.facts(_home(path), is_following=True)


def _home(path: str) -> str:
    return os.path.expanduser(path)


def _text(context: FunctionContext, path: str) -> str:
    return context.host.file_system.read(_home(path)).decode("utf-8", "replace")


def _compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    try:
        return re.compile(pattern, flags)
    except re.error as error:
        raise UsageError(f"{pattern!r} is no regular expression: {error}") from error


def _flags(flags: Loose) -> int:
    """Read flags of expressions: a number, or names such as DOTALL."""
    if isinstance(flags, int):
        return flags
    found = 0
    for each in flags if isinstance(flags, list) else [flags]:
        flag = re.RegexFlag.__members__.get(str(each).upper())
        if flag is None:
            raise UsageError(f"{each!r} is no flag of a regular expression such as MULTILINE")
        found |= flag
    return found
