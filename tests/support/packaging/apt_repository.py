"""A tiny repository of packages and a private apt to install them with, below one directory.

Nothing of the machine's own packages is looked at or touched: `APT_CONFIG` leads apt to
directories of its own, `DPKG_ROOT` does so with dpkg. No network is needed.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

NEEDED: Final = ("apt-get", "apt-cache", "apt-mark", "dpkg", "dpkg-deb", "dpkg-query")


_DEBCONF: Final = """\
Config: configdb
Templates: templatedb

Name: config
Driver: File
Reject-Type: password
Filename: /var/cache/debconf/config.dat

Name: passwords
Driver: File
Mode: 600
Backup: false
Required: false
Accept-Type: password
Filename: /var/cache/debconf/passwords.dat

Name: configdb
Driver: Stack
Stack: config, passwords

Name: templatedb
Driver: File
Filename: /var/cache/debconf/templates.dat
"""


def why_not() -> str:
    """Say why there can be no private apt here; empty: there can."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"this machine has no {', '.join(missing)}"
    return "" if os.geteuid() == 0 else "dpkg installs files as root only"


@dataclass
class AptRepository:
    """A flat repository in a directory."""

    place: Path
    suite: str = "stable"
    label: str = "Tiny"
    origin: str = "Tiny"
    stanzas: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.place.mkdir(parents=True, exist_ok=True)

    @property
    def line(self) -> str:
        """The line of a sources.list that leads here."""
        return f"deb [trusted=yes] file:{self.place} ./"

    def build(
        self,
        name: str,
        version: str,
        *,
        architecture: str = "all",
        files: Mapping[str, str] | None = None,
        conffiles: Mapping[str, str] | None = None,
        scripts: Mapping[str, str] | None = None,
        **fields: str,
    ) -> Path:
        """Build one package without publishing it; give the path of its file."""
        tree = self.place / ".tree"
        shutil.rmtree(tree, ignore_errors=True)
        control = tree / "DEBIAN"
        control.mkdir(parents=True)
        stanza = (
            f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
            "Maintainer: Nobody <nobody@example.org>\nSection: misc\nPriority: optional\n"
        )
        stanza += "".join(
            f"{key.capitalize().replace('_', '-')}: {value}\n" for key, value in fields.items()
        )
        (control / "control").write_text(stanza + f"Description: the package {name}\n nothing\n")
        own = {f"usr/share/{name}/version": f"{version}\n", **(files or {}), **(conffiles or {})}
        for path, content in own.items():
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        if conffiles:
            (control / "conffiles").write_text("".join(f"/{path}\n" for path in conffiles))
        for script, content in (scripts or {}).items():
            (control / script).write_text(content)
            (control / script).chmod(0o755)
        plain = version.replace(":", "%3a")
        package = self.place / f"{name}_{plain}_{architecture}.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "-b", str(tree), str(package)]
        subprocess.run(command, check=True, capture_output=True)
        shutil.rmtree(tree)
        return package

    def add(
        self,
        name: str,
        version: str,
        *,
        architecture: str = "all",
        files: Mapping[str, str] | None = None,
        conffiles: Mapping[str, str] | None = None,
        scripts: Mapping[str, str] | None = None,
        **fields: str,
    ) -> None:
        """Build a package and list it; `publish` makes it known."""
        package = self.build(
            name,
            version,
            architecture=architecture,
            files=files,
            conffiles=conffiles,
            scripts=scripts,
            **fields,
        )
        described = subprocess.run(
            ["dpkg-deb", "-f", str(package)], check=True, capture_output=True, text=True
        ).stdout
        content = package.read_bytes()
        self.stanzas[package.name] = (
            f"{described.rstrip()}\nFilename: ./{package.name}\nSize: {len(content)}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
        )

    def publish(self) -> None:
        """Write the index and the release file."""
        index = "\n".join(self.stanzas.values()).encode()
        (self.place / "Packages").write_bytes(index)
        zipped = gzip.compress(index, mtime=0)
        (self.place / "Packages.gz").write_bytes(zipped)
        lines = "".join(
            f" {hashlib.sha256(each).hexdigest()} {len(each)} {name}\n"
            for name, each in (("Packages", index), ("Packages.gz", zipped))
        )
        (self.place / "Release").write_text(
            f"Origin: {self.origin}\nLabel: {self.label}\nSuite: {self.suite}\n"
            f"Codename: {self.suite}\nArchitectures: all amd64 arm64\n"
            f"Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n{lines}"
        )


@dataclass
class PrivateApt:
    """Directories for apt and dpkg of their own."""

    place: Path

    def __post_init__(self) -> None:
        for each in (
            "etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d",
            "etc/apt/trusted.gpg.d", "etc/apt/keyrings", "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial", "var/log/apt", "var/lib/dpkg/info",
            "var/lib/dpkg/updates", "etc/alternatives", "var/lib/dpkg/alternatives",
            "var/cache/debconf", "usr/bin",
        ):  # fmt: skip
            (self.place / each).mkdir(parents=True, exist_ok=True)
        (self.place / "var/lib/dpkg/status").touch()
        (self.place / "etc/debconf.conf").write_text(_DEBCONF)  # below DPKG_ROOT, as its files
        self.configuration.write_text(
            f'Dir "{self.place}";\n'
            f'Dir::State::status "{self.place}/var/lib/dpkg/status";\n'
            'Dir::Bin::dpkg "/usr/bin/dpkg";\n'
            'APT::Sandbox::User "root";\n'
            "#clear DPkg::Pre-Install-Pkgs;\n#clear DPkg::Post-Invoke;\n"
            "#clear DPkg::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n"
            "#clear APT::Update::Post-Invoke-Success;\n"
        )

    @property
    def configuration(self) -> Path:
        """What `APT_CONFIG` names."""
        return self.place / "apt.conf"

    @property
    def environment(self) -> dict[str, str]:
        """What leads apt and dpkg here."""
        return {"APT_CONFIG": str(self.configuration), "DPKG_ROOT": str(self.place)}

    def use(self, repository: AptRepository) -> None:
        """Let packages come from this repository too."""
        sources = self.place / "etc/apt/sources.list"
        known = sources.read_text() if sources.exists() else ""
        sources.write_text(f"{known}{repository.line}\n")
