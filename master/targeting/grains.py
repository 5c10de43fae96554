"""What a minion told of its host, as JSON, and as targets look at it."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from limpet.common.identifiers import MinionId


class LazyGrains(Mapping[str, Any]):
    """A minion's facts, decoded when a target first looks at them, and only then."""

    __slots__ = ("_body", "_facts")

    def __init__(self, minion: MinionId, body: bytes) -> None:
        self._body = body
        self._facts: dict[str, Any] | None = None if body else {"id": minion}

    def _all(self) -> dict[str, Any]:
        if self._facts is None:
            self._facts = decode_grains(self._body) or {}
        return self._facts

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def decode_grains(body: bytes) -> dict[str, Any] | None:
    """Decode facts as a minion sent them; None: not a JSON object."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
