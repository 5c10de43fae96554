"""What is worked out once for several minions: compiled templates, and the data of YAML texts.

Nothing in it is handed to a minion whose own texts do not say the same. A template's code goes by
its text; of a text of YAML the data are kept when it comes a second time, so most of what only one
minion has is not kept. What is given out is a copy: whatever is done to it, the next one has it as
it was.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final

from limpet.states.sls.jinja.environment import Compiled
from limpet.states.sls.yaml_source import Document

KEPT_CHARACTERS_MAX: Final = 4 * 1024 * 1024
"""Of texts whose data are kept, all together; then it begins anew."""
SEEN_MAX: Final = 4096
"""Texts that came once, by their digests; then it begins anew."""


class Documents:
    """The data of texts of YAML that came before."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._kept: dict[bytes, Document] = {}
        self._characters = 0

    def read(self, text: str, name: str, load: Callable[[], Document]) -> Document:
        """Give the data of a text; `load` reads it where it is not known. Raises what it raises.

        `name` is the file, which errors tell of. It must be read the same way each time.
        """
        if len(text) > KEPT_CHARACTERS_MAX:
            return load()
        words = f"{name}\0{text}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(words, digest_size=20).digest()
        found = self._kept.get(digest)
        if found is not None:
            return Document(copied(found.data), found.lines)
        made = load()
        if digest in self._seen:
            self._keep(digest, Document(copied(made.data), made.lines), len(text))
        else:
            if len(self._seen) >= SEEN_MAX:
                self._seen.clear()
            self._seen.add(digest)
        return made

    def _keep(self, digest: bytes, document: Document, characters: int) -> None:
        if self._characters + characters > KEPT_CHARACTERS_MAX:
            self._kept.clear()
            self._characters = 0
        self._kept[digest] = document
        self._characters += characters


class Kept:
    """All that renderings of several minions share."""

    def __init__(self) -> None:
        self.compiled = Compiled()
        self.documents = Documents()


def copied(value: Any) -> Any:  # noqa: ANN401
    """Give a copy of data out of YAML: mappings, lists and sets of what nobody can change."""
    if isinstance(value, dict):
        made = type(value)()
        for key, each in value.items():
            made[key] = copied(each) if isinstance(each, dict | list | set) else each
        return made
    if isinstance(value, list):
        return [copied(each) if isinstance(each, dict | list | set) else each for each in value]
    return set(value) if isinstance(value, set) else value
