"""One change of what is installed: from what is wanted to what the manager is told, and after it.

States and functions come through here, so that both refresh, resolve and report alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext
from limpet.states.functions.pkg import conditions
from limpet.states.functions.pkg.package_files import version_in
from limpet.states.functions.pkg.wanted import Wanted
from limpet.states.ports.packages import (
    InstallOptions,
    Package,
    PackageError,
    Packages,
    Refreshed,
    Target,
)

Changes = dict[str, dict[str, Any]]
"""By package: `old` and `new`; empty texts for not installed."""

_REFRESHED: Final = "pkg.refreshed"


@dataclass(frozen=True, slots=True)
class Request:
    """Packages to install, and how."""

    wanted: Sequence[Wanted]
    options: InstallOptions = field(default_factory=InstallOptions)
    ignore_epoch: bool = False
    is_reinstall: bool = False
    saltenv: str = "base"


class InstallFailed(HostError):
    """An installation failed; `changes` is what had been changed by then."""

    def __init__(self, errors: Sequence[str], changes: Changes) -> None:
        self.errors = list(errors)
        self.changes = changes
        lines = "".join(f"\n    - {line}" for line in errors)
        super().__init__(
            f"Problem encountered installing package(s). Additional info follows:\n\nerrors:{lines}"
        )


def refresh(
    context: FunctionContext, wanted: bool | None, *, cache_valid_time: float = 0
) -> Refreshed:
    """Fetch the lists: when that is wanted, or once in a job where nobody says (None).

    As in Salt, what could not be fetched is no failure: what needs it fails, and then says so.
    """
    if wanted is False or (wanted is None and _REFRESHED in context.kept):
        return Refreshed({})
    found = context.host.packages.refresh(valid_s=cache_valid_time)
    context.kept[_REFRESHED] = found.errors
    return found


def forget_refresh(context: FunctionContext) -> None:
    """Have the lists fetched again when they are next needed: the repositories are others now."""
    context.kept.pop(_REFRESHED, None)


def installed(packages: Packages) -> dict[str, Package]:
    """Give what is installed, by name."""
    return {each.name: each for each in packages.known() if each.is_installed}


def difference(before: Mapping[str, Package], after: Mapping[str, Package]) -> Changes:
    """Give what has changed between two looks at what is installed."""
    found: Changes = {}
    for name in sorted({*before, *after}):
        old = before[name].version if name in before else ""
        new = after[name].version if name in after else ""
        if old != new:
            found[name] = {"old": old, "new": new}
    return found


def install(context: FunctionContext, request: Request) -> Changes:
    """Install in one transaction; give what has changed. Raises `InstallFailed`, `UsageError`."""
    packages = context.host.packages
    before = installed(packages)
    try:
        targets = resolve(context, request, before)
        if targets:
            _install_keeping_holds(packages, targets, request.options)
    except PackageError as error:
        changes = difference(before, installed(packages))
        errors = [*error.errors, *context.kept.get(_REFRESHED, ())]
        raise InstallFailed(errors, changes) from error
    after = installed(packages)
    found = difference(before, after)
    if request.is_reinstall:
        for target in targets:
            name = packages.normal_name(target.name)
            if name in after and name not in found:
                version = after[name].version
                found[name] = {"old": version, "new": version}
    return found


def _install_keeping_holds(
    packages: Packages, targets: Sequence[Target], options: InstallOptions
) -> None:
    """Install; what was held is held afterwards, at its new version."""
    names = {packages.normal_name(each.name) for each in targets}
    held = names & {name for name, wish in packages.selections().items() if wish == "hold"}
    packages.install(targets, options)
    now = packages.selections() if held else {}
    if lost := sorted(name for name in held if now.get(name) != "hold"):
        packages.select(dict.fromkeys(lost, "hold"))


def resolve(
    context: FunctionContext, request: Request, before: Mapping[str, Package]
) -> list[Target]:
    """Turn what is wanted into exact targets. Raises `PackageError` naming all that has none."""
    packages = context.host.packages
    errors: list[str] = []
    found: list[Target] = []
    unclear = [
        each.name
        for each in request.wanted
        if not each.source
        and each.version not in ("", conditions.LATEST)
        and _is_open(each, request)
    ]
    offers = packages.offers(unclear, repository=request.options.repository) if unclear else {}
    for each in request.wanted:
        present = before.get(packages.normal_name(each.name))
        if each.source:
            path = brought(context, each, request.saltenv)
            own = version_in(path)
            is_older = bool(own and present and packages.compare(own, present.version) < 0)
            found.append(Target(each.name, path=path, is_downgrade=is_older))
            continue
        version = "" if each.version == conditions.LATEST else each.version
        if each.name in unclear:
            known = offers[each.name].versions if each.name in offers else ()
            version = conditions.newest(
                known, each.version, packages.compare, ignore_epoch=request.ignore_epoch
            )
            if not version:
                available = ", ".join(known) or "none"
                errors.append(
                    f"No version matching '{each.shown}' could be found (available: {available})"
                )
                continue
        version = version.lstrip("=")
        found.append(
            Target(
                each.name,
                version,
                is_downgrade=bool(
                    version and present and packages.compare(version, present.version) < 0
                ),
                is_reinstall=request.is_reinstall and present is not None,
            )
        )
    if errors:
        raise PackageError(errors)
    return found


def _is_open(wanted: Wanted, request: Request) -> bool:
    """Say whether the repositories decide which version is meant."""
    plain = wanted.version.lstrip("=")
    return not conditions.is_exact(plain) or (request.ignore_epoch and ":" not in plain)


def remove(
    context: FunctionContext, names: Sequence[str], *, is_purge: bool = False
) -> dict[str, Any]:
    """Remove packages; give what has changed, of a purge as `installed` and `removed`."""
    packages = context.host.packages
    before = packages.known()
    try:
        packages.remove(names, is_purge=is_purge)
    except PackageError as error:
        changes = _removal(before, packages.known(), is_purge=is_purge)
        raise RemovalFailed(error.errors, changes) from error
    return _removal(before, packages.known(), is_purge=is_purge)


class RemovalFailed(HostError):
    """A removal failed; `changes` is what had been changed by then."""

    def __init__(self, errors: Sequence[str], changes: dict[str, Any]) -> None:
        self.errors = list(errors)
        self.changes = changes
        lines = "".join(f"\n    - {line}" for line in errors)
        super().__init__(
            f"Problem encountered removing package(s). Additional info follows:\n\nerrors:{lines}"
        )


def _removal(
    before: Iterable[Package], after: Iterable[Package], *, is_purge: bool
) -> dict[str, Any]:
    first, last = list(before), list(after)

    def of(packages: list[Package], *, residual: bool) -> dict[str, Package]:
        return {
            each.name: each
            for each in packages
            if (each.is_residual if residual else each.is_installed)
        }

    changes = difference(of(first, residual=False), of(last, residual=False))
    if not is_purge:
        return changes
    removed = difference(of(first, residual=True), of(last, residual=True))
    return {"installed": changes, "removed": removed}


def brought(context: FunctionContext, wanted: Wanted, saltenv: str) -> str:
    """Give the path of a package file on this machine, fetched if it is elsewhere."""
    source = wanted.source.removeprefix("file://")
    if source.startswith("/"):
        if context.host.file_system.facts(source, is_following=True) is None:
            raise PackageError([f"{source} does not exist on minion"])
        return source
    path = context.call("cp.cache_file", source, saltenv=saltenv)
    if not path:
        raise PackageError([f"Unable to fetch {source} for {wanted.name}: there is no such file"])
    return str(path)


def upgrade(
    context: FunctionContext,
    options: InstallOptions,
    names: Sequence[str] = (),
    *,
    may_remove: bool = True,
) -> Changes:
    """Upgrade everything, or what is named; give what has changed. Raises `InstallFailed`."""
    packages = context.host.packages
    before = installed(packages)
    try:
        if names:
            present = [each for each in names if packages.normal_name(each) in before]
            if present:
                packages.install([Target(each) for each in present], options)
        else:
            packages.upgrade(options, may_remove=may_remove)
    except PackageError as error:
        raise InstallFailed(error.errors, difference(before, installed(packages))) from error
    return difference(before, installed(packages))
