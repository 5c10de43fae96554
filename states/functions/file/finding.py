"""`file.find`: everything below a directory that meets some conditions."""

import fnmatch
import glob
import hashlib
import os
import posixpath
import re
import time
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.ports.file_system import Facts

_KINDS: Final = {
    "b": "block", "c": "character", "d": "directory", "f": "file", "l": "link", "p": "pipe",
    "s": "socket",
}  # fmt: skip
_SIGNS: Final = {kind: sign for sign, kind in _KINDS.items()}
_SIZES: Final = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_AGES: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604_800}
_PRINTED: Final = ("group", "md5", "mode", "mtime", "name", "path", "size", "type", "user")
_FOUND_MAX: Final = 500_000
_GREP_BYTES_MAX: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FindOptions:
    """Arguments of `file.find`."""

    path: str
    """Where to begin; globs are allowed."""
    name: str | None = None
    iname: str | None = None
    regex: str | None = None
    iregex: str | None = None
    type: str | None = None
    """Letters of the wanted kinds: `f`, `d`, `l`, `b`, `c`, `p`, `s`."""
    size: str | None = None
    """`+10k`: at least, `-10k`: at most."""
    mtime: str | None = None
    """`-1d`: changed within a day, `+1w`: not for a week."""
    owner: Loose = None
    group: Loose = None
    grep: str | None = None
    maxdepth: int | None = None
    mindepth: int | None = None
    print: str = "path"
    delete: str | None = None
    """Letters of the kinds that are removed when they are found."""
    exec: str | None = None
    """A command for each; `{}` stands for the path. Its output is what is given."""


def find(context: FunctionContext, options: FindOptions) -> list[Any]:
    """Give the paths below a directory that meet all conditions, in order.

    CLI Example: limpet run '*' file.find /var name='*.log' type=f
    """
    conditions = _Conditions(context, options)
    answer = _Answer(context, options)
    found: list[Any] = []
    for top in sorted(glob.glob(os.path.expanduser(options.path))):
        for path in _below(context, top, options.maxdepth, options.mindepth or 0):
            if conditions.are_met(path):
                found += answer.give(path)
    return found


class _Conditions:
    """What a path has to meet."""

    def __init__(self, context: FunctionContext, options: FindOptions) -> None:
        self._context = context
        self._options = options
        self._names = [
            re.compile(fnmatch.translate(pattern), flag)
            for pattern, flag in ((options.name, 0), (options.iname, re.IGNORECASE))
            if pattern
        ]
        self._paths = [
            _compiled(pattern, flag)
            for pattern, flag in ((options.regex, 0), (options.iregex, re.IGNORECASE))
            if pattern
        ]
        self._grep = _compiled(options.grep, 0) if options.grep else None
        self._kinds = _kinds(options.type or "")

    def are_met(self, path: str) -> bool:
        """Say whether the path meets them all."""
        last = posixpath.basename(path)
        if not all(pattern.match(last) for pattern in self._names):
            return False
        if not all(pattern.search(path) for pattern in self._paths):
            return False
        files = self._context.host.file_system
        facts = files.facts(path)
        target = files.facts(path, is_following=True)
        if self._kinds and self._kinds.isdisjoint(
            each.kind for each in (facts, target) if each is not None
        ):
            return False
        if not self._asks_for_more():
            return True
        return target is not None and self._meets(path, target)

    def _asks_for_more(self) -> bool:
        asked = self._options
        more = (asked.size, asked.mtime, asked.owner, asked.group, asked.grep)
        return any(each is not None for each in more)

    def _meets(self, path: str, facts: Facts) -> bool:
        asked, accounts = self._options, self._context.host.accounts
        if asked.owner is not None:
            account = accounts.user_of(facts.uid)
            owners = (str(facts.uid), "" if account is None else account.name)
            if not set(_words(asked.owner)).intersection(owners):
                return False
        if asked.group is not None:
            groups = (str(facts.gid), accounts.group_name(facts.gid) or "")
            if not set(_words(asked.group)).intersection(groups):
                return False
        if asked.size and not _compares(asked.size, facts.size, _SIZES):
            return False
        age_s = self._context.host.system.now() - facts.modified_s
        if asked.mtime and not _compares(asked.mtime, int(age_s), _AGES):
            return False
        if self._grep is None:
            return True
        if facts.kind != "file" or facts.size > _GREP_BYTES_MAX:
            return False
        text = self._context.host.file_system.read(path).decode("utf-8", "replace")
        return any(self._grep.search(line) for line in text.splitlines())


class _Answer:
    """What is given for a path, and done with it."""

    def __init__(self, context: FunctionContext, options: FindOptions) -> None:
        self._context = context
        self._deleted = _kinds(options.delete or "")
        self._command = options.exec
        self._printed = re.split(r"[,\s]+", options.print.strip())
        if odd := [each for each in self._printed if each not in _PRINTED]:
            raise UsageError(
                f"file.find: {odd[0]!r} can't be printed; there are {', '.join(_PRINTED)}"
            )

    def give(self, path: str) -> list[Any]:
        """Do what is to be done, and give what is to be shown."""
        if self._command is not None:
            return self._ran(path)
        shown = [self._shown(each, path) for each in self._printed]
        if self._deleted:
            facts = self._context.host.file_system.facts(path)
            if facts is None or facts.kind not in self._deleted:
                return []
            self._context.call("file.remove", path)
        return [shown[0] if len(shown) == 1 else shown]

    def _ran(self, path: str) -> list[str]:
        command = str(self._command).replace("{}", path)
        words = [word.replace("{}", path) for word in str(self._command).split()]
        answer = self._context.call("cmd.run_all", words, python_shell=False, ignore_retcode=True)
        return [f"{command}:\n{answer['stdout']}\n{answer['stderr']}\n"]

    def _shown(self, what: str, path: str) -> Any:  # noqa: ANN401
        if what in ("path", "name"):
            return path if what == "path" else posixpath.basename(path)
        files = self._context.host.file_system
        facts = files.facts(path, is_following=True) or files.facts(path)
        if facts is None:
            return None
        accounts = self._context.host.accounts
        account = accounts.user_of(facts.uid)
        if what == "md5":
            is_file = facts.kind == "file"
            content = files.read(path) if is_file else b""
            return hashlib.md5(content, usedforsecurity=False).hexdigest() if is_file else ""
        simple: dict[str, Any] = {
            "size": facts.size,
            "mode": facts.mode,
            "type": _SIGNS[facts.kind],
            "mtime": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(facts.modified_s)),
            "user": facts.uid if account is None else account.name,
            "group": accounts.group_name(facts.gid) or facts.gid,
        }
        return simple[what]


def _below(context: FunctionContext, top: str, most: int | None, least: int) -> list[str]:
    """Give the path and all below it: each directory is followed by what is in it."""
    top = top if top == "/" else top.rstrip("/")
    found = [top] if least == 0 else []
    facts = context.host.file_system.facts(top, is_following=True)
    if facts is None or facts.kind != "directory":
        return found
    for folder, folders, files in context.host.file_system.walk(top):
        depth = folder[len(top) :].count("/") + 1 if folder != top else 1
        if depth < least or (most is not None and depth > most):
            continue
        found += [posixpath.join(folder, each) for each in (*folders, *files)]
        if len(found) > _FOUND_MAX:
            raise HostError(f"more than {_FOUND_MAX} files below {top}: name a smaller directory")
    return sorted(found, key=lambda path: path.split("/"))


def _kinds(signs: str) -> set[str]:
    letters = [each for each in signs if each not in ", "]
    if odd := [each for each in letters if each not in _KINDS]:
        raise UsageError(f"file.find: there is no type {odd[0]!r}; there are {', '.join(_KINDS)}")
    return {_KINDS[each] for each in letters}


def _words(value: Loose) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else str(value).split(",")


def _compares(wish: str, value: int, units: dict[str, int]) -> bool:
    """Hold a value against `+10k`, `-3d` or `5`: at least, at most, about."""
    matched = re.fullmatch(r"([+-]?)(\d+)([a-z]?)", str(wish).strip().lower())
    if matched is None or (matched[3] and matched[3] not in units):
        raise UsageError(f"{wish!r} is no size or time such as +10k or -3d")
    unit = units.get(matched[3], 1)
    limit = int(matched[2]) * unit
    if matched[1] == "+":
        return value >= limit
    if matched[1] == "-":
        return value <= limit
    return limit <= value < limit + unit


def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    try:
        return re.compile(pattern, flags)
    except re.error as error:
        raise UsageError(f"{pattern!r} is no regular expression: {error}") from error
