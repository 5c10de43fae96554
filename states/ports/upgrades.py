"""What `limpet.upgrade` needs of the minion that it runs on, as a port: its own package."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

PACKAGES_ENVIRONMENT: Final = "limpet/packages"
"""The environment of the master's file server that holds its packages. No tree of the user's can
have a name with a slash, so none hides it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which package is to be installed, and how patiently."""

    sha256: str
    shown: str
    """The package's name in messages."""
    ready_timeout_s: float
    protocol_min: int = 0
    protocol_max: int = 0
    """The range that the master speaks; 0: not known."""
    jid: str = ""


@dataclass(frozen=True, slots=True)
class Upgraded:
    """How it ended well."""

    old: str
    new: str
    """Versions; the same where the minion had that version already."""
    seconds: float
    """Until the new version was READY."""
    notices: tuple[str, ...] = ()


class Upgrades(Protocol):
    """The minion's own package. Everything raises `HostError`, with what to do."""

    def raise_if_impossible(self) -> None:
        """Raise where this minion can't be upgraded so: not installed as a package, not a unit."""
        ...

    def incoming(self) -> Path:
        """Give where the package file has to be put (private to root; replaced by each upgrade)."""
        ...

    def run(self, package: Path, wanted: Wanted) -> Upgraded:
        """Install it and wait for the outcome, through the restart of the minion.

        An upgrade that was given up is a `HostError`: `rolled back to VERSION: why`.
        """
        ...

    def last(self) -> Mapping[str, Any]:
        """Tell of the upgrade that is under way, else of the last one; empty: there was none."""
        ...
