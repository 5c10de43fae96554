"""`pkg.installed`: packages are there, in the versions that are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.functions.pkg import changing, conditions, holding
from limpet.states.functions.pkg.changing import Changes, InstallFailed, Request
from limpet.states.functions.pkg.installing import options_of
from limpet.states.functions.pkg.package_files import version_in
from limpet.states.functions.pkg.wanted import Wanted, wanted
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed
from limpet.states.ports.packages import Offer, Package


@dataclass(frozen=True, slots=True)
class InstalledOptions:
    """Arguments of `pkg.installed`."""

    name: str
    version: Loose = None
    """A version, a pattern (`1.2.*`), conditions (`>=1.2,<2`) or `latest`."""
    refresh: bool | None = None
    """Fetch the lists before something is installed; None: once in a run."""
    fromrepo: str | None = None
    skip_verify: bool = False
    skip_suggestions: bool = False
    """No effect: nothing is asked."""
    pkgs: Loose = None
    sources: Loose = None
    allow_updates: bool = False
    """A newer version than the one asked for is fine as well."""
    pkg_verify: Loose = False
    normalize: bool = True
    """Take a name with the native architecture for the name without it."""
    ignore_epoch: bool = False
    reinstall: bool = False
    update_holds: bool = False
    """No effect: as in Salt, packages that are named are installed though they are held."""
    hold: bool | None = None
    """Keep the packages at their version afterwards, or (False) don't."""
    install_recommends: bool | None = None
    only_upgrade: bool = False
    force_conf_new: bool = False
    """Replace configuration files that were changed here by the package's."""
    cache_valid_time: float = 0
    """Lists that are younger (in seconds) are not fetched again."""
    resolve_capabilities: bool = False
    """A package that provides the name is as good as one of that name."""
    download_only: bool = False
    bypass_file: str | None = None
    bypass_file_contains: str | None = None
    setopt: Loose = None
    enablerepo: Loose = None
    disablerepo: Loose = None


@dataclass(slots=True)
class _Look:
    """What is wanted, beside what is there."""

    every: list[Wanted]
    missing: list[Wanted]
    before: Mapping[str, Package]

    @property
    def present(self) -> list[Wanted]:
        """What is as it should be."""
        return [each for each in self.every if each not in self.missing]


def installed(context: StateContext, options: InstalledOptions) -> Outcome:
    """See to it that packages are installed, in the versions that are asked for."""
    try:
        if outcome := _answered_at_once(context, options):
            return outcome
        look = _look(context, options)
        if context.is_test:
            return _announced(context, options, look)
        return _done(context, options, look)
    except (HostError, UsageError) as error:
        return failed(str(error))


def downloaded(context: StateContext, options: InstalledOptions) -> Outcome:
    """See to it that the files of packages are in the manager's cache; nothing is installed."""
    try:
        every = wanted(options.name, options.version, options.pkgs)
        missing = _not_downloaded(context, options, every)
        if not missing:
            return Outcome(True, "All specified packages are already downloaded")
        names = ", ".join(sorted(each.shown for each in missing))
        if context.is_test:
            changes = _foreseen(context, options, missing, {})
            comment = f"The following packages would be downloaded: {names}"
            return Outcome(None, comment, changes)
        before = _downloaded_versions(context)
        changing.refresh(
            context.functions, options.refresh, cache_valid_time=options.cache_valid_time
        )
        # What is installed already would not be fetched again.
        request = Request(
            missing,
            options_of(options, is_download_only=True),
            options.ignore_epoch,
            is_reinstall=True,
            saltenv=context.saltenv,
        )
        changing.install(context.functions, request)
        after = _downloaded_versions(context)
        changes = {
            name: {"new": ",".join(new), "old": ",".join(before.get(name, ()))}
            for name, new in after.items()
            if new != before.get(name, [])
        }
        if left := _not_downloaded(context, options, every):
            names = ", ".join(sorted(each.shown for each in left))
            comment = f"The following packages failed to download: {names}"
            return Outcome(False, comment, changes)
        return Outcome(True, f"The following packages were downloaded: {names}", changes)
    except (HostError, UsageError) as error:
        return failed(str(error))


def group_installed(
    context: StateContext, name: str, skip: Loose = None, include: Loose = None, **_odd: Loose
) -> Outcome:
    """See to it that the mandatory and default packages of a group are installed (dnf)."""
    try:
        found = context.host.packages.group_packages(name)
        left_out = {each.name for each in wanted("", None, skip or [])}
        names = [*found.get("mandatory", ()), *found.get("default", ())]
        names += [each.name for each in wanted("", None, include or [])]
        names = [each for each in dict.fromkeys(names) if each not in left_out]
        present = changing.installed(context.host.packages)
        missing = [each for each in names if each not in present]
        if not missing:
            return Outcome(True, f"Group '{name}' is already installed")
        if context.is_test:
            comment = f"The following packages would be installed: {', '.join(missing)}"
            changes = {each: {"new": "installed", "old": ""} for each in missing}
            return Outcome(None, comment, changes)
        changes = changing.install(context.functions, Request(wanted("", None, missing)))
        return Outcome(True, f"Group '{name}' was installed", changes)
    except (HostError, UsageError) as error:
        return failed(str(error))


def _answered_at_once(context: StateContext, options: InstalledOptions) -> Outcome | None:
    if options.pkgs is not None and not options.pkgs:
        return Outcome(True, "No packages to install provided")
    if options.pkg_verify:
        return failed("pkg.verify not implemented: take pkg_verify out")
    if options.bypass_file and _is_bypassed(context, options):
        return Outcome(True, f"pkg.installed: {options.bypass_file} is there, nothing is done")
    return None


def _is_bypassed(context: StateContext, options: InstalledOptions) -> bool:
    path = options.bypass_file or ""
    if context.file_system.facts(path, is_following=True) is None:
        return False
    if not options.bypass_file_contains:
        return True
    content = context.file_system.read(path).decode("utf-8", "replace")
    return options.bypass_file_contains in content


def _look(context: StateContext, options: InstalledOptions) -> _Look:
    every = wanted(options.name, options.version, options.pkgs, options.sources or None)
    if any(each.version == conditions.LATEST for each in every) and not context.is_test:
        changing.refresh(
            context.functions, options.refresh, cache_valid_time=options.cache_valid_time
        )
    before = changing.installed(context.host.packages)
    return _Look(every, _missing(context, options, every, before), before)


def _missing(
    context: StateContext,
    options: InstalledOptions,
    every: list[Wanted],
    before: Mapping[str, Package],
) -> list[Wanted]:
    """Give what is not there as it should be."""
    packages = context.host.packages
    provided = {name for each in before.values() for name in each.provides}
    latest = [each.name for each in every if each.version == conditions.LATEST]
    offers = packages.offers(latest, repository=options.fromrepo or "") if latest else {}
    found: list[Wanted] = []
    for each in every:
        name = packages.normal_name(each.name) if options.normalize else each.name
        present = before.get(name)
        if present is None:
            is_provided = options.resolve_capabilities and each.name in provided
            if not (is_provided and not each.version) and not options.only_upgrade:
                found.append(each)
        elif each.source:  # as in Salt: another version in the file than the one that is here
            version = version_in(changing.brought(context.functions, each, context.saltenv))
            if version and packages.compare(version, present.version) != 0:
                found.append(each)
        elif each.version == conditions.LATEST:
            candidate = offers.get(each.name, Offer()).candidate
            if candidate and packages.compare(candidate, present.version) > 0:
                found.append(each)
        elif each.version and not conditions.is_met(
            present.version,
            each.version,
            packages.compare,
            ignore_epoch=options.ignore_epoch,
            allow_newer=options.allow_updates,
        ):
            found.append(each)
    return found


def _announced(context: StateContext, options: InstalledOptions, look: _Look) -> Outcome:
    """Say what a run would do."""
    changes = _foreseen(context, options, look.missing, look.before)
    again = look.present if options.reinstall else []
    changes |= {each.name: {"new": "installed", "old": ""} for each in again}
    lines: list[str] = []
    if look.missing:
        names = ", ".join(sorted(each.name for each in look.missing))
        lines.append(f"The following packages would be installed/updated: {names}")
    if again:
        names = ", ".join(sorted(each.name for each in again))
        lines.append(f"The following packages would be reinstalled: {names}")
    if not lines:
        lines.append(_all_there(look))
    held = _hold(context, options, look, changes)
    lines += [str(entry["comment"]) for entry in held.values()]
    return Outcome(None if changes else True, "\n".join(lines), changes)


def _foreseen(
    context: StateContext,
    options: InstalledOptions,
    missing: list[Wanted],
    before: Mapping[str, Package],
) -> Changes:
    """Give the changes of a run as Salt's test mode does: `old` is empty there."""
    packages = context.host.packages
    names = [each.name for each in missing if not each.source]
    try:
        offers = packages.offers(names, repository=options.fromrepo or "") if names else {}
    except HostError:
        offers = {}  # a name that can't be one: the run will say so
    found: Changes = {}
    for each in missing:
        offer = offers.get(each.name, Offer())
        new = ""
        if not each.source:
            if each.version in ("", conditions.LATEST):
                new = offer.candidate
            elif each.version[:1] not in "<>=!" and "," not in each.version:
                new = conditions.newest(
                    offer.versions,
                    each.version,
                    packages.compare,
                    ignore_epoch=options.ignore_epoch,
                )
        found[each.name] = {"new": new or "installed", "old": ""}
    return found


def _done(context: StateContext, options: InstalledOptions, look: _Look) -> Outcome:
    changes: dict[str, Any] = {}
    lines: list[str] = []
    result = True
    chosen = [each for each in look.every if each in look.missing or options.reinstall]
    if chosen:
        try:
            changes = _install(context, options, chosen)
        except InstallFailed as error:
            return Outcome(False, str(error), error.changes)
    after = changing.installed(context.host.packages)
    failures = [
        each for each in _missing(context, options, chosen, after) if not options.download_only
    ]
    if chosen:
        result, lines = _told(context, look, failures, after, options)
    else:
        lines.append(_all_there(look))
    if not failures:
        held = _hold(context, options, look, changes)
        lines += [str(entry["comment"]) for entry in held.values()]
    return Outcome(result, "\n".join(lines), changes)


def _install(
    context: StateContext, options: InstalledOptions, chosen: list[Wanted]
) -> dict[str, Any]:
    """Fetch the lists and install."""
    functions = context.functions
    changing.refresh(functions, options.refresh, cache_valid_time=options.cache_valid_time)
    request = Request(
        chosen,
        options_of(options, is_download_only=options.download_only),
        options.ignore_epoch,
        options.reinstall,
        context.saltenv,
    )
    return dict(changing.install(functions, request))


def _told(
    context: StateContext,
    look: _Look,
    failures: list[Wanted],
    after: Mapping[str, Package],
    options: InstalledOptions,
) -> tuple[bool, list[str]]:
    """Say what was done; the result is False where something is still not as it should be."""
    lines: list[str] = []
    if done := [each for each in look.missing if each not in failures]:
        names = ", ".join(sorted(each.shown for each in done))
        lines.append(f"The following packages were installed/updated: {names}")
    again = [each for each in look.present if options.reinstall and each not in failures]
    lines += [f"Package {each.name} was reinstalled." for each in again]
    if not options.reinstall and look.present:
        names = ", ".join(sorted(each.shown for each in look.present))
        lines.append(f"The following packages were already installed: {names}")
    if not failures:
        return True, lines
    names = ", ".join(sorted(each.shown for each in failures))
    lines.append(f"The following packages failed to install/update: {names}")
    for each in failures:
        real = sorted(name for name, found in after.items() if each.name in found.provides)
        if real:
            lines.append(
                f"{each.name} is a virtual package; {', '.join(real)} provides it: name that "
                "package, or set resolve_capabilities: True"
            )
    return False, lines


def _all_there(look: _Look) -> str:
    versions = any(each.version for each in look.every)
    return "All specified packages are already installed" + (
        " and are at the desired version" if versions else ""
    )


def _hold(
    context: StateContext, options: InstalledOptions, look: _Look, changes: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Hold the packages or let them go, as `hold` says; add that to the changes."""
    if options.hold is None:
        return {}
    names = [each.name for each in look.every]
    held = holding.set_held(context.functions, names, is_held=options.hold, is_test=context.is_test)
    for name, entry in held.items():
        if not entry["changes"]:
            continue
        key = context.host.packages.normal_name(name)
        # As in Salt, a package that was changed and held has both in one text.
        known = changes.get(key, {})
        changes[key] = {
            side: "\n".join(str(each) for each in (known.get(side), entry["changes"][side]) if each)
            for side in ("old", "new")
        }
    return held


def _downloaded_versions(context: StateContext) -> dict[str, list[str]]:
    found = context.host.packages.downloaded()
    return {name: sorted(versions) for name, versions in found.items()}


def _not_downloaded(
    context: StateContext, options: InstalledOptions, every: list[Wanted]
) -> list[Wanted]:
    """Give those of which the cache has no file that will do."""
    packages = context.host.packages
    there = packages.downloaded()
    bare = [each.name for each in every if each.version in ("", conditions.LATEST)]
    offers = packages.offers(bare, repository=options.fromrepo or "") if bare else {}
    found: list[Wanted] = []
    for each in every:
        versions = there.get(packages.normal_name(each.name), {})
        condition = offers.get(each.name, Offer()).candidate if each.name in bare else each.version
        is_there = bool(condition) and any(
            conditions.is_met(
                version, condition, packages.compare, ignore_epoch=options.ignore_epoch
            )
            for version in versions
        )
        if not is_there:
            found.append(each)
    return found
