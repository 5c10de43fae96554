"""Other programs: run with a deadline, and what they said when they failed."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

DEADLINE_S: Final = 600.0
"""The longest step, fetching wheels over a slow line, takes a minute or two."""
SAID_CHARACTERS_MAX: Final = 4000

TOOLS: Final = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "objdump": "binutils",
    "patchelf": "patchelf",
    "strip": "binutils",
}
"""What building wants of the machine: program, and the Debian package that has it."""


class BuildError(Exception):
    """A package can't be built: what is wrong, where, and what to do."""


class FetchError(BuildError):
    """Something of others can't be had on this machine now."""


def run(
    *words: str | Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    deadline_s: float = DEADLINE_S,
) -> str:
    """Run a program and give its standard output; `environment` is laid over this process's.

    Raises `BuildError` with what it said if it fails or takes longer than `deadline_s`.
    """
    line = [str(word) for word in words]
    try:
        done = subprocess.run(
            line,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=deadline_s,
            check=False,
        )
    except FileNotFoundError as error:
        package = TOOLS.get(line[0], line[0])
        raise BuildError(f"{line[0]} is not here: apt-get install {package}") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{' '.join(line)}: not done after {deadline_s:g} s") from error
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip()[-SAID_CHARACTERS_MAX:]
        raise BuildError(f"{' '.join(line)} ended with {done.returncode}:\n{said}")
    return done.stdout


def missing_tools() -> list[str]:
    """Give the Debian packages of those tools that this machine lacks."""
    return sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})


def install_missing_tools() -> None:
    """Install what is lacking, as root; raises `BuildError` naming it otherwise."""
    lacking = missing_tools()
    if not lacking:
        return
    if os.geteuid() != 0:
        raise BuildError(f"not here: {', '.join(lacking)}; apt-get install {' '.join(lacking)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "-qq", environment=quiet)
    run("apt-get", "install", "-y", "-qq", *lacking, environment=quiet)
