"""What tests of packages are handed: the packages of this tree, and roots to install them in."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from deb.__main__ import cache_place
from support.hosts.package_roots import PackageRoot

NewRoot = Callable[[], PackageRoot]


class Built(NamedTuple):
    """What `make packages` makes."""

    version: str
    tree: Path
    minion: Path
    master: Path
    wheel: Path
    sdist: Path


def cached_debs(names: tuple[str, ...]) -> list[Path]:
    """Give the Debian packages that a build has fetched, of these names."""
    found = []
    for name in names:
        kept = (cache_place() / "debs").glob(f"{name}_*.deb")
        found += sorted(kept, key=lambda path: path.stat().st_mtime)[-1:]
    return found
