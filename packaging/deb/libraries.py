"""Private libraries: found by every part of the package, and by nothing else.

And the census: no file of the package may want a library or a version of the C library that the
package's dependencies don't promise.
"""

import os
import re
from pathlib import Path
from typing import Final

from deb import files
from deb.programs import BuildError, run

PROMISED: Final = {
    "ld-linux-x86-64.so.2": "libc6",
    "libc.so.6": "libc6",
    "libdl.so.2": "libc6",
    "libm.so.6": "libc6",
    "libpthread.so.0": "libc6",
    "librt.so.1": "libc6",
    "libutil.so.1": "libc6",
    "libcrypt.so.1": "libcrypt1",
    "libgcc_s.so.1": "libgcc-s1",
    "libstdc++.so.6": "libstdc++6",
    "libz.so.1": "zlib1g",
}
"""Libraries of the host, and the Debian package of each: all are there on a minimal root."""
GLIBC_MAX: Final = (2, 36)
"""Debian 12's."""
GLIBCXX_MAX: Final = (3, 4, 30)
"""Debian 12's."""

_NEEDED: Final = re.compile(r"^\s+NEEDED\s+(\S+)$", re.MULTILINE)
_PATHS: Final = re.compile(r"^\s+R(UN)?PATH\s", re.MULTILINE)
_WANTED: Final = re.compile(r"\b(GLIBC|GLIBCXX)_([0-9]+(?:\.[0-9]+)*)\b")


def programs_and_libraries(root: Path) -> list[Path]:
    """Give the ELF files below a directory."""
    found = []
    for path in files.walk(root):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    found.append(path)
    return found


def strip(root: Path) -> None:
    """Take the tables that only a linker or a debugger reads out of what wheels bring: 6 MB.

    Not out of those that were given a path for libraries: `strip` spoils what patchelf has moved.
    """
    for path in programs_and_libraries(root):
        if not _PATHS.search(run("objdump", "-p", path)):
            run("strip", "--strip-unneeded", path)


def bind(root: Path) -> None:
    """Let what needs a private library look for it in `lib/private`, from where it stands.

    A private library that nothing needs is dropped.
    """
    private = root / "lib/private"
    ours = {path.name for path in private.iterdir()}
    wanted: set[str] = set()
    for path in programs_and_libraries(root):
        asked = needed(path) & ours
        wanted |= asked
        if asked:
            place = os.path.relpath(private, path.parent)
            path.chmod(0o755)
            run("patchelf", "--set-rpath", "$ORIGIN" if place == "." else f"$ORIGIN/{place}", path)
    for name in ours - wanted:
        (private / name).unlink()


def needed(path: Path) -> set[str]:
    """Give the names of libraries that an ELF file asks for."""
    return set(_NEEDED.findall(run("objdump", "-p", path)))


def census(root: Path) -> list[str]:
    """Give the Debian packages that the tree depends on.

    Raises `BuildError` for a library that nobody brings, or a C library newer than Debian 12's.
    """
    every = programs_and_libraries(root)
    brought = {path.name for path in every}
    packages = set()
    for path in every:
        said = run("objdump", "-p", path)
        for name in _NEEDED.findall(said):
            if name in PROMISED:
                packages.add(PROMISED[name])
            elif name not in brought:
                raise BuildError(f"{path.relative_to(root)} needs {name}, which nobody brings")
        for family, text in _WANTED.findall(said):
            limit = GLIBC_MAX if family == "GLIBC" else GLIBCXX_MAX
            if tuple(map(int, text.split("."))) > limit:
                raise BuildError(
                    f"{path.relative_to(root)} wants {family}_{text}, newer than Debian 12's: "
                    "build on Debian 12, or lock an older wheel"
                )
    return sorted(packages)
