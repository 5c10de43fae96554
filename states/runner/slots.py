"""`__slot__:salt:test.echo(hello)`: arguments that are worked out just before their state runs."""

import ast
import re
from typing import Any, Final

from limpet.common.terminal.arguments import parse_value
from limpet.states.context import Loose
from limpet.states.data.traversal import traverse
from limpet.states.functions import registry as functions
from limpet.states.library.context import StateContext

_MARK: Final = "__slot__:"
_CALL: Final = re.compile(
    r"\s*(?P<fun>[\w.]+)\((?P<arguments>.*)\)(?P<path>[^()~]*)(?:~(?P<more>.*))?\Z", re.DOTALL
)


def fill(context: StateContext, arguments: dict[str, Any]) -> dict[str, Any]:
    """Give the arguments with their slots filled; those without a slot are the same objects.

    Raises what a slot's function raises. What only looks like a slot stays as it is, as in Salt.
    """
    return {key: fill_value(context, value) for key, value in arguments.items()}


def fill_value(context: StateContext, value: Loose) -> Loose:
    """Fill a text that is a slot, or those directly in a mapping, a list, a list of mappings."""
    if isinstance(value, str):
        return _filled(context, value)
    if isinstance(value, dict):
        return {key: _of_text(context, each) for key, each in value.items()}
    if isinstance(value, list):
        return [
            {key: _of_text(context, inner) for key, inner in each.items()}
            if isinstance(each, dict)
            else _of_text(context, each)
            for each in value
        ]
    return value


def _of_text(context: StateContext, value: Loose) -> Loose:
    return _filled(context, value) if isinstance(value, str) else value


def _filled(context: StateContext, text: str) -> Loose:
    if not text.startswith(_MARK):
        return text
    kind, _, rest = text.removeprefix(_MARK).partition(":")
    found = _CALL.match(rest)
    if kind != "salt" or found is None:
        return text
    if functions.find(found["fun"]) is None:
        return text
    positional, named = _arguments(found["arguments"])
    answer = context.call(found["fun"], *positional, **named)
    path = found["path"].strip().removeprefix(".")
    if path:
        answer = traverse(answer, path, None, delimiter=".")
    if found["more"] is not None and isinstance(answer, str):
        answer += found["more"].strip()
    return answer


def _arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """Read the words between the parentheses; quotes keep commas, `name=` names an argument."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for word in _words(text):
        name, separator, value = word.partition("=")
        if separator and name.strip().isidentifier():
            named[name.strip()] = _value(value.strip())
        else:
            positional.append(_value(word.strip()))
    return positional, named


def _words(text: str) -> list[str]:
    words, word, quote, depth = [], "", "", 0
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "[{(":
            depth += 1
        elif sign in "]})":
            depth -= 1
        elif sign == "," and not depth:
            words.append(word)
            word = ""
            continue
        word += sign
    return [*words, word] if word.strip() or words else []


def _value(text: str) -> Loose:
    if text[:1] in "'\"":
        try:
            return ast.literal_eval(text)
        except (SyntaxError, ValueError):
            return text.strip("'\"")
    return parse_value(text)
