"""Hypothesis strategies for every message, built from the types themselves.

A field that is added to a message is covered without a change here; a kind of type that is new
fails loudly.
"""

from typing import Any, get_args

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from limpet.common.messages.fields import Message
from limpet.common.wire.codec import FromMaster, FromMinion

_LONG = 2_000
"""Texts and bytes are drawn up to this size; larger ones teach nothing more and take long."""

FROM_MINION: tuple[type[Message], ...] = get_args(FromMinion)
FROM_MASTER: tuple[type[Message], ...] = get_args(FromMaster)


def any_of(kind: type[Message]) -> st.SearchStrategy[Any]:
    """Draw any message of this type that its schema allows."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return _struct(info)


def _struct(info: inspect.StructType) -> st.SearchStrategy[Any]:
    fields = {field.name: _strategy(field.type) for field in info.fields}
    return st.fixed_dictionaries(fields).map(lambda values: info.cls(**values))


def _strategy(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.IntType():
            return st.integers(kind.ge, kind.le)
        case inspect.BoolType():
            return st.booleans()
        case inspect.StrType(pattern=str(pattern)):
            return st.from_regex(pattern, fullmatch=True)
        case inspect.StrType():
            return st.text(max_size=min(kind.max_length or _LONG, _LONG))
        case inspect.BytesType():
            longest = min(kind.max_length or _LONG, _LONG)
            return st.binary(min_size=kind.min_length or 0, max_size=longest)
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.VarTupleType():
            longest = min(kind.max_length or 5, 5)
            return st.lists(_strategy(kind.item_type), max_size=longest).map(tuple)
        case inspect.StructType():
            return _struct(kind)
        case _:
            raise AssertionError(f"no strategy for {kind}: say here how to draw it")


def to_plain(message: Message) -> list[Any]:
    """Give the array that travels, to be spoilt by a test."""
    plain = msgspec.to_builtins(message, builtin_types=(bytes,))
    assert isinstance(plain, list)
    return plain
