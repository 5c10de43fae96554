"""`pkg.install` and its kin: packages put on this machine and taken off it."""

from dataclasses import dataclass
from typing import Any

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.pkg import changing
from limpet.states.functions.pkg.changing import Changes, Request
from limpet.states.functions.pkg.wanted import wanted
from limpet.states.ports.packages import InstallOptions, PackageError


@dataclass(frozen=True, slots=True)
class InstallArguments:
    """Arguments of `pkg.install`."""

    name: Loose = None
    refresh: bool = False
    fromrepo: str | None = None
    skip_verify: bool = False
    debconf: str | None = None
    """A file of preseeded answers (`salt://…`)."""
    pkgs: Loose = None
    sources: Loose = None
    reinstall: bool = False
    downloadonly: bool = False
    ignore_epoch: bool = False
    version: Loose = None
    cache_valid_time: float = 0
    force_conf_new: bool = False
    only_upgrade: bool = False
    install_recommends: bool | None = None
    update_holds: bool = False
    setopt: Loose = None
    enablerepo: Loose = None
    disablerepo: Loose = None
    saltenv: str = "base"


def options_of(
    arguments: Any,  # noqa: ANN401 — of a function or a state: both have the same names
    *,
    is_download_only: bool = False,
) -> InstallOptions:
    """Turn the arguments that functions and states share into options of the manager."""
    return InstallOptions(
        repository=arguments.fromrepo or "",
        enabled=_words(arguments.enablerepo),
        disabled=_words(arguments.disablerepo),
        settings=_words(arguments.setopt),
        is_unverified=arguments.skip_verify,
        with_recommends=arguments.install_recommends,
        is_upgrade_only=arguments.only_upgrade,
        is_new_configuration=arguments.force_conf_new,
        # Salt installs what is named though it is held; what is not named stays held.
        may_change_held=True,
        is_download_only=is_download_only,
    )


def install(context: FunctionContext, arguments: InstallArguments) -> Changes:
    """Install packages and give what has changed, by package with `old` and `new`.

    CLI Example: limpet run '*' pkg.install vim version='2:9.*' install_recommends=False
    """
    if arguments.name in (None, "") and arguments.pkgs is None and arguments.sources is None:
        raise UsageError("pkg.install: name a package, or several with pkgs or sources")
    packages = wanted(arguments.name, arguments.version, arguments.pkgs, arguments.sources)
    if arguments.debconf:
        context.call("debconf.set_file", arguments.debconf, saltenv=arguments.saltenv)
    if arguments.refresh:
        changing.refresh(context, True, cache_valid_time=arguments.cache_valid_time)
    options = options_of(arguments, is_download_only=arguments.downloadonly)
    request = Request(
        packages, options, arguments.ignore_epoch, arguments.reinstall, arguments.saltenv
    )
    return changing.install(context, request)


def remove(
    context: FunctionContext, name: Loose = None, pkgs: Loose = None, **_odd: Loose
) -> dict[str, Any]:
    """Remove packages and give what has changed; their configuration files stay.

    CLI Example: limpet run '*' pkg.remove vim
    """
    return changing.remove(context, _present(context, name, pkgs))


def purge(
    context: FunctionContext, name: Loose = None, pkgs: Loose = None, **_odd: Loose
) -> dict[str, Any]:
    """Remove packages with their configuration files; give `installed` and `removed`.

    CLI Example: limpet run '*' pkg.purge vim
    """
    return changing.remove(context, _present(context, name, pkgs, is_purge=True), is_purge=True)


def upgrade(
    context: FunctionContext,
    refresh: bool = True,
    dist_upgrade: bool = True,
    pkgs: Loose = None,
    name: Loose = None,
    fromrepo: str | None = None,
    skip_verify: bool = False,
    force_conf_new: bool = False,
    download_only: bool = False,
    downloadonly: bool = False,
    cache_valid_time: float = 0,
    **_odd: Loose,
) -> Changes:
    """Upgrade everything, or the packages named, and give what has changed.

    CLI Example: limpet run '*' pkg.upgrade dist_upgrade=False
    """
    if refresh:
        changing.refresh(context, True, cache_valid_time=cache_valid_time)
    options = InstallOptions(
        repository=fromrepo or "",
        is_unverified=skip_verify,
        is_new_configuration=force_conf_new,
        is_download_only=download_only or downloadonly,
        is_upgrade_only=True,
    )
    return changing.upgrade(
        context,
        options,
        [each.name for each in wanted(name or "", None, pkgs)],
        may_remove=dist_upgrade,
    )


def autoremove(
    context: FunctionContext, list_only: bool = False, purge: bool = False
) -> list[str] | Changes:
    """Remove what was installed for packages that are gone; with `list_only` only name it.

    CLI Example: limpet run '*' pkg.autoremove list_only=True
    """
    packages = context.host.packages
    if list_only:
        return packages.unneeded()
    before = changing.installed(packages)
    packages.remove_unneeded(is_purge=purge)
    return changing.difference(before, changing.installed(packages))


def refresh_db(
    context: FunctionContext, cache_valid_time: float = 0, failhard: bool = False, **_odd: Loose
) -> dict[str, bool | None]:
    """Fetch the lists of the repositories; by source True (fetched), None (unchanged), False.

    CLI Example: limpet run '*' pkg.refresh_db
    """
    found = changing.refresh(context, True, cache_valid_time=cache_valid_time)
    if failhard and found.errors:
        raise PackageError(found.errors)
    return dict(found.sources)


def group_install(
    context: FunctionContext,
    name: str,
    skip: Loose = None,
    include: Loose = None,
    **_odd: Loose,
) -> Changes:
    """Install the mandatory and default packages of a group (dnf).

    CLI Example: limpet run '*' pkg.group_install 'Development Tools' include=git
    """
    found = context.host.packages.group_packages(name)
    left_out = {each.name for each in wanted("", None, skip if skip is not None else [])}
    names = [*found.get("mandatory", ()), *found.get("default", ())]
    names += [each.name for each in wanted("", None, include if include is not None else [])]
    present = changing.installed(context.host.packages)
    missing = [each for each in dict.fromkeys(names) if each not in left_out | set(present)]
    return changing.install(context, Request(wanted("", None, missing))) if missing else {}


def _present(
    context: FunctionContext, name: Loose, pkgs: Loose, *, is_purge: bool = False
) -> list[str]:
    """Give the names of those that are there to be removed. An unknown one is nothing to remove."""
    packages = context.host.packages
    if name in (None, "") and pkgs is None:
        raise UsageError("name a package, or several with pkgs")
    known = {
        each.name
        for each in packages.known()
        if each.is_installed or is_purge or not each.is_residual
    }
    names = [packages.normal_name(each.name) for each in wanted(name, None, pkgs)]
    return [each for each in names if each in known]


def _words(given: Loose) -> tuple[str, ...]:
    if given is None or given == "":
        return ()
    if isinstance(given, dict):
        return tuple(f"{key}={value}" for key, value in given.items())
    if isinstance(given, list | tuple):
        return tuple(str(each) for each in given)
    return tuple(each.strip() for each in str(given).split(",") if each.strip())
