"""Turning whatever a function returned into bytes that every reader can take.

A result is always told: what MessagePack has no word for becomes text, what is too deep, too many
or too long is cut with a mark. Bytes stay bytes. Pure, and never raises for any value (but for the
exceptions that end a process).
"""

import datetime
import enum
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any, Final

import msgspec

DEPTH_MAX: Final = 60
"""Containers in containers; the wire allows 64."""
ITEMS_MAX: Final = 1_000_000
"""Items of all containers together."""
REPR_CHARACTERS_MAX: Final = 4096
_INTEGER_MIN: Final = -(2**63)
_INTEGER_MAX: Final = 2**64 - 1
_LEAF_CAPS: Final = (256 * 1024, 32 * 1024, 4096, 512, 64)

_encoder: Final = msgspec.msgpack.Encoder()

Plain = Any
"""None, bool, int, float, str, bytes, and lists and dicts of such."""


def encode_value(
    value: object, bytes_max: int, mask: Callable[[Plain], Plain] | None = None
) -> tuple[bytes, bool]:
    """Give the body of a result and whether it was cut to stay within about `bytes_max` bytes.

    `mask` gives a plain value without what must not be shown.
    """
    maker = _Maker()
    plain = maker.plain(value, 0)
    if mask is not None:
        plain = mask(plain)
    body = _encoder.encode(plain)
    if len(body) <= bytes_max:
        return body, maker.is_cut
    if isinstance(plain, str | bytes):
        return _encoder.encode(shorten(plain, max(0, bytes_max - 200))), True
    for cap in _LEAF_CAPS:  # long texts first: names and results of states are never lost to them
        if cap < bytes_max:
            body = _encoder.encode(_with_short_leaves(plain, cap))
            if len(body) <= bytes_max:
                return body, True
    return _encoder.encode(shorten(repr(plain), max(0, bytes_max - 200))), True


def shorten(text: str | bytes, length_max: int) -> str | bytes:
    """Keep the head and the tail of a text within `length_max` bytes, with a mark between."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    if len(data) <= length_max:
        return text
    half = length_max // 2
    head, tail = data[:half], data[len(data) - half :]
    mark = b"\n[... %d bytes were cut out here ...]\n" % (len(data) - 2 * half)
    if isinstance(text, str):
        # A character that was cut in two shows as the replacement mark at the seam.
        return (head + mark + tail).decode("utf-8", "replace")
    return head + mark + tail


class _Maker:
    """One conversion: counts what it has made."""

    def __init__(self) -> None:
        self.is_cut = False
        self._items = 0
        self._path: set[int] = set()

    def plain(self, value: object, depth: int) -> Plain:
        """Give the plain form of any value."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum):
            return self.plain(value.value, depth + 1) if depth < DEPTH_MAX else _repr(value)
        simple = _SIMPLE.get(type(value)) or next(
            (make for kind, make in _SIMPLE.items() if isinstance(value, kind)), None
        )
        if simple is not None:
            return simple(value)
        return self._container(value, depth)

    def _container(self, value: object, depth: int) -> Plain:
        if depth >= DEPTH_MAX or id(value) in self._path:
            self.is_cut = True
            return _repr(value)
        self._path.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self._mapping(value.items(), depth)
            if isinstance(value, list | tuple):
                return self._items_of(value, depth)
            if isinstance(value, AbstractSet):
                return self._items_of(sorted(value, key=_sort_key), depth)
            if isinstance(value, msgspec.Struct):
                names = value.__struct_fields__
                return self._mapping(((name, getattr(value, name)) for name in names), depth)
            if is_dataclass(value) and not isinstance(value, type):
                pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
                return self._mapping(pairs, depth)
            return _repr(value)
        except Exception:  # noqa: BLE001 - a value's own methods may raise anything; it is told
            return _repr(value)
        finally:
            self._path.discard(id(value))

    def _mapping(self, pairs: Iterable[tuple[Any, Any]], depth: int) -> dict[Plain, Plain]:
        made: dict[Plain, Plain] = {}
        for key, value in pairs:
            if not self._may_go_on():
                break
            name = self.plain(key, depth + 1)
            if isinstance(name, list | dict):
                name = _repr(key)
            made[name] = self.plain(value, depth + 1)
        return made

    def _items_of(self, values: Iterable[object], depth: int) -> list[Plain]:
        made: list[Plain] = []
        for value in values:
            if not self._may_go_on():
                break
            made.append(self.plain(value, depth + 1))
        return made

    def _may_go_on(self) -> bool:
        self._items += 1
        if self._items > ITEMS_MAX:
            self.is_cut = True
            return False
        return True


def _text(value: Any) -> str | bytes:  # noqa: ANN401
    """Keep text; the escaped bytes of text that is not Unicode come out as the bytes they were."""
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            return text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return text.encode("utf-8", "backslashreplace").decode()
    return text


def _integer(value: Any) -> int | str:  # noqa: ANN401
    if _INTEGER_MIN <= value <= _INTEGER_MAX:
        return int(value)
    # Decimal digits of huge numbers are refused by the interpreter; hexadecimal ones are not.
    return str(int(value)) if value.bit_length() < 4096 else hex(value)[:REPR_CHARACTERS_MAX]


_SIMPLE: Final[dict[type, Callable[[Any], Plain]]] = {
    str: _text,
    int: _integer,
    float: float,
    bytes: bytes,
    bytearray: bytes,
    memoryview: bytes,
    PurePath: lambda value: _text(str(value)),
    datetime.datetime: datetime.datetime.isoformat,
    datetime.date: datetime.date.isoformat,
    datetime.time: datetime.time.isoformat,
}


def _sort_key(value: object) -> str:
    return f"{type(value).__name__} {_repr(value)!r}"


def _repr(value: object) -> str | bytes:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a broken __repr__ must not cost the result
        text = f"<{type(value).__name__} that can't be shown>"
    return _text(text[:REPR_CHARACTERS_MAX])


def _with_short_leaves(value: Plain, length_max: int) -> Plain:
    if isinstance(value, dict):
        return {
            _key(key, length_max): _with_short_leaves(below, length_max)
            for key, below in value.items()
        }
    if isinstance(value, list):
        return [_with_short_leaves(below, length_max) for below in value]
    if isinstance(value, str | bytes):
        return shorten(value, length_max)
    return value


def _key(key: Plain, length_max: int) -> Plain:
    return shorten(key, max(length_max, 1024)) if isinstance(key, str | bytes) else key
