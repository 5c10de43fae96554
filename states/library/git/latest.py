"""`git.latest`: a clone is there, and the newest commit of a revision is checked out in it.

    look at the other side (ls-remote) -> no clone: clone, check out
                                       -> a clone: fetch what is missing, fast-forward or reset

What was changed here and not committed is only thrown away by `force_reset`.
"""

import re

from limpet.common.errors import HostError
from limpet.states.functions.git.running import redacted
from limpet.states.library.context import StateContext
from limpet.states.library.git.repository import (
    SHORT,
    clone,
    is_same_address,
    repository_of,
)
from limpet.states.library.git.steps import LatestOptions, Steps, Wanted, joined
from limpet.states.outcome import Outcome, failed

_HASH = re.compile(r"[0-9a-f]{7,40}")


def latest(context: StateContext, options: LatestOptions) -> Outcome:
    """See to it that the newest commit of a revision is checked out."""
    if not options.target.startswith("/"):
        return failed(f"target '{options.target}' is not an absolute path")
    try:
        repository, url = repository_of(
            context,
            options.target,
            options.user,
            options.name,
            identity=options.identity,
            https_user=options.https_user,
            https_pass=options.https_pass,
            encoding=options.output_encoding,
        )
        return _Latest(repository, url, options).bring()
    except HostError as error:
        return failed(redacted(str(error)))


class _Latest(Steps):
    """The way from what stands there to the wanted commit."""

    @property
    def is_test(self) -> bool:
        return self.repository.context.is_test

    @property
    def is_bare(self) -> bool:
        return self.options.bare or self.options.mirror

    def bring(self) -> Outcome:
        kind, target = self.repository.kind, self.options.target
        if kind == "file":
            return failed(f"Target '{target}' exists and is a regular file, cannot proceed")
        if kind == "other" and not self.options.force_clone:
            return failed(
                f"Target '{target}' exists, is non-empty and is not a git repository. Set the "
                "'force_clone' option to True to remove this directory's contents and proceed "
                "with cloning the remote repository"
            )
        self.refs = self._remote_refs()
        wanted = self._wanted()
        if wanted is None:
            return failed(
                f"No revision matching '{self.options.rev}' exists in the remote repository"
            )
        if kind in ("", "empty", "other"):
            return self._cloned(wanted, is_forced=kind == "other")
        if kind == "bare":
            return self._bare_updated()
        return self._updated(wanted)

    def _remote_refs(self) -> dict[str, str]:
        options = self.options
        access = self.repository.access
        try:
            found = self.repository.context.call(
                "git.ls_remote",
                remote=self.url,
                user=options.user,
                identity=access.identity,
                https_user=access.https_user,
                https_pass=access.https_pass,
                saltenv=access.saltenv,
            )
        except HostError as error:
            said = re.sub(r"\ACommand '.*?' failed: ", "", str(error), flags=re.DOTALL)
            raise HostError(f"Failed to check remote refs: {said}") from error
        return dict(found)

    def _wanted(self) -> Wanted | None:
        rev, remote = str(self.options.rev), self.options.remote
        if rev == "HEAD":
            return Wanted("remote HEAD", self.refs["HEAD"]) if "HEAD" in self.refs else None
        if digest := self.refs.get(f"refs/heads/{rev}"):
            return Wanted(f"{remote}/{rev}", digest, f"{remote}/{rev}")
        tag = f"refs/tags/{rev}"
        if digest := self.refs.get(f"{tag}^{{}}") or self.refs.get(tag):
            return Wanted(rev, digest, "")
        if _HASH.fullmatch(rev.lower()):
            full = next((each for each in self.refs.values() if each.startswith(rev)), None)
            return Wanted(rev, full, "")
        return None

    # A new clone

    def _cloned(self, wanted: Wanted, *, is_forced: bool) -> Outcome:
        options, target = self.options, self.options.target
        if is_forced:
            self.changes["forced clone"] = True
        self.changes["new"] = f"{self.url} => {target}"
        if self.is_test:
            comment = f"Repository {self.url} would be cloned to {target}"
            if is_forced:
                comment = (
                    f"Target directory {target} exists. Since force_clone=True, the contents of "
                    f"{target} would be deleted, and {self.url} would be cloned into this "
                    "directory."
                )
            return Outcome(None, comment, self.changes)
        if is_forced:
            self.repository.empty_out()
        how = ["--mirror"] if options.mirror else ["--bare"] if options.bare else []
        how = how or ["--origin", options.remote]
        if options.depth is not None:
            how += ["--depth", str(options.depth)]
            how += ["--branch", str(options.rev)] if options.rev != "HEAD" else []
        clone(self.repository, self.url, *how)
        kind = " as mirror" if options.mirror else " as bare repository" if options.bare else ""
        self.done.append(f"{self.url} cloned to {target}{kind}")
        if not self.is_bare:
            if not self.found(wanted):
                return Outcome(False, self.missing(), self.changes)
            self._set_out(wanted)
        new = self.repository.hash_of("HEAD")
        self.changes["revision"] = {"old": None, "new": new}
        return Outcome(True, joined(self.done), self.changes)

    def _set_out(self, wanted: Wanted) -> None:
        """Check the wanted revision out in a new clone."""
        repository, branch = self.repository, self.options.branch
        assert wanted.digest is not None
        short = wanted.digest[:SHORT]
        present = repository.branch
        if branch and branch != present:
            track = ["--track"] if wanted.upstream else ["--no-track"]
            start = wanted.upstream or wanted.digest
            repository.git("checkout", *track, "-b", branch, start, "--")
            self.done.append(
                f"Branch '{branch}' checked out, with {wanted.shown} ({short}) as a starting point"
            )
        elif repository.hash_of("HEAD") != wanted.digest:
            repository.git("reset", "--hard", wanted.digest)
            self.done.append(f"Repository was reset to {wanted.shown} ({short})")
        self.follow(wanted)
        self.submodules()

    # A clone that is there

    def _bare_updated(self) -> Outcome:
        repository, options = self.repository, self.options
        old = repository.hash_of("HEAD")
        branch = repository.maybe("symbolic-ref", "--quiet", "HEAD") or ""
        new = self.refs.get(branch, old)
        there = f"Repository {options.target} is up-to-date"
        changed = {} if new == old else {"revision": {"old": old, "new": new}}
        if self.is_test:
            if changed:
                comment = f"Bare repository at {options.target} would be fetched"
                return Outcome(None, comment, changed)
            return Outcome(True, there)
        before = repository.refs("refs/")
        spec = "+refs/*:refs/*" if options.mirror else "+refs/heads/*:refs/heads/*"
        repository.git("fetch", "--tags", "--force", self.url, spec, is_remote=True)
        if repository.refs("refs/") == before:
            return Outcome(True, there)
        told = f"Bare repository at {options.target} was fetched, resulting in updated refs"
        return Outcome(True, f"{there}\n\nChanges made: {told}", changed)

    def _updated(self, wanted: Wanted) -> Outcome:
        repository, options = self.repository, self.options
        old = repository.hash_of("HEAD")
        present = repository.branch
        is_moving = bool(options.branch) and options.branch != present
        base = repository.hash_of(f"refs/heads/{options.branch}") if is_moving else old
        if wanted.digest is None:
            wanted.digest = repository.hash_of(str(options.rev))
        address = repository.address(options.remote)
        is_right = is_same_address(repository, address, self.url)
        is_changed = repository.is_changed
        is_current = wanted.digest is not None and base == wanted.digest
        if not is_current and not options.update_head and base is not None:
            return self._left_alone(wanted, base, is_right)
        if problem := self._hindered(wanted, base, present, is_moving, is_changed, is_current):
            return failed(problem)
        if self.is_test:
            return self._announced(wanted, old, base, address, is_moving, is_changed, is_current)
        self.fetch(wanted, address, is_right)
        if not self.found(wanted):
            return Outcome(False, self.missing(), self.changes)
        assert wanted.digest is not None
        is_forward = base is None or self.is_forward(base, wanted.digest)
        if base != wanted.digest and not is_forward and not options.force_reset:
            return Outcome(False, self.not_forward(wanted.digest), self.changes)
        if is_changed and (options.force_reset is True or base != wanted.digest):
            repository.git("reset", "--hard", "HEAD")
            self.done.append("Uncommitted changes were discarded")
            if base == wanted.digest:
                self.changes["forced update"] = True
        if is_moving:
            self.move(wanted, base)
        self.follow(wanted)
        self.go(wanted, base, is_forward, is_changed)
        new = repository.hash_of("HEAD")
        if new != old:
            self.changes["revision"] = {"old": old, "new": new}
        if new != old or options.submodules:
            self.submodules()
        there = f"Repository {options.target} is up-to-date"
        if "revision" in self.changes:
            return Outcome(True, joined(self.done), self.changes)
        if is_changed and options.force_reset is not True:
            there += (
                ", but with uncommitted changes. Set 'force_reset' to True to purge uncommitted "
                "changes."
            )
        if self.done:
            there += f"\n\nChanges made: {joined(self.done)}"
        return Outcome(True, there, self.changes)

    def _left_alone(self, wanted: Wanted, base: str, is_right: bool) -> Outcome:
        """Leave the branch where it is (`update_head: False`), but fetch."""
        shown = f"{wanted.shown} ({(wanted.digest or '')[:SHORT]})"
        if self.is_test:
            comment = (
                f"Remote '{self.options.remote}' would be fetched. Local HEAD ({base[:SHORT]}) "
                f"does not match {shown} but update_head=False, HEAD would not be updated locally."
            )
            return Outcome(True, comment)
        self.fetch(wanted, self.repository.address(self.options.remote), is_right)
        comment = (
            f"{shown} is already present and local HEAD ({base[:SHORT]}) does not match, but "
            "update_head=False. HEAD has not been updated locally."
        )
        return Outcome(True, comment, self.changes)

    def _hindered(
        self,
        wanted: Wanted,
        base: str | None,
        present: str,
        is_moving: bool,
        is_changed: bool,
        is_current: bool,
    ) -> str:
        """Say why nothing can be done; empty: it can."""
        options = self.options
        if is_moving and is_changed and not (options.force_checkout or options.force_reset):
            return (
                f"Local branch '{present}' has uncommitted changes. Set 'force_checkout' to True "
                "to discard them and proceed with checkout."
            )
        if is_current or base is None:
            return ""
        digest = wanted.digest or ""
        if is_changed and not is_moving and not options.force_reset:
            text = (
                f"Repository would be updated from {base[:SHORT]} to {digest[:SHORT]}, but there "
                "are uncommitted changes. Set 'force_reset' to True (or 'remote-changes') to force "
                "this update and discard these changes."
            )
            if wanted.upstream and present and str(options.rev) != present:
                text += (
                    f" The desired rev ({options.rev}) differs from the name of the local branch "
                    f"({present}), if the desired rev is a branch name then a forced update could "
                    f"possibly be avoided by setting the 'branch' argument to '{options.rev}' "
                    "instead."
                )
            return text
        is_known = bool(digest) and self.repository.hash_of(digest) is not None
        if is_known and not options.force_reset and not self.is_forward(base, digest):
            return self.not_forward(digest)
        return ""

    def _announced(
        self,
        wanted: Wanted,
        old: str | None,
        base: str | None,
        address: str | None,
        is_moving: bool,
        is_changed: bool,
        is_current: bool,
    ) -> Outcome:
        """Say in test mode what would be done."""
        options, repository = self.options, self.repository
        digest = wanted.digest or str(options.rev)
        actions: list[str] = []
        if not is_same_address(repository, address, self.url):
            actions.append(
                f"Remote '{options.remote}' would be changed from {redacted(address or '')} to "
                f"{self.url}"
            )
        is_known = repository.hash_of(digest) is not None
        if not is_known:
            actions.append(f"Remote '{options.remote}' would be fetched")
        new_tags, deleted_tags = self.tags()
        if new_tags:
            self.changes["new_tags"] = new_tags
        if deleted_tags:
            self.changes["deleted_tags"] = deleted_tags
        if is_moving:
            actions.append(f"Branch '{options.branch}' would be checked out")
        if old != digest:
            self.changes["revision"] = {"old": old, "new": digest}
        if is_current and not is_moving:
            return self._announced_current(actions, is_changed)
        if base is not None and base != digest:
            is_forward = is_known and self.is_forward(base, digest)
            how = "fast-forwarded" if is_forward else "hard-reset" if is_known else "updated"
            actions.append(f"Repository would be {how} from {base[:SHORT]} to {digest[:SHORT]}")
        if wanted.upstream is not None and (repository.tracking() or "") != wanted.upstream:
            what = f"updated to {wanted.upstream}" if wanted.upstream else "unset"
            actions.append(f"Tracking branch would be {what}")
        return Outcome(None if self.changes else True, joined(actions), self.changes)

    def _announced_current(self, actions: list[str], is_changed: bool) -> Outcome:
        target = self.options.target
        if is_changed and self.options.force_reset is True:
            self.changes["forced update"] = True
            comment = (
                f"{target} is up-to-date, but with uncommitted changes. Since 'force_reset' is set "
                "to True, these local changes would be reset. To only reset when there are changes "
                "in the remote repository, set 'force_reset' to 'remote-changes'."
            )
            return Outcome(None, comment, self.changes)
        comment = f"Repository {target} is up-to-date"
        if is_changed:
            comment += (
                ", but with uncommitted changes. Set 'force_reset' to True to purge uncommitted "
                "changes."
            )
        if actions:
            comment += f"\n\nChanges that would be made: {joined(actions)}"
        return Outcome(None if self.changes else True, comment, self.changes)
