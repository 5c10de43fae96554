"""The Red Hat family's package manager: dnf or yum over rpm.

Holding is the business of the plugin `versionlock`; without it, that fails with dnf's own words.
"""

import os.path
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Literal

from limpet.states.host.packages import dnf_reading, rpm_versions
from limpet.states.host.packages.names import (
    check_path,
    check_repository,
    check_rpm_name,
    check_version,
)
from limpet.states.host.packages.tools import CHANGE_S, REFRESH_S, Tools, complaints, text
from limpet.states.ports.file_system import FileSystem
from limpet.states.ports.machine import Commands
from limpet.states.ports.packages import (
    InstallOptions,
    Offer,
    Package,
    PackageError,
    Refreshed,
    Selection,
    Target,
)

_UPDATES: Final = 100
"""What `check-update` ends with where there are updates."""


class Dnf:
    """Implements `limpet.states.ports.packages.Packages`."""

    kind: Final[Literal["dnf"]] = "dnf"

    def __init__(
        self,
        commands: Commands,
        file_system: FileSystem,
        program: str = "dnf",
        *,
        tools: Tools | None = None,
    ) -> None:
        self._tools = Tools(commands) if tools is None else tools
        self._file_system = file_system
        self._program = os.path.basename(program)

    def known(self) -> list[Package]:
        """List what is installed; rpm leaves nothing behind that it knows of."""
        printed = self._tools.ask(["rpm", "-qa", "--qf", dnf_reading.RPM_FORMAT])
        held = self._locked()
        found: list[Package] = []
        for each in dnf_reading.installed(printed):
            name = self._public_name(each.name, each.architecture)
            selection: Selection = "hold" if name in held else "install"
            found.append(
                Package(
                    name,
                    each.version,
                    each.architecture,
                    True,
                    selection=selection,
                    provides=each.provides,
                )
            )
        return found

    def normal_name(self, name: str) -> str:
        """Drop the native architecture from a name."""
        plain, architecture = self.split_name(name)
        return plain if architecture in (self._native, "noarch") else name

    def split_name(self, name: str) -> tuple[str, str]:
        """Give a name without its architecture, and that architecture; empty: the native one."""
        plain, dot, architecture = name.rpartition(".")
        if dot and architecture in (self._native, "noarch", "i686", "i386", "x86_64", "aarch64"):
            return plain, architecture
        return name, ""

    def offers(self, names: Sequence[str], *, repository: str = "") -> dict[str, Offer]:
        """Look names up in what is known of the repositories; unknown names are left out."""
        if not names:
            return {}
        wanted = [check_rpm_name(name) for name in names]
        chosen = [f"--repo={check_repository(repository)}"] if repository else []
        argv = [self._program, "-q", *chosen, "list", "--showduplicates", "--", *wanted]
        printed = self._tools.ask(argv, allowed=(0, 1))
        present = {each.name: each.version for each in self.known()}
        versions: dict[str, list[str]] = {}
        for each in dnf_reading.listed(printed):
            name = self._public_name(each.name, each.architecture)
            known = versions.setdefault(name, [])
            is_offered = each.repository not in ("System", "anaconda", "installed")
            if each.version not in known and is_offered:
                known.append(each.version)
        answer: dict[str, Offer] = {}
        for name in wanted:
            found = _newest_first(versions.get(self.normal_name(name), []))
            if found:
                answer[name] = Offer(found[0], tuple(found))
            elif self.normal_name(name) in present:
                answer[name] = Offer(present[self.normal_name(name)], ())
        return answer

    def providers(self, name: str) -> list[str]:
        """Name the packages of the repositories that provide a capability."""
        argv = [self._program, "-q", "provides", "--", check_rpm_name(name)]
        done = self._tools.run(argv)
        found = re.findall(r"(?m)^(\S+?)-(?:\d+:)?[^-\s]+-[^-\s]+\.\w+ : ", text(done.stdout))
        return sorted(set(found))

    def compare(self, first: str, second: str) -> int:
        """Give -1, 0 or 1, as the first version is older than, equal to or newer than the other."""
        return rpm_versions.compare(first, second)

    def refresh(self, *, valid_s: float = 0) -> Refreshed:
        """Fetch what the repositories have; dnf itself knows how old that may be."""
        if valid_s <= 0:
            self._tools.run([self._program, "-q", "clean", "expire-cache"])
        done = self._tools.run([self._program, "-q", "makecache"], limit_s=REFRESH_S)
        errors = complaints(done, f"{self._program} makecache") if done.retcode != 0 else []
        return Refreshed({}, tuple(errors))

    def install(self, targets: Sequence[Target], options: InstallOptions) -> None:
        """Install all; what becomes older, and what is put there anew, in calls of their own."""
        older = [each for each in targets if each.is_downgrade]
        again = [each for each in targets if each.is_reinstall and not each.is_downgrade]
        rest = [each for each in targets if each not in older and each not in again]
        action = "upgrade" if options.is_upgrade_only else "install"
        for word, some in (("downgrade", older), ("reinstall", again), (action, rest)):
            if some:
                self._change([*_flags(options), word, "--", *(_word(each) for each in some)])

    def remove(self, names: Sequence[str], *, is_purge: bool = False) -> None:
        """Remove packages; rpm knows no purge."""
        self._change(["remove", "--", *(check_rpm_name(name) for name in names)])

    def upgrade(self, options: InstallOptions, *, may_remove: bool = True) -> None:
        """Upgrade everything, with `may_remove` by removing what is obsolete."""
        obsoletes = f"--setopt=obsoletes={int(may_remove)}"
        self._change([*_flags(options), obsoletes, "upgrade"])

    def upgrades(self, *, may_remove: bool = True) -> dict[str, str]:
        """Give what `upgrade` would install."""
        printed = self._tools.ask([self._program, "-q", "check-update"], allowed=(0, _UPDATES))
        return {
            self._public_name(each.name, each.architecture): each.version
            for each in dnf_reading.listed(printed)
        }

    def select(self, selections: Mapping[str, Selection]) -> None:
        """Hold packages or let them go; dnf has no other selections."""
        for action, wishes in (("add", ("hold",)), ("delete", ("install",))):
            names = [check_rpm_name(name) for name, wish in selections.items() if wish in wishes]
            if names:
                self._change(["versionlock", action, "--", *names])

    def selections(self) -> dict[str, Selection]:
        """Give what is wanted of each package that is installed."""
        return {each.name: each.selection for each in self.known()}

    def owners(self, paths: Sequence[str]) -> dict[str, str]:
        """Name the package that each file belongs to; empty: to none."""
        found: dict[str, str] = {}
        for path in paths:
            done = self._tools.run(["rpm", "-qf", "--qf", "%{NAME}\\n", "--", path])
            lines = text(done.stdout).splitlines()
            found[path] = lines[0] if done.retcode == 0 and lines else ""
        return found

    def files(self, name: str) -> list[str]:
        """List the files of an installed package."""
        printed = self._tools.ask(["rpm", "-ql", "--", check_rpm_name(name)])
        return [line for line in printed.splitlines() if line.startswith("/")]

    def describe(self, name: str) -> dict[str, str]:
        """Give what rpm knows of an installed package, by its own names of the fields."""
        found = dnf_reading.fields(self._tools.ask(["rpm", "-qi", "--", check_rpm_name(name)]))
        return found[0] if found else {}

    def show(self, name: str) -> list[dict[str, str]]:
        """Give what the repositories say of a package, an entry for each version."""
        done = self._tools.run([self._program, "-q", "info", "--", check_rpm_name(name)])
        return dnf_reading.fields(text(done.stdout)) if done.retcode == 0 else []

    def unneeded(self) -> list[str]:
        """Name what was installed for others that are gone."""
        argv = [self._program, "-q", "list", "--autoremove"]
        printed = self._tools.ask(argv, allowed=(0, 1))
        return sorted(each.name for each in dnf_reading.listed(printed))

    def remove_unneeded(self, *, is_purge: bool = False) -> None:
        """Remove what `unneeded` names."""
        self._change(["autoremove"])

    def downloaded(self) -> dict[str, dict[str, str]]:
        """Give the paths of downloaded package files by name and version."""
        found: dict[str, dict[str, str]] = {}
        top = f"/var/cache/{self._program}"
        if self._file_system.facts(top) is None:
            return {}
        for folder, _, names in self._file_system.walk(top):
            for file in names:
                match = re.match(r"(.+)-([^-]+-[^-]+)\.(\w+)\.rpm$", file)
                if match:
                    name = self._public_name(match[1], match[3])
                    found.setdefault(name, {})[match[2]] = os.path.join(folder, file)
        return found

    def groups(self) -> dict[str, Any]:
        """Name the groups of packages."""
        return dict(dnf_reading.groups(self._tools.ask([self._program, "-q", "group", "list"])))

    def group_packages(self, group: str) -> dict[str, list[str]]:
        """Name a group's packages: `mandatory`, `default`, `optional`."""
        argv = [self._program, "-q", "group", "info", "--", group]
        found = dnf_reading.group_packages(self._tools.ask(argv))
        if not any(found.values()):
            raise PackageError([f"there is no group {group!r}, or it has no packages"])
        return found

    def repository_places(self) -> dict[str, str]:
        """Give where repositories are written down."""
        return {"folder": "/etc/yum.repos.d", "keys": "/etc/pki/rpm-gpg", "file": "", "trusted": ""}

    @cached_property
    def _native(self) -> str:
        return self._tools.ask(["rpm", "--eval", "%{_arch}"]).strip()

    def _public_name(self, name: str, architecture: str) -> str:
        return name if architecture in (self._native, "noarch") else f"{name}.{architecture}"

    def _locked(self) -> set[str]:
        """Name what versionlock holds; nothing where the plugin is missing."""
        done = self._tools.run([self._program, "-q", "-C", "versionlock", "list"])
        if done.retcode != 0:
            return set()
        said = text(done.stdout)
        named = re.findall(r"(?m)^(?!Last metadata)(\S+?)-(?:\d+:)?[^-\s]+-[^-\s]+$", said)
        return {*named, *re.findall(r"(?m)^Package name: (\S+)", said)}

    def _change(self, words: Sequence[str]) -> None:
        done = self._tools.run([self._program, "-y", *words], limit_s=CHANGE_S)
        if done.retcode != 0:
            raise PackageError(complaints(done, self._program))


def _word(target: Target) -> str:
    if target.path:
        return check_path(target)
    name = check_rpm_name(target.name)
    return f"{name}-{check_version(name, target.version)}" if target.version else name


def _flags(options: InstallOptions) -> list[str]:
    found = [f"--repo={check_repository(options.repository)}"] if options.repository else []
    found += [f"--enablerepo={check_repository(each)}" for each in options.enabled]
    found += [f"--disablerepo={check_repository(each)}" for each in options.disabled]
    found += [f"--setopt={each}" for each in options.settings]
    if options.with_recommends is not None:
        found.append(f"--setopt=install_weak_deps={int(options.with_recommends)}")
    if options.is_unverified:
        found.append("--nogpgcheck")
    if options.is_download_only:
        found.append("--downloadonly")
    return found


def _newest_first(versions: list[str]) -> list[str]:
    ordered: list[str] = []
    for version in versions:
        place = next(
            (
                index
                for index, other in enumerate(ordered)
                if rpm_versions.compare(version, other) > 0
            ),
            len(ordered),
        )
        ordered.insert(place, version)
    return ordered
