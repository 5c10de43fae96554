"""Any value of a function becomes bytes that every reader can take."""

import datetime
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.minion.workers import value_encoding
from limpet.minion.workers.value_encoding import encode_value, shorten

ROOM = 10_000_000

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers() | st.binary(), inner)
        | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


def through(value: object, bytes_max: int = ROOM) -> Any:  # noqa: ANN401
    body, _ = encode_value(value, bytes_max)
    return msgspec.msgpack.decode(body, strict=False)


@given(VALUES)
def test_any_value_can_be_read_back(value: object) -> None:
    through(value)


@given(VALUES, st.integers(300, 2000))
def test_a_cut_value_stays_near_its_cap_and_says_so(value: object, cap: int) -> None:
    whole, _ = encode_value(value, ROOM)
    body, is_cut = encode_value(value, cap)

    assert len(body) <= cap
    assert is_cut or body == whole
    msgspec.msgpack.decode(body, strict=False)


@pytest.mark.covers("G1")
@given(st.binary())
def test_bytes_survive_as_they_are_and_as_escaped_text(data: bytes) -> None:
    assert through(data) == data
    text = data.decode("utf-8", "surrogateescape")
    assert through(text) in (data, text)


class Color(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class Pair(msgspec.Struct):
    left: int


@pytest.mark.covers("F18")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Color.RED, "red"),
        (Point(1), {"x": 1}),
        (Pair(2), {"left": 2}),
        (Path("/etc"), "/etc"),
        (frozenset({"b", "a"}), ["a", "b"]),
        (datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC), "2024-01-02T00:00:00+00:00"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (2**64, "18446744073709551616"),
        (-(2**63), -(2**63)),
        ({(1, 2): "tuple key"}, {"(1, 2)": "tuple key"}),
        (bytearray(b"\x00\xff"), b"\x00\xff"),
        ("\ud800", "\\ud800"),
    ],
)
def test_values_that_messagepack_does_not_know_become_plain(
    value: object, expected: object
) -> None:
    assert through(value) == expected


def test_a_list_that_holds_itself_is_cut_where_it_comes_back() -> None:
    circle: list[object] = [1]
    circle.append(circle)

    body, is_cut = encode_value(circle, ROOM)

    assert is_cut
    assert msgspec.msgpack.decode(body) == [1, "[1, [...]]"]


def test_what_is_too_deep_is_shown_as_text_from_there_on() -> None:
    deep: object = "bottom"
    for _ in range(500):
        deep = [deep]

    body, is_cut = encode_value(deep, ROOM)

    assert is_cut
    found, depth = msgspec.msgpack.decode(body), 0
    while isinstance(found, list):
        found, depth = found[0], depth + 1
    assert depth == value_encoding.DEPTH_MAX
    assert "bottom" in found


def test_what_has_too_many_items_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_encoding, "ITEMS_MAX", 10)

    body, is_cut = encode_value(list(range(100)), ROOM)

    assert is_cut
    assert msgspec.msgpack.decode(body) == list(range(10))


def test_long_texts_are_cut_before_names_and_results_of_states() -> None:
    states = {
        f"file_|-{number}_|-/etc/x_|-managed": {"result": True, "comment": "c" * 10_000}
        for number in range(50)
    }

    body, is_cut = encode_value(states, 50_000)

    assert is_cut
    assert len(body) <= 50_000
    found = msgspec.msgpack.decode(body)
    assert set(found) == set(states)
    assert all(state["result"] is True for state in found.values())
    assert all(" bytes were cut out here ...]" in state["comment"] for state in found.values())


def test_a_shortened_text_keeps_head_and_tail() -> None:
    assert shorten("a" * 50 + "b" * 50, 20) == (
        "aaaaaaaaaa\n[... 80 bytes were cut out here ...]\nbbbbbbbbbb"
    )
    assert shorten(b"short", 20) == b"short"
