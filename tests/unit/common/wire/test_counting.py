"""Values are counted without being made, and the count is true for whatever msgspec encodes."""

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.wire.counting import VALUES_MAX, holds_too_many_values

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=300)
    | st.builds(msgspec.msgpack.Ext, st.integers(0, 127), st.binary(max_size=20))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=40), inner, max_size=20)
    ),
)


def count(value: object) -> int:
    if isinstance(value, list):
        return 1 + sum(map(count, value))
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(count, value.values()))
    return 1


@given(VALUES)
def test_the_count_is_what_one_would_count(value: object) -> None:
    body = msgspec.msgpack.encode(value)
    values = count(value)

    assert not holds_too_many_values(body, values)
    assert holds_too_many_values(body, values - 1)


@given(st.binary(max_size=500), st.integers(0, 100))
def test_broken_bytes_are_no_trouble(body: bytes, values_max: int) -> None:
    holds_too_many_values(body, values_max)


@pytest.mark.covers("B-28", "G11")
def test_millions_of_empty_lists_are_too_many_and_one_long_text_is_not() -> None:
    number = 16 * 2**20
    began = time.monotonic()

    assert holds_too_many_values(b"\xdd" + number.to_bytes(4, "big") + b"\x90" * number)
    assert not holds_too_many_values(msgspec.msgpack.encode("x" * number))
    assert not holds_too_many_values(msgspec.msgpack.encode(["x" * 15] * (VALUES_MAX // 2)))
    assert time.monotonic() - began < 10
