"""What states may ask of a package manager; `limpet.states.host.packages` answers with real ones.

Names are those that the manager's own tools take; one of a foreign architecture says so
(`libc6:i386`, `glibc.i686`), one of the native architecture does not. Every call is bounded, and
refusals are `PackageError`. No name, version or path can be taken for an option.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from limpet.common.errors import HostError

Selection = Literal["install", "hold", "deinstall", "purge"]
"""What is wanted of a package, in dpkg's words."""


class PackageError(HostError):
    """The package manager refused; `errors` are its own lines, with what to do next."""

    def __init__(self, errors: Sequence[str]) -> None:
        self.errors = list(errors)
        super().__init__("; ".join(self.errors))


@dataclass(frozen=True, slots=True)
class Package:
    """One package that is installed, or of which something is left."""

    name: str
    version: str
    architecture: str
    is_installed: bool
    """False: only its configuration files are left, or it is installed in part."""
    is_residual: bool = False
    """It was removed, and its configuration files are left."""
    selection: Selection = "install"
    provides: tuple[str, ...] = ()
    """The virtual packages (capabilities) that it stands for, without versions."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the repositories have under one name."""

    candidate: str = ""
    """The version that an installation without a version would take; empty: none."""
    versions: tuple[str, ...] = ()
    """All versions, newest first."""


@dataclass(frozen=True, slots=True)
class Target:
    """One package to install."""

    name: str
    version: str = ""
    """Exact; empty: the candidate."""
    path: str = ""
    """A package file of this machine that is installed instead of what the repositories have."""
    is_downgrade: bool = False
    is_reinstall: bool = False


@dataclass(frozen=True, slots=True)
class InstallOptions:
    """How packages are installed. What a manager has no word for has no effect."""

    repository: str = ""
    """A release (apt: `bookworm-backports`) or a repository's id (dnf) that is preferred."""
    enabled: tuple[str, ...] = ()
    """dnf: repositories enabled for this installation."""
    disabled: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    """dnf: `--setopt`."""
    is_unverified: bool = False
    """Take packages whose signature can't be checked."""
    with_recommends: bool | None = None
    """None: as the machine is configured."""
    is_upgrade_only: bool = False
    """Install nothing that is not there yet."""
    is_new_configuration: bool = False
    """Replace configuration files that were changed here by the package's."""
    may_change_held: bool = False
    is_download_only: bool = False


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What came of fetching the lists of the repositories."""

    sources: Mapping[str, bool | None]
    """By source: True is fetched anew, None unchanged, False could not be fetched."""
    errors: tuple[str, ...] = ()
    """What failed; the lists of before are still used for it."""


class Packages(Protocol):
    """The package manager of this machine."""

    @property
    def kind(self) -> Literal["apt", "dnf"]:
        """Which family of tools it is."""
        ...

    def known(self) -> list[Package]:
        """List what is installed, and what was removed but for its configuration files."""
        ...

    def normal_name(self, name: str) -> str:
        """Drop the native architecture from a name."""
        ...

    def split_name(self, name: str) -> tuple[str, str]:
        """Give a name without its architecture, and that architecture; empty: the native one."""
        ...

    def offers(self, names: Sequence[str], *, repository: str = "") -> dict[str, Offer]:
        """Look names up in what is known of the repositories; unknown names are left out."""
        ...

    def providers(self, name: str) -> list[str]:
        """Name the packages of the repositories that provide a virtual package."""
        ...

    def compare(self, first: str, second: str) -> int:
        """Give -1, 0 or 1, as the first version is older than, equal to or newer than the other."""
        ...

    def refresh(self, *, valid_s: float = 0) -> Refreshed:
        """Fetch the lists of the repositories, unless they are younger than that."""
        ...

    def install(self, targets: Sequence[Target], options: InstallOptions) -> None:
        """Install all in one transaction, without a question."""
        ...

    def remove(self, names: Sequence[str], *, is_purge: bool = False) -> None:
        """Remove packages, with `is_purge` their configuration files as well."""
        ...

    def upgrade(self, options: InstallOptions, *, may_remove: bool = True) -> None:
        """Upgrade everything, with `may_remove` by installing and removing others too."""
        ...

    def upgrades(self, *, may_remove: bool = True) -> dict[str, str]:
        """Give what `upgrade` would install."""
        ...

    def select(self, selections: Mapping[str, Selection]) -> None:
        """Hold packages at their version, let them go, mark them otherwise."""
        ...

    def selections(self) -> dict[str, Selection]:
        """Give what is wanted of each package, also of those that are not installed."""
        ...

    def owners(self, paths: Sequence[str]) -> dict[str, str]:
        """Name the package that each file belongs to; empty: to none."""
        ...

    def files(self, name: str) -> list[str]:
        """List the files of an installed package."""
        ...

    def describe(self, name: str) -> dict[str, str]:
        """Give what the manager knows of an installed package, by its own names of the fields."""
        ...

    def show(self, name: str) -> list[dict[str, str]]:
        """Give what the repositories say of a package, an entry for each version."""
        ...

    def unneeded(self) -> list[str]:
        """Name what was installed for others that are gone."""
        ...

    def remove_unneeded(self, *, is_purge: bool = False) -> None:
        """Remove what `unneeded` names."""
        ...

    def downloaded(self) -> dict[str, dict[str, str]]:
        """Give the paths of downloaded package files by name and version."""
        ...

    def groups(self) -> dict[str, Any]:
        """Name the groups of packages: `installed` and `available`. apt has none: an error."""
        ...

    def group_packages(self, group: str) -> dict[str, list[str]]:
        """Name a group's packages: `mandatory`, `default`, `optional`."""
        ...

    def repository_places(self) -> dict[str, str]:
        """Give where repositories stand: `file` (apt) and `folder`, `keys`, `trusted`."""
        ...
