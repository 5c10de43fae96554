"""Finding a value by a path such as `a:b:0` in nested mappings and lists, by Salt's rules."""

from collections.abc import Mapping
from typing import Any, TypeVar

Default = TypeVar("Default")


def traverse(data: Any, path: str, default: Default, delimiter: str = ":") -> Any | Default:  # noqa: ANN401
    """Follow the path.

    In a list, a number is an index, and a word is looked for in the mappings that are its members.
    """
    found = data
    for step in str(path).split(delimiter):
        found = _step(found, step)
        if found is _NOTHING:
            return default
    return found


_NOTHING = object()


def _step(data: Any, step: str) -> Any:  # noqa: ANN401
    if isinstance(data, Mapping):
        if step in data:
            return data[step]
        number = _number(step)
        return data[number] if number is not None and number in data else _NOTHING
    if isinstance(data, list | tuple):
        number = _number(step)
        if number is None:
            return next(
                (each[step] for each in data if isinstance(each, Mapping) and step in each),
                _NOTHING,
            )
        return data[number] if -len(data) <= number < len(data) else _NOTHING
    return _NOTHING


def _number(step: str) -> int | None:
    return int(step) if step.lstrip("-").isdigit() and len(step) < 19 else None
