"""Which words may be handed to a package manager as names, versions and repositories."""

import re
from typing import Final

from limpet.states.ports.packages import PackageError, Target

_DEBIAN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.~_-]*(:[a-z0-9-]+)?\Z")
_RPM: Final = re.compile(r"[A-Za-z0-9_/@][^\s\x00-\x1f\x7f;|&`$\\\"'<>]*\Z")
_VERSION: Final = re.compile(r"[A-Za-z0-9*][A-Za-z0-9.+:~^*_-]*\Z")
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~/+*:,-]*\Z")


def check_debian_name(name: str) -> str:
    """Give the name back; one that apt would take for something else is a `PackageError`.

    `vim-` would have apt remove what it was asked to install.
    """
    if not _DEBIAN.match(name) or name.endswith("-"):
        raise PackageError([f"{name!r} is no name of a package"])
    return name


def check_rpm_name(name: str) -> str:
    """Give the name back; one that dnf would take for something else is a `PackageError`."""
    if not _RPM.match(name):
        raise PackageError([f"{name!r} is no name of a package"])
    return name


def check_version(name: str, version: str) -> str:
    """Give the version back, if it can be one."""
    if not _VERSION.match(version):
        raise PackageError([f"Version '{version}' for '{name}' was not found"])
    return version


def check_repository(name: str) -> str:
    """Give the name of a release or repository back, if it can be one."""
    if not _REPOSITORY.match(name):
        raise PackageError([f"{name!r} is no name of a repository"])
    return name


def check_path(target: Target) -> str:
    """Give the path of a package file back: it must be absolute."""
    if not target.path.startswith("/") or "\x00" in target.path:
        raise PackageError([f"{target.path!r} (of {target.name}) is no absolute path"])
    return target.path
