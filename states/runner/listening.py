"""`listen` and `listen_in`: what is run at the end of a run for what has changed in it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from limpet.states.library import registry
from limpet.states.library.context import Chunk, tag_of

Reference = tuple[str, str]
"""A state module, and the id or name of a state."""


def found(
    chunks: Sequence[Chunk], known: Sequence[Chunk], results: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Chunk], list[Reference]]:
    """Give the chunks that call `mod_watch` of each listener, and references to no known chunk.

    `chunks` are those that were to run, `known` all of the plan, `results` is by tag.
    """
    watchers: list[Chunk] = []
    unknown: dict[Reference, None] = {}
    for listener, reference in _listeners(chunks):
        unknown |= dict.fromkeys(each for each in (listener, reference) if not _meant(known, each))
        for chunk in _meant(chunks, reference):
            result = results.get(tag_of(chunk))
            if result is not None and result["changes"]:
                watchers += [_as_listener(each) for each in _meant(chunks, listener)]
    return watchers, list(unknown)


def _listeners(chunks: Sequence[Chunk]) -> Iterator[tuple[Reference, Reference]]:
    """Give each pair of who listens and to whom, as `(module, id or name)`."""
    for chunk in chunks:
        own = (str(chunk["state"]), str(chunk["__id__"]))
        for reference in chunk.get("listen") or ():
            for each in _references(chunks, reference):
                yield own, each
        for reference in chunk.get("listen_in") or ():
            for each in _references(chunks, reference):
                yield each, own


def _references(chunks: Sequence[Chunk], reference: object) -> list[Reference]:
    if isinstance(reference, Mapping):
        return [(str(module), str(word)) for module, word in reference.items()]
    return [
        (str(chunk["state"]), str(chunk["__id__"]))
        for chunk in chunks
        if reference in (chunk["__id__"], chunk["name"])
    ][-1:]


def _meant(chunks: Sequence[Chunk], reference: Reference) -> list[Chunk]:
    module, word = reference
    found = {
        tag_of(chunk): chunk
        for chunk in chunks
        if chunk["state"] == module and word in (chunk["__id__"], chunk["name"])
    }
    return list(found.values())


_REQUISITES: Final = frozenset(
    kind
    for kind in registry.RUNTIME_KEYWORDS
    if kind.split("_")[0] in ("require", "watch", "onchanges", "onfail", "prereq", "listen")
)


def _as_listener(chunk: Chunk) -> Chunk:
    kept = {key: value for key, value in chunk.items() if key not in _REQUISITES}
    return {
        **kept,
        "sfun": chunk["fun"],
        "fun": "mod_watch",
        "__id__": f"listener_{chunk['__id__']}",
    }
