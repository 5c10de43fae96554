"""JSON, YAML and txt are valid and harmless, whatever was returned."""

import json
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.terminal.forms import json_text, plain, txt_lines, yaml_text

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=5) | st.integers() | st.none() | st.booleans() | st.binary(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@pytest.mark.covers("B-70")
@given(VALUES)
def test_any_value_is_valid_json_in_ascii_without_control_characters(value: object) -> None:
    text = json_text(value)

    assert json.loads(text) == plain(value)
    assert text == json.dumps(plain(value), indent=4).replace("\x7f", "\\u007f")
    assert text.isascii()
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.covers("B-70")
@given(VALUES)
def test_any_value_is_valid_yaml_without_control_characters(value: object) -> None:
    text = yaml_text(value)

    assert yaml.safe_load(text) == plain(value)
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("indent", [None, 4])
def test_a_name_that_is_no_utf_8_is_shown_all_the_same(indent: int | None) -> None:
    assert '"a\\udcff"' in json_text({"name": "a\udcff"}, indent=indent)


def test_what_json_has_no_word_for_becomes_text() -> None:
    value = {2: b"\xff", None: math.nan, True: math.inf, b"k": (1, 2), "set": {"a"}}

    assert plain(value) == {
        "2": "\\xff",
        "null": "nan",
        "true": "inf",
        "k": [1, 2],
        "set": ["a"],
    }


def test_a_list_that_occurs_twice_is_written_twice() -> None:
    shared = ["x"]

    assert yaml_text({"a": shared, "b": shared}) == "a:\n- x\nb:\n- x\n"
    assert yaml_text("x") == "x\n"


def test_txt_puts_the_name_before_each_line() -> None:
    assert list(txt_lines("web1", "a\nb\x1b")) == ["web1: a", r"web1: b\x1b"]
    assert list(txt_lines("web1", True)) == ["web1: True"]
    assert list(txt_lines("web1", {"a": b"b"})) == ["web1: {'a': 'b'}"]
    assert list(txt_lines("web1", "")) == ["web1: "]


def test_a_value_nested_without_end_is_written_in_part() -> None:
    value: object = "bottom"
    for _ in range(900):
        value = [value]

    assert "\\u2026" in json_text(value, indent=None)
