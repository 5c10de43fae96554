"""Which state waits for which: the requisites of low chunks, resolved to the chunks they mean.

Pure: nothing is run or read. The chunks come in the order in which they are to run; a chunk that
another one names as `prereq` stands there twice, first for its preview.
"""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from limpet.states.library.context import Chunk, tag_of

KINDS: Final = (
    "onfail",
    "onfail_any",
    "onfail_all",
    "require",
    "require_any",
    "onchanges",
    "onchanges_any",
    "watch",
    "watch_any",
    "prereq",
)
"""The requisites that decide whether a state runs."""

Need = tuple[str, str]
"""The kind of a requisite and the tag of the chunk it names."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The chunks of a run and what each of them needs."""

    chunks: Sequence[Chunk]
    by_tag: Mapping[str, Chunk] = field(default_factory=dict)
    needs: Mapping[str, Sequence[Need]] = field(default_factory=dict)
    """What a chunk waits for, by its tag."""
    preview_needs: Mapping[str, Sequence[Need]] = field(default_factory=dict)
    """What the preview of a chunk waits for that others name as `prereq`."""

    def needed(self, tag: str, *, is_preview: bool) -> Sequence[Need]:
        """Give what the chunk, or its preview, waits for."""
        return (self.preview_needs if is_preview else self.needs).get(tag, ())

    def is_previewed(self, tag: str) -> bool:
        """Say whether another chunk names this one as `prereq`."""
        return tag in self.preview_needs

    def with_needed(self, chosen: Iterable[Chunk]) -> list[Chunk]:
        """Give the chosen chunks and all that they need, in the order of the run."""
        found: set[str] = set()
        left = [tag_of(chunk) for chunk in chosen]
        while left:
            tag = left.pop()
            if tag not in found:
                found.add(tag)
                left += [each for _, each in self.needs.get(tag, ())]
        return [chunk for tag, chunk in self.by_tag.items() if tag in found]


class Index:
    """Finds the chunks that a requisite means: by module and id or name, by id, by SLS."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._by_key: dict[tuple[str, str], dict[str, None]] = {}
        self._by_sls: dict[str, dict[str, None]] = {}
        for chunk in chunks:
            tag = tag_of(chunk)
            for module in (str(chunk["state"]), "id"):
                for word in (chunk["name"], chunk["__id__"]):
                    self._by_key.setdefault((module, str(word)), {})[tag] = None
            for sls in (chunk.get("__sls__"), *(chunk.get("__sls_included_from__") or ())):
                if sls:
                    self._by_sls.setdefault(sls, {})[tag] = None

    def find(self, reference: object) -> list[str]:
        """Give the tags that an item of a requisite means; none where it means nothing."""
        if isinstance(reference, str):
            module, wanted = "id", reference
        elif isinstance(reference, Mapping) and reference:
            key, value = next(iter(reference.items()))
            if not isinstance(value, str):
                return []
            module, wanted = str(key).split(".", 1)[0], value
        else:
            return []
        if module == "sls":
            return self._matching(self._by_sls, wanted)
        if not _is_pattern(wanted):
            return list(self._by_key.get((module, wanted), ()))
        names = {word: tags for (kind, word), tags in self._by_key.items() if kind == module}
        return self._matching(names, wanted)

    @staticmethod
    def _matching(words: Mapping[str, Mapping[str, None]], wanted: str) -> list[str]:
        if not _is_pattern(wanted):
            return list(words.get(wanted, ()))
        found: dict[str, None] = {}
        for word, tags in words.items():
            if fnmatch.fnmatch(word, wanted):
                found.update(tags)
        return list(found)


def plan(chunks: Sequence[Chunk]) -> Plan:
    """Resolve the requisites of all chunks.

    What a requisite does not find, it doesn't wait for: the compiler has complained about that.
    """
    by_tag = {tag_of(chunk): chunk for chunk in chunks}
    index = Index(by_tag.values())
    own: dict[str, list[Need]] = {}
    prerequiring: dict[str, list[str]] = {}
    for tag, chunk in by_tag.items():
        found: dict[Need, None] = {}
        for kind in KINDS:
            for reference in _items(chunk.get(kind)):
                for target in index.find(reference):
                    found[kind, target] = None
                    if kind == "prereq":
                        prerequiring.setdefault(target, []).append(tag)
        own[tag] = list(found)
    needs = {
        tag: [*found, *(("require", each) for each in prerequiring.get(tag, ()))]
        for tag, found in own.items()
    }
    previews = {tag: [need for need in own[tag] if need[0] != "prereq"] for tag in prerequiring}
    return Plan(chunks, by_tag, needs, previews)


def _items(value: Any) -> Iterable[object]:  # noqa: ANN401
    return value if isinstance(value, list | tuple) else ()


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[]")
