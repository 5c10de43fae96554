"""What a repository on this machine holds."""

from typing import Any

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.git.running import run, words_of

_STATUS = {"A": "new", "M": "modified", "D": "deleted", "?": "untracked"}


def revision(
    context: FunctionContext,
    cwd: str,
    rev: Loose = "HEAD",
    short: bool = False,
    user: str | None = None,
    **_odd: Loose,
) -> str:
    """Give the hash of a revision.

    CLI Example: limpet run web1 git.revision /srv/app HEAD
    """
    return str(rev_parse(context, cwd, rev, "--short" if short else "", user=user))


def rev_parse(
    context: FunctionContext,
    cwd: str,
    rev: Loose = None,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    **_odd: Loose,
) -> str:
    """Give what `git rev-parse` says.

    CLI Example: limpet run web1 git.rev_parse /srv/app HEAD
    """
    words = [*words_of(git_opts), "rev-parse", *words_of(opts)]
    words += [] if rev is None else [str(rev)]
    return str(run(context, words, cwd=cwd, user=user)["stdout"])


def current_branch(
    context: FunctionContext, cwd: str, user: str | None = None, **_odd: Loose
) -> str:
    """Give the branch that is checked out; empty if it is none.

    CLI Example: limpet run web1 git.current_branch /srv/app
    """
    answer = run(
        context, ["symbolic-ref", "--quiet", "--short", "HEAD"], cwd=cwd, user=user,
        is_checked=False,
    )  # fmt: skip
    if answer["retcode"] not in (0, 1):
        run(context, ["rev-parse", "--git-dir"], cwd=cwd, user=user)
    return str(answer["stdout"])


def list_branches(
    context: FunctionContext,
    cwd: str,
    remote: bool = False,
    user: str | None = None,
    **_odd: Loose,
) -> list[str]:
    """Give the branches, or with `remote` those of other repositories that are known here.

    CLI Example: limpet run web1 git.list_branches /srv/app
    """
    place = "refs/remotes/" if remote else "refs/heads/"
    return _refs(context, cwd, place, user)


def list_tags(
    context: FunctionContext, cwd: str, user: str | None = None, **_odd: Loose
) -> list[str]:
    """Give the tags.

    CLI Example: limpet run web1 git.list_tags /srv/app
    """
    return _refs(context, cwd, "refs/tags/", user)


def status(
    context: FunctionContext, cwd: str, user: str | None = None, **_odd: Loose
) -> dict[str, list[str]]:
    """Give what differs from the last commit: new, modified, deleted and untracked files.

    CLI Example: limpet run web1 git.status /srv/app
    """
    text = run(context, ["status", "-z", "--porcelain"], cwd=cwd, user=user)["stdout"]
    found: dict[str, list[str]] = {}
    for entry in str(text).split("\0"):
        letters, path = entry[:2].strip(), entry[3:]
        kind = next((_STATUS[each] for each in reversed(letters) if each in _STATUS), None)
        if kind is not None and path:
            found.setdefault(kind, []).append(path)
    return found


def describe(
    context: FunctionContext,
    cwd: str,
    rev: Loose = "HEAD",
    user: str | None = None,
    **_odd: Loose,
) -> str:
    """Give the name of a revision by the nearest tag.

    CLI Example: limpet run web1 git.describe /srv/app
    """
    return str(run(context, ["describe", str(rev)], cwd=cwd, user=user)["stdout"])


def diff(
    context: FunctionContext,
    cwd: str,
    item1: Loose = None,
    item2: Loose = None,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    no_index: bool = False,
    cached: bool = False,
    paths: Loose = None,
    **_odd: Loose,
) -> str:
    """Give what differs between two revisions, or between one of them and the files.

    CLI Example: limpet run web1 git.diff /srv/app HEAD~1 HEAD
    """
    words = [*words_of(git_opts), "diff", *words_of(opts)]
    words += ["--no-index"] if no_index else []
    words += ["--cached"] if cached else []
    words += [str(each) for each in (item1, item2) if each]
    if paths:
        words += ["--", *(paths if isinstance(paths, list) else str(paths).split(","))]
    answer = run(context, words, cwd=cwd, user=user, is_checked=not no_index)
    return str(answer["stdout"])


def merge_base(
    context: FunctionContext,
    cwd: str,
    refs: Loose = None,
    octopus: bool = False,
    is_ancestor: bool = False,
    independent: bool = False,
    fork_point: str | None = None,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    **_odd: Loose,
) -> Loose:
    """Give the common ancestor of revisions; with `is_ancestor` say whether the first is one.

    CLI Example: limpet run web1 git.merge_base /srv/app 'HEAD, origin/main'
    """
    names = refs if isinstance(refs, list) else str(refs or "HEAD").split(",")
    words = [*words_of(git_opts), "merge-base", *words_of(opts)]
    words += ["--octopus"] if octopus else []
    words += ["--is-ancestor"] if is_ancestor else []
    words += ["--independent"] if independent else []
    words += ["--fork-point", fork_point] if fork_point else []
    words += [str(each).strip() for each in names]
    answer = run(context, words, cwd=cwd, user=user, is_checked=not is_ancestor)
    if is_ancestor:
        return answer["retcode"] == 0
    return str(answer["stdout"])


def is_worktree(context: FunctionContext, cwd: str, user: str | None = None, **_odd: Loose) -> bool:
    """Say whether a directory is a working tree that belongs to a repository elsewhere.

    CLI Example: limpet run web1 git.is_worktree /srv/app
    """
    answer = run(context, ["rev-parse", "--show-toplevel"], cwd=cwd, user=user, is_checked=False)
    if answer["retcode"] != 0:
        return False
    facts = context.host.file_system.facts(f"{answer['stdout']}/.git")
    return facts is not None and facts.kind == "file"


def version(context: FunctionContext, versioninfo: bool = False) -> Loose:
    """Give the version of git, or with `versioninfo` its parts.

    CLI Example: limpet run web1 git.version
    """
    text = str(run(context, ["--version"], cwd=None)["stdout"])
    words = text.split()
    if len(words) < 3:
        raise UsageError(f"git names no version: {text!r}")
    if not versioninfo:
        return words[2]
    parts: list[Any] = [int(each) if each.isdigit() else each for each in words[2].split(".")]
    return parts


def _refs(context: FunctionContext, cwd: str, place: str, user: str | None) -> list[str]:
    text = run(context, ["for-each-ref", "--format", "%(refname)", place], cwd=cwd, user=user)
    return [line.removeprefix(place) for line in str(text["stdout"]).splitlines()]
