"""What `clean` leaves alone: what required states manage, and what a pattern excludes."""

import fnmatch
import re

from limpet.states.context import Loose
from limpet.states.library.context import Chunk, StateContext
from limpet.states.library.file.writing import kind_of


def keeps(context: StateContext, name: str, require: Loose) -> set[str]:
    """Give the paths below `name` that the `file` states of a requisite manage."""
    wanted = [
        str(each["file"]) for each in require or [] if isinstance(each, dict) and "file" in each
    ]
    found: set[str] = set()
    for chunk in context.lowstate:
        if chunk["state"] != "file" or not (
            {str(chunk["name"]), str(chunk["__id__"])} & set(wanted)
        ):
            continue
        path = str(chunk["name"]).rstrip("/")
        if path == name or not path.startswith(f"{name.rstrip('/')}/"):
            continue
        found.add(path)
        if kind_of(context, path) == "directory":
            found |= _of_directory(context, chunk, path)
    return found


def _of_directory(context: StateContext, chunk: Chunk, path: str) -> set[str]:
    """Give what is to stay of a directory that another state manages."""
    if chunk["fun"] == "recurse":
        from limpet.states.library.file.recurse import destinations

        return set(destinations(context, chunk))
    found: set[str] = set()
    for folder, folders, files in context.file_system.walk(path):
        found |= {f"{folder}/{each}" for each in (*folders, *files)}
    return found


def unwanted(
    context: StateContext,
    top: str,
    kept: set[str],
    exclude: Loose = None,
    *,
    is_topmost: bool = False,
) -> list[str]:
    """Give what is below `top` and not kept, sorted.

    `is_topmost`: of a directory that goes as a whole only the directory.
    """
    with_parents: set[str] = set()
    for path in kept:
        while path and path not in with_parents:
            with_parents.add(path)
            path = path.rpartition("/")[0]
    found: list[str] = []
    gone: set[str] = set()
    for folder, folders, files in context.file_system.walk(top):
        if is_topmost and folder in gone:
            gone |= {f"{folder}/{each}" for each in folders}
            continue
        for each in (*folders, *files):
            path = f"{folder.rstrip('/')}/{each}"
            relative = path[len(top.rstrip("/")) + 1 :]
            if path in with_parents or is_excluded(relative, exclude):
                continue
            found.append(path)
            gone.add(path)
    return sorted(found)


def is_excluded(path: str, patterns: Loose) -> bool:
    """Say whether a glob, or a regular expression after `E@`, matches the relative path."""
    for pattern in [patterns] if isinstance(patterns, str) else patterns or []:
        if not isinstance(pattern, str):
            continue
        if pattern.startswith("E@"):
            if re.search(pattern.removeprefix("E@"), path):
                return True
        elif fnmatch.fnmatch(path, pattern):
            return True
    return False


def is_chosen(path: str, include: Loose, exclude: Loose) -> bool:
    """Say whether a path is among those to manage: included (or nothing is), and not excluded."""
    if include and not is_excluded(path, include):
        return False
    return not is_excluded(path, exclude)
