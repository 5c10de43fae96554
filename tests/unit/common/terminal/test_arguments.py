"""Arguments of the command line are read as Salt reads them."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.errors import UsageError
from limpet.common.terminal import arguments
from limpet.common.terminal.arguments import encode_arguments, parse_arguments, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("1.5", 1.5),
        ("010", 10),
        ("0644", 644),
        ("0x10", 16),
        ("true", True),
        ("No", False),
        ("null", None),
        ("~", None),
        ("None", None),
        ("none", "none"),
        ("", ""),
        ("  ", "  "),
        ("word", "word"),
        (" padded ", "padded"),
        ("1_000", "1_000"),
        ("'5'", "5"),
        ("[a, 1, {b: c}]", ["a", 1, {"b": "c"}]),
        ("{a: 1, b: [2]}", {"a": 1, "b": [2]}),
        ("{a: }", {"a": None}),
        ("a: 1", "a: 1"),
        ("- a", "- a"),
        ("2026-11-24", "2026-11-24"),
        ("2026-11-24 10:00:00", "2026-11-24 10:00:00"),
        ("[2026-11-24]", "[2026-11-24]"),
        ("12:30:45", 45045),
        ("# comment", "# comment"),
        ("word # comment", "word # comment"),
        ("5 # five", 5),
        ("[1, 2] # list", [1, 2]),
        ("!", "!"),
        ("|", "|"),
        ("!!python/object:os.system x", "!!python/object:os.system x"),
        ("a\nb", "a\nb"),
        ("a\tb", "a\tb"),
        ("{unclosed", "{unclosed"),
        ("http://x/y?z=1", "http://x/y?z=1"),
        ("ls -l /tmp", "ls -l /tmp"),
        ("echo 'a: b'", "echo 'a: b'"),
        ("*", "*"),
        ("&a [*a, *a]", "&a [*a, *a]"),
        ("@x", "@x"),
        ("`date`", "`date`"),
        ("%TAG", "%TAG"),
        ("a==b", "a==b"),
        (".inf", float("inf")),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_a_value_is_yaml_where_that_loses_nothing(text: str, value: object) -> None:
    read = parse_value(text)

    assert read == value
    assert type(read) is type(value)


def test_words_are_sorted_into_positional_and_keyword_arguments() -> None:
    words = ["ls -l", "cwd=/tmp", "5", "env={A: b}", "a==b", "=x", "1x=2", "x.y-z=", "k=v=w", "ä=ö"]

    assert parse_arguments(words) == (
        ["ls -l", 5, "a==b", "=x", "1x=2"],
        {"cwd": "/tmp", "env": {"A": "b"}, "x.y-z": "", "k": "v=w", "ä": "ö"},
    )


@given(st.text("abcXYZ019_./@%+=,*?:- ", max_size=12))
def test_the_quick_way_reads_the_same_as_yaml(text: str) -> None:
    if arguments._PLAIN_TEXT.match(text) and text.lower() not in arguments._WORDS_WITH_MEANING:
        assert yaml.safe_load(text) == parse_value(text) == text
    if text.isdigit():
        is_text = isinstance(yaml.safe_load(text), str)
        assert parse_value(text) == (text if is_text else int(text))


@pytest.mark.parametrize("text, value", [("09", "09"), ("027", 27), ("0", 0), ("007", 7)])
def test_zeros_in_front_mean_what_they_mean_to_salt(text: str, value: object) -> None:
    assert parse_value(text) == value


@given(st.text(max_size=40))
def test_any_text_is_read_and_can_be_sent(text: str) -> None:
    value = parse_value(text)
    try:
        encode_arguments([value], {})
    except UsageError:
        assert any(letter.isdigit() or "\ud800" <= letter <= "\udfff" for letter in text)


@pytest.mark.covers("B-73")
def test_arguments_that_cannot_be_sent_are_a_usage_error() -> None:
    wrong: list[Any] = [[2**70], ["\udcff"], ["x" * 200_000], [object()]]
    for positional in wrong:
        with pytest.raises(UsageError, match="the arguments"):
            encode_arguments(positional, {})


def test_arguments_travel_as_a_list_and_a_mapping() -> None:
    assert msgspec.msgpack.decode(encode_arguments(("a", 1), {"k": [None]})) == [
        ["a", 1],
        {"k": [None]},
    ]


def test_yaml_is_not_imported_for_plain_words() -> None:
    code = (
        "import sys; from limpet.common.terminal.arguments import parse_arguments; "
        "parse_arguments(['uptime', '5', 'cwd=/tmp', 'http://x/', 'a-b.c']); "
        "assert 'yaml' not in sys.modules; parse_arguments(['[a]']); assert 'yaml' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
