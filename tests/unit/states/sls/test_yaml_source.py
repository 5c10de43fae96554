"""YAML by Salt's rules, and bad YAML as an error with its line, soon."""

import itertools
import time
from typing import Any

import pytest

from limpet.states.sls.errors import RenderError
from limpet.states.sls.yaml_source import VALUES_MAX, load


def data(text: str) -> Any:  # noqa: ANN401
    return load(text, "x.sls").data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0644", 644),
        ("0", 0),
        ("00", 0),
        ("0o644", "0o644"),
        ("08", "08"),
        ("-010", -8),
        ("0x1F", 31),
        ("1_000", 1000),
        ("0b101", 5),
        ("+5", 5),
        ("yes", True),
        ("Off", False),
        ("y", "y"),
        ("2020-01-02", "2020-01-02"),
        ("2024-13-45", "2024-13-45"),
        ("12:30", 750),
        ("12:30:45", 45045),
        ("22:22.5", 1342.5),
        ("1e3", "1e3"),
        ("1.5e+3", 1500.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("~", None),
        ("''", ""),
        ("!!str 5", "5"),
        ("!!int '7'", 7),
        ("! 5", "5"),
        ("!!binary aGk=", b"hi"),
        ("v1.0", "v1.0"),
        ("12345678901234567890", 12345678901234567890),
    ],
)
def test_a_plain_scalar_is_what_salt_makes_of_it(text: str, value: object) -> None:
    found = data(f"k: {text}\n")["k"]
    assert found == value
    assert type(found) is type(value)


def test_merge_keys_lie_under_what_stands_beside_them() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], z: 5}\nd: {'<<': 1}\n"
    assert data(text)["c"] == {"x": 1, "y": 2, "z": 5}
    assert data(text)["d"] == {"<<": 1}


def test_an_alias_is_a_copy() -> None:
    found = data("a: &l [1]\nb: *l\n")
    found["a"].append(2)
    assert found["b"] == [1]


def test_the_lines_of_declarations_are_kept() -> None:
    document = load("a:\n  pkg.installed:\n    - name: x\nb: &t\n  k: v\n", "x.sls")
    assert document.line("a", "pkg.installed", 0, "name", "deeper") == 3
    assert document.line("b") == 4
    assert document.line("nothing") is None


@pytest.mark.covers("B-50", "B-51", "B-52", "B-53", "B-54", "B-55", "B-56")
@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("[" * 30_000, "nested deeper than 64", 1),
        ("- " * 30_000, "nested deeper than 64", 1),
        ("\n".join(" " * i + "k:" for i in range(1000)), "nested deeper than 64", 65),
        ("a: &a [*a]", r"\*a stands inside", 1),
        ("a: &a {b: {c: *a}}", r"\*a stands inside", 1),
        ("a: *none", "undefined alias", 1),
        ("- &a x\n" + "- *a\n" * 1001, "more than 1000 aliases", 1002),
        ("[" + "1," * (VALUES_MAX + 1) + "]", "values", 1),
        ("a: 1\nb: 2\n---\nc: 3\n", "single document", 3),
        ("a: 1\nb: 2\na: 3\n", "conflicting ID 'a', which stands in line 1", 3),
        ("true: 1\nTrue: 2\n", "conflicting ID", 2),
        ("m:\n  x: 1\n  x: 2\n", "conflicting ID 'x'", 3),
        ("a:\n\tb: 1\n", "a tab may not indent", 2),
        ("a: \x01\n", "control character", 1),
        ("a: b: c\n", "mapping values are not allowed", 1),
        ("a: !custom x\n", "constructor for the tag '!custom'", 1),
        ("a: !!python/tuple [1]\n", "python/tuple", 1),
        ("a: !!python/object/apply:os.system ['id']\n", "python/object", 1),
        ("a: =\n", "tag:yaml.org,2002:value", 1),
        ("{{ a }}: 1\n", "double curly brace", 1),
        ("? [1]\n: 2\n", "double curly brace", 1),
        ("<<: 5\n", "expected a mapping for merging", 1),
        ("a: " + "9" * 5000, "400 digits", 1),
        ("a: 0x" + "f" * 100_000, "400 digits", 1),
        ("a: !!int x\n", "is no int", 1),
        ("a: [\n", "node content", 2),
        ('a: "\\ud800x', "escape", 1),
    ],
)
def test_bad_yaml_is_an_error_with_its_line(text: str, problem: str, line: int | None) -> None:
    before = time.monotonic()
    with pytest.raises(RenderError, match=problem) as caught:
        load(text, "x.sls")
    assert time.monotonic() - before < 10
    assert caught.value.path == "x.sls"
    if line is not None:
        assert caught.value.line == line


def test_a_bomb_of_aliases_costs_no_more_than_its_budget() -> None:
    names = "abcdefghij"
    lines = ["- &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &{n} [{', '.join(['*' + m] * 9)}]" for m, n in itertools.pairwise(names)]
    with pytest.raises(RenderError, match=r"more than \d+ (values|aliases)"):
        load("\n".join(lines), "bomb.sls")


def test_an_error_shows_the_lines_around_its_place() -> None:
    with pytest.raises(RenderError) as caught:
        load("one: 1\ntwo: 2\none: 3\nfour: 4\n", "x.sls")
    assert "two: 2\none: 3    <======================\nfour: 4" in caught.value.told
    assert "; line 3\n" in caught.value.told


def test_windows_line_ends_and_a_byte_order_mark_are_accepted() -> None:
    assert data("a: 1\r\nb: 2\r\n") == {"a": 1, "b": 2}
    assert data("\ufeffa: 1\n") == {"a": 1}
