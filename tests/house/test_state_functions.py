"""Rules for state functions: documented, and held to the laws of states."""

from pathlib import Path

import pytest

from limpet.states.library import registry
from support.state_inputs import INPUTS
from support.state_inputs.excused import HELD_ELSEWHERE, NOT_HELD

ROOT = Path(__file__).parents[2]
NAMES = registry.names()


def test_every_module_of_the_library_has_functions() -> None:
    assert [name for name in registry.MODULES if not registry.functions_of(name)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_state_function_says_in_a_sentence_what_it_sees_to(name: str) -> None:
    function = registry.find(name)
    assert function is not None
    assert function.documentation.splitlines()[0].endswith(".")


def test_every_state_function_is_held_to_the_laws_or_excused_with_a_reason() -> None:
    """Give it inputs in tests/support/state_inputs, or say there why it can't be held."""
    held = [*INPUTS, *HELD_ELSEWHERE, *NOT_HELD]
    assert sorted(set(NAMES) - set(held)) == []
    assert sorted(set(held) - set(NAMES)) == [], "these are gone"
    assert sorted({name for name in held if held.count(name) > 1}) == []


@pytest.mark.parametrize("path", sorted(set(HELD_ELSEWHERE.values())))
def test_what_is_held_elsewhere_is_named_there(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    names = [name for name, place in HELD_ELSEWHERE.items() if place == path]
    assert [name for name in names if name not in text] == []
