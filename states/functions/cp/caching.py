"""`cp.cache_…`: bringing files into the minion's cache, and finding them there."""

import fnmatch
import os
import re
from collections.abc import Iterable

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.fileroots.choosing import cache_of
from limpet.states.functions.cp import tree


def cache_file(
    context: FunctionContext,
    path: str,
    saltenv: str | None = None,
    source_hash: str | None = None,
    verify_ssl: bool = True,
    use_etag: bool = False,
    **_odd: Loose,
) -> Loose:
    """Bring a file into the cache; give its place, False if the tree has no such file.

    A file of this machine stays where it is. With `source_hash` a kept file that has it is not
    fetched again, and another one is not kept.

    CLI Example: limpet run '*' cp.cache_file salt://path/to/file
    """
    if local := tree.local_path(path):
        return local
    if path.startswith(tree.WEB):
        return _cache_web(context, path, saltenv, source_hash, verify_ssl, use_etag)
    if not path.startswith("salt://"):
        raise HostError(
            f"Path '{path}' is not absolute, and no salt://, http:// or file:// address"
        )
    return tree.cached(context, tree.address_of(context, path, saltenv)) or False


def cache_files(context: FunctionContext, paths: Loose, saltenv: str | None = None) -> list[Loose]:
    """Bring several files into the cache; give their places, False for those not in the tree.

    CLI Example: limpet run '*' cp.cache_files salt://pathto/file1,salt://pathto/file1
    """
    if isinstance(paths, str):
        paths = paths.split(",")
    return [cache_file(context, str(path).strip(), saltenv) for path in paths]


def cache_dir(
    context: FunctionContext,
    path: str,
    saltenv: str | None = None,
    include_empty: bool = False,
    include_pat: str | None = None,
    exclude_pat: str | None = None,
) -> list[str]:
    """Bring all files below a folder of the tree into the cache; give their places.

    A pattern is a glob, or a regular expression after `E@`, over paths in the tree.

    CLI Example: limpet run '*' cp.cache_dir salt://path/to/dir
    """
    address = tree.address_of(context, path.rstrip("/"), saltenv)
    roots = tree.tree_of(context).roots
    inside = f"{address.path}/"
    found = [
        tree.cached(context, tree.Address(each, address.saltenv))
        for each in roots.files(address.saltenv)
        if each.startswith(inside) and _is_chosen(each, include_pat, exclude_pat)
    ]
    places = [place for place in found if place is not None]
    if include_empty:
        files = roots.files(address.saltenv)
        cache = cache_of(context)
        for each in roots.folders(address.saltenv, inside):
            folder = f"{inside}{each}"
            if not any(name.startswith(f"{folder}/") for name in files):
                place = cache.place_of("files", f"{address.saltenv}/{folder}")
                context.call("file.makedirs", f"{place}/", mode="0700")
                places.append(place)
    return places


def cache_master(context: FunctionContext, saltenv: str | None = None) -> list[str]:
    """Bring all files of an environment into the cache; give their places.

    CLI Example: limpet run '*' cp.cache_master
    """
    environment = tree.environment(context, saltenv)
    found = (
        tree.cached(context, tree.Address(each, environment))
        for each in tree.tree_of(context).roots.files(environment)
    )
    return [place for place in found if place is not None]


def cache_local_file(context: FunctionContext, path: str) -> str:
    """Keep a copy of a file of this machine in the cache; give its place, or nothing.

    CLI Example: limpet run '*' cp.cache_local_file /etc/hosts
    """
    facts = context.host.file_system.facts(path, is_following=True) if path[:1] == "/" else None
    if facts is None or facts.kind != "file":
        return ""
    cache = cache_of(context)
    return cache.publish("localfiles", os.path.normpath(path).lstrip("/"), cache.take(path))


def is_cached(context: FunctionContext, path: str, saltenv: str | None = None) -> str:
    """Give the place of a file in the cache; nothing: it is not there.

    CLI Example: limpet run '*' cp.is_cached salt://path/to/file
    """
    places = [_place(context, path, saltenv)]
    if local := tree.local_path(path):
        inside = os.path.normpath(local).lstrip("/")
        places = [cache_of(context).place_of("localfiles", inside)] if inside else []
    facts = context.host.file_system.facts
    return next((place for place in places if facts(place) is not None), "")


def cache_dest(context: FunctionContext, url: str, saltenv: str | None = None) -> str:
    """Give where a file lies, or would lie, in the cache; nothing is fetched.

    CLI Example: limpet run '*' cp.cache_dest salt://path/to/file
    """
    return _place(context, url, saltenv)


def list_minion(context: FunctionContext, saltenv: str | None = None) -> list[str]:
    """Give the places of all files in the cache: those of an environment, and of this machine.

    CLI Example: limpet run '*' cp.list_minion
    """
    directory = cache_of(context).directory
    found: list[str] = []
    for top in (f"files/{tree.environment(context, saltenv)}", "localfiles"):
        if context.host.file_system.facts(f"{directory}/{top}") is None:
            continue
        for folder, _, names in context.host.file_system.walk(f"{directory}/{top}"):
            found += [f"{folder}/{name}" for name in names]
    return sorted(found)


def _place(context: FunctionContext, path: str, saltenv: str | None) -> str:
    if local := tree.local_path(path):
        return local
    if path.startswith(tree.WEB):
        return tree.tree_of(context).place_of(path, tree.environment(context, saltenv))
    address = tree.address_of(context, path, saltenv)
    return cache_of(context).place_of("files", f"{address.saltenv}/{address.path}")


def _cache_web(
    context: FunctionContext,
    address: str,
    saltenv: str | None,
    source_hash: str | None,
    verify_ssl: bool,
    use_etag: bool,
) -> Loose:
    from limpet.states.fileroots.checksums import checksum
    from limpet.states.fileroots.downloads import Fetching, shown

    algorithm, digest = checksum(source_hash) if source_hash else ("", "")
    found = tree.tree_of(context).local_copy(
        address,
        tree.environment(context, saltenv),
        Fetching(algorithm, digest, use_etag, verify_ssl),
    )
    if found is None:
        raise HostError(f"{shown(address)}: the server has no such file (404)")
    if digest and (has := context.host.file_system.digest(found, algorithm)) != digest:
        tree.tree_of(context).forget(address, tree.environment(context, saltenv))
        raise HostError(f"{shown(address)} has the {algorithm} checksum {has}, not {digest}")
    return found


def _is_chosen(path: str, include: str | None, exclude: str | None) -> bool:
    return (not include or _matches(path, [include])) and not (
        exclude and _matches(path, [exclude])
    )


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(
        re.search(each.removeprefix("E@"), path) is not None
        if each.startswith("E@")
        else fnmatch.fnmatch(path, each)
        for each in patterns
    )
