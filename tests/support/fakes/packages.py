"""A made-up package manager: packages with versions, dependencies and holds, all in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from limpet.states.host.packages import debian_versions
from limpet.states.ports.packages import (
    InstallOptions,
    Offer,
    Package,
    PackageError,
    Refreshed,
    Selection,
    Target,
)


@dataclass
class FakePackages:
    """Implements `limpet.states.ports.packages.Packages` as apt would behave."""

    repository: dict[str, list[str]] = field(default_factory=dict)
    """Versions by name, in any order."""
    depends: dict[str, list[str]] = field(default_factory=dict)
    provides: dict[str, list[str]] = field(default_factory=dict)
    """The virtual packages of a package."""
    pinned: dict[str, str] = field(default_factory=dict)
    """Candidates that are not the newest version."""
    present: dict[str, str] = field(default_factory=dict)
    residual: dict[str, str] = field(default_factory=dict)
    wishes: dict[str, Selection] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Packages whose installation fails."""
    stubborn: set[str] = field(default_factory=set)
    """Packages that can't be removed."""
    cache: dict[str, dict[str, str]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    """Mandatory packages of groups."""
    refreshed: int = 0
    unreachable: tuple[str, ...] = ()
    """What a refresh fails with."""
    changes: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    kind: Literal["apt", "dnf"] = "apt"
    native: str = "amd64"

    def known(self) -> list[Package]:
        found = [self._package(name, version, True) for name, version in self.present.items()]
        return found + [
            self._package(name, version, False) for name, version in self.residual.items()
        ]

    def _package(self, name: str, version: str, is_installed: bool) -> Package:
        return Package(
            name,
            version,
            self.native,
            is_installed,
            is_residual=not is_installed,
            selection=self.wishes.get(name, "install"),
            provides=tuple(self.provides.get(name, ())),
        )

    def normal_name(self, name: str) -> str:
        return name.removesuffix(f":{self.native}").removesuffix(":all")

    def split_name(self, name: str) -> tuple[str, str]:
        plain, _, architecture = name.partition(":")
        return plain, architecture

    def offers(self, names: Sequence[str], *, repository: str = "") -> dict[str, Offer]:
        found: dict[str, Offer] = {}
        for name in names:
            versions = sorted(
                self.repository.get(self.normal_name(name), ()),
                key=lambda version: [debian_versions.compare(version, other) for other in
                                     self.repository[self.normal_name(name)]],
                reverse=True,
            )  # fmt: skip
            if versions:
                found[name] = Offer(self.pinned.get(name, versions[0]), tuple(versions))
        return found

    def providers(self, name: str) -> list[str]:
        return sorted(each for each, virtual in self.provides.items() if name in virtual)

    def compare(self, first: str, second: str) -> int:
        return debian_versions.compare(first, second)

    def refresh(self, *, valid_s: float = 0) -> Refreshed:
        self.refreshed += 1
        return Refreshed({"http://deb.example.org stable InRelease": True}, self.unreachable)

    def install(self, targets: Sequence[Target], options: InstallOptions) -> None:
        words = tuple(
            each.path or "=".join(filter(None, (each.name, each.version))) for each in targets
        )
        plan: dict[str, str] = {}
        for each in targets:
            name = self.normal_name(each.name)
            versions = self.repository.get(name, [])
            if not versions and not each.path:
                raise PackageError([f"E: Unable to locate package {each.name}"])
            version = each.version or (each.path and "1.5") or self.offers([name])[name].candidate
            if not each.path and version not in versions:
                raise PackageError([f"E: Version '{version}' for '{each.name}' was not found"])
            present = self.present.get(name)
            if present and self.compare(version, present) < 0:
                if not each.version and not each.path:
                    continue  # what is there is newer
                assert each.is_downgrade, f"{each} is a downgrade that was not announced"
            if options.is_upgrade_only and present is None:
                continue
            plan[name] = version
        self.changes.append(("install", words))
        if options.is_download_only:
            for name, version in plan.items():
                self.cache.setdefault(name, {})[version] = f"/cache/{name}_{version}.deb"
            return
        self._put(plan)

    def _put(self, plan: dict[str, str]) -> None:
        for name, version in plan.items():
            if name in self.broken:
                raise PackageError(["E: Sub-process /usr/bin/dpkg returned an error code (1)"])
            for each in self.depends.get(name, ()):
                if each not in self.present and each not in plan:
                    self._put({each: self.offers([each])[each].candidate})
            if self.wishes.get(name) == "hold" and self.present.get(name) != version:
                self.wishes[name] = "install"  # as dpkg does
            self.present[name] = version
            self.residual.pop(name, None)

    def remove(self, names: Sequence[str], *, is_purge: bool = False) -> None:
        self.changes.append(("purge" if is_purge else "remove", tuple(names)))
        for name in names:
            if name in self.stubborn:
                raise PackageError([f"E: {name} can't be removed"])
            needing = [
                each
                for each in list(self.present)
                if name in self.depends.get(each, ()) and each != name
            ]
            for each in needing:
                self._take(each, is_purge=is_purge)
            self._take(name, is_purge=is_purge)

    def _take(self, name: str, *, is_purge: bool) -> None:
        version = self.present.pop(name, None)
        if version is not None and not is_purge:
            self.residual[name] = version
        if is_purge:
            self.residual.pop(name, None)
        self.wishes.pop(name, None)

    def upgrade(self, options: InstallOptions, *, may_remove: bool = True) -> None:
        self.changes.append(("upgrade", ()))
        self._put(self.upgrades())

    def upgrades(self, *, may_remove: bool = True) -> dict[str, str]:
        return {
            name: offer.candidate
            for name, offer in self.offers(list(self.present)).items()
            if self.compare(offer.candidate, self.present[name]) > 0
            and self.wishes.get(name) != "hold"
        }

    def select(self, selections: Mapping[str, Selection]) -> None:
        self.wishes.update(selections)

    def selections(self) -> dict[str, Selection]:
        found: dict[str, Selection] = dict.fromkeys(self.present, "install")
        found.update(dict.fromkeys(self.residual, "deinstall"))
        return {**found, **self.wishes}

    def owners(self, paths: Sequence[str]) -> dict[str, str]:
        return {path: "bash" if path == "/bin/bash" else "" for path in paths}

    def files(self, name: str) -> list[str]:
        return ["/.", f"/usr/share/{name}"]

    def describe(self, name: str) -> dict[str, str]:
        if name not in self.present:
            raise PackageError([f"dpkg-query: package '{name}' is not installed"])
        return {"Package": name, "Version": self.present[name], "Installed-At": "0"}

    def show(self, name: str) -> list[dict[str, str]]:
        return [
            {"Package": name, "Version": version, "Section": "misc"}
            for version in self.repository.get(name, ())
        ]

    def unneeded(self) -> list[str]:
        return []

    def remove_unneeded(self, *, is_purge: bool = False) -> None:
        self.changes.append(("autoremove", ()))

    def downloaded(self) -> dict[str, dict[str, str]]:
        return self.cache

    def groups(self) -> dict[str, Any]:
        return {"installed": [], "available": sorted(self.members)}

    def group_packages(self, group: str) -> dict[str, list[str]]:
        if group not in self.members:
            raise PackageError([f"there is no group {group!r}"])
        return {"mandatory": self.members[group], "default": [], "optional": []}

    def repository_places(self) -> dict[str, str]:
        return {
            "file": "/etc/apt/sources.list",
            "folder": "/etc/apt/sources.list.d",
            "keys": "/etc/apt/keyrings",
            "trusted": "/etc/apt/trusted.gpg.d",
        }
