"""Where the content of a managed file comes from, and templates of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.fileroots.checksums import ALGORITHMS, HEX, checksum
from limpet.states.library.context import StateContext
from limpet.states.library.file.content import Sourced, missing, whole


@dataclass(frozen=True, slots=True)
class Source:
    """A chosen source and the checksum it must have (empty: none is asked for)."""

    address: str
    checksum: str = ""

    @property
    def is_remote(self) -> bool:
        """It comes over a network that anybody may have touched."""
        return self.address.startswith(("http://", "https://", "ftp://", "s3://", "swift://"))

    @property
    def is_checked(self) -> bool:
        """It is held against a checksum; as in Salt one of the tree never is."""
        return bool(self.checksum) and not self.address.startswith("salt://")


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a source is to be fetched and checked."""

    name: str = ""
    """What the file is called in messages, and in lists of checksums beside the source's name."""
    source_hash_name: str | None = None
    is_unchecked: bool = False
    is_by_etag: bool = False
    is_verifying_tls: bool = True


def choose(context: StateContext, source: Loose, source_hash: Loose, saltenv: str) -> Source:
    """Choose the first source that there is, of one or of a list. Raises `HostError`."""
    if isinstance(source, str):
        return Source(source, str(source_hash or ""))
    for each in source:
        if isinstance(each, Mapping):
            address, asked = next(iter(each.items()))
        else:
            address, asked = each, source_hash
        found = Source(str(address), str(asked or ""))
        if context.tree.look(found.address, saltenv) is not None:
            return found
    raise HostError("none of the specified sources were found")


def sourced(
    context: StateContext, source: Source, saltenv: str, wishes: Wishes | None = None
) -> Sourced:
    """Say what is known of a source's content; nothing is fetched yet. Raises `HostError`."""
    wishes = wishes or Wishes()
    if source.is_remote and not (source.checksum or wishes.is_unchecked or wishes.is_by_etag):
        raise HostError(
            f"Unable to verify upstream hash of source file {source.address}, please set "
            "source_hash or set skip_verify or use_etag to True"
        )
    algorithm = digest = ""
    is_asked_for = source.is_checked and not wishes.is_unchecked
    if is_asked_for:
        algorithm, digest = checksum_of(
            context, source, saltenv, wishes.name, wishes.source_hash_name or ""
        )
    found = Sourced(
        source.address,
        saltenv,
        wishes.name or source.address,
        None,
        algorithm,
        digest,
        is_asked_for,
    )
    if source.is_remote:
        from limpet.states.fileroots.downloads import Fetching  # it loads much; few files need it

        found.how = Fetching(algorithm, digest, wishes.is_by_etag, wishes.is_verifying_tls)
        return found
    facts = context.tree.look(source.address, saltenv)
    if facts is None:
        raise missing(source.address, saltenv)
    found.size = facts.size
    if not is_asked_for and facts.digest:
        found.algorithm, found.checksum = "sha256", facts.digest
    return found


def fetch(
    context: StateContext, source: Source, saltenv: str, *, is_unchecked: bool, name: str = ""
) -> bytes:
    """Give the content of a source, held against its checksum. Raises `HostError`."""
    content = sourced(context, source, saltenv, Wishes(name, is_unchecked=is_unchecked))
    return whole(content, context, source.address)


def checksum_of(
    context: StateContext, source: Source, saltenv: str, name: str = "", listed_name: str = ""
) -> tuple[str, str]:
    """Read `source_hash`: `sha256=…`, bare, or the address of a file of checksums.

    In such a file the line is taken that names `listed_name`, else the source, else `name`.
    """
    text = source.checksum
    if "://" in text or text.startswith("/"):
        content = context.tree.read(text, saltenv)
        if content is None:
            raise HostError(f"Source hash file {text} not found")
        return _from_list(content.decode("utf-8", "replace"), source, text, (listed_name, name))
    return checksum(text)


def _from_list(text: str, source: Source, place: str, names: tuple[str, str]) -> tuple[str, str]:
    """Find the line of a list of checksums that names the file, or the only checksum.

    Lines are `DIGEST  NAME`, `DIGEST *NAME`, `SHA256 (NAME) = DIGEST`, or only a digest.
    """
    address = source.address.partition("?")[0]
    every: list[tuple[str, str]] = []
    """Digest and line, the digest in lowercase."""
    for line in text.splitlines():
        if digests := [each for each in HEX.findall(line) if len(each) in ALGORITHMS]:
            every.append((digests[-1].lower(), line))
    for wanted in (names[0], address, names[1]):
        name = wanted.rsplit("/", 1)[-1]
        if not name:
            continue
        for digest, line in every:
            words = re.split(r"[\s()=]+", line)
            if name in (word.lstrip("*").rsplit("/", 1)[-1] for word in words):
                return ALGORITHMS[len(digest)], digest
    if len(every) == 1:
        return ALGORITHMS[len(every[0][0])], every[0][0]
    raise HostError(f"the list of checksums {place} has none for {source.address}")


def rendered(
    context: StateContext,
    text: str,
    engine: str,
    variables: Mapping[str, Any],
    *,
    source: str,
) -> str:
    """Render a template of a file in the context of the state."""
    return context.tree.render(text, engine, variables, saltenv=context.saltenv, source=source)


def variables_of(
    name: str,
    source: Loose,
    user: Loose,
    group: Loose,
    mode: Loose,
    saltenv: str,
    defaults: Loose,
    given: Loose,
) -> dict[str, Any]:
    """Give what a file's template sees beside grains, pillar and functions."""
    own = {**(defaults or {}), **(given or {})}
    return {
        "name": name,
        "source": source,
        "user": user,
        "group": group,
        "mode": mode,
        "saltenv": saltenv,
        "context": own,
        **own,
    }
