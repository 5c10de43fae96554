"""The packages that hosts get: those of this tree, built when they are older than it.

LIMPET_LAB_PACKAGES names a directory of packages that were built before; then nothing is built.
"""

import fcntl
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from limpet_lab.running import LabError, run

TREE = Path(__file__).parents[3]
SOURCES = ("common", "master", "minion", "states", "packaging/deb", "packaging/python",
           "packaging/systemd", "packaging/man", "packaging/requirements")  # fmt: skip
BUILD_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class Packages:
    """Both packages of one version."""

    version: str
    minion: Path
    master: Path

    @property
    def both(self) -> tuple[Path, Path]:
        """For the master's host, which is managed too."""
        return self.minion, self.master


def packages() -> Packages:
    """Give this tree's packages, built first where a source is younger."""
    if given := os.environ.get("LIMPET_LAB_PACKAGES"):
        return newest(Path(given))
    where = TREE / "dist"
    with _Building():
        built = [path.stat().st_mtime for path in where.glob("limpet-*.deb") if _is_plain(path)]
        if len(built) < 2 or min(built) < _last_change():
            run(["make", "-C", str(TREE), "packages"], timeout_s=BUILD_TIMEOUT_S).checked()
    return newest(where)


def another_version(plain: Packages, version: str) -> Packages:
    """Give both packages under another version, to upgrade to."""
    return Packages(version, repacked(plain.minion, version), repacked(plain.master, version))


def repacked(package: Path, version: str) -> Path:
    """Give a package under another version, to upgrade to; made where it is not there.

    It is kept beside the plain one, in a directory named for the version.
    """
    where = package.parent / version
    name, _, rest = package.name.split("_", 2)
    made = where / f"{name}_{version}_{rest}"
    with _Building():
        if not made.exists() or made.stat().st_mtime < package.stat().st_mtime:
            where.mkdir(exist_ok=True)
            run(
                [sys.executable, "-c", _REPACK, str(package), str(where), version],
                timeout_s=BUILD_TIMEOUT_S,
                environment={"PYTHONPATH": str(TREE / "packaging")},
            ).checked()
    return made


_REPACK = """
import sys
from pathlib import Path
from deb.repack import repack
repack(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
"""


def newest(where: Path) -> Packages:
    """Find the youngest pair of packages in a directory; raises LabError if there is none."""
    found: dict[str, dict[str, Path]] = {}
    for path in where.glob("limpet-*.deb"):
        name, version, _ = path.name.split("_", 2)
        found.setdefault(version, {})[name.removeprefix("limpet-")] = path
    whole = [
        Packages(version, pair["minion"], pair["master"])
        for version, pair in found.items()
        if pair.keys() >= {"minion", "master"}
    ]
    if not whole:
        raise LabError(f"{where} has no limpet-minion_*.deb and limpet-master_*.deb: make packages")
    return max(whole, key=lambda each: each.minion.stat().st_mtime)


def _is_plain(path: Path) -> bool:
    return re.search(r"_[0-9.]+_", path.name) is not None


def _last_change() -> float:
    listed = run(
        ["git", "-C", str(TREE), "ls-files", "--cached", "--others", "--exclude-standard", "-z",
         *SOURCES]
    ).checked()  # fmt: skip
    return max(_changed(TREE / name for name in listed.out.split("\0") if name), default=0.0)


def _changed(paths: Iterable[Path]) -> Iterable[float]:
    for path in paths:
        if path.exists():
            yield path.lstat().st_mtime


class _Building:
    """One build at a time: tests run side by side."""

    def __enter__(self) -> None:
        (TREE / "dist").mkdir(exist_ok=True)
        self._file = (TREE / "dist" / ".lab-lock").open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
