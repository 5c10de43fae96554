"""`file.cached` and `file.not_cached`: files of the tree and the web in the minion's cache."""

from dataclasses import dataclass
from typing import Final

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file import sources
from limpet.states.outcome import Outcome, failed

_KNOWN: Final = ("salt://", "http://", "https://", "ftp://")


@dataclass(frozen=True, slots=True)
class CachedOptions:
    """Arguments of `file.cached`."""

    name: str
    source_hash: Loose = ""
    source_hash_name: str | None = None
    skip_verify: bool = False
    saltenv: str = "base"
    use_etag: bool = False
    source_hash_sig: Loose = None
    """Refused: nothing here verifies a signature."""
    signed_by_any: Loose = None
    signed_by_all: Loose = None
    keyring: Loose = None
    gnupghome: Loose = None
    sig_backend: str = "gpg"


def cached(context: StateContext, options: CachedOptions) -> Outcome:
    """See to it that a file of the tree or the web is in the minion's cache, with its checksum."""
    name = options.name
    if options.source_hash_sig:
        return failed("'source_hash_sig' is not supported: nothing here verifies a signature")
    local = name.removeprefix("file://")
    is_local = local.startswith("/")
    if not is_local and not name.startswith(_KNOWN):
        return failed(f"Unsupported url scheme: {name}")
    source = sources.Source(name, "" if options.skip_verify else str(options.source_hash or ""))
    if source.is_remote and not (source.checksum or options.skip_verify or options.use_etag):
        return failed(
            f"Unable to verify upstream hash of source file {name}, please set source_hash or set "
            "skip_verify or use_etag to True"
        )
    try:
        wanted = ("", "")
        if source.checksum:
            wanted = sources.checksum_of(
                context, source, options.saltenv, "", options.source_hash_name or ""
            )
        if is_local:
            return _present(context, local, *wanted)
        return _brought(context, options, *wanted)
    except HostError as error:
        return failed(str(error))


def _present(context: StateContext, path: str, algorithm: str, digest: str) -> Outcome:
    """Look at a file of this machine, which stays where it is."""
    facts = context.file_system.facts(path, is_following=True)
    if facts is None:
        return failed(f"File {path} is not present on the minion")
    if not digest:
        return Outcome(True, f"File {path} is present on the minion")
    found = context.file_system.digest(path, algorithm)
    if found == digest:
        return Outcome(True, f"File {path} is present on the minion and has hash {digest}")
    return failed(
        f"File {path} is present on the minion, but the hash ({found}) does not match the "
        f"specified hash ({digest})"
    )


def _brought(context: StateContext, options: CachedOptions, algorithm: str, digest: str) -> Outcome:
    name = options.name
    kind = algorithm or "sha256"
    kept = str(context.call("cp.is_cached", name, saltenv=options.saltenv))
    before = context.file_system.digest(kept, kind) if kept else None
    if digest and before == digest:
        return Outcome(True, f"File is already cached to {kept} with hash {digest}")
    if context.is_test:
        if digest and before:
            return Outcome(None, f"Hashes don't match.\nFile will be cached: {name}")
        return Outcome(None, f"No hash found. File will be cached: {name}")
    place = context.call(
        "cp.cache_file",
        name,
        saltenv=options.saltenv,
        source_hash=f"{algorithm}={digest}" if digest else None,
        use_etag=options.use_etag,
    )
    if not place:
        return failed(f"Failed to cache {name}: there is no such file in '{options.saltenv}'")
    after = context.file_system.digest(str(place), kind)
    if digest and after != digest:
        return failed(
            f"File is cached to {place}, but the hash ({after}) does not match the specified hash "
            f"({digest})"
        )
    changes = {} if before == after else {"hash": {"old": before, "new": after}}
    return Outcome(True, f"File is cached to {place}", changes)


def not_cached(context: StateContext, name: str, saltenv: str = "base") -> Outcome:
    """See to it that a file of the tree or the web is not in the minion's cache."""
    if name.removeprefix("file://").startswith("/"):
        return Outcome(True, f"File {name} is a local path, no action taken")
    try:
        place = str(context.call("cp.is_cached", name, saltenv=saltenv))
        if not place:
            return Outcome(True, f"{name} is not cached")
        if context.is_test:
            return Outcome(None, f"{place} is set for deletion", {"deleted": True})
        context.tree.forget(name, saltenv)
        context.file_system.remove(place)
    except HostError as error:
        return failed(str(error))
    return Outcome(True, f"{place} was deleted", {"deleted": True})
