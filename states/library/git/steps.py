"""The steps that `git.latest` is made of: what it was asked for, looking, fetching, moving."""

from dataclasses import dataclass, field
from typing import Any

from limpet.states.context import Loose
from limpet.states.functions.git.running import redacted
from limpet.states.library.git.repository import SHORT, Repository


@dataclass(frozen=True, slots=True)
class LatestOptions:
    """Arguments of `git.latest`."""

    name: str
    """The address of the other repository."""
    target: str
    """Where it is cloned to."""
    rev: Loose = "HEAD"
    """A branch, tag or hash of the other repository."""
    branch: str | None = None
    """The local branch; None: the one that is checked out."""
    user: str | None = None
    password: str | None = None
    update_head: bool = True
    force_checkout: bool = False
    force_clone: bool = False
    force_fetch: bool = False
    force_reset: Loose = False
    """True, or `remote-changes`: only where there is something new."""
    submodules: bool = False
    bare: bool = False
    mirror: bool = False
    remote: str = "origin"
    fetch_tags: bool = True
    sync_tags: bool = True
    depth: int | None = None
    identity: Loose = None
    https_user: str | None = None
    https_pass: str | None = None
    refspec_branch: str = "*"
    refspec_tag: str = "*"
    output_encoding: str | None = None


@dataclass(slots=True)
class Wanted:
    """The revision as the other side has it."""

    shown: str
    """How comments call it: `origin/main`, `v1`, `remote HEAD`."""
    digest: str | None
    """None: a hash, which only the clone can look up."""
    upstream: str | None = None
    """The remote branch that the local one is to follow; empty: none, None: as it is."""


@dataclass(slots=True)
class Steps:
    """One repository on its way to the wanted commit; notes what changes and what was done."""

    repository: Repository
    url: str
    options: LatestOptions
    changes: dict[str, Any] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)
    """What the other side has."""

    def fetch(self, wanted: Wanted, address: str | None, is_right: bool) -> None:
        """Bring what is missing here."""
        repository, options = self.repository, self.options
        if not is_right:
            access = repository.access
            repository.context.call(
                "git.remote_set", options.target, self.url, remote=options.remote,
                user=options.user, https_user=access.https_user, https_pass=access.https_pass,
            )  # fmt: skip
            self.done.append(
                f"Remote '{options.remote}' changed from {redacted(address or '')} to {self.url}"
            )
        new_tags, deleted_tags = self.tags()
        for tag in deleted_tags:
            repository.git("tag", "-d", tag)
        if deleted_tags:
            self.changes["deleted_tags"] = deleted_tags
            listed = ", ".join(deleted_tags)
            self.done.append(f"The following tags were removed from the local checkout: {listed}")
        place = f"refs/remotes/{options.remote}/"
        is_stale = wanted.digest is None or repository.hash_of(wanted.digest) is None
        if wanted.upstream:
            is_stale |= repository.refs(place).get(str(options.rev)) != wanted.digest
        if not (is_stale or new_tags):
            return
        heads, tags = options.refspec_branch, options.refspec_tag
        specs = [f"+refs/heads/{heads}:{place}{heads}"]
        specs += [f"+refs/tags/{tags}:refs/tags/{tags}"] if options.fetch_tags else []
        how = ["--force"] if options.force_fetch else []
        how += ["--depth", str(options.depth)] if options.depth is not None else []
        repository.git("fetch", *how, options.remote, *specs, is_remote=True)
        self.done.append(f"{self.url} was fetched, resulting in updated refs")
        if new_tags:
            self.changes["new_tags"] = new_tags

    def tags(self) -> tuple[list[str], list[str]]:
        """Give the tags that are new on the other side, and those that it has no more."""
        options = self.options
        prefix = "refs/tags/"
        theirs = {
            name.removeprefix(prefix).removesuffix("^{}")
            for name in self.refs
            if name.startswith(prefix)
        }
        ours = set(self.repository.refs(prefix))
        is_whole = options.depth is None and options.refspec_tag == "*"
        new = sorted(theirs - ours) if options.fetch_tags and is_whole else []
        gone = sorted(ours - theirs) if options.sync_tags and options.fetch_tags else []
        return new, gone

    def found(self, wanted: Wanted) -> bool:
        """Look the revision up in the clone; false: it has none of that name."""
        if wanted.digest is None:
            wanted.digest = self.repository.hash_of(str(self.options.rev))
        return wanted.digest is not None

    def missing(self) -> str:
        """Say that there is no such revision."""
        return f"No revision matching '{self.options.rev}' exists in the remote repository"

    def is_forward(self, base: str, digest: str) -> bool:
        """Say whether one commit is an ancestor of the other."""
        answer = self.repository.git("merge-base", "--is-ancestor", base, digest, is_checked=False)
        return bool(answer["retcode"] == 0)

    def not_forward(self, digest: str) -> str:
        """Say that the branch would have to be reset."""
        text = (
            f"Repository would be updated to {digest[:SHORT]}, but this is not a fast-forward "
            "merge. Set 'force_reset' to True to force this update."
        )
        return f"{text}\n\nChanges already made: {joined(self.done)}" if self.done else text

    def move(self, wanted: Wanted, base: str | None) -> None:
        """Check another branch out, a new one from the wanted revision."""
        branch, force = self.options.branch, self.options.force_checkout
        assert branch is not None
        assert wanted.digest is not None
        how = ["--force"] if force else []
        if base is None:
            self.repository.git("checkout", *how, "--no-track", "-b", branch, wanted.digest, "--")
        else:
            self.repository.git("checkout", *how, branch, "--")
        self.done.append(f"Branch '{branch}' was checked out")

    def follow(self, wanted: Wanted) -> None:
        """Have the local branch follow the wanted remote one."""
        repository = self.repository
        if wanted.upstream is None or not repository.branch:
            return
        present = repository.tracking()
        if (present or "") == wanted.upstream:
            return
        if not wanted.upstream:
            repository.git("branch", "--unset-upstream")
            self.done.append("Tracking branch was unset")
            return
        repository.git("branch", "--set-upstream-to", wanted.upstream)
        what = "updated" if present else "set"
        self.done.append(f"Tracking branch was {what} to {wanted.upstream}")

    def go(self, wanted: Wanted, base: str | None, is_forward: bool, is_changed: bool) -> None:
        """Bring the branch to the wanted commit."""
        assert wanted.digest is not None
        shown = f"{wanted.shown} ({wanted.digest[:SHORT]})"
        if base is None or base == wanted.digest:
            if is_changed and self.options.force_reset is True:
                self.done.append(f"Repository was hard-reset to {shown}")
            return
        if is_forward:
            self.repository.git("merge", "--ff-only", wanted.digest)
            self.done.append(f"Repository was fast-forwarded to {shown}")
        else:
            self.repository.git("reset", "--hard", wanted.digest)
            self.changes["forced update"] = True
            self.done.append(f"Repository was hard-reset to {shown}")

    def submodules(self) -> None:
        """Bring the submodules, where that is wanted."""
        if self.options.submodules:
            self.repository.git("submodule", "update", "--init", "--recursive", is_remote=True)


def joined(actions: list[str]) -> str:
    """Give what was done as one comment."""
    return actions[0] if len(actions) == 1 else "".join(f"{each}. " for each in actions).rstrip()
