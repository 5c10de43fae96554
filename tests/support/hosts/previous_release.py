"""The release before this one, taken out of the git history, as a program of its own.

`packaging/previous-release` names it. It gets an interpreter's directory of its own, so that the
processes that it starts are of the same release; its dependencies are this tree's.
"""

import functools
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[3]


class Previous(NamedTuple):
    """The release before."""

    version: str
    program: list[str]
    """The words that start it, without arguments."""


def named() -> tuple[str, str]:
    """Give version and commit of the release before."""
    lines = (ROOT / "packaging" / "previous-release").read_text(encoding="utf-8").splitlines()
    version, commit = next(line for line in lines if line and not line.startswith("#")).split()
    return version, commit


def why_not() -> str:
    """Say why there is no release before here; empty: there is."""
    version, commit = named()
    asked = subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{tree}}"], cwd=ROOT, capture_output=True, check=False
    )
    return "" if asked.returncode == 0 else f"this clone's history has no release {version}"


@functools.cache
def previous() -> Previous:
    """Unpack it, once in a run of tests."""
    version, commit = named()
    directory = Path(tempfile.mkdtemp(prefix=f"limpet-{version}-"))
    packed = subprocess.run(
        ["git", "archive", commit], cwd=ROOT, capture_output=True, check=True
    ).stdout
    (directory / "tree").mkdir()
    subprocess.run(["tar", "-x", "-C", directory / "tree"], input=packed, check=True)
    home = directory / "python"
    venv.create(home, with_pip=False, symlinks=True)
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    paths = [directory / "tree/packaging/python", Path(sysconfig.get_paths()["purelib"])]
    text = "".join(f"{path}\n" for path in paths)
    (home / "lib" / minor / "site-packages" / "previous.pth").write_text(text)
    return Previous(version, [str(home / "bin" / "python"), "-I", "-m", "limpet"])
