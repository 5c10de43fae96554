"""The environment: interpreter, libraries, wheels, bytecode; built once, kept by what went in."""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from deb import files, interpreter, libraries, wheels
from deb.interpreter import PYTHON
from deb.programs import run

PACKAGES: Final = Path("lib") / f"python{PYTHON}" / "dist-packages"
"""Debian's own name for it; its `site` finds it below the prefix, wherever that is."""
KEPT: Final = 3
"""Environments in the cache: of this tree, of the last release, of a branch."""


@dataclass(frozen=True, slots=True)
class Component:
    """Something of others that a package carries."""

    name: str
    version: str
    kind: str
    """`deb` or `pypi`, as package URLs say it."""
    sha256: str
    licence: str


@dataclass(frozen=True, slots=True)
class Environment:
    """What limpet runs on, in a directory of the cache that nobody changes."""

    root: Path
    licences: Path
    """A text for each component."""
    components: tuple[Component, ...]
    depends: tuple[str, ...]


def prepare(lock: Path, cache: Path) -> Environment:
    """Give the environment for a lock, from the cache or built now. Raises `BuildError`."""
    parts = interpreter.fetch(cache / "debs")
    place = cache / "environments" / _key(lock, parts)
    if not (place / "inventory.json").exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        making = place.with_name(f"making-{os.getpid()}")
        shutil.rmtree(making, ignore_errors=True)
        _build(lock, parts, making)
        try:
            making.rename(place)
        except OSError:  # somebody else built the same meanwhile
            shutil.rmtree(making)
        _forget_others(place)
    os.utime(place)
    told = json.loads((place / "inventory.json").read_text(encoding="utf-8"))
    return Environment(
        root=place / "root",
        licences=place / "licences",
        components=tuple(Component(**each) for each in told["components"]),
        depends=tuple(told["depends"]),
    )


def _key(lock: Path, parts: list[interpreter.Part]) -> str:
    """Give a name that changes with anything that goes in, this code included."""
    total = hashlib.sha256(lock.read_bytes())
    for part in parts:
        total.update(part.sha256.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem in ("environment", "interpreter", "libraries", "wheels", "files"):
            total.update(path.read_bytes())
    return total.hexdigest()[:24]


def _build(lock: Path, parts: list[interpreter.Part], making: Path) -> None:
    root = making / "root"
    work = making / "work"
    licences = making / "licences"
    interpreter.unpack(parts, root, licences, work / "debian")
    locked = wheels.install_locked(lock, root / PACKAGES, licences, work / "pip")
    libraries.strip(root / PACKAGES)
    libraries.bind(root)
    files.set_modes(root, frozenset({f"bin/python{PYTHON}"}))
    compile_tree(root, root / "lib" / f"python{PYTHON}")
    depends = libraries.census(root)
    files.set_times(root, int((root / "lib" / f"python{PYTHON}" / "os.py").stat().st_mtime))
    components = [Component(p.name, p.version, "deb", p.sha256, "") for p in parts]
    components += [Component(w.name, w.version, "pypi", w.sha256, w.licence) for w in locked]
    shutil.rmtree(work)
    told = {"components": [asdict(each) for each in components], "depends": depends}
    files.write(making / "inventory.json", json.dumps(told, indent=1))


def compile_tree(root: Path, place: Path) -> None:
    """Compile all modules below `place` with the interpreter of `root`, for good.

    The bytecode is never compared with its source (unchecked): dpkg puts both there, and the times
    of files are those of a commit.
    """
    run(
        root / "bin" / f"python{PYTHON}", "-I", "-B", "-m", "compileall", "-q", "-f",
        "--invalidation-mode", "unchecked-hash", "-s", root, place,
        environment={"PYTHONHASHSEED": "0"},
    )  # fmt: skip


def _forget_others(place: Path) -> None:
    """Drop the environments used longest ago."""
    every = [path for path in place.parent.iterdir() if not path.name.startswith("making-")]
    every.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in every[KEPT:]:
        if path != place:
            shutil.rmtree(path, ignore_errors=True)
