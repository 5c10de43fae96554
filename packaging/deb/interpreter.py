"""The interpreter that the packages bring: Debian's python3.11 and the libraries it needs.

Taken apart from the machine's own apt, verified by apt's own signatures, pruned of what no limpet
and no shop's module runs. Nothing of the host's Python is used at run time: an upgrade of it, or
its removal, changes nothing here.
"""

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deb import files
from deb.programs import BuildError, FetchError, run

PYTHON: Final = "3.11"

INTERPRETER: Final = ("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib")
LIBRARIES: Final = (
    "libbz2-1.0",
    "libexpat1",
    "libffi8",
    "liblzma5",
    "libsqlite3-0",
    "libssl3",
    "libuuid1",
)
"""Debian packages of what the interpreter loads and what Debian 13 has in other versions."""
LIBRARY_NAMES: Final = re.compile(
    r"\Alib(bz2|expat|ffi|lzma|sqlite3|ssl|crypto|uuid)\.so\.[0-9]+(\.[0-9]+)?\Z"
)
"""Only the names that programs ask for; the files behind them take these names."""

DROPPED: Final = (
    # What tests and shows Python, not what runs on it.
    "test", "idlelib", "tkinter", "turtle.py", "turtledemo", "lib2to3", "pydoc_data",
    # Installs packages beside dpkg.
    "ensurepip", "venv",
    # Debian's own, outside: a link to /etc/python3.11.
    "sitecustomize.py",
)  # fmt: skip
"""Of the standard library. What a shop's modules may import (unittest, distutils.version, xmlrpc,
asyncio, …) stays: it is 3 MB."""
DROPPED_EXTENSIONS: Final = re.compile(
    r"\A(_test|_ctypes_test|_xx|xxlimited|ossaudiodev|_curses|_dbm|nis|readline)"
)
"""Tests, and what would need libraries (ncurses, Berkeley DB, NIS, readline) that no host must
have; curses, dbm.ndbm, nis and readline can't be imported."""


@dataclass(frozen=True, slots=True)
class Part:
    """One Debian package that was taken apart."""

    name: str
    version: str
    sha256: str
    file: Path


def fetch(cache: Path) -> list[Part]:
    """Give the Debian packages of the interpreter as apt would install them, from the cache.

    Where apt's lists are old or missing root has them renewed. Raises `FetchError` where apt has
    none, as on a release with another Python.
    """
    cache.mkdir(parents=True, exist_ok=True)
    try:
        return _fetch_all(cache)
    except BuildError as error:
        if os.geteuid() != 0:
            raise FetchError(f"apt-get update as root, or build on Debian 12: {error}") from error
    try:
        run("apt-get", "update", "-qq")
        return _fetch_all(cache)
    except BuildError as error:
        raise FetchError(f"build on Debian 12: {error}") from error


def _fetch_all(cache: Path) -> list[Part]:
    names = (*INTERPRETER, *LIBRARIES)
    told = {}
    for stanza in run("apt-cache", "show", "--no-all-versions", *names).split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|SHA256): (\S+)$", stanza, re.MULTILINE))
        told[fields.get("Package", "")] = fields
    return [_fetch(name, told.get(name, {}), cache) for name in names]


def _fetch(name: str, fields: dict[str, str], cache: Path) -> Part:
    if not {"Version", "SHA256"} <= fields.keys():
        raise BuildError(f"apt has no {name}")
    version, digest = fields["Version"], fields["SHA256"]
    kept = cache / f"{name}_{digest[:16]}.deb"
    if not kept.exists():
        with tempfile.TemporaryDirectory(prefix="fetching-", dir=cache) as directory:
            root = ("-o", "APT::Sandbox::User=root")
            run("apt-get", "download", "-qq", *root, f"{name}={version}", cwd=Path(directory))
            (fetched,) = Path(directory).glob("*.deb")
            if files.sha256(fetched) != digest:
                raise BuildError(f"{fetched.name} is not what apt's lists say")
            fetched.rename(kept)
    return Part(name, version, digest, kept)


def unpack(parts: list[Part], target: Path, licences: Path, work: Path) -> None:
    """Make `bin/`, `lib/python3.11/` and `lib/private/` below `target`, and keep the licences."""
    work.mkdir(parents=True)
    for part in parts:
        run("dpkg-deb", "-x", part.file, work)
    (target / "bin").mkdir(parents=True)
    shutil.move(work / "usr/bin/python3.11", target / "bin/python3.11")
    library = target / "lib" / f"python{PYTHON}"
    shutil.move(work / "usr/lib/python3.11", library)
    _prune(library)
    private = target / "lib/private"
    private.mkdir()
    for place in (work / "usr/lib/x86_64-linux-gnu", work / "lib/x86_64-linux-gnu"):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if LIBRARY_NAMES.match(path.name):
                shutil.copy(path, private / path.name, follow_symlinks=True)
    for part in parts:
        said = work / "usr/share/doc" / part.name / "copyright"
        if said.is_file():
            files.write(licences / part.name, said.read_text(encoding="utf-8", errors="replace"))


def _prune(library: Path) -> None:
    for name in DROPPED:
        path = library / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in (library / "lib-dynload").iterdir():
        if DROPPED_EXTENSIONS.match(path.name):
            path.unlink()
    for path in library.rglob("__pycache__"):
        shutil.rmtree(path)
