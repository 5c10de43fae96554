"""Facts drawn from templates."""

import hashlib
import json

import pytest

from limpet.common.errors import SourceError
from limpet.minion.swarm.minions.grains import USUAL, grains_of, read_templates

TEMPLATES = b"""
templates:
  - weight: 3
    grains:
      os: Debian
      host: "{id}"
      nested: {deep: ["{number}", {one_of: [x, y]}]}
      cpus: {between: [2, 4]}
      ip: "{address}"
  - grains: {os: Rocky, flag: true, none: null}
"""


def test_a_host_has_the_same_facts_every_time() -> None:
    templates = read_templates(TEMPLATES, "t.yaml")
    first, again = (grains_of(templates, "s-1", 1, 9) for _ in range(2))
    assert first == again
    assert first.digest == hashlib.sha256(first.body).hexdigest()


def test_words_and_choices_are_filled_in() -> None:
    templates = read_templates(TEMPLATES, "t.yaml")
    found = [json.loads(grains_of(templates, f"s-{n}", n, 1).body) for n in range(1, 400)]
    assert [each["id"] for each in found] == [f"s-{n}" for n in range(1, 400)]
    debian = [each for each in found if each["os"] == "Debian"]
    assert 250 < len(debian) < 350  # three of four
    assert all(each["host"] == each["id"] for each in debian)
    assert {each["cpus"] for each in debian} == {2, 3, 4}
    assert {each["nested"]["deep"][1] for each in debian} == {"x", "y"}
    assert {"id", "os", "flag", "none"} in [set(each) for each in found]
    number = int(debian[0]["nested"]["deep"][0])
    assert debian[0]["ip"] == f"10.0.{number >> 8}.{number & 255}"


def test_one_mapping_is_a_template() -> None:
    templates = read_templates(b"os: Arch\nid: other\n", "t.yaml")
    assert json.loads(grains_of(templates, "s", 1, 1).body)["os"] == "Arch"


def test_what_is_drawn_from_without_a_file_fits_together() -> None:
    for number in range(1, 100):
        found = json.loads(grains_of(USUAL, f"s-{number}", number, 1).body)
        assert found["os_family"] == ("RedHat" if found["os"] == "Rocky" else "Debian")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "expected"),
        ("[]", "expected"),
        ("templates: []", "1 to"),
        ("templates: [1]", "has `grains`"),
        ("templates: [{grains: {a: 1}, wieght: 2}]", "wieght"),
        ("templates: [{grains: {a: 1}, weight: 0}]", "above 0"),
        ("templates: [{grains: {a: 1}, weight: true}]", "above 0"),
        ("a: {one_of: []}", "list"),
        ("a: {between: [2, 1]}", "smaller first"),
        ("a: {between: [1, x]}", "whole numbers"),
        ("a: " + "x" * 70_000, "can be sent"),
        ("a: [", "bad YAML"),
    ],
)
def test_what_is_wrong_is_told_with_the_file(text: str, word: str) -> None:
    with pytest.raises(SourceError, match=word) as caught:
        read_templates(text.encode(), "t.yaml")
    assert "t.yaml" in str(caught.value)
