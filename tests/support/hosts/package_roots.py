"""Minimal Debian roots to install packages in: no network, no systemd that runs, no Python.

Each is a layer over the lab's common root, thrown away after its test. What is installed here is
installed by dpkg alone, in a network namespace without an interface: nothing can be fetched.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final, Self

from limpet_lab.root import base_root

PROGRAMS: Final = ("debootstrap", "dpkg-deb", "mount", "objdump", "patchelf", "umount", "unshare")

OF_TOOLS: Final = (
    "dev", "proc", "run", "sys", "tmp", "var/lib/dpkg", "var/log",
    "etc/ld.so.cache", "var/cache/ldconfig",
    "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-",
    "etc/.pwd.lock", "etc/subgid-", "etc/subuid-",
)  # fmt: skip
"""What dpkg, the linker and the tools for users write for themselves, whatever is installed."""


def why_not() -> str | None:
    """Say why there can be no root on this machine."""
    if os.geteuid() != 0:
        return "packages are installed by root"
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not here: {', '.join(lacking)}" if lacking else None


class PackageRoot:
    """One root; a context manager that takes it away at the end."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.path = place / "root"
        # In memory, since a package is thousands of small files.
        self._mount("-t", "tmpfs", "-o", "size=1g,mode=700", "tmpfs", str(place))
        for name in ("root", "upper", "work"):
            (place / name).mkdir()
        layers = f"lowerdir={base_root()},upperdir={place / 'upper'},workdir={place / 'work'}"
        self._mount("-t", "overlay", "overlay", "-o", layers, str(self.path))
        # Nobody pulls the plug of this root: dpkg need not wait for the disk.
        (self.path / "etc/dpkg/dpkg.cfg.d/quick").write_text("force-unsafe-io\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for place in (self.path, self._place):
            subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=30)
        self._place.rmdir()

    @staticmethod
    def _mount(*words: str) -> None:
        subprocess.run(["mount", *words], check=True, timeout=30)

    def bring(self, *files: Path) -> str:
        """Put files into the root's /tmp and give their names there, for a shell."""
        names = []
        for file in files:
            target = self.path / "tmp" / file.name
            if not target.exists():
                try:
                    os.link(file, target)
                except OSError:  # another file system
                    shutil.copy(file, target)
            names.append(f"/tmp/{file.name}")
        return " ".join(names)

    def run(self, script: str, *, timeout_s: float = 120) -> str:
        """Run a script of sh with `-e` in the root and give all it says; it must end well."""
        done = self.attempt(script, timeout_s=timeout_s)
        assert done.returncode == 0, f"{script}\nended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def attempt(self, script: str, *, timeout_s: float = 120) -> "subprocess.CompletedProcess[str]":
        """Run a script, however it ends."""
        return subprocess.run(
            [
                "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
                f"--mount-proc={self.path / 'proc'}",
                "chroot", str(self.path), "/bin/sh", "-ec", script,
            ],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )  # fmt: skip

    def listing(self) -> dict[str, str]:
        """Give everything but what tools keep there: path to kind, mode, owner, target."""
        said = subprocess.run(
            ["find", str(self.path), "-xdev", "-printf", r"%P\t%y %m %U:%G %l\n"],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip
        found = dict(line.split("\t", 1) for line in said.splitlines())
        return {
            name: told
            for name, told in found.items()
            if not any(name == each or name.startswith(f"{each}/") for each in OF_TOOLS)
        }

    def text(self, name: str) -> str:
        """Read a file of the root."""
        return (self.path / name).read_text(encoding="utf-8")
