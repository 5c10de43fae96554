"""Bringing a shop's own modules to the minion: what is new is written, what has gone is removed."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from limpet.common.errors import HostError
from limpet.common.storage.files import host_error, make_directory, read_whole, write_whole
from limpet.states.context import Places
from limpet.states.custom.folders import FOLDERS, custom_directory
from limpet.states.fileroots.port import FileRoots

MODULE_BYTES_MAX: Final = 4 * 1024 * 1024
MODULES_MAX: Final = 2_000
_SUFFIX: Final = ".py"


def sync(
    kinds: Iterable[str],
    roots: FileRoots,
    environments: Iterable[str],
    places: Places,
    *,
    allowed: Mapping[str, Iterable[str]] | None = None,
    denied: Mapping[str, Iterable[str]] | None = None,
) -> dict[str, list[str]]:
    """Make what lies on the minion equal to the tree; give what changed, by kind, in Salt's names.

    Of several environments the last that has a module gives it. `allowed` and `denied` hold globs
    for names, by kind. Raises `HostError`.
    """
    wanted = list(environments)
    return {
        kind: _sync_kind(
            kind,
            roots,
            wanted,
            custom_directory(places) / kind,
            list((allowed or {}).get(kind, ())),
            list((denied or {}).get(kind, ())),
        )
        for kind in kinds
    }


def _sync_kind(
    kind: str,
    roots: FileRoots,
    environments: list[str],
    directory: Path,
    allowed: list[str],
    denied: list[str],
) -> list[str]:
    found: dict[str, str] = {}
    folder = f"{FOLDERS[kind]}/"
    for environment in environments:
        for whole in roots.files(environment):
            path = whole.removeprefix(folder)
            if path == whole or not path.endswith(_SUFFIX):
                continue
            if _is_wanted(_dotted(path), allowed, denied):
                found[path] = environment
    if len(found) > MODULES_MAX:
        raise HostError(f"more than {MODULES_MAX} files in {FOLDERS[kind]}")
    changed = [
        f"{kind}.{_dotted(path)}"
        for path, environment in sorted(found.items())
        if _place(roots, folder + path, environment, directory / path)
    ]
    _remove_others(directory, set(found))
    return changed


def _is_wanted(name: str, allowed: list[str], denied: list[str]) -> bool:
    if allowed and not any(fnmatchcase(name, each) for each in allowed):
        return False
    return not any(fnmatchcase(name, each) for each in denied)


def _dotted(path: str) -> str:
    return path.removesuffix(_SUFFIX).replace("/", ".")


def _place(roots: FileRoots, source: str, environment: str, place: Path) -> bool:
    """Write one module where it differs; say whether it did."""
    file = roots.read(source, environment)
    if file is None:
        return False  # it has gone since the tree was listed
    content = file.content
    if len(content) > MODULE_BYTES_MAX:
        raise HostError(f"salt://{source} has more than {MODULE_BYTES_MAX} bytes")
    try:
        present = read_whole(place, bytes_max=MODULE_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError, HostError):
        present = None
    if present is not None and hashlib.sha256(present).digest() == hashlib.sha256(content).digest():
        return False
    make_directory(place.parent)
    write_whole(place, content)
    return True


def _remove_others(directory: Path, kept: set[str]) -> None:
    """Remove what the tree no longer has, and folders that are empty then."""
    try:
        for above, folders, files in os.walk(directory, topdown=False):
            for name in files:
                path = Path(above, name)
                if str(path.relative_to(directory)) not in kept:
                    path.unlink()
            for name in folders:
                folder = Path(above, name)
                if not any(folder.iterdir()):
                    folder.rmdir()
    except OSError as error:
        raise host_error("tidy", directory, error) from error
