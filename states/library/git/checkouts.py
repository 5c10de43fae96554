"""`git.cloned`: a clone is there; `git.detached`: a certain revision is checked out in it."""

from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.git.repository import (
    Repository,
    clone,
    is_same_address,
    repository_of,
)
from limpet.states.outcome import Outcome, failed


def cloned(
    context: StateContext,
    name: str,
    target: str,
    branch: str | None = None,
    user: str | None = None,
    password: str | None = None,
    identity: Loose = None,
    https_user: str | None = None,
    https_pass: str | None = None,
    output_encoding: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that a repository has been cloned, whatever has become of it since."""
    if not target.startswith("/"):
        return failed("'target' path must be absolute")
    try:
        repository, url = repository_of(
            context, target, user, name,
            identity=identity, https_user=https_user, https_pass=https_pass,
        )  # fmt: skip
        kind = repository.kind
        if kind in ("", "empty"):
            return _cloned(repository, url, branch)
        if kind not in ("tree", "bare"):
            return failed(f"{target} exists, and is no git repository")
        return _on_branch(repository, branch)
    except HostError as error:
        return failed(str(error))


def _cloned(repository: Repository, url: str, branch: str | None) -> Outcome:
    changes = {"new": f"{url} => {repository.target}"}
    which = f" with branch '{branch}'" if branch else ""
    if repository.context.is_test:
        return Outcome(None, f"{url} would be cloned to {repository.target}{which}", changes)
    clone(repository, url, *(["--branch", branch] if branch else []))
    return Outcome(True, f"{url} cloned to {repository.target}{which}", changes)


def _on_branch(repository: Repository, branch: str | None) -> Outcome:
    there = f"Repository already exists at {repository.target}"
    if not branch:
        return Outcome(True, there)
    present = repository.branch
    if present == branch:
        return Outcome(True, f"{there} and is checked out to branch '{branch}'")
    changes = {"branch": {"old": present, "new": branch}}
    if repository.context.is_test:
        return Outcome(None, f"Branch would be changed to '{branch}'", changes)
    try:
        if branch in repository.refs("refs/heads/"):
            repository.git("checkout", branch, "--")
        else:
            repository.git("fetch", is_remote=True)
            repository.git("checkout", "-b", branch, f"origin/{branch}", "--")
    except HostError as error:
        return failed(f"Failed to change branch to '{branch}': {error}")
    return Outcome(True, f"Branch changed to '{branch}'", changes)


@dataclass(frozen=True, slots=True)
class DetachedOptions:
    """Arguments of `git.detached`."""

    name: str
    rev: str
    """The revision: a hash, tag or branch."""
    target: str
    remote: str = "origin"
    user: str | None = None
    password: str | None = None
    force_clone: bool = False
    force_checkout: bool = False
    fetch_remote: bool = True
    hard_reset: bool = False
    submodules: bool = False
    identity: Loose = None
    https_user: str | None = None
    https_pass: str | None = None
    output_encoding: str | None = None


def detached(context: StateContext, options: DetachedOptions) -> Outcome:
    """See to it that this revision of a repository is checked out, on no branch."""
    if not options.target.startswith("/"):
        return failed(f"Target '{options.target}' is not an absolute path")
    try:
        repository, url = repository_of(
            context, options.target, options.user, options.name,
            identity=options.identity, https_user=options.https_user,
            https_pass=options.https_pass,
        )  # fmt: skip
        return _detached(repository, url, options)
    except HostError as error:
        return failed(str(error))


def _detached(repository: Repository, url: str, options: DetachedOptions) -> Outcome:
    kind, target = repository.kind, options.target
    comments: list[str] = []
    changes: dict[str, Any] = {}
    if kind == "file":
        return failed(f"Target '{target}' exists and is a regular file, cannot proceed")
    if kind == "other" and not options.force_clone:
        return failed(
            f"Target '{target}' exists, is non-empty and is not a git repository. Set the "
            "'force_clone' option to True to remove this directory's contents and proceed with "
            "cloning the remote repository"
        )
    if kind in ("", "empty", "other"):
        if repository.context.is_test:
            new = {"HEAD": {"old": None, "new": options.rev}}
            return Outcome(None, f"Repository {url} would be cloned to {target}", new)
        if kind == "other":
            repository.empty_out()
            changes["forced clone"] = True
        clone(repository, url, "--no-checkout", "--origin", options.remote)
        comments.append(f"{url} cloned to {target}")
        old = None
    else:
        old = repository.hash_of("HEAD")
        if found := _fetched(repository, url, options, old, comments, changes):
            return found
    return _checked_out(repository, options, old, comments, changes)


def _fetched(
    repository: Repository,
    url: str,
    options: DetachedOptions,
    old: str | None,
    comments: list[str],
    changes: dict[str, Any],
) -> Outcome | None:
    """Bring what is new; in test mode give what would be done."""
    remote, rev = options.remote, options.rev
    address = repository.address(remote)
    is_right = is_same_address(repository, address, url)
    wanted = _wanted(repository, options)
    is_fixed = wanted is not None and wanted == old and wanted.startswith(rev)
    is_there = is_right and old is not None and wanted == old
    if repository.context.is_test:
        if is_there and (is_fixed or not _moves(repository, url, options, old)):
            return Outcome(True, "Already checked out at correct revision")
        comment = f"Repository remote {remote} would be fetched"
        return Outcome(None, comment, {"HEAD": {"old": old, "new": wanted or rev}})
    if not is_right:
        repository.context.call(
            "git.remote_set", options.target, url, remote=remote, user=options.user,
            https_user=repository.access.https_user, https_pass=repository.access.https_pass,
        )  # fmt: skip
        comments.append(f"Remote {remote} updated from '{address}' to '{url}'")
    if options.fetch_remote and not is_fixed:
        before = repository.refs("refs/")
        repository.git("fetch", "--tags", "--force", remote, is_remote=True)
        if repository.refs("refs/") != before:
            comments.append(f"Remote {remote} was fetched, resulting in updated refs")
    return None


def _wanted(repository: Repository, options: DetachedOptions) -> str | None:
    return repository.hash_of(f"refs/remotes/{options.remote}/{options.rev}") or (
        repository.hash_of(options.rev)
    )


def _moves(repository: Repository, url: str, options: DetachedOptions, old: str | None) -> bool:
    """Say whether the other side has another commit under that name."""
    text = repository.git("ls-remote", url, options.rev, f"{options.rev}^{{}}", is_remote=True)
    hashes = [line.split("\t")[0] for line in str(text["stdout"]).splitlines()]
    return bool(hashes) and old not in hashes


def _checked_out(
    repository: Repository,
    options: DetachedOptions,
    old: str | None,
    comments: list[str],
    changes: dict[str, Any],
) -> Outcome:
    wanted = _wanted(repository, options)
    if wanted is None:
        return Outcome(False, f"Revision '{options.rev}' does not exist", changes)
    if options.hard_reset and old is not None:
        repository.git("reset", "--hard", "HEAD")
        comments.append("Repository was reset to HEAD before checking out revision")
    if wanted == old and not changes:
        comments.append("Already checked out at correct revision")
        return Outcome(True, _joined(comments), changes)
    force = ["--force"] if options.force_checkout or old is None else []
    repository.git("checkout", "--detach", *force, wanted)
    changes["HEAD"] = {"old": old, "new": wanted}
    comments.append(f"Commit ID {wanted} was checked out at {options.target}")
    if options.submodules:
        repository.git("submodule", "update", "--init", "--recursive", is_remote=True)
    return Outcome(True, _joined(comments), changes)


def _joined(comments: list[str]) -> str:
    return comments[0] if len(comments) == 1 else ". ".join(comments) + "."
