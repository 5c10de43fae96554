"""Repositories on other machines: looking at them, cloning, fetching, pulling, pushing."""

import posixpath
import re
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.git.running import (
    REMOTE_S,
    Access,
    redacted,
    run,
    split_url,
    with_user,
    words_of,
)


def clone(
    context: FunctionContext,
    cwd: str,
    url: str,
    name: str | None = None,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    identity: Loose = None,
    https_user: str | None = None,
    https_pass: str | None = None,
    ignore_retcode: bool = False,
    saltenv: str = "base",
    **_odd: Loose,
) -> bool:
    """Clone a repository to `cwd`, or into it under a name.

    CLI Example: limpet run web1 git.clone /srv/app https://example.com/app.git
    """
    bare, access = split_url(str(url), Access(identity, https_user, https_pass, saltenv))
    where, target = (cwd, name) if name else (posixpath.dirname(cwd.rstrip("/")) or "/", cwd)
    words = [*words_of(git_opts), "clone", *words_of(opts), "--", bare, target]
    run(context, words, cwd=where, user=user, access=access, limit_s=REMOTE_S)
    return True


def fetch(
    context: FunctionContext,
    cwd: str,
    remote: str | None = None,
    force: bool = False,
    refspecs: Loose = None,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    identity: Loose = None,
    ignore_retcode: bool = False,
    saltenv: str = "base",
    https_user: str | None = None,
    https_pass: str | None = None,
    **_odd: Loose,
) -> dict[str, Any]:
    """Fetch from another repository; give which references are new, updated or gone.

    CLI Example: limpet run web1 git.fetch /srv/app upstream
    """
    specs = refspecs if isinstance(refspecs, list) else str(refspecs or "").split(",")
    words = [*words_of(git_opts), "fetch", *(["--force"] if force else []), *words_of(opts)]
    words += [remote] if remote else []
    words += [str(each).strip() for each in specs if str(each).strip()]
    access = Access(identity, https_user, https_pass, saltenv)
    answer = run(context, words, cwd=cwd, user=user, access=access, limit_s=REMOTE_S)
    return _fetched(str(answer["stderr"] or answer["stdout"]))


def pull(
    context: FunctionContext,
    cwd: str,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    identity: Loose = None,
    ignore_retcode: bool = False,
    saltenv: str = "base",
    **_odd: Loose,
) -> str:
    """Fetch and merge.

    CLI Example: limpet run web1 git.pull /srv/app opts='--rebase origin main'
    """
    words = [*words_of(git_opts), "pull", *words_of(opts)]
    access = Access(identity, saltenv=saltenv)
    answer = run(context, words, cwd=cwd, user=user, access=access, limit_s=REMOTE_S)
    return str(answer["stdout"])


def push(
    context: FunctionContext,
    cwd: str,
    remote: str,
    ref: str,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    identity: Loose = None,
    ignore_retcode: bool = False,
    saltenv: str = "base",
    **_odd: Loose,
) -> str:
    """Push a reference to another repository.

    CLI Example: limpet run web1 git.push /srv/app origin main
    """
    words = [*words_of(git_opts), "push", *words_of(opts), remote, ref]
    access = Access(identity, saltenv=saltenv)
    answer = run(context, words, cwd=cwd, user=user, access=access, limit_s=REMOTE_S)
    return str(answer["stdout"])


def ls_remote(
    context: FunctionContext,
    cwd: str | None = None,
    remote: str = "origin",
    ref: str | None = None,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    identity: Loose = None,
    https_user: str | None = None,
    https_pass: str | None = None,
    ignore_retcode: bool = False,
    output_encoding: str | None = None,
    saltenv: str = "base",
) -> dict[str, str]:
    """Give the references of another repository with their hashes.

    CLI Example: limpet run web1 git.ls_remote /srv/app origin main
    """
    bare, access = split_url(str(remote), Access(identity, https_user, https_pass, saltenv))
    words = [*words_of(git_opts), "ls-remote", *words_of(opts), bare, *([ref] if ref else [])]
    text = run(context, words, cwd=cwd, user=user, access=access, limit_s=REMOTE_S)["stdout"]
    found: dict[str, str] = {}
    for line in str(text).splitlines():
        digest, _, name = line.partition("\t")
        if name and not digest.startswith("ref:"):
            found[name] = digest
    return found


def remote_refs(
    context: FunctionContext,
    url: str,
    heads: bool = False,
    tags: bool = False,
    user: str | None = None,
    identity: Loose = None,
    https_user: str | None = None,
    https_pass: str | None = None,
    ignore_retcode: bool = False,
    saltenv: str = "base",
    **_odd: Loose,
) -> dict[str, str]:
    """Give the references of the repository at an address: all, branches, or tags.

    CLI Example: limpet run web1 git.remote_refs https://example.com/app.git heads=True
    """
    options = " ".join(
        each for each, is_wanted in (("--heads", heads), ("--tags", tags)) if is_wanted
    )
    return ls_remote(
        context, None, url, opts=options, user=user, identity=identity, https_user=https_user,
        https_pass=https_pass, saltenv=saltenv,
    )  # fmt: skip


def remotes(
    context: FunctionContext,
    cwd: str,
    user: str | None = None,
    redact_auth: bool = True,
    **_odd: Loose,
) -> dict[str, dict[str, str]]:
    """Give the other repositories that this one knows, with their addresses.

    CLI Example: limpet run web1 git.remotes /srv/app
    """
    text = str(run(context, ["remote", "--verbose"], cwd=cwd, user=user)["stdout"])
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        matched = re.fullmatch(r"(\S+)\t(.*) \((fetch|push)\)(?: \[[^]]*\])?", line)
        if matched is not None:
            url = redacted(matched[2]) if redact_auth else matched[2]
            found.setdefault(matched[1], {})[matched[3]] = url
    return found


def remote_get(
    context: FunctionContext,
    cwd: str,
    remote: str = "origin",
    user: str | None = None,
    redact_auth: bool = True,
    **_odd: Loose,
) -> dict[str, str]:
    """Give the addresses of one of the other repositories.

    CLI Example: limpet run web1 git.remote_get /srv/app upstream
    """
    found = remotes(context, cwd, user, redact_auth)
    if remote not in found:
        raise HostError(f"Remote '{remote}' not present in git checkout located at {cwd}")
    return found[remote]


def remote_set(
    context: FunctionContext,
    cwd: str,
    url: str,
    remote: str = "origin",
    user: str | None = None,
    password: str | None = None,
    https_user: str | None = None,
    https_pass: str | None = None,
    push_url: str | None = None,
    push_https_user: str | None = None,
    push_https_pass: str | None = None,
    **_odd: Loose,
) -> dict[str, str]:
    """Give one of the other repositories an address, anew or for the first time.

    CLI Example: limpet run web1 git.remote_set /srv/app git@example.com:app.git
    """
    if remote not in remotes(context, cwd, user):
        # The address may hold a password, so it is set through the environment below.
        run(context, ["remote", "add", remote, redacted_url(url)], cwd=cwd, user=user)
    own = split_url(str(url), Access(None, https_user, https_pass))
    _set_url(context, cwd, f"remote.{remote}.url", with_user(*own), user)
    if push_url:
        pushing = split_url(push_url, Access(None, push_https_user, push_https_pass))
        _set_url(context, cwd, f"remote.{remote}.pushurl", with_user(*pushing), user)
    return remote_get(context, cwd, remote, user)


def redacted_url(url: str) -> str:
    """Give the address without a name and password."""
    return split_url(str(url), Access())[0]


def _set_url(context: FunctionContext, cwd: str, key: str, url: str, user: str | None) -> None:
    """Write an address into the repository's configuration, with it in no argument."""
    if redacted(url) == url:
        run(context, ["config", "--replace-all", key, url], cwd=cwd, user=user)
        return
    script = (
        'git config --file "$(git rev-parse --git-path config)" --replace-all "$1" "$LIMPET_URL"'
    )
    run(
        context,
        ["-c", f"alias.set-address=!f() {{ {script}; }}; f", "set-address", key],
        cwd=cwd,
        user=user,
        variables={"LIMPET_URL": url},
    )


def _fetched(text: str) -> dict[str, Any]:
    """Read what `git fetch` has said of each reference."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        matched = re.match(r"\s*([ +*t=!-])\s+(\[.*?\]|\S+)\s+(\S+)\s+->\s+(\S+)", line)
        if matched is None:
            continue
        sign, what, name = matched[1], matched[2], matched[4]
        if sign == "*" and "new branch" in what:
            found.setdefault("new branches", []).append(name)
        elif sign == "*" and "new tag" in what:
            found.setdefault("new tags", []).append(name)
        elif sign == "-":
            found.setdefault("pruned", []).append(name)
        elif ".." in what:
            old, _, new = what.replace("...", "..").partition("..")
            found.setdefault("updated branches", {})[name] = {"old": old, "new": new}
        elif sign == "t":
            found.setdefault("updated tags", []).append(name)
    return found
