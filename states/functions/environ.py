"""`environ.*`: the environment variables of the process that answers."""

import os
from typing import Any

from limpet.states.context import FunctionContext, Loose


def get(context: FunctionContext, key: str, default: Loose = "") -> Loose:
    """Give one variable.

    CLI Example: limpet run '*' environ.get PATH
    """
    return context.host.commands.environment().get(key, default)


def has_value(context: FunctionContext, key: str, value: str | None = None) -> bool:
    """Say whether a variable is there, and has that value if one is given.

    CLI Example: limpet run '*' environ.has_value PATH
    """
    found = context.host.commands.environment().get(key)
    return found is not None and (value is None or found == value)


def item(context: FunctionContext, keys: Loose, default: Loose = "") -> dict[str, Any]:
    """Give several variables.

    CLI Example: limpet run '*' environ.item '[PATH, HOME]'
    """
    environment = context.host.commands.environment()
    wanted = keys if isinstance(keys, list) else [keys]
    return {str(key): environment.get(str(key), default) for key in wanted}


def items(context: FunctionContext) -> dict[str, str]:
    """Give all variables.

    CLI Example: limpet run '*' environ.items
    """
    return context.host.commands.environment()


def setval(
    context: FunctionContext,
    key: str,
    val: Loose = False,
    false_unsets: bool = False,
    **_odd: Loose,
) -> Loose:
    """Set a variable for what this job still runs; False empties or, with `false_unsets`, drops it.

    CLI Example: limpet run '*' environ.setval foo bar
    """
    if val is False and false_unsets:
        os.environ.pop(key, None)
        return None
    text = "" if val is False else str(val)
    os.environ[key] = text
    return text


def setenv(
    context: FunctionContext,
    environ: dict[str, Any],
    false_unsets: bool = False,
    clear_all: bool = False,
    **_odd: Loose,
) -> dict[str, Any]:
    """Set several variables for what this job still runs.

    CLI Example: limpet run '*' environ.setenv '{"foo": "bar", "baz": "quux"}'
    """
    if clear_all:
        for key in list(os.environ):
            if key not in environ:
                setval(context, key, False, false_unsets)
    return {str(key): setval(context, str(key), val, false_unsets) for key, val in environ.items()}
