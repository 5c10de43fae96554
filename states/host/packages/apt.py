"""Debian's package manager: apt-get, apt-cache, apt-config, dpkg and dpkg-query.

`APT_CONFIG` and `DPKG_ROOT` of the process's own environment lead to another place, as with the
tools themselves. When somebody else holds a lock it is waited for: as long as the machine's own
`DPkg::Lock::Timeout` says, else for two minutes.
"""

import os.path
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Literal

from limpet.states.host.packages import apt_reading, debian_versions
from limpet.states.host.packages.names import (
    check_debian_name,
    check_path,
    check_repository,
    check_version,
)
from limpet.states.host.packages.tools import CHANGE_S, REFRESH_S, Tools, complaints, text
from limpet.states.ports.file_system import FileSystem
from limpet.states.ports.machine import Commands, Completed
from limpet.states.ports.packages import (
    InstallOptions,
    Offer,
    Package,
    PackageError,
    Refreshed,
    Selection,
    Target,
)

LOCK_S: Final = 120
LOCK_S_MAX: Final = 3600
_AGAIN_S: Final = 1.0
_NAMES_AT_ONCE: Final = 500
_LOCKED: Final = re.compile(r"(Could not get lock|Unable to lock|Unable to acquire) ", re.ASCII)
_ENVIRONMENT: Final = {
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTBUGS_FRONTEND": "none",
    "APT_LISTCHANGES_FRONTEND": "none",
    "UCF_FORCE_CONFFOLD": "1",
}


class Apt:
    """Implements `limpet.states.ports.packages.Packages`."""

    kind: Final[Literal["apt"]] = "apt"

    def __init__(
        self, commands: Commands, file_system: FileSystem, *, tools: Tools | None = None
    ) -> None:
        self._tools = Tools(commands, _ENVIRONMENT) if tools is None else tools
        self._file_system = file_system

    def known(self) -> list[Package]:
        """List what is installed, and what was removed but for its configuration files."""
        return apt_reading.packages(self._list(()), self._native)

    def normal_name(self, name: str) -> str:
        """Drop the native architecture from a name."""
        plain, colon, architecture = name.partition(":")
        return plain if colon and architecture in (self._native, "all", "any") else name

    def split_name(self, name: str) -> tuple[str, str]:
        """Give a name without its architecture, and that architecture; empty: the native one."""
        plain, _, architecture = name.partition(":")
        return plain, architecture

    def offers(self, names: Sequence[str], *, repository: str = "") -> dict[str, Offer]:
        """Look names up in what is known of the repositories; unknown names are left out."""
        wanted = [check_debian_name(name) for name in names]
        preferred = _release(repository)
        found: dict[str, Offer] = {}
        for start in range(0, len(wanted), _NAMES_AT_ONCE):
            some = wanted[start : start + _NAMES_AT_ONCE]
            argv = ["apt-cache", *preferred, "policy", "--", *some]
            # Some versions of apt end with 100 where one of the names is unknown.
            found.update(apt_reading.offers(self._tools.ask(argv, allowed=(0, 100))))
        return found

    def providers(self, name: str) -> list[str]:
        """Name the packages of the repositories that provide a virtual package."""
        done = self._tools.run(["apt-cache", "showpkg", "--", check_debian_name(name)])
        return apt_reading.providers(text(done.stdout)) if done.retcode == 0 else []

    def compare(self, first: str, second: str) -> int:
        """Give -1, 0 or 1, as the first version is older than, equal to or newer than the other."""
        return debian_versions.compare(first, second)

    def refresh(self, *, valid_s: float = 0) -> Refreshed:
        """Fetch the lists of the repositories, unless they are younger than that."""
        if valid_s > 0 and self._age_s() < valid_s:
            return Refreshed({})
        done = self._patiently(["apt-get", "-q", "update"], REFRESH_S)
        errors = complaints(done, "apt-get update") if done.retcode != 0 else []
        return Refreshed(apt_reading.fetched(text(done.stdout)), tuple(errors))

    def install(self, targets: Sequence[Target], options: InstallOptions) -> None:
        """Install all in one transaction, without a question."""
        words = [
            check_path(each)
            if each.path
            else f"{check_debian_name(each.name)}={check_version(each.name, each.version)}"
            if each.version
            else check_debian_name(each.name)
            for each in targets
        ]
        flags = [*_policy(options), *_release(options.repository)]
        if options.with_recommends is not None:
            flags.append("--no-install-recommends" if not options.with_recommends else
                         "--install-recommends")  # fmt: skip
        flags += [
            flag
            for flag, is_wanted in (
                ("--allow-unauthenticated", options.is_unverified),
                ("--only-upgrade", options.is_upgrade_only),
                ("--download-only", options.is_download_only),
                ("--allow-downgrades", any(each.is_downgrade for each in targets)),
                ("--allow-change-held-packages", options.may_change_held),
                ("--reinstall", any(each.is_reinstall for each in targets)),
            )
            if is_wanted
        ]
        self._change([*flags, "install", "--", *words])

    def remove(self, names: Sequence[str], *, is_purge: bool = False) -> None:
        """Remove packages, with `is_purge` their configuration files as well."""
        words = [check_debian_name(name) for name in names]
        self._change(
            ["--allow-change-held-packages", "purge" if is_purge else "remove", "--", *words]
        )

    def upgrade(self, options: InstallOptions, *, may_remove: bool = True) -> None:
        """Upgrade everything, with `may_remove` by installing and removing others too."""
        flags = [*_policy(options), *_release(options.repository)]
        if options.is_unverified:
            flags.append("--allow-unauthenticated")
        if options.is_download_only:
            flags.append("--download-only")
        self._change([*flags, "dist-upgrade" if may_remove else "upgrade"])

    def upgrades(self, *, may_remove: bool = True) -> dict[str, str]:
        """Give what `upgrade` would install."""
        action = "dist-upgrade" if may_remove else "upgrade"
        return apt_reading.planned(self._tools.ask(["apt-get", "-q", "-s", action]))

    def select(self, selections: Mapping[str, Selection]) -> None:
        """Hold packages at their version, let them go, mark them otherwise."""
        lines = [f"{check_debian_name(name)} {wanted}\n" for name, wanted in selections.items()]
        done = self._tools.run(["dpkg", "--set-selections"], stdin="".join(lines))
        if done.retcode != 0:
            raise PackageError(complaints(done, "dpkg --set-selections"))

    def selections(self) -> dict[str, Selection]:
        """Give what is wanted of each package, also of those that are not installed."""
        printed = self._tools.ask(["dpkg", "--get-selections", "*"], allowed=(0, 1))
        pairs = [line.split() for line in printed.splitlines()]
        return {
            self.normal_name(pair[0]): pair[1]  # type: ignore[misc]
            for pair in pairs
            if len(pair) == 2 and pair[1] in ("install", "hold", "deinstall", "purge")
        }

    def owners(self, paths: Sequence[str]) -> dict[str, str]:
        """Name the package that each file belongs to; empty: to none."""
        found: dict[str, str] = {}
        for path in paths:
            done = self._tools.run(["dpkg-query", "-S", "--", path])
            lines = [
                line for line in text(done.stdout).splitlines() if not line.startswith("diversion ")
            ]
            found[path] = lines[0].split(": ", 1)[0] if done.retcode == 0 and lines else ""
        return found

    def files(self, name: str) -> list[str]:
        """List the files of an installed package."""
        printed = self._tools.ask(["dpkg-query", "-L", "--", check_debian_name(name)])
        return [line for line in printed.splitlines() if line.startswith("/")]

    def describe(self, name: str) -> dict[str, str]:
        """Give what dpkg knows of an installed package, by its own names of the fields."""
        printed = self._tools.ask(["dpkg-query", "-s", "--", check_debian_name(name)])
        found = apt_reading.stanzas(printed)[0]
        plain = name.partition(":")[0]
        for listed in (f"{plain}.list", f"{plain}:{found.get('Architecture', '')}.list"):
            path = os.path.join(self._places["admin"], "info", listed)
            if (facts := self._file_system.facts(path)) is not None:
                found["Installed-At"] = str(int(facts.modified_s))
        return found

    def show(self, name: str) -> list[dict[str, str]]:
        """Give what the repositories say of a package, an entry for each version."""
        done = self._tools.run(["apt-cache", "show", "--", check_debian_name(name)])
        return apt_reading.stanzas(text(done.stdout)) if done.retcode == 0 else []

    def unneeded(self) -> list[str]:
        """Name what was installed for others that are gone."""
        return apt_reading.removals(self._tools.ask(["apt-get", "-q", "-s", "autoremove"]))

    def remove_unneeded(self, *, is_purge: bool = False) -> None:
        """Remove what `unneeded` names."""
        self._change([*(["--purge"] if is_purge else []), "autoremove"])

    def downloaded(self) -> dict[str, dict[str, str]]:
        """Give the paths of downloaded package files by name and version."""
        folder = self._places["archives"]
        found: dict[str, dict[str, str]] = {}
        for file in self._names(folder):
            parts = file.removesuffix(".deb").split("_")
            if file.endswith(".deb") and len(parts) == 3:
                name = self.normal_name(f"{parts[0]}:{parts[2]}")
                version = parts[1].replace("%3a", ":")
                found.setdefault(name, {})[version] = os.path.join(folder, file)
        return found

    def groups(self) -> dict[str, Any]:
        """Raise: apt has no groups."""
        raise PackageError(["apt has no groups of packages; name a metapackage or a task"])

    def group_packages(self, group: str) -> dict[str, list[str]]:
        """Raise: apt has no groups."""
        raise PackageError(["apt has no groups of packages; name a metapackage or a task"])

    def repository_places(self) -> dict[str, str]:
        """Give where repositories are written down."""
        return {key: self._places[key] for key in ("file", "folder", "keys", "trusted")}

    @cached_property
    def _native(self) -> str:
        return self._tools.ask(["dpkg", "--print-architecture"]).strip()

    @cached_property
    def _settings(self) -> dict[str, str]:
        """Give the places and waits that apt is configured with."""
        asked = (
            "file", "Dir::Etc::sourcelist/f", "folder", "Dir::Etc::sourceparts/d",
            "trusted", "Dir::Etc::trustedparts/d", "etc", "Dir::Etc/d",
            "archives", "Dir::Cache::archives/d", "lists", "Dir::State::lists/d",
            "status", "Dir::State::status/f", "lock", "DPkg::Lock::Timeout",
        )  # fmt: skip
        return apt_reading.settings(self._tools.ask(["apt-config", "shell", *asked]))

    @property
    def _places(self) -> dict[str, str]:
        found = {key: value.rstrip("/") for key, value in self._settings.items() if key != "lock"}
        return {
            **found,
            "keys": os.path.join(found["etc"], "keyrings"),
            "admin": os.path.dirname(found["status"]),
        }

    def _list(self, names: Iterable[str]) -> str:
        return self._tools.ask(
            ["dpkg-query", "-W", "-f", apt_reading.LIST_FORMAT, *names], allowed=(0, 1)
        )

    def _age_s(self) -> float:
        """Give how long ago the lists were last looked for; for ever, if never."""
        folder = self._places["lists"]
        names = [name for name in self._names(folder) if name not in ("lock", "partial")]
        looked = [self._file_system.facts(path) for path in (folder, f"{folder}/partial")]
        moments = [each.modified_s for each in looked if each is not None]
        return self._tools.wall_clock() - max(moments) if names and moments else float("inf")

    def _names(self, folder: str) -> list[str]:
        return [] if self._file_system.facts(folder) is None else self._file_system.names(folder)

    def _change(self, words: Sequence[str]) -> None:
        # Without it a name with a dot that is not there would be taken for a regular expression.
        exact = ["-o", "APT::Cmd::Pattern-Only=1"]
        done = self._patiently(["apt-get", "-q", "-y", *exact, *words], CHANGE_S)
        if done.retcode != 0:
            raise PackageError(_advised(complaints(done, "apt-get")))

    def _patiently(self, argv: Sequence[str], limit_s: float) -> Completed:
        """Run a tool that needs locks, and wait while somebody else holds them.

        apt itself waits for dpkg's lock alone, not for those of its lists and archives.
        """
        configured = self._settings.get("lock", "")
        wait_s = int(configured) if configured.lstrip("-").isdigit() else LOCK_S
        if wait_s < 0:  # apt's word for ever
            wait_s = LOCK_S_MAX
        deadline = self._tools.clock() + wait_s
        while True:
            left_s = max(deadline - self._tools.clock(), 0)
            waiting = ["-o", f"DPkg::Lock::Timeout={int(left_s)}"]
            done = self._tools.run([argv[0], *waiting, *argv[1:]], limit_s=limit_s + left_s)
            if done.retcode == 0 or not _LOCKED.search(text(done.stderr)):
                return done
            if self._tools.clock() + _AGAIN_S >= deadline:
                lines = complaints(done, argv[0])
                waited = f"waited {wait_s} s for it; end what holds it, or run this again later"
                raise PackageError([*lines, waited])
            self._tools.sleep(_AGAIN_S)


def _policy(options: InstallOptions) -> list[str]:
    """Say what happens with configuration files that were changed here."""
    # Kept where the machine's owner has changed it, unless the package's is asked for.
    forces = ("confnew",) if options.is_new_configuration else ("confdef", "confold")
    return [word for force in forces for word in ("-o", f"DPkg::Options::=--force-{force}")]


def _release(repository: str) -> list[str]:
    return ["-o", f"APT::Default-Release={check_repository(repository)}"] if repository else []


def _advised(errors: list[str]) -> list[str]:
    """Say what to do next where the errors' own words don't help."""
    said = " ".join(errors)
    if "dpkg --configure -a" in said or "Sub-process /usr/bin/dpkg returned an error" in said:
        return [*errors, "look at the packages named, then run: dpkg --configure -a"]
    if "--fix-broken" in said or "unmet dependencies" in said:
        return [*errors, "the packages' dependencies can't be met; look at: apt-get -s install -f"]
    return errors
