"""Images of hosts with packages on them, so that not every lab of tests installs them again.

As people do with golden images: installed, never configured or started, switched off. A host made
of one gets a name and an identity of its own. What installing is like is tried with bare hosts.
"""

import fcntl
import hashlib
import os
from pathlib import Path

from limpet_lab.fleet import Fleet
from limpet_lab.lab import MASTER, Lab
from limpet_lab.packages import Packages
from limpet_lab.root import base_root, kept_directory
from limpet_lab.running import run

KEPT = 6
"""Images are about 150 MB each on the disk; the oldest go."""


def golden_images(lab: Lab, packages: Packages) -> dict[str, Path]:
    """Give the images of both kinds of host; where they are not there, the lab makes them first."""
    where = kept_directory() / "images"
    where.mkdir(mode=0o700, exist_ok=True)
    made = {
        "master": where / f"{_key(packages.master)}.img",
        "minion": where / f"{_key(packages.minion)}.img",
    }
    with (where / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all(path.exists() for path in made.values()):
            _make(lab, packages, made)
            _forget_oldest(where)
        for path in made.values():
            os.utime(path)
    return made


def _make(lab: Lab, packages: Packages, made: dict[str, Path]) -> None:
    lab.up(1)
    Fleet(lab, packages).install()
    for host in lab.hosts:
        host.shutdown()
        host.disk.unmount()
        path = made["master" if host.name == MASTER else "minion"]
        unready = path.with_suffix(".unready")
        run(["cp", "--sparse=always", str(host.disk.image), str(unready)]).checked()
        unready.rename(path)
    lab.down()


def _key(package: Path) -> str:
    content = hashlib.sha256(package.read_bytes()).hexdigest()
    return hashlib.sha256(f"{base_root().name} {content}".encode()).hexdigest()[:16]


def _forget_oldest(where: Path) -> None:
    images = sorted(where.glob("*.img"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in images[KEPT:]:
        path.unlink()
