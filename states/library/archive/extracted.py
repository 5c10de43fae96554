"""`archive.extracted`: all that is in an archive is there, unpacked.

choose and check the source -> list it -> is anything missing? -> unpack -> owners
"""

import hashlib
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.library.archive import contents
from limpet.states.library.archive.contents import Format, Member
from limpet.states.library.context import StateContext
from limpet.states.library.file import sources
from limpet.states.library.file.owners import unknown_owner
from limpet.states.library.file.writing import kind_of
from limpet.states.outcome import Outcome, failed

_FORMATS: Final = ("tar", "rar", "zip")
_TRIMMED: Final = 100
_LIMIT_S: Final = 3600.0
_STRIP: Final = re.compile(r"--strip(?:-components)?(?:=|\s+)(\d+)")


@dataclass(frozen=True, slots=True)
class ExtractedOptions:
    """Arguments of `archive.extracted`."""

    name: str
    source: Loose
    source_hash: Loose = None
    source_hash_name: str | None = None
    source_hash_update: bool = False
    """Unpack again when the archive is another one than the last time."""
    skip_files_list_verify: bool = False
    """Ask only whether the archive is another one, not what is missing."""
    skip_verify: bool = False
    password: str | None = None
    options: str | None = None
    """For the program tar or unzip, which is then used."""
    list_options: str | None = None
    force: bool = False
    overwrite: bool = False
    clean: bool = False
    clean_parent: bool = False
    user: Loose = None
    group: Loose = None
    if_missing: str | None = None
    trim_output: Loose = False
    use_cmd_unzip: bool | None = None
    extract_perms: bool = True
    enforce_toplevel: bool = True
    enforce_ownership_on: str | None = None
    archive_format: str | None = None
    keep_source: bool = True
    use_etag: bool = False
    tar_options: str | None = None
    zip_options: str | None = None


def extracted(context: StateContext, options: ExtractedOptions) -> Outcome:
    """See to it that everything in an archive is there, below this directory."""
    if problem := _problem(context, options):
        return failed(problem)
    if options.if_missing and context.file_system.facts(options.if_missing) is not None:
        return Outcome(True, f"Path {options.if_missing} exists")
    try:
        source = sources.choose(context, options.source, options.source_hash, context.saltenv)
        form = _format(source.address, options)
        if source.address.startswith("/") and kind_of(context, source.address) != "file":
            return failed(f"Source file '{source.address}' does not exist")
        if source.is_remote and context.is_test:
            return Outcome(
                None,
                f"Archive {source.address} would be cached (if necessary) and checked to discover "
                "if extraction is needed",
            )
        with _brought(context, source, options) as (path, digest):
            return _Extraction(context, options, source.address, form, path, digest).bring()
    except (HostError, UsageError) as error:
        return failed(str(error))


def _problem(context: StateContext, options: ExtractedOptions) -> str:
    name = options.name
    if not name.startswith("/"):
        return f"{name} is not an absolute path"
    if kind_of(context, name) not in ("", "directory"):
        return f"{name} exists and is not a directory"
    form = options.archive_format
    if form is not None and form.lower() not in _FORMATS:
        return (
            f"Invalid archive_format '{form}'. Either set it to a supported value "
            f"({', '.join(_FORMATS)}) or remove this argument and the archive format will be "
            "guessed based on file extension."
        )
    if form == "rar":
        return "archives of the format rar can't be extracted here; tar and zip can"
    owned = options.enforce_ownership_on
    if owned and not f"{owned}/".startswith(name.rstrip("/") + "/"):
        return f"'enforce_ownership_on' must be a path within the directory {name}"
    for what, owner in (("User", options.user), ("Group", options.group)):
        if owner is not None and unknown_owner(
            context, *((owner, None) if what == "User" else (None, owner))
        ):
            return f"{what} {owner} does not exist"
    return ""


def _format(address: str, options: ExtractedOptions) -> Format:
    if options.archive_format:
        return "zip" if options.archive_format.lower() == "zip" else "tar"
    found = contents.guess_format(address)
    if found is None:
        raise HostError(
            "Could not guess archive_format from the value of the 'source' argument. Please set "
            f"this archive_format to one of the following: {', '.join(_FORMATS)}"
        )
    return found


@contextmanager
def _brought(
    context: StateContext, source: sources.Source, options: ExtractedOptions
) -> Iterator[tuple[str, str]]:
    """Give the path of the archive on this machine, checked, and its SHA-256."""
    name = options.source_hash_name or source.address
    content = sources.fetch(
        context, source, context.saltenv, is_unchecked=options.skip_verify, name=name
    )
    if source.checksum and not options.skip_verify:  # an archive of the tree is checked, too
        algorithm, wanted = sources.checksum_of(context, source, context.saltenv, name, name)
        found = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
        if found != wanted:
            raise HostError(
                f"{source.address} does not match the desired source_hash {wanted} (it has {found})"
            )
    digest = hashlib.sha256(content).hexdigest()
    if source.address.startswith("/"):
        yield source.address, digest
        return
    folder = str(context.functions.places.state_directory)
    if not context.host.files.is_directory(folder):
        folder = "/tmp"  # noqa: S108 — the file is new, private, randomly named
    path = context.host.files.place_script(content, directory=folder, suffix="", user=None)
    try:
        yield path, digest
    finally:
        context.host.files.remove(path)


@dataclass(slots=True)
class _Extraction:
    """One archive on its way to its place."""

    context: StateContext
    options: ExtractedOptions
    address: str
    form: Format
    path: str
    digest: str
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        return self.options.name.rstrip("/") + "/"

    @property
    def program_options(self) -> str:
        more = self.options.tar_options if self.form == "tar" else self.options.zip_options
        return self.options.options or more or ""

    def bring(self) -> Outcome:
        found = _STRIP.search(self.program_options)
        strip = int(found[1]) if found else 0
        with contents.opened(self.path, self.form) as archive:
            contents.check(archive, self.options.name)
            listed = contents.members(archive, strip)
            shown = contents.names(archive)
        if self.options.enforce_toplevel and not _has_one_top(shown, listed):
            return failed(
                "Archive does not have a single top-level directory. To allow this archive to be "
                f"extracted, set 'enforce_toplevel' to False. To avoid a '{self.form}-bomb' it "
                "may also be advisable to set a top-level directory by adding it to the 'name' "
                "value"
            )
        missing, wrong = self._compared(listed)
        is_other = self._is_other()
        is_there = self.context.file_system.facts(self.options.name) is not None
        if self.options.skip_files_list_verify and is_there and self._recorded():
            missing = is_other
        if wrong and not self.options.force:
            return failed(
                f"The below paths (relative to {self.target}) exist, but are the incorrect type "
                "(file instead of directory, symlink instead of file, etc.). To proceed with "
                "extraction, set 'force' to True. Note that this will remove these paths before "
                "extracting.\n\n" + "\n".join(f"- {each}" for each in wrong)
            )
        if missing or wrong or self.options.overwrite or is_other:
            return self._extracted(listed, shown, wrong, bool(missing or wrong))
        return self._owned_only(listed)

    def _compared(self, listed: list[Member]) -> tuple[bool, list[str]]:
        """Say whether anything is missing, and what is of another kind than in the archive."""
        missing, wrong = False, []
        for each in listed:
            facts = self.context.file_system.facts(f"{self.target}{each.path}")
            if facts is None:
                missing = True
            elif facts.kind != each.kind and not self._is_fine(each, facts.kind):
                wrong.append(each.path)
        return missing, wrong

    def _is_fine(self, member: Member, kind: str) -> bool:
        """Take a link to a directory for the directory."""
        path = f"{self.target}{member.path}"
        return (
            member.kind == "directory"
            and kind_of(self.context, path) == "directory"
            and (kind == "link")
        )

    def _extracted(
        self, listed: list[Member], shown: list[str], wrong: list[str], is_missing: bool
    ) -> Outcome:
        options, files = self.options, self.context.file_system
        because = ", due to absence of one or more files/dirs" if is_missing else ""
        if self.context.is_test:
            changes = {"removed": [f"{self.target}{each}" for each in wrong]} if wrong else {}
            comment = f"Archive {self.address} would be extracted to {self.target}{because}"
            return Outcome(None, comment, changes)
        if options.clean_parent and files.facts(options.name) is not None:
            files.remove(options.name.rstrip("/"))
            self.changes["removed"] = f"Directory {self.target} was removed prior to the extraction"
        elif options.clean:
            self._cleaned(listed)
        for each in wrong:
            files.remove(f"{self.target}{each}")
        if files.facts(options.name, is_following=True) is None:
            self.context.call("file.makedirs", self.target)
            if options.user is not None:
                self.context.call("file.chown", options.name, options.user, "")
            self.changes["directories_created"] = [self.target]
        told = self._unpacked(shown)
        comment = f"{self.address} extracted to {self.target}{because}"
        if options.trim_output:
            most = _TRIMMED if options.trim_output is True else int(options.trim_output)
            told = told[:most]
            comment += f". Output was trimmed to {most} number of lines"
        self.changes["extracted_files"] = told or "no tar output so far"
        if self._owned(listed):
            self.changes = {"updated ownership": True, **self.changes}
        self._record()
        return Outcome(True, comment, self.changes)

    def _cleaned(self, listed: list[Member]) -> None:
        """Remove what the archive has at its top."""
        removed = []
        for top in sorted({each.path.split("/")[0] for each in listed}):
            path = f"{self.target}{top}"
            if self.context.file_system.facts(path) is not None:
                self.context.file_system.remove(path)
                removed.append(path)
        if removed:
            self.changes["removed"] = removed

    def _unpacked(self, shown: list[str]) -> list[str]:
        """Unpack, and give what came out, as Salt tells it."""
        options = self.options
        by_program = self.form == "zip" and bool(options.use_cmd_unzip)
        if not self.program_options and not by_program:
            with contents.opened(self.path, self.form) as archive:
                contents.extract(
                    archive, options.name, keeps_modes=options.extract_perms,
                    password=options.password,
                )  # fmt: skip
            return shown
        if self.form == "tar":
            words = ["tar", "xv", *_tar_words(self.program_options), "-f", self.path]
        else:
            words = ["unzip", "-o", *shlex.split(self.program_options), self.path]
            words += ["-d", options.name]
        answer = self.context.call(
            "cmd.run_all", words, cwd=options.name, python_shell=False, timeout=_LIMIT_S,
            ignore_retcode=True,
        )  # fmt: skip
        if answer["retcode"] != 0:
            raise HostError(str(answer["stderr"] or answer["stdout"]))
        return str(answer["stdout"]).splitlines()

    def _owned_only(self, listed: list[Member]) -> Outcome:
        there = "All files in archive are already present"
        if self.context.is_test:
            if self._owned(listed):
                return Outcome(
                    None, f"{there}; owners would be updated", {"updated ownership": True}
                )
            return Outcome(True, there)
        changes = {"updated ownership": True} if self._owned(listed) else {}
        return Outcome(True, there, changes)

    def _owned(self, listed: list[Member]) -> bool:
        """Give what was unpacked its owner; say whether any had another one."""
        options = self.options
        if options.user is None and options.group is None:
            return False
        context = self.context
        uid = -1 if options.user is None else int(context.call("file.user_to_uid", options.user))
        gid = -1 if options.group is None else int(context.call("file.group_to_gid", options.group))
        changed = False
        for path in self._owned_paths(listed):
            facts = context.file_system.facts(path)
            if facts is None or (uid in (-1, facts.uid) and gid in (-1, facts.gid)):
                continue
            changed = True
            if not context.is_test:
                context.file_system.set_owner(path, uid, gid, is_following=False)
        return changed

    def _owned_paths(self, listed: list[Member]) -> list[str]:
        top = self.options.enforce_ownership_on
        if top:
            below = self.context.file_system.walk(top)
            return [top] + [f"{a}/{each}" for a, ds, fs in below for each in (*ds, *fs)]
        paths: dict[str, None] = {}
        for each in listed:
            parts = each.path.split("/")
            for end in range(1, len(parts) + 1):
                paths[self.target + "/".join(parts[:end])] = None
        return list(paths)

    # Which archive was unpacked there the last time

    def _hash_file(self) -> str:
        name = hashlib.sha256(self.target.encode("utf-8", "surrogateescape")).hexdigest()
        return f"{self.context.functions.places.state_directory}/archives/{name}"

    def _recorded(self) -> str:
        return (self.context.host.files.read_text(self._hash_file()) or "").strip()

    def _is_other(self) -> bool:
        asked = self.options.source_hash_update or self.options.skip_files_list_verify
        before = self._recorded() if asked else ""
        return bool(before) and before != self.digest

    def _record(self) -> None:
        if self.options.source_hash_update or self.options.skip_files_list_verify:
            self.context.host.files.write_text(self._hash_file(), f"{self.digest}\n", mode=0o600)


def _has_one_top(names: list[str], listed: list[Member]) -> bool:
    """Say whether all lies in one directory; `./a` lies in that of the archive itself."""
    if any(name == "." or name.startswith("./") for name in names):
        return all(name == "." or name.startswith("./") for name in names)
    tops = {each.path.split("/")[0] for each in listed}
    is_file = any("/" not in each.path and each.kind != "directory" for each in listed)
    return len(tops) <= 1 and not is_file


def _tar_words(options: str) -> list[str]:
    """Give tar's options without what says only what is done anyway (`xzf`, `v`)."""
    words = shlex.split(options)
    if words and not words[0].startswith("-"):
        kept = re.sub("[xvf]", "", words[0])
        words = [f"-{kept}", *words[1:]] if kept else words[1:]
    return words
