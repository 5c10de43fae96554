"""Functions that are answered at once by the link process itself: no worker, no journal.

They are free of side effects, never wait, and need nothing of the host. This module is imported by
the minion's link process, where memory counts: it imports the error family and nothing else. The
same functions stand in `test.py` with their documentation; both give the same answers.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from limpet import __version__
from limpet.common.errors import UsageError

Instant = Callable[[list[Any], dict[str, Any]], Any]
"""Takes positional and keyword arguments as they came; raises `UsageError` for wrong ones."""


def is_salts_own(keyword: str) -> bool:
    """Say whether a keyword is bookkeeping (`__kwarg__`, `__pub_jid`), never an argument."""
    return keyword.startswith("__")


def _nothing(name: str, value: object) -> Instant:
    """Make a function without arguments that always gives the value."""

    def answer(positional: list[Any], keyword: dict[str, Any]) -> object:
        odd = [repr(each) for each in positional[:1]]
        odd += [each for each in keyword if not is_salts_own(each)][:1]
        if odd:
            raise UsageError(f"{name} takes no arguments, but was given {odd[0]}")
        return value

    return answer


def _one(name: str, parameter: str) -> Instant:
    """Make a function that gives its one argument back."""

    def answer(positional: list[Any], keyword: dict[str, Any]) -> object:
        named = {key: value for key, value in keyword.items() if not is_salts_own(key)}
        given = [*positional, *([named.pop(parameter)] if parameter in named else [])]
        if named:
            raise UsageError(
                f"{name} has no argument {next(iter(named))!r} (usage: {name} {parameter})"
            )
        if not given:
            raise UsageError(
                f"{name}: the argument {parameter!r} is missing (usage: {name} {parameter})"
            )
        if len(given) > 1:
            raise UsageError(
                f"{name} takes one argument but was given {len(given)} (usage: {name} {parameter})"
            )
        return given[0]

    return answer


def _arg(positional: list[Any], keyword: dict[str, Any]) -> object:
    return {"args": list(positional), "kwargs": _kwarg([], keyword)}


def _kwarg(positional: list[Any], keyword: dict[str, Any]) -> dict[str, Any]:
    if positional:
        raise UsageError(
            f"test.kwarg takes only name=value, but was given {positional[0]!r:.60} without a name"
        )
    return {key: value for key, value in keyword.items() if not is_salts_own(key)}


INSTANT: Final[Mapping[str, Instant]] = {
    "test.ping": _nothing("test.ping", True),
    "test.true": _nothing("test.true", True),
    "test.true_": _nothing("test.true", True),
    "test.false": _nothing("test.false", False),
    "test.false_": _nothing("test.false", False),
    "test.version": _nothing("test.version", __version__),
    "test.echo": _one("test.echo", "text"),
    "test.outputter": _one("test.outputter", "data"),
    "test.arg": _arg,
    "test.kwarg": _kwarg,
}
"""By public name; Salt's spellings with an underscore are accepted as well."""
