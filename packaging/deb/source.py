"""The tree that is packaged: a copy of its files, its version, and the time of its last commit."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deb.programs import BuildError, run

VERSION_FILE: Final = Path("packaging/python/limpet/__init__.py")
VERSION_LINE: Final = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_SUFFIX: Final = re.compile(r"\A\+[a-z0-9]+(\.[a-z0-9]+)*\Z")
"""What a Debian version and a Python one ("local version") both allow."""

PACKED: Final = ("common", "master", "minion", "states", "packaging", "tests", "docs")
PACKED_FILES: Final = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore")


@dataclass(frozen=True, slots=True)
class Source:
    """A tree of limpet."""

    root: Path
    version: str
    """With the suffix."""
    epoch_s: int
    """Seconds since 1970 that every file of the packages carries."""

    @property
    def base_version(self) -> str:
        """The version as the tree says it."""
        return self.version.partition("+")[0]


def look_at(root: Path, suffix: str = "") -> Source:
    """Read the tree's version and time. Raises `BuildError` for a tree or suffix that is none."""
    if suffix and not _SUFFIX.match(suffix):
        raise BuildError(f"{suffix!r} is no version suffix: write + and small letters, as +lab1")
    try:
        found = VERSION_LINE.search((root / VERSION_FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise BuildError(f"{root} is no tree of limpet: {error}") from error
    if found is None:
        raise BuildError(f"{root / VERSION_FILE} says no __version__")
    return Source(root.resolve(), found.group(1) + suffix, _epoch_s(root))


def _epoch_s(root: Path) -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given:
        if not given.isdigit():
            raise BuildError(f"SOURCE_DATE_EPOCH={given!r}: write seconds since 1970")
        return int(given)
    try:
        return int(run("git", "log", "-1", "--format=%ct", cwd=root))
    except (BuildError, ValueError):  # no clone: an unpacked sdist
        return int((root / "pyproject.toml").stat().st_mtime)


def copy(source: Source, target: Path) -> None:
    """Copy what is packaged, with the version of the packages written into it."""
    for name in PACKED:
        if (source.root / name).is_dir():
            shutil.copytree(
                source.root / name,
                target / name,
                symlinks=True,
                ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info"),
            )
    for name in PACKED_FILES:
        if (source.root / name).is_file():
            shutil.copy2(source.root / name, target / name)
    place = target / VERSION_FILE
    text = place.read_text(encoding="utf-8")
    place.write_text(
        VERSION_LINE.sub(f'__version__ = "{source.version}"', text, count=1), encoding="utf-8"
    )


def units_place(tree: Path) -> Path:
    """Give where a tree's units are; a release older than its packages gets this tree's."""
    own = tree / "packaging/systemd"
    return own if own.is_dir() else Path(__file__).parents[1] / "systemd"
