"""Which package manager a machine has."""

import re
from typing import Final

from limpet.common.errors import HostError
from limpet.states.ports.file_system import FileSystem
from limpet.states.ports.machine import Commands, Files
from limpet.states.ports.packages import Packages

_DEBIAN: Final = frozenset(("debian", "ubuntu"))
_RED_HAT: Final = frozenset(("rhel", "fedora", "centos", "amzn", "ol", "rocky", "almalinux"))
SUPPORTED: Final = "apt (Debian, Ubuntu and their kin) and dnf or yum (Red Hat family, Fedora)"


def packages_of(commands: Commands, files: Files, file_system: FileSystem) -> Packages:
    """Give the package manager of the distribution, else of the tools that are there.

    `HostError` names those that are supported where there is none of them.
    """
    ids = _ids(files)
    has_apt = bool(commands.which("apt-get") and commands.which("dpkg-query"))
    manager = commands.which("dnf") or commands.which("yum")
    has_dnf = bool(manager and commands.which("rpm"))
    if has_apt and (not has_dnf or not ids & _RED_HAT or ids & _DEBIAN):
        from limpet.states.host.packages.apt import Apt

        return Apt(commands, file_system)
    if has_dnf and manager:
        from limpet.states.host.packages.dnf import Dnf

        return Dnf(commands, file_system, manager)
    named = ", ".join(sorted(ids)) or "unknown"
    raise HostError(
        f"this machine (os-release: {named}) has no package manager that is supported: {SUPPORTED}"
    )


def _ids(files: Files) -> set[str]:
    """Give what os-release calls the distribution and those that it is like."""
    text = files.read_text("/etc/os-release") or files.read_text("/usr/lib/os-release") or ""
    found: set[str] = set()
    for match in re.finditer(r"^ID(?:_LIKE)?=(.*)$", text, re.MULTILINE):
        found.update(match[1].strip("\"' ").split())
    return found
