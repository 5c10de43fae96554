"""A lab: a master's host and some minions' hosts on one network, with a DNS server of its own.

    lab = Lab()
    lab.up(3)
    lab.host("web1").power_off()
    lab.down()

A lab is its directory: another process (or a person) opens the same lab by making a `Lab` of the
same directory. What was killed half-way is cleaned up by the next `down`.
"""

import json
import os
import shutil
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from limpet_lab import names as names_program
from limpet_lab.cgroups import Group
from limpet_lab.disk import unmount_below
from limpet_lab.host import Host, Kept
from limpet_lab.names import Names
from limpet_lab.network import Network, namespaces
from limpet_lab.place import LAB_ADDRESS, SUBNET, Place, private
from limpet_lab.root import base_root
from limpet_lab.running import LabError, detach, run

MASTER = "master"
TOOLS = (
    "systemd-nspawn", "nsenter", "debootstrap", "nft", "ip", "mount", "mkfs.ext4", "losetup",
)  # fmt: skip


def why_not() -> str | None:
    """Say why this machine can't have a lab, or None if it can."""
    if os.geteuid() != 0:
        return "a lab of hosts needs root"
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"a lab of hosts needs {', '.join(missing)}"
    scratch = Group("limpet-lab-trial")
    try:
        scratch.make()
        scratch.remove()
        mounted = run(["sh", "-c", "losetup --find && unshare --mount --net true"])
    except (OSError, LabError) as error:
        return f"a lab of hosts needs control groups: {error}"
    return (
        f"a lab of hosts needs loop devices and namespaces: {mounted.err}" if mounted.code else None
    )


class Lab:
    """The hosts of one directory."""

    def __init__(self, directory: Path | None = None) -> None:
        self.place = Place(directory.resolve()) if directory else Place.from_environment()
        self.dns = Names(self.place.names)
        self.network = Network(self.place)
        self._top = Group(self.place.name)
        self._names_group = Group(f"{self.place.name}/names")
        self._hosts: dict[str, Host] = {}

    # Whole lab

    def up(self, minions: int, images: Mapping[str, Path] | None = None) -> None:
        """Make and boot a master's host and `minions` others, web1 and on; all of them at once.

        `images`: of what to make them, `master` and `minion` (see `golden`); else they are bare.
        """
        if reason := why_not():
            raise LabError(reason)
        self.down()
        private(self.place.directory)
        self.network.make()
        self.serve_names()
        for name, address in self._planned(minions):
            role = "master" if name == MASTER else "minion"
            self.add(name, address, (images or {}).get(role))
        for host in self.hosts:
            host.wait_up()

    def add(self, name: str, address: str, image: Path | None = None) -> Host:
        """Make one more host and switch it on; DNS knows it from now on."""
        kept = Kept(name, address, uuid.uuid4().hex)
        host = Host(self.place, self.network, base_root(), kept)
        host.make(image)
        self._hosts[name] = host
        self.dns.set(name, address)
        host.power_on()
        return host

    def down(self) -> None:
        """End all processes of the lab, unmount, remove its hosts; none of it need be there."""
        if os.geteuid() != 0:
            raise LabError("a lab of hosts needs root")
        self._top.kill()
        for name in sorted(namespaces()):
            if name == self.place.name or name.startswith(f"{self.place.name}-"):
                run(["ip", "netns", "del", name]).checked()
        unmount_below(self.place.hosts)
        self._top.remove()
        shutil.rmtree(self.place.hosts, ignore_errors=True)
        self.place.names.unlink(missing_ok=True)
        self._hosts.clear()

    def serve_names(self) -> None:
        """Start the DNS server."""
        self._names_group.make()
        program = self.network.entering(
            sys.executable, "-I", names_program.__file__, LAB_ADDRESS, str(self.place.names)
        )
        detach(self._names_group.entering(program), self.place.directory / "names.log")

    def stop_names(self) -> None:
        """End the DNS server: questions are answered by nobody (the port is closed)."""
        self._names_group.kill()

    # Hosts

    @property
    def hosts(self) -> list[Host]:
        """All hosts, the master's first."""
        self._look()
        return list(self._hosts.values())

    @property
    def master(self) -> Host:
        """The master's host."""
        return self.host(MASTER)

    @property
    def minions(self) -> list[Host]:
        """The minions' hosts."""
        return [host for host in self.hosts if host.name != MASTER]

    def host(self, name: str) -> Host:
        """Give a host by its name; raises LabError if there is none."""
        self._look()
        if name not in self._hosts:
            known = ", ".join(self._hosts) or "none: bring a lab up first"
            raise LabError(f"the lab in {self.place.directory} has no host {name} (it has {known})")
        return self._hosts[name]

    def _look(self) -> None:
        """Take up hosts that another process made."""
        if self._hosts or not self.place.hosts.is_dir():
            return
        records = sorted(
            self.place.hosts.glob("*/host.json"),
            key=lambda path: (path.parent.name != MASTER, path),
        )
        for path in records:
            kept = Kept(**json.loads(path.read_text(encoding="utf-8")))
            self._hosts[kept.name] = Host(self.place, self.network, base_root(), kept)

    @staticmethod
    def _planned(minions: int) -> list[tuple[str, str]]:
        if not 0 <= minions <= 200:
            raise LabError(f"a lab has 0 to 200 minions, not {minions}")
        webs = [(f"web{n}", f"{SUBNET}.{10 + n}") for n in range(1, minions + 1)]
        return [(MASTER, f"{SUBNET}.2"), *webs]
