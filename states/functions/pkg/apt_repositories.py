"""The repositories that apt knows: looked up, changed and removed in its files."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.pkg import keys, openpgp
from limpet.states.functions.pkg.apt_sources import Repository, SourcesFile, repository_of
from limpet.states.functions.pkg.keys import Fetch

_PPA: Final = "https://ppa.launchpadcontent.net/{owner}/{archive}/ubuntu"
_LAUNCHPAD: Final = "https://api.launchpad.net/1.0/~{owner}/+archive/ubuntu/{archive}"
_PPA_KEYSERVER: Final = "hkps://keyserver.ubuntu.com"


@dataclass(frozen=True, slots=True)
class Wish:
    """How a repository is to be, and where its key comes from."""

    name: str
    repository: Repository
    file: str
    """Where it goes if it stands nowhere yet."""
    key_url: str = ""
    key_text: str = ""
    key_ids: tuple[str, ...] = ()
    keyserver: str = ""
    is_by_apt_key: bool = True
    """The key is trusted for all repositories where none is named by `signed-by`."""
    is_clean_file: bool = False
    """Nothing else may stand in its file."""
    is_consolidated: bool = False
    """It may stand in no other file."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for a wish."""

    changes: dict[str, Any] = field(default_factory=dict)
    file: SourcesFile | None = None
    """As it is to be; None: it stays."""
    is_key_missing: bool = False
    others: tuple[SourcesFile, ...] = ()
    """Files from which it is taken."""


def wish_of(context: FunctionContext, name: str, given: Mapping[str, Any]) -> Wish:
    """Read what a state or function says of a repository. Raises `UsageError`."""
    places = context.host.packages.repository_places()
    line, file, key = name, given.get("file"), dict[str, Any]()
    ppa = str(given.get("ppa") or (name.removeprefix("ppa:") if name.startswith("ppa:") else ""))
    if ppa:
        line, file_of_ppa, key = _ppa(context, ppa, given)
        file = file or f"{places['folder']}/{file_of_ppa}"
    repository = repository_of(line)
    if given.get("dist"):
        repository = dataclasses.replace(repository, suite=str(given["dist"]))
    if given.get("comps"):
        repository = dataclasses.replace(repository, components=tuple(_words(given["comps"])))
    if given.get("architectures"):
        repository = repository.with_option("arch", ",".join(_words(given["architectures"])))
    if given.get("signedby"):
        repository = repository.with_option("signed-by", str(given["signedby"]))
    if given.get("trusted") is not None:
        repository = repository.with_option("trusted", "yes" if given["trusted"] else "no")
    comment = " ".join(_words(given.get("comments"), separator="\n"))
    if "\n" in comment:
        raise UsageError(f"a comment of {name} has several lines")
    is_off = bool(given.get("disabled")) or given.get("enabled") in (False, 0, "false", "False")
    repository = dataclasses.replace(
        repository,
        is_enabled=repository.is_enabled and not is_off,
        comment=comment or repository.comment,
    )
    wish = Wish(
        name,
        repository,
        str(file or places["file"]),
        key_url=str(given.get("key_url") or ""),
        key_text=str(given.get("key_text") or ""),
        key_ids=tuple(_words(given.get("keyid") or key.get("keyid"))),
        keyserver=str(given.get("keyserver") or key.get("keyserver") or ""),
        is_by_apt_key=given.get("aptkey") is not False,
        is_clean_file=bool(given.get("clean_file")),
        is_consolidated=bool(given.get("consolidate")),
    )
    _check(wish)
    return wish


def _check(wish: Wish) -> None:
    if not wish.file.startswith("/") or not wish.file.endswith((".list", ".sources")):
        raise UsageError(
            f"file {wish.file!r} is no absolute path that ends in .list or .sources: apt would not "
            "read it"
        )
    if wish.key_ids and not wish.keyserver and not wish.key_url and not wish.key_text:
        raise UsageError("No keyserver is given for keyid")
    option = wish.repository.option
    if not wish.is_by_apt_key and not option("signed-by") and not option("trusted"):
        raise UsageError("missing 'signedby' or 'trusted' option when apt-key is missing")


def all_files(context: FunctionContext) -> list[SourcesFile]:
    """Read all files of repositories, the main one first."""
    places = context.host.packages.repository_places()
    file_system = context.host.file_system
    paths = [places["file"]]
    if file_system.facts(places["folder"], is_following=True) is not None:
        names = file_system.names(places["folder"])
        paths += [
            f"{places['folder']}/{name}" for name in names if name.endswith((".list", ".sources"))
        ]
    return [_read(context, path) for path in paths]


def found(
    files: list[SourcesFile], repository: Repository, preferred: str = ""
) -> tuple[SourcesFile, Repository] | None:
    """Find a repository by its key, in the preferred file first."""
    ordered = sorted(files, key=lambda file: file.path != preferred)
    for file in ordered:
        for each in file.repositories():
            if each.key == repository.key:
                return file, each
    return None


def plan(context: FunctionContext, wish: Wish) -> Plan:
    """Say what has to be changed; nothing is changed by it."""
    files = all_files(context)
    if wish.is_consolidated and (moved := _consolidated(context, wish, files)):
        return moved
    present = found(files, wish.repository, wish.file)
    is_key_missing = _is_key_missing(context, wish, is_new=present is None)
    if present is None:
        file = next((each for each in files if each.path == wish.file), None)
        file = _read(context, wish.file) if file is None else file
        if wish.is_clean_file:
            file.clear()
        file.put(wish.repository)
        return Plan({"repo": wish.name}, file, is_key_missing)
    file, old = present
    changes = _differences(old, wish.repository)
    others = [each for each in file.repositories() if each.key != wish.repository.key]
    is_dirty = wish.is_clean_file and file.path == wish.file and bool(others)
    if is_dirty:
        changes["clean_file"] = {"old": [each.whole_line for each in others], "new": []}
    if is_key_missing:
        changes["key"] = {"old": "", "new": wish.repository.option("signed-by")}
    if not changes:
        return Plan()
    if is_dirty:
        file.clear()
    file.put(wish.repository)
    return Plan(changes, file if set(changes) - {"key"} else None, is_key_missing)


def _consolidated(context: FunctionContext, wish: Wish, files: list[SourcesFile]) -> Plan | None:
    """Plan to bring a repository that stands elsewhere into its file; None: it does not."""
    key = wish.repository.key
    others = [each for each in files if each.path != wish.file and each.drop(key)]
    if not others:
        return None
    file = next((each for each in files if each.path == wish.file), None)
    file = _read(context, wish.file) if file is None else file
    if wish.is_clean_file:
        file.clear()
    file.put(wish.repository)
    changes = {"file": {"old": [each.path for each in others], "new": wish.file}}
    is_key_missing = _is_key_missing(context, wish, is_new=False)
    return Plan(changes, file, is_key_missing, tuple(others))


def carry_out(context: FunctionContext, wish: Wish, planned: Plan, fetch: Fetch) -> None:
    """Change what was planned: first the key, then the file. Raises `HostError`."""
    if planned.is_key_missing:
        key, origin = _key(context, wish, fetch)
        path = wish.repository.option("signed-by")
        if not path:
            folder = context.host.packages.repository_places()["trusted"]
            path = keys.trusted_path(folder, key, origin)
        keys.place(context, key, path)
    for file in (planned.file, *planned.others):
        if file is not None:
            write(context, file)


def remove(context: FunctionContext, name: str, *, is_test: bool = False) -> bool:
    """Remove a repository wherever it stands; False: it stands nowhere."""
    wanted = repository_of(name)
    is_found = False
    for file in all_files(context):
        old = next((each for each in file.repositories() if each.key == wanted.key), None)
        if old is None or (wanted.components and not set(wanted.components) & set(old.components)):
            continue
        is_found = True
        left = tuple(each for each in old.components if each not in wanted.components)
        if left and wanted.components:
            file.put(dataclasses.replace(old, components=left))
        else:
            file.drop(wanted.key)
        if not is_test:
            write(context, file)
    return is_found


def write(context: FunctionContext, file: SourcesFile) -> None:
    """Write a file of repositories; one of several that is empty now is removed."""
    main = context.host.packages.repository_places()["file"]
    if file.is_empty and file.path != main:
        context.host.file_system.remove(file.path)
        return
    folder = file.path.rpartition("/")[0]
    if context.host.file_system.facts(folder, is_following=True) is None:
        context.call("file.makedirs", file.path, mode="0755")
    is_new = context.host.file_system.facts(file.path, is_following=True) is None
    content = file.text.encode("utf-8", "surrogateescape")
    context.host.file_system.place(file.path, content, mode=0o644 if is_new else None)


def described(
    file: SourcesFile, repository: Repository, every: list[Repository] | None = None
) -> dict[str, Any]:
    """Give a repository in the shape of Salt's `pkg.get_repo`."""
    own = [repository] if every is None else every
    suites = list(dict.fromkeys(each.suite for each in own))
    types = list(dict.fromkeys(each.type for each in own))
    uris = list(dict.fromkeys(each.uri for each in own))
    return {
        "file": file.path,
        "comps": list(repository.components),
        "disabled": not repository.is_enabled,
        "enabled": repository.is_enabled,
        "dist": repository.suite,
        "suites": suites,
        "type": repository.type,
        "types": types,
        "uri": repository.uri,
        "uris": uris,
        "line": repository.line if repository.is_enabled else f"# {repository.line}",
        "architectures": repository.architectures,
        "signedby": repository.option("signed-by"),
    }


def _differences(old: Repository, new: Repository) -> dict[str, Any]:
    """Give what differs, by Salt's names."""
    pairs: dict[str, tuple[Any, Any]] = {
        "comps": (list(old.components), list(new.components)),
        "architectures": (sorted(old.architectures), sorted(new.architectures)),
        "signedby": (old.option("signed-by"), new.option("signed-by")),
        "disabled": (not old.is_enabled, not new.is_enabled),
    }
    changes: dict[str, Any] = {
        key: {"new": after, "old": before}
        for key, (before, after) in pairs.items()
        if (sorted(before) != sorted(after) if key == "comps" else before != after)
    }
    if changes or dict(old.options) != dict(new.options):
        marks = ["" if each.is_enabled else "# " for each in (old, new)]
        changes["line"] = {"new": f"{marks[1]}{new.line}", "old": f"{marks[0]}{old.line}"}
    return changes


def _is_key_missing(context: FunctionContext, wish: Wish, *, is_new: bool) -> bool:
    """Say whether a key has to be brought. One that all trust is looked for only once."""
    if not (wish.key_url or wish.key_text or wish.key_ids):
        return False
    path = wish.repository.option("signed-by")
    if path.startswith("/"):
        return is_new or context.host.file_system.facts(path, is_following=True) is None
    return is_new


def _key(context: FunctionContext, wish: Wish, fetch: Fetch) -> tuple[bytes, str]:
    """Give the key, and what a file of it may be named for."""
    if wish.key_url:
        return keys.fetched(fetch, wish.key_url), wish.key_url.partition("?")[0]
    if wish.key_text:
        return openpgp.check(wish.key_text.encode(), "key_text"), ""
    return keys.received(context, wish.key_ids, wish.keyserver), wish.key_ids[0]


def _ppa(
    context: FunctionContext, ppa: str, given: Mapping[str, Any]
) -> tuple[str, str, dict[str, Any]]:
    """Give the line of a PPA, its file's name and its key; Launchpad is asked only for the key."""
    owner, slash, archive = ppa.partition("/")
    if not slash or not all(
        each and all(letter.isalnum() or letter in "+.-" for letter in each)
        for each in (owner, archive)
    ):
        raise UsageError(f"{ppa!r} names no PPA: it is owner/archive")
    if context.grains.get("os") not in ("Ubuntu", "Mint", "neon"):
        raise UsageError(
            f"ppa {ppa}: PPAs are made for Ubuntu; on {context.grains.get('os')} give the whole "
            "line of the repository and its key"
        )
    codename = str(given.get("dist") or context.grains.get("oscodename") or "")
    line = f"deb {_PPA.format(owner=owner, archive=archive)} {codename} main"
    key: dict[str, Any] = {}
    if not any(given.get(each) for each in ("key_url", "key_text", "keyid")):
        key = {"keyid": f"ppa:{owner}/{archive}", "keyserver": _PPA_KEYSERVER}
    return line, f"{owner}-{archive}-{codename}.list", key


def with_ppa_key(wish: Wish, fetch: Fetch) -> Wish:
    """Ask Launchpad for the fingerprint of a PPA's key, where the wish says only which PPA."""
    if not wish.key_ids or not wish.key_ids[0].startswith("ppa:"):
        return wish
    owner, _, archive = wish.key_ids[0].removeprefix("ppa:").partition("/")
    address = _LAUNCHPAD.format(owner=owner, archive=archive)
    answer = fetch(address)
    if answer is None:
        raise HostError(f"Launchpad knows no PPA {owner}/{archive}")
    try:
        fingerprint = str(json.loads(answer)["signing_key_fingerprint"])
    except (ValueError, KeyError, TypeError):
        raise HostError(f"{address} tells no fingerprint of the PPA's key") from None
    return dataclasses.replace(wish, key_ids=(fingerprint,))


def _read(context: FunctionContext, path: str) -> SourcesFile:
    facts = context.host.file_system.facts(path, is_following=True)
    if facts is None:
        return SourcesFile(path)
    content = context.host.file_system.read(path, bytes_max=4 * 1024 * 1024)
    return SourcesFile(path, content.decode("utf-8", "surrogateescape"))


def _words(given: Loose, *, separator: str = ",") -> list[str]:
    if given is None or given == "":
        return []
    if isinstance(given, list | tuple):
        return [str(each).strip() for each in given]
    return [each.strip() for each in str(given).split(separator) if each.strip()]
