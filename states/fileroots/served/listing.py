"""What an environment of the master holds, read out of the master's own list and checked.

Nothing that the list says leads outside the cache: a path that could is an error, for a master that
sends one is broken or not the master.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from limpet.common.errors import HostError
from limpet.states.fileroots.names import is_inside
from limpet.states.fileroots.port import SourceFacts

ENTRIES_MAX: Final = 400_000
LISTING_BYTES_MAX: Final = 128 * 1024 * 1024
TARGET_CHARACTERS_MAX: Final = 4096
ENVIRONMENTS_MAX: Final = 10_000
_HEX: Final = frozenset("0123456789abcdef")


@dataclass(slots=True)
class Listing:
    """Everything in one environment, each kind in the order of the paths."""

    files: dict[str, SourceFacts] = field(default_factory=dict)
    """A digest that the master did not list is empty."""
    folders: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    """Symbolic links with their targets; one that leads to a file is among the files too."""


def is_digest(text: object) -> bool:
    """Say whether it is a SHA-256 in lowercase hex."""
    return isinstance(text, str) and len(text) == 64 and _HEX.issuperset(text)


def is_environment(name: object) -> bool:
    """Say whether it can name an environment, and a folder of the cache."""
    return isinstance(name, str) and is_inside(name) and "/" not in name


def read_listing(body: bytes, environment: str) -> Listing:
    """Read a listing. Raises `HostError` where it is none, or names what no environment has."""
    found = Listing()
    for row in _rows(body, f"the list of files in the environment '{environment}'", ENTRIES_MAX):
        if not _is_row(row):
            raise _wrong(f"the list of files in the environment '{environment}'", row)
        path, kind, mode, size, target = row[:5]
        if not is_inside(path):
            continue  # an odd name on the master's disk, which nobody could ask for
        if kind == "file":
            digest = row[5] if len(row) > 5 and is_digest(row[5]) else ""
            found.files[path] = SourceFacts(size, mode & 0o7777, digest)
        elif kind == "directory":
            found.folders.append(path)
        else:
            found.links[path] = target
    return Listing(
        dict(sorted(found.files.items())),
        sorted(set(found.folders)),
        dict(sorted(found.links.items())),
    )


def read_environments(body: bytes) -> list[str]:
    """Read the names of the environments, `base` first. Raises `HostError`."""
    found = []
    for name in _rows(body, "the list of environments", ENVIRONMENTS_MAX):
        if not is_environment(name):
            raise _wrong("the list of environments", name)
        found.append(name)
    return list(dict.fromkeys(["base", *found]))


def _is_row(row: Any) -> bool:  # noqa: ANN401
    if not isinstance(row, list) or len(row) < 5:
        return False
    path, kind, mode, size, target = row[:5]
    return (
        isinstance(path, str)
        and not _leads_outside(path)
        and kind in ("file", "directory", "link")
        and type(mode) is int
        and type(size) is int
        and size >= 0
        and (kind != "link" or _is_target(target))
    )


def _leads_outside(path: str) -> bool:
    return "\0" in path or any(each in ("", ".", "..") for each in path.split("/"))


def _is_target(target: object) -> bool:
    return (
        isinstance(target, str) and 0 < len(target) <= TARGET_CHARACTERS_MAX and "\0" not in target
    )


def _rows(body: bytes, what: str, rows_max: int) -> Iterator[Any]:
    try:
        rows = msgspec.msgpack.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise HostError(f"what the master sent as {what} is none: {error}") from error
    if not isinstance(rows, list) or len(rows) > rows_max:
        raise HostError(f"what the master sent as {what} is none, or has over {rows_max} entries")
    yield from rows


def _wrong(what: str, entry: object) -> HostError:
    return HostError(f"in {what} the master names {ascii(entry)[:200]}, which nothing there can be")
