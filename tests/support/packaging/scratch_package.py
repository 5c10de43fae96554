"""A host in a directory: a dpkg database of its own, and the package's files, without root's ones.

dpkg runs for real, with its scripts unconfined (they get the directory as DPKG_ROOT); what is not
there is systemd. The packages have the layout of limpet's and a few bytes of contents.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from limpet.minion.upgrading.io import programs
from limpet.minion.upgrading.io.layout import Installation
from limpet.minion.upgrading.io.package_manager import PackageManager
from limpet.minion.upgrading.upgrade import Sight

POSTINST = """#!/bin/sh
set -e
home=$DPKG_ROOT/opt/limpet/minion
mkdir -p $home/versions
rm -rf $home/versions/NAME
cp -al $home/payload $home/versions/NAME
ln -sfn versions/NAME $home/.new
mv -fT $home/.new $home/current
"""
SETTINGS = "/etc/limpet/minion.yaml"
PRISTINE = "# nothing is set\n"


class ScratchHost:
    """The host."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self.database = self.root / "var/lib/dpkg"
        for name in ("info", "updates"):
            (self.database / name).mkdir(parents=True)
        for name in ("status", "available"):
            (self.database / name).touch()
        self.state = self.root / "var/lib/limpet-minion"
        self.state.mkdir(parents=True)
        self.made = directory / "made"
        self.made.mkdir()
        self.installation = Installation(self.root / "opt/limpet/minion")
        self.packages = PackageManager(database=self.database, root=self.root, run=self.run)
        self.ran: list[str] = []

    def run(
        self, words: Sequence[str], additions: Mapping[str, str], limit_s: float
    ) -> programs.Ran:
        """Run dpkg on this host's directory; other programs are noted and do nothing."""
        self.ran.append(" ".join(words))
        if words[0] == "dpkg-query":
            return programs.run(["dpkg-query", f"--admindir={self.database}", *words[1:]], {}, 30)
        if words[0] == "dpkg":
            force = ["--force-not-root", "--force-script-chrootless", "--force-unsafe-io"]
            options = [f"--root={self.root}", f"--log={self.made}/log", *force]
            return programs.run(["dpkg", *options, *words[1:]], additions, limit_s)
        return programs.Ran(0, "")

    def build(
        self,
        version: str,
        *,
        manner: str = "good",
        preinst: str = "",
        postinst: str = "",
        journal_format: int = 1,
        protocol: str = "1-2",
    ) -> Path:
        """Build a package; `manner` says how it would run."""
        tree = self.made / f"tree-{version}"
        payload = tree / "opt/limpet/minion/payload"
        (payload / "bin").mkdir(parents=True)
        (payload / "bin/limpet").write_text(f"#!/bin/sh\n# {version}\n")
        (payload / "bin/limpet").chmod(0o755)
        (payload / "manner").write_text(manner)
        os.symlink("manner", payload / "link")
        pristine = payload / "share/conffiles" / SETTINGS.lstrip("/")
        for path in (pristine, tree / SETTINGS.lstrip("/")):
            path.parent.mkdir(parents=True)
            path.write_text(PRISTINE)
        (tree / SETTINGS.lstrip("/")).chmod(0o600)
        control = tree / "DEBIAN"
        control.mkdir()
        (control / "control").write_text(
            f"Package: limpet-minion\nVersion: {version}\nArchitecture: all\n"
            "Maintainer: limpet <limpet@example.org>\nInstalled-Size: 10\n"
            f"Limpet-Protocol: {protocol}\nLimpet-Journal-Format: {journal_format}\n"
            "Description: a minion\n for tests\n"
        )
        (control / "conffiles").write_text(f"{SETTINGS}\n")
        scripts = {"preinst": preinst, "postinst": postinst or POSTINST}
        for name, text in scripts.items():
            if text:
                (control / name).write_text(text.replace("NAME", f"{version}-build"))
                (control / name).chmod(0o755)
        built = self.made / f"{version}.deb"
        words = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build"]
        subprocess.run([*words, str(tree), str(built)], check=True, capture_output=True)
        return built


class ScratchUnit:
    """The minion's unit on it: whatever `current` leads to is READY, if its manner is good."""

    def __init__(self, host: ScratchHost) -> None:
        self._host = host
        self._running = host.installation.current()
        self._pid = 1
        self.restarts = 0

    def restart(self, limit_s: float, *, is_forced: bool) -> str:
        """Start what `current` leads to."""
        self._running = self._host.installation.current()
        self._pid += 1
        self.restarts += 1
        return ""

    def look(self) -> Sight:
        """Say how it is."""
        directory = self._host.installation.directory(self._running)
        if (directory / "manner").read_text() != "good":
            self._pid += 1
            return Sight(ends=self._pid, detail="the unit is activating")
        return Sight(self._running, "READY", (self._pid, 1.0))
