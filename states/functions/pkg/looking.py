"""`pkg.version` and its kin: what is installed and what the repositories have."""

import datetime
import fnmatch
import os.path
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.pkg import changing, conditions
from limpet.states.ports.packages import PackageError


def version(context: FunctionContext, *names: str, **_odd: Loose) -> Loose:
    """Give the version that is installed; for several names or a pattern, by name.

    CLI Example: limpet run '*' pkg.version vim bash 'python3*'
    """
    found = list_pkgs(context)
    packages = context.host.packages
    if len(names) == 1 and not _is_pattern(names[0]):
        return found.get(packages.normal_name(names[0]), "")
    answer: dict[str, Any] = {}
    for name in names:
        if _is_pattern(name):
            answer |= {each: found[each] for each in fnmatch.filter(found, name)}
        else:
            answer[name] = found.get(packages.normal_name(name), "")
    return answer


def list_pkgs(
    context: FunctionContext,
    versions_as_list: bool = False,
    removed: bool = False,
    purge_desired: bool = False,
    **_odd: Loose,
) -> dict[str, Any]:
    """Give the installed packages with their versions.

    `removed`: those of which only configuration files are left. `purge_desired`: those that are
    marked to be purged. CLI Example: limpet run '*' pkg.list_pkgs versions_as_list=True
    """
    chosen = [
        each
        for each in context.host.packages.known()
        if (
            each.is_residual
            if removed
            else each.is_installed and (each.selection == "purge") == purge_desired
        )
    ]
    versions: dict[str, list[str]] = {}
    for each in sorted(chosen, key=lambda package: package.name):
        versions.setdefault(each.name, []).append(each.version)
    if versions_as_list:
        return dict(versions)
    return {name: ",".join(found) for name, found in versions.items()}


def latest_version(
    context: FunctionContext,
    *names: str,
    refresh: bool = True,
    fromrepo: str | None = None,
    show_installed: bool = False,
    cache_valid_time: float = 0,
    **_odd: Loose,
) -> Loose:
    """Give the version that an upgrade or installation would bring; empty: there is nothing newer.

    CLI Example: limpet run '*' pkg.latest_version vim fromrepo=bookworm-backports
    """
    if not names:
        return ""
    if refresh:
        changing.refresh(context, None, cache_valid_time=cache_valid_time)
    found = newer(context, list(names), fromrepo=fromrepo, show_installed=show_installed)
    return found[names[0]] if len(names) == 1 else found


def available_version(
    context: FunctionContext,
    *names: str,
    refresh: bool = True,
    fromrepo: str | None = None,
    show_installed: bool = False,
    **_odd: Loose,
) -> Loose:
    """Give what `pkg.latest_version` gives.

    CLI Example: limpet run '*' pkg.available_version vim
    """
    return latest_version(
        context, *names, refresh=refresh, fromrepo=fromrepo, show_installed=show_installed
    )


def newer(
    context: FunctionContext,
    names: list[str],
    *,
    fromrepo: str | None = None,
    show_installed: bool = False,
) -> dict[str, str]:
    """Give the candidate of each name where it is not installed or newer, else an empty text."""
    packages = context.host.packages
    present = changing.installed(packages)
    offers = packages.offers(names, repository=fromrepo or "")
    answer: dict[str, str] = {}
    for name in names:
        candidate = offers[name].candidate if name in offers else ""
        installed = present.get(packages.normal_name(name))
        is_newer = installed is None or packages.compare(candidate, installed.version) > 0
        answer[name] = candidate if candidate and (is_newer or show_installed) else ""
    return answer


def upgrade_available(
    context: FunctionContext, name: str, refresh: bool = True, **_odd: Loose
) -> bool:
    """Say whether the repositories have a newer version.

    CLI Example: limpet run '*' pkg.upgrade_available vim
    """
    return bool(latest_version(context, name, refresh=refresh))


def list_upgrades(
    context: FunctionContext, refresh: bool = True, dist_upgrade: bool = True, **_odd: Loose
) -> dict[str, str]:
    """Give what an upgrade would bring, by name with the new version.

    CLI Example: limpet run '*' pkg.list_upgrades
    """
    if refresh:
        changing.refresh(context, None)
    return context.host.packages.upgrades(may_remove=dist_upgrade)


def version_cmp(
    context: FunctionContext, pkg1: str, pkg2: str, ignore_epoch: bool = False, **_odd: Loose
) -> int:
    """Give -1, 0 or 1, as the first version is older than, equal to or newer than the second.

    CLI Example: limpet run '*' pkg.version_cmp '0.2.4-0ubuntu1' '0.2.4.1-0ubuntu1'
    """
    first, second = str(pkg1), str(pkg2)
    if ignore_epoch:
        first, second = conditions.without_epoch(first), conditions.without_epoch(second)
    return context.host.packages.compare(first, second)


def normalize_name(context: FunctionContext, name: str) -> str:
    """Give a package's name without the native architecture.

    CLI Example: limpet run '*' pkg.normalize_name zsh:amd64
    """
    return context.host.packages.normal_name(name)


def parse_arch(context: FunctionContext, name: str) -> dict[str, str | None]:
    """Give the name and the architecture of a package's name.

    CLI Example: limpet run '*' pkg.parse_arch zsh:amd64
    """
    plain, architecture = context.host.packages.split_name(name)
    return {"name": plain, "arch": architecture or None}


def list_repo_pkgs(
    context: FunctionContext, *args: str, refresh: bool = False, **_odd: Loose
) -> dict[str, list[str]]:
    """Give the versions of packages that the repositories have, newest first.

    CLI Example: limpet run '*' pkg.list_repo_pkgs vim bash
    """
    if refresh:
        changing.refresh(context, True)
    found = context.host.packages.offers(list(args))
    return {name: list(offer.versions) for name, offer in found.items() if offer.versions}


def show(
    context: FunctionContext,
    *names: str,
    filter: Loose = None,  # noqa: A002 — Salt's name
    refresh: bool = False,
    **_odd: Loose,
) -> dict[str, dict[str, dict[str, str]]]:
    """Give what the repositories say of packages, by name and version.

    CLI Example: limpet run '*' pkg.show vim filter=description,depends
    """
    if refresh:
        changing.refresh(context, True)
    wanted = [filter] if isinstance(filter, str) else list(filter or ())
    fields = {each.strip().lower() for word in wanted for each in str(word).split(",")}
    answer: dict[str, dict[str, dict[str, str]]] = {}
    for name in names:
        for entry in context.host.packages.show(name):
            rest = dict(entry)
            package = rest.pop("Package", rest.pop("Name", name))
            number = rest.pop("Version", "")
            chosen = {
                key: value for key, value in rest.items() if not fields or key.lower() in fields
            }
            answer.setdefault(package, {})[number] = chosen
    return answer


def info_installed(
    context: FunctionContext, *names: str, attr: Loose = None, failhard: bool = True, **_odd: Loose
) -> dict[str, dict[str, Any]]:
    """Give what is known of installed packages, in lower-case fields.

    CLI Example: limpet run '*' pkg.info_installed bash dash
    """
    wanted = attr.split(",") if isinstance(attr, str) else list(attr or ())
    answer: dict[str, dict[str, Any]] = {}
    for name in names:
        try:
            found = context.host.packages.describe(name)
        except PackageError as error:
            if failhard:
                raise HostError(f"Error getting packages information: {error}") from error
            continue
        entry = _information(found)
        answer[str(entry.get("name", name))] = {
            key: value for key, value in entry.items() if not wanted or key in wanted
        }
    return answer


def owner(context: FunctionContext, *paths: str, **_odd: Loose) -> Loose:
    """Name the package that a file belongs to; empty: to none. For several files, by file.

    CLI Example: limpet run '*' pkg.owner /bin/ls /bin/bash
    """
    found = context.host.packages.owners(paths)
    return found[paths[0]] if len(paths) == 1 else found


def which(context: FunctionContext, path: str) -> Loose:
    """Name the package that a file belongs to; False: to none.

    CLI Example: limpet run '*' pkg.which /bin/ls
    """
    return context.host.packages.owners([path])[path] or False


def file_list(context: FunctionContext, *packages: str, **_odd: Loose) -> dict[str, list[str]]:
    """List the files of packages.

    CLI Example: limpet run '*' pkg.file_list bash
    """
    found = [path for name in packages for path in context.host.packages.files(name)]
    return {"errors": [], "files": found}


def file_dict(context: FunctionContext, *packages: str, **_odd: Loose) -> dict[str, Any]:
    """List the files of packages, by package.

    CLI Example: limpet run '*' pkg.file_dict bash dash
    """
    found = {name: context.host.packages.files(name) for name in packages}
    return {"errors": [], "packages": found}


def list_downloaded(context: FunctionContext, **_odd: Loose) -> dict[str, dict[str, Any]]:
    """Give the package files that were downloaded, by name and version.

    CLI Example: limpet run '*' pkg.list_downloaded
    """
    answer: dict[str, dict[str, Any]] = {}
    for name, versions in context.host.packages.downloaded().items():
        for number, path in versions.items():
            facts = context.host.file_system.facts(path)
            if facts is None:
                continue
            moment = datetime.datetime.fromtimestamp(int(facts.modified_s), datetime.UTC)
            answer.setdefault(name, {})[number] = {
                "path": os.path.abspath(path),
                "size": facts.size,
                "creation_date_time_t": int(facts.modified_s),
                "creation_date_time": moment.replace(tzinfo=None).isoformat(),
            }
    return answer


def group_list(context: FunctionContext) -> dict[str, Any]:
    """Name the groups of packages that are installed and available (dnf).

    CLI Example: limpet run '*' pkg.group_list
    """
    return context.host.packages.groups()


def group_info(context: FunctionContext, name: str) -> dict[str, list[str]]:
    """Name the packages of a group (dnf).

    CLI Example: limpet run '*' pkg.group_info 'Development Tools'
    """
    return context.host.packages.group_packages(name)


_FIELDS = {
    "Package": "name", "Architecture": "architecture", "Maintainer": "packager",
    "Source": "source", "Version": "version", "Section": "group", "Description": "description",
    "Homepage": "url", "Name": "name", "Arch": "arch", "Release": "release", "Epoch": "epoch",
    "Packager": "packager", "Group": "group", "Summary": "summary", "License": "license",
    "Url": "url", "Vendor": "vendor", "Size": "size", "Installed-Size": "size",
}  # fmt: skip


def _information(found: dict[str, str]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        _FIELDS[key]: value for key, value in found.items() if key in _FIELDS and value
    }
    if "architecture" in entry:
        entry.setdefault("source", entry.get("name", ""))
    if installed := found.get("Installed-At"):
        moment = datetime.datetime.fromtimestamp(int(installed), datetime.UTC)
        entry["install_date"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        entry["install_date_time_t"] = int(installed)
    return entry


def _is_pattern(name: str) -> bool:
    return any(each in name for each in "*?[")
