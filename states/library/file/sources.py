"""Where the content of a managed file comes from, and templates of it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext

_ALGORITHMS: Final = {
    32: "md5",
    40: "sha1",
    56: "sha224",
    64: "sha256",
    96: "sha384",
    128: "sha512",
}
_HEX: Final = re.compile(r"\b[0-9a-fA-F]{32,128}\b")


@dataclass(frozen=True, slots=True)
class Source:
    """A chosen source and the checksum it must have (empty: none is asked for)."""

    address: str
    checksum: str = ""

    @property
    def is_remote(self) -> bool:
        """It comes over a network that anybody may have touched."""
        return self.address.startswith(("http://", "https://", "ftp://", "s3://", "swift://"))


def choose(context: StateContext, source: Loose, source_hash: Loose, saltenv: str) -> Source:
    """Choose the first source that there is, of one or of a list. Raises `HostError`."""
    if isinstance(source, str):
        return Source(source, str(source_hash or ""))
    for each in source:
        if isinstance(each, Mapping):
            address, checksum = next(iter(each.items()))
        else:
            address, checksum = each, source_hash
        found = Source(str(address), str(checksum or ""))
        if found.is_remote or context.tree.read(found.address, saltenv) is not None:
            return found
    raise HostError("none of the specified sources were found")


def fetch(
    context: StateContext, source: Source, saltenv: str, *, is_unchecked: bool, name: str = ""
) -> bytes:
    """Give the content of a source, held against its checksum. Raises `HostError`."""
    if source.is_remote and not source.checksum and not is_unchecked:
        raise HostError(
            f"Unable to verify upstream hash of source file {source.address}, please set "
            "source_hash or set skip_verify to True"
        )
    content = context.tree.read(source.address, saltenv)
    if content is None:
        if source.address.startswith("/"):
            raise HostError(f"Local file source {source.address} does not exist")
        raise HostError(f"Source file {source.address} not found in saltenv '{saltenv}'")
    if source.checksum and not is_unchecked:
        algorithm, wanted = checksum_of(context, source, saltenv, name)
        found = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
        if found != wanted:
            raise HostError(
                f"Specified {algorithm} checksum for {name or source.address} ({wanted}) does not "
                f"match actual checksum ({found})"
            )
    return content


def checksum_of(context: StateContext, source: Source, saltenv: str, name: str) -> tuple[str, str]:
    """Read `source_hash`: `sha256=…`, bare, or the address of a file of checksums."""
    text = source.checksum
    if "://" in text or text.startswith("/"):
        content = context.tree.read(text, saltenv)
        if content is None:
            raise HostError(f"Source hash file {text} not found")
        return _from_list(content.decode("utf-8", "replace"), source, text, name)
    algorithm, separator, digest = text.partition("=")
    if not separator and ":" in text:
        algorithm, _, digest = text.partition(":")
    elif not separator:
        algorithm, digest = "", text
    digest = digest.strip().lower()
    known = _ALGORITHMS.get(len(digest), "")
    if not known or not _HEX.fullmatch(digest):
        raise HostError(
            f"Source hash {text} format is invalid. It must be in the format <hash type>=<hash>, a "
            "bare checksum, or the address of a file of checksums"
        )
    return (algorithm.strip().lower() or known), digest


def _from_list(text: str, source: Source, place: str, name: str) -> tuple[str, str]:
    """Find the line of a list of checksums that names the source, or the only checksum."""
    wanted = [each.rsplit("/", 1)[-1] for each in (source.address, name) if each]
    single: list[str] = []
    for line in text.splitlines():
        digests = _HEX.findall(line)
        if not digests:
            continue
        single.append(digests[-1].lower())
        words = [word.lstrip("*").rsplit("/", 1)[-1] for word in re.split(r"[\s()=]+", line)]
        if any(each in words for each in wanted):
            digest = digests[-1].lower()
            return _ALGORITHMS.get(len(digest), "sha256"), digest
    if len(single) == 1:
        return _ALGORITHMS.get(len(single[0]), "sha256"), single[0]
    raise HostError(f"the list of checksums {place} has none for {source.address}")


def rendered(
    context: StateContext,
    text: str,
    engine: str,
    variables: Mapping[str, Any],
    *,
    source: str,
) -> str:
    """Render a template of a file in the surroundings of the state."""
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
