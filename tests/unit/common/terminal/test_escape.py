"""Returned text can't act on a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.terminal.colors import PLAIN, Palette
from limpet.common.terminal.escape import LINE_BYTES_MAX, cut_line, decoded, escape_line, lines
from limpet.common.terminal.nested import nested


@pytest.mark.covers("B-70")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü 漢字 😀", "plain äöü 漢字 😀"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x1b]52;c;Zm9v\x07", r"\x1b]52;c;Zm9v\x07"),
        ("\x1b]8;;http://evil\x1b\\", r"\x1b]8;;http://evil\x1b" + "\\"),
        ("secret\rpublic", r"secret\rpublic"),
        ("a\b\bb", r"a\x08\x08b"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u200bb\u2066c", r"a\u200bb\u2066c"),
        ("a\u2028b\x85c\x0cd", r"a\u2028b\x85c\x0cd"),
        ("tab\tstays", "tab\tstays"),
        ("\ud800", r"\ud800"),
        ("line\nbreak", r"line\nbreak"),
        ("\x7f", r"\x7f"),
    ],
)
def test_what_does_not_print_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert escape_line(text) == shown


@pytest.mark.covers("B-70")
def test_bytes_that_are_no_text_are_shown_as_their_numbers() -> None:
    assert decoded(b"ab\xff\xfe\xc3") == r"ab\xff\xfe\xc3"
    assert decoded("ä".encode()) == "ä"


@pytest.mark.covers("B-70")
def test_a_line_without_end_is_cut_and_says_by_how_much() -> None:
    shown = cut_line("x" * 10_000_000)

    assert shown == "x" * LINE_BYTES_MAX + f"…({10_000_000 - LINE_BYTES_MAX} more bytes)"


def test_a_cut_does_not_split_a_letter_and_counts_bytes() -> None:
    shown = cut_line("ä" * 3, bytes_max=5)

    assert shown == "ää…(2 more bytes)"


def test_lines_end_at_newlines_only() -> None:
    assert list(lines("a\r\nb\x0bc\u2028d\n\ne")) == ["a", r"b\x0bc\u2028d", "", "e"]
    assert list(lines("")) == []
    assert list(lines("a\n")) == ["a"]


@pytest.mark.covers("B-70")
@given(st.text(max_size=200))
def test_no_text_brings_a_control_character_to_the_terminal(text: str) -> None:
    for line in nested({text: [text, {text: text}]}, PLAIN, 4):
        assert line.replace("\t", "").isprintable()


def test_values_look_as_in_salt() -> None:
    value = {
        "web1": {
            "name": "a\nb",
            "number": 5,
            "flag": True,
            "nothing": None,
            "list": ["x", 2, {"k": "v"}, ["y"]],
            "empty": {},
            "raw": b"\x00\xff",
        }
    }

    assert list(nested(value, PLAIN)) == [
        "web1:",
        "    ----------",
        "    empty:",
        "        ----------",
        "    flag:",
        "        True",
        "    list:",
        "        - x",
        "        - 2",
        "        |_",
        "          ----------",
        "          k:",
        "              v",
        "        |_",
        "          - y",
        "    name:",
        "        a",
        "        b",
        "    nothing:",
        "        None",
        "    number:",
        "        5",
        "    raw:",
        r"        \x00\xff",
    ]


def test_a_value_nested_without_end_is_shown_in_part() -> None:
    value: object = "bottom"
    for _ in range(900):
        value = [value]

    shown = list(nested(value, PLAIN))

    assert shown[-1].endswith("…")
    assert len(shown) < 100


def test_colours_stand_around_escaped_text_only() -> None:
    shown = list(nested({"k": "\x1b[0mv"}, Palette(True)))

    assert shown == ["\x1b[36mk:\x1b[0m", "    \x1b[32m\\x1b[0mv\x1b[0m"]
