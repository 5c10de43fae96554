"""`file.tidied`: old or large files below a directory removed."""

import datetime
import re
from dataclasses import dataclass
from typing import Final

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file.editing import compiled
from limpet.states.library.file.writing import kind_of
from limpet.states.outcome import Outcome, failed
from limpet.states.ports.file_system import Facts

_UNITS: Final = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


@dataclass(frozen=True, slots=True)
class TidyOptions:
    """Arguments of `file.tidied`."""

    name: str
    age: Loose = 0
    """In days."""
    matches: Loose = None
    rmdirs: bool = False
    size: Loose = 0
    """In bytes, or with a unit: `10m`."""
    exclude: Loose = None
    full_path_match: bool = False
    followlinks: bool = False
    time_comparison: str = "atime"
    age_size_logical_operator: str = "OR"
    age_size_only: str | None = None
    rmlinks: bool = True


def tidied(context: StateContext, options: TidyOptions) -> Outcome:
    """Remove files that match, and are old or large enough; directories too with `rmdirs`."""
    name = options.name
    if not name.startswith("/"):
        return failed(f"Specified file {name} is not an absolute path")
    if kind_of(context, name) != "directory":
        return failed(f"{name} does not exist or is not a directory.")
    try:
        found = _found(context, options)
        if not found:
            return Outcome(True, f"Nothing to remove from directory {name}")
        if context.is_test:
            return Outcome(None, f"{name} is set for tidy", {"removed": found})
        for path in found:
            context.file_system.remove(path)
    except HostError as error:
        return failed(str(error))
    comment = f"Removed {len(found)} files or directories from directory {name}"
    return Outcome(True, comment, {"removed": found})


def _found(context: StateContext, options: TidyOptions) -> list[str]:
    """Give what is to go, deepest first."""
    matches = options.matches if isinstance(options.matches, list) else [options.matches or ".*"]
    exclude = options.exclude if isinstance(options.exclude, list) else [options.exclude]
    wanted = [compiled(each) for each in matches]
    unwanted = [compiled(each) for each in exclude if each]
    size = _bytes(options.size)
    age = int(options.age or 0)
    found: list[str] = []
    for folder, folders, files in reversed(context.file_system.walk(options.name)):
        for each in (*folders, *files):
            path = f"{folder.rstrip('/')}/{each}"
            word = path if options.full_path_match else each
            facts = context.file_system.facts(path)
            if facts is None or (facts.kind == "directory" and not options.rmdirs):
                continue
            if facts.kind == "link" and not options.rmlinks:
                continue
            is_meant = _any(wanted, word) and not _any(unwanted, word)
            if is_meant and _is_due(context, facts, age, size, options):
                found.append(path)
    return found


def _any(patterns: list[re.Pattern[str]], word: str) -> bool:
    return any(pattern.match(word) for pattern in patterns)


def _is_due(context: StateContext, facts: Facts, age: int, size: int, options: TidyOptions) -> bool:
    moment = facts.modified_s if options.time_comparison in ("mtime", "ctime") else facts.accessed_s
    is_old = (_day(context.host.system.now()) - _day(moment)).days >= age
    is_large = facts.size >= size
    only = (options.age_size_only or "").lower()
    if only == "age":
        return is_old
    if only == "size":
        return is_large
    if options.age_size_logical_operator.upper() == "AND":
        return is_old and is_large
    return is_old or is_large


def _day(wall_s: float) -> datetime.date:
    return datetime.datetime.fromtimestamp(wall_s).astimezone().date()


def _bytes(size: Loose) -> int:
    """Read a size. Raises `HostError`."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([bkmgt]?)b?\s*", str(size).lower())
    if found is None:
        raise HostError(f"the size {size!r} is no number of bytes such as 512, 10k or 1.5g")
    return int(float(found[1]) * _UNITS[found[2]])
