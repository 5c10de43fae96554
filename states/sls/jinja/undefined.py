"""Undefined values on their way through filters: they stay undefined instead of becoming data."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

import jinja2


def passing_undefined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter so that a value with something undefined in it gives an undefined value."""

    @wraps(function)
    def filtered(value: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        found = list(_undefined_in(value, set()))
        if found:
            return jinja2.StrictUndefined("\n".join(str(each._undefined_message) for each in found))
        return function(value, *args, **kwargs)

    return filtered


def _undefined_in(value: Any, seen: set[int]) -> Iterator[jinja2.StrictUndefined]:  # noqa: ANN401
    if isinstance(value, jinja2.StrictUndefined):
        yield value
    elif isinstance(value, str | bytes | int | float | None) or id(value) in seen:
        return
    elif isinstance(value, Mapping):
        seen.add(id(value))
        for each in value.values():
            yield from _undefined_in(each, seen)
    elif isinstance(value, Sequence):
        seen.add(id(value))
        for each in value:
            yield from _undefined_in(each, seen)
