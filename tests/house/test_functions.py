"""Rules for execution functions: listed, typed, documented with an example that can be run."""

import inspect
import re
import shlex
import typing

import pytest

from limpet.common.identifiers import FUNCTION_PATTERN
from limpet.common.terminal.arguments import parse_arguments
from limpet.states.functions import registry
from limpet.states.functions.arguments import bind
from support.fakes.host import make_context

NAMES = registry.names()


def test_every_module_of_the_folder_has_functions() -> None:
    assert [name for name in registry.MODULES if not registry.functions_of(name)] == []


def test_no_function_can_be_missed_by_its_name() -> None:
    assert len(NAMES) > 150
    assert [name for name in NAMES if not FUNCTION_PATTERN.match(name)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_function_is_documented_with_an_example_of_itself(name: str) -> None:
    function = registry.find(name)
    assert function is not None
    first = function.documentation.splitlines()[0]
    assert first.endswith("."), f"{name}: the first line is a sentence"
    found = re.search(r"CLI Example:\s+limpet run (\S+) (.*)\Z", function.documentation, re.DOTALL)
    assert found, f"{name}: a CLI example stands at the end"
    called, *words = shlex.split(found.group(2))
    assert called.removesuffix("_") == name
    positional, keyword = parse_arguments(words)
    bind(name, function.signature, positional, keyword, is_strict=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_function_is_typed_throughout(name: str) -> None:
    function = registry.find(name)
    assert function is not None
    hints = typing.get_type_hints(function.implementation)
    parameters = inspect.signature(function.implementation).parameters
    assert "return" in hints
    assert [each for each in parameters if each not in hints] == []


@pytest.mark.parametrize("name", NAMES)
def test_sys_knows_every_function(name: str) -> None:
    context = make_context()
    assert name in registry.call("sys.argspec", [name], {}, context)
    assert name in registry.call("sys.doc", [name], {}, context)
