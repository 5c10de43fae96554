"""The last pillar of each minion, as far as memory goes: what targets on pillar are judged by."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from limpet.common.identifiers import MinionKey


class _Data(msgspec.Struct, frozen=True):
    """Of a body, what targets look at."""

    data: dict[Any, Any]


_decoder: Final[msgspec.msgpack.Decoder[_Data]] = msgspec.msgpack.Decoder(_Data)


@dataclass(frozen=True, slots=True)
class _Kept:
    body: bytes
    has_errors: bool


class PillarCache:
    """Bodies by the minion's key, encoded: a fleet's pillars lie in memory as small as they can."""

    def __init__(self, bytes_max: int) -> None:
        """Keep at most so many bytes; what was not looked at for longest makes room."""
        self._bytes_max = bytes_max
        self._kept: OrderedDict[MinionKey, _Kept] = OrderedDict()
        self.held_bytes = 0

    def put(self, key: MinionKey, body: bytes, *, has_errors: bool) -> None:
        """Take a minion's new pillar in place of the last one."""
        self.forget(key)
        if len(body) > self._bytes_max:
            return
        while self.held_bytes + len(body) > self._bytes_max:
            self.forget(next(iter(self._kept)))
        self._kept[key] = _Kept(body, has_errors)
        self.held_bytes += len(body)

    def get(self, key: MinionKey) -> Mapping[Any, Any] | None:
        """Give a minion's pillar; None: it is not known, or has errors."""
        kept = self._kept.get(key)
        if kept is None or kept.has_errors:
            return None
        self._kept.move_to_end(key)
        return _decoder.decode(kept.body).data

    def forget(self, key: MinionKey) -> None:
        """Drop what is known of a minion."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.held_bytes -= len(kept.body)
