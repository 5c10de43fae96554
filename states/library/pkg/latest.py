"""`pkg.latest` and `pkg.uptodate`: packages are as new as the repositories have them."""

from dataclasses import dataclass

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.functions.pkg import changing, looking
from limpet.states.functions.pkg.changing import Changes, InstallFailed, Request
from limpet.states.functions.pkg.installing import options_of
from limpet.states.functions.pkg.wanted import Wanted, wanted
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


@dataclass(frozen=True, slots=True)
class LatestOptions:
    """Arguments of `pkg.latest`."""

    name: str
    refresh: bool | None = None
    """Fetch the lists before; None: once in a run."""
    fromrepo: str | None = None
    skip_verify: bool = False
    pkgs: Loose = None
    watch_flags: bool = True
    """No effect: it is about Gentoo."""
    cache_valid_time: float = 0
    install_recommends: bool | None = None
    only_upgrade: bool = False
    force_conf_new: bool = False
    resolve_capabilities: bool = False
    setopt: Loose = None
    enablerepo: Loose = None
    disablerepo: Loose = None


@dataclass(frozen=True, slots=True)
class UptodateOptions:
    """Arguments of `pkg.uptodate`."""

    name: str
    refresh: bool = True
    pkgs: Loose = None
    """Only these; None: everything."""
    dist_upgrade: bool = True
    fromrepo: str | None = None
    skip_verify: bool = False
    cache_valid_time: float = 0
    install_recommends: bool | None = None
    only_upgrade: bool = True
    force_conf_new: bool = False
    setopt: Loose = None
    enablerepo: Loose = None
    disablerepo: Loose = None


def latest(context: StateContext, options: LatestOptions) -> Outcome:
    """See to it that packages are installed in the newest version that the repositories have."""
    if options.pkgs is not None and not options.pkgs:
        return Outcome(True, "No packages to install provided")
    try:
        names = [each.name for each in wanted(options.name, None, options.pkgs)]
        if not context.is_test:
            changing.refresh(
                context.functions, options.refresh, cache_valid_time=options.cache_valid_time
            )
        return _newest(context, options, names)
    except (HostError, UsageError) as error:
        return failed(str(error))


def _newest(context: StateContext, options: LatestOptions, names: list[str]) -> Outcome:
    packages = context.host.packages
    present = changing.installed(packages)
    if options.only_upgrade:
        names = [each for each in names if packages.normal_name(each) in present]
    if options.resolve_capabilities:
        provided = {name for each in present.values() for name in each.provides}
        names = [
            each for each in names if packages.normal_name(each) in present or each not in provided
        ]
    if not names:
        return Outcome(True, "None of the packages is installed, and only_upgrade is set")
    available = looking.newer(context.functions, names, fromrepo=options.fromrepo)
    unknown = [
        each for each in names if not available[each] and packages.normal_name(each) not in present
    ]
    if unknown:
        return failed("\n".join(f"No information found for '{each}'." for each in unknown))
    targets: Changes = {}
    for each in names:
        if available[each]:
            old = present.get(packages.normal_name(each))
            targets[each] = {"new": available[each], "old": old.version if old else ""}
    fine = [each for each in names if each not in targets]
    if not targets:
        if len(fine) == 1:
            return Outcome(True, f"Package {fine[0]} is already up-to-date")
        return Outcome(True, f"All packages are up-to-date ({', '.join(sorted(fine))}).")
    listed = ", ".join(sorted(targets))
    if context.is_test:
        comment = f"The following packages would be installed/upgraded: {listed}"
        if fine:
            rest = ", ".join(sorted(fine))
            comment += f"\nThe following packages are already up-to-date: {rest}"
        return Outcome(None, comment, targets)
    request = Request([Wanted(each) for each in targets], options_of(options))
    try:
        changes = changing.install(context.functions, request)
    except InstallFailed as error:
        return Outcome(False, str(error), error.changes)
    left = looking.newer(context.functions, list(targets), fromrepo=options.fromrepo)
    failures = sorted(each for each in targets if left[each])
    good = sorted(set(targets) - set(failures))
    parts: list[str] = []
    if failures:
        parts.append(f"The following packages failed to update: {', '.join(failures)}")
    if good:
        names_ = ", ".join(good)
        parts.append(f"The following packages were successfully installed/upgraded: {names_}")
    if fine:
        parts.append(f"The following packages were already up-to-date: {', '.join(sorted(fine))}")
    return Outcome(not failures, " ".join(parts), changes)


def uptodate(context: StateContext, options: UptodateOptions) -> Outcome:
    """See to it that everything installed is as new as the repositories have it."""
    try:
        packages = context.host.packages
        if options.refresh and not context.is_test:
            changing.refresh(context.functions, True, cache_valid_time=options.cache_valid_time)
        only = None
        if options.pkgs is not None:
            chosen = wanted(options.name, None, options.pkgs)
            only = {packages.normal_name(each.name) for each in chosen}
        planned = _planned(context, options, only)
        if not planned:
            return Outcome(True, "System is already up-to-date")
        if context.is_test:
            return Outcome(None, "System update will be performed", planned)
        changes = changing.upgrade(
            context.functions,
            options_of(options),
            sorted(planned) if only is not None else (),
            may_remove=options.dist_upgrade,
        )
        if left := _planned(context, options, only):
            comment = f"The following packages failed to update: {', '.join(sorted(left))}"
            return Outcome(False, comment, changes)
        return Outcome(True, "Upgrade ran successfully", changes)
    except InstallFailed as error:
        return Outcome(False, str(error), error.changes)
    except (HostError, UsageError) as error:
        return failed(str(error))


def _planned(context: StateContext, options: UptodateOptions, only: set[str] | None) -> Changes:
    packages = context.host.packages
    found = packages.upgrades(may_remove=options.dist_upgrade)
    present = changing.installed(packages) if found else {}
    return {
        name: {"new": version, "old": present[name].version if name in present else ""}
        for name, version in found.items()
        if only is None or name in only
    }
