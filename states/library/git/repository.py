"""A repository on this machine as states see it, and `git.present`."""

from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.functions.git.running import (
    REMOTE_S,
    Access,
    redacted,
    run,
    split_url,
    with_user,
)
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed

SHORT = 7
"""How many digits of a hash comments show, as git does."""


@dataclass(slots=True)
class Repository:
    """What stands at a place, asked and changed by git. All raise `HostError`."""

    context: StateContext
    target: str
    user: str | None
    access: Access
    encoding: str | None = None

    def git(self, *words: str, is_checked: bool = True, is_remote: bool = False) -> dict[str, Any]:
        """Run git in the repository."""
        return run(
            self.context.functions,
            words,
            cwd=self.target,
            user=self.user,
            access=self.access if is_remote else None,
            limit_s=REMOTE_S if is_remote else 600.0,
            is_checked=is_checked,
            encoding=self.encoding,
        )

    def text(self, *words: str) -> str:
        """Give what git prints."""
        return str(self.git(*words)["stdout"])

    def maybe(self, *words: str) -> str | None:
        """Give what git prints, None where it fails."""
        answer = self.git(*words, is_checked=False)
        return str(answer["stdout"]) if answer["retcode"] == 0 else None

    @property
    def kind(self) -> str:
        """Give what stands there: nothing, `file`, `empty`, `other`, `tree` or `bare`."""
        facts = self.context.file_system.facts(self.target, is_following=True)
        if facts is None:
            return ""
        if facts.kind != "directory":
            return "file"
        inside = self.context.file_system.names(self.target)
        if ".git" in inside:
            return "tree"
        if {"HEAD", "objects", "refs"} <= set(inside):
            return "bare"
        return "other" if inside else "empty"

    def hash_of(self, rev: str) -> str | None:
        """Give the hash of the commit that a revision means, None if there is no such one."""
        return self.maybe("rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}")

    @property
    def branch(self) -> str:
        """Give the branch that is checked out; empty: none is."""
        return self.maybe("symbolic-ref", "--quiet", "--short", "HEAD") or ""

    @property
    def is_changed(self) -> bool:
        """Say whether files differ from what is checked out; new ones don't count."""
        text = self.text("status", "--porcelain", "--untracked-files=no")
        return bool(text.strip())

    def tracking(self) -> str | None:
        """Give the remote branch that the branch follows, `origin/main`."""
        return self.maybe("rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}")

    def address(self, remote: str) -> str | None:
        """Give the address of a remote as it is configured."""
        return self.maybe("config", "--get", f"remote.{remote}.url")

    def refs(self, place: str) -> dict[str, str]:
        """Give the references below a place by name, with the commits they mean."""
        text = self.text(
            "for-each-ref", "--format=%(refname)\t%(objectname)\t%(*objectname)", place
        )
        found = {}
        for line in text.splitlines():
            name, _, rest = line.partition("\t")
            tag, _, commit = rest.partition("\t")
            found[name.removeprefix(place)] = commit or tag
        return found

    def empty_out(self) -> None:
        """Remove what is in the directory, and keep the directory."""
        for each in self.context.file_system.names(self.target):
            self.context.file_system.remove(f"{self.target}/{each}")


def repository_of(
    context: StateContext,
    target: str,
    user: str | None,
    url: str = "",
    *,
    identity: Loose = None,
    https_user: str | None = None,
    https_pass: str | None = None,
    encoding: str | None = None,
) -> tuple[Repository, str]:
    """Give the repository, and the address without name and password.

    Raises `HostError` for an account that there is not.
    """
    if user is not None and context.host.accounts.user(user) is None:
        raise HostError(f"User '{user}' does not exist")
    access = Access(identity, https_user, https_pass, context.saltenv)
    bare, access = split_url(url, access)
    return Repository(context, target, user, access, encoding), bare


def clone(repository: Repository, url: str, *options: str) -> None:
    """Clone to the place. Raises `HostError` as `Clone failed: …`."""
    context = repository.context
    folder = repository.target.rstrip("/").rpartition("/")[0] or "/"
    while not context.host.files.is_directory(folder):
        folder = folder.rpartition("/")[0] or "/"
    answer = run(
        context.functions,
        ["clone", *options, "--", url, repository.target],
        cwd=folder,
        user=repository.user,
        access=repository.access,
        limit_s=REMOTE_S,
        is_checked=False,
    )
    if answer["retcode"] != 0:
        raise HostError(f"Clone failed: {redacted(str(answer['stderr'] or answer['stdout']))}")


def is_same_address(repository: Repository, found: str | None, url: str) -> bool:
    """Say whether a configured address is the wanted one, with or without name and password."""
    return found in (url, with_user(url, repository.access))


def present(
    context: StateContext,
    name: str,
    force: bool = False,
    bare: bool = True,
    template: str | None = None,
    separate_git_dir: str | None = None,
    shared: Loose = None,
    user: str | None = None,
    password: str | None = None,
    output_encoding: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that there is a repository, which is made empty if need be."""
    try:
        repository, _ = repository_of(context, name, user)
        kind = repository.kind
        if kind in ("tree", "bare"):
            return Outcome(True)
        if kind == "file":
            return failed(f"Target '{name}' exists and is a regular file, cannot proceed")
        changes: dict[str, Any] = {"new": name}
        what = "bare repository" if bare else "repository"
        if kind == "other":
            if not force:
                return failed(
                    f"Target '{name}' exists, is non-empty, and is not a git repository. Set the "
                    "'force' option to True to remove this directory's contents and proceed with "
                    "initializing a repository"
                )
            changes["forced init"] = True
            if context.is_test:
                return Outcome(
                    None,
                    f"Target directory {name} exists. Since force=True, the contents of {name} "
                    f"would be deleted, and a {what} would be initialized in its place.",
                    changes,
                )
            repository.empty_out()
        if context.is_test:
            return Outcome(None, f"New {what} would be created", changes)
        context.call(
            "git.init", name, bare=bare, template=template, separate_git_dir=separate_git_dir,
            shared=shared, user=user,
        )  # fmt: skip
    except HostError as error:
        return failed(str(error))
    return Outcome(True, f"Initialized {what} in {name}", changes)
