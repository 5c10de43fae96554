"""`pkg.list_repos` and its kin: the repositories that packages come from, and their keys."""

from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.pkg import apt_repositories, changing, keys, openpgp, yum_repositories
from limpet.states.functions.pkg.apt_sources import parse_line
from limpet.states.ports.machine import Command


def list_repos(context: FunctionContext, **_odd: Loose) -> dict[str, Any]:
    """Give the repositories: of apt by URI, of dnf by id.

    CLI Example: limpet run '*' pkg.list_repos
    """
    if context.host.packages.kind == "dnf":
        return dict(yum_repositories.all_repositories(context))
    found: dict[str, Any] = {}
    for file in apt_repositories.all_files(context):
        for each in file.repositories():
            entry = apt_repositories.described(file, each)
            found.setdefault(each.uri.rstrip("/"), []).append(entry)
    return found


def get_repo(context: FunctionContext, repo: str, **_odd: Loose) -> dict[str, Any]:
    """Give one repository: of apt by its line, of dnf by its id; nothing if there is none.

    CLI Example: limpet run '*' pkg.get_repo 'deb http://deb.example.org/debian bookworm main'
    """
    if context.host.packages.kind == "dnf":
        return dict(yum_repositories.all_repositories(context).get(repo, {}))
    wanted = parse_line(repo)
    if wanted is None:
        return {}
    present = apt_repositories.found(apt_repositories.all_files(context), wanted)
    return {} if present is None else apt_repositories.described(*present)


def mod_repo(
    context: FunctionContext,
    repo: str,
    saltenv: str = "base",
    refresh: bool = True,
    **more: Loose,
) -> dict[str, Any]:
    """Change a repository or add it, with the arguments of `pkgrepo.managed`; give how it is now.

    CLI Example: limpet run '*' pkg.mod_repo 'deb http://deb.example.org/debian sid main' comps=main
    """
    is_refreshing = refresh and more.get("refresh_db", True) is not False
    if context.host.packages.kind == "dnf":
        options = yum_repositories.options_of(repo, more)
        yum_repositories.put(context, repo, options, more.get("file"))
        return {repo: get_repo(context, repo)}
    fetch = keys.fetcher(context, saltenv)
    wish = apt_repositories.wish_of(context, repo, more)
    planned = apt_repositories.plan(context, wish)
    if planned.is_key_missing:
        wish = apt_repositories.with_ppa_key(wish, fetch)
    apt_repositories.carry_out(context, wish, planned, fetch)
    if planned.changes:
        changing.forget_refresh(context)
        if is_refreshing:
            changing.refresh(context, True)
    return {repo: get_repo(context, wish.repository.line)}


def del_repo(context: FunctionContext, repo: str, refresh: bool = True, **_odd: Loose) -> Loose:
    """Remove a repository. There must be one.

    CLI Example: limpet run '*' pkg.del_repo 'deb http://deb.example.org/debian sid main'
    """
    if context.host.packages.kind == "dnf":
        if not yum_repositories.remove(context, repo):
            raise HostError(f"there is no repository {repo}")
        return f"Repo {repo} has been removed"
    if not apt_repositories.remove(context, repo):
        raise HostError(f"Repo {repo} doesn't exist in the sources.list(s)")
    changing.forget_refresh(context)
    if refresh:
        changing.refresh(context, True)
    return {}


def add_repo_key(
    context: FunctionContext,
    path: str | None = None,
    text: str | None = None,
    keyserver: str | None = None,
    keyid: Loose = None,
    saltenv: str = "base",
    aptkey: bool = True,
    keydir: str | None = None,
    keyfile: str | None = None,
) -> bool:
    """Add a key that packages are signed with, from a file, a text or a key server (apt).

    CLI Example: limpet run '*' pkg.add_repo_key salt://apt/sources/example.asc
    """
    if path:
        key, origin = keys.fetched(keys.fetcher(context, saltenv), path), path
    elif text:
        key, origin = openpgp.check(text.encode(), "text"), ""
    elif keyserver and keyid:
        key = keys.received(context, [str(keyid)], keyserver)
        origin = str(keyid)
    else:
        raise UsageError("pkg.add_repo_key: give path, text, or keyid and keyserver")
    places = context.host.packages.repository_places()
    folder = keydir or (places["trusted"] if aptkey and places["trusted"] else places["keys"])
    target = f"{folder}/{keyfile}" if keyfile else keys.trusted_path(folder, key, origin)
    keys.place(context, key, target)
    return True


def get_repo_keys(
    context: FunctionContext, aptkey: bool = True, keydir: str | None = None
) -> dict[str, dict[str, Any]]:
    """Give the keys that packages may be signed with, by their ids (apt; needs gpg).

    CLI Example: limpet run '*' pkg.get_repo_keys
    """
    places = context.host.packages.repository_places()
    commands = context.host.commands
    if commands.which("gpg") is None:
        raise HostError("pkg.get_repo_keys needs gpg; install it")
    found: dict[str, dict[str, Any]] = {}
    for path in _key_files(context, keydir or places["trusted"]):
        argv = ("gpg", "--batch", "--no-tty", "--with-colons", "--show-keys", "--", path)
        done = commands.run(
            Command(argv, environment=commands.environment(), cwd="/", timeout_s=60)
        )
        for each in _listed_keys(done.stdout.decode("utf-8", "replace")):
            found[str(each["keyid"])] = {**each, "file": path}
    return found


def list_repo_keys(
    context: FunctionContext, aptkey: bool = True, keydir: str | None = None
) -> dict[str, dict[str, Any]]:
    """Give what `pkg.get_repo_keys` gives.

    CLI Example: limpet run '*' pkg.list_repo_keys
    """
    return get_repo_keys(context, aptkey, keydir)


def del_repo_key(
    context: FunctionContext, name: str | None = None, keyid: Loose = None, **_odd: Loose
) -> bool:
    """Remove the file of a key that packages may be signed with (apt).

    CLI Example: limpet run '*' pkg.del_repo_key keyid=0123ABCD
    """
    if not keyid:
        raise UsageError("pkg.del_repo_key: give keyid")
    wanted = str(keyid).upper().removeprefix("0X")
    is_found = False
    for each in get_repo_keys(context).values():
        if str(each["fingerprint"]).endswith(wanted):
            context.host.file_system.remove(str(each["file"]))
            is_found = True
    if not is_found:
        raise HostError(f"no file of keys has {keyid}")
    return True


def _key_files(context: FunctionContext, folder: str) -> list[str]:
    file_system = context.host.file_system
    if file_system.facts(folder, is_following=True) is None:
        return []
    names = file_system.names(folder)
    return [f"{folder}/{name}" for name in names if name.endswith((".gpg", ".asc"))]


def _listed_keys(printed: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for line in printed.splitlines():
        fields = line.split(":")
        if fields[0] == "pub" and len(fields) > 11:
            found.append(
                {
                    "keyid": fields[4],
                    "algorithm": int(fields[3] or 0),
                    "bits": int(fields[2] or 0),
                    "capability": fields[11],
                    "date_creation": int(fields[5]) if fields[5].isdigit() else None,
                    "date_expiration": int(fields[6]) if fields[6].isdigit() else None,
                    "validity": fields[1],
                    "fingerprint": "",
                }
            )
        elif fields[0] == "fpr" and found and not found[-1]["fingerprint"]:
            found[-1]["fingerprint"] = fields[9]
        elif fields[0] == "uid" and found:
            found[-1].setdefault("uid", fields[9])
    return found
