"""The `environ` states: variables of the process that applies the states, and of what it runs."""

import os
from typing import Any

from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def setenv(
    context: StateContext,
    name: str,
    value: Loose,
    false_unsets: bool = False,
    clear_all: bool = False,
    update_minion: bool = False,
    permanent: Loose = False,
    **_odd: Loose,
) -> Outcome:
    """See to it that environment variables have these values while the run lasts.

    `value` is the value of the variable `name`, or a mapping of several variables.
    """
    wanted = _wanted(name, value, false_unsets)
    if isinstance(wanted, str):
        return failed(wanted)
    present = context.host.commands.environment()
    if clear_all:
        wanted = {**dict.fromkeys(present, None if false_unsets else ""), **wanted}
    changes: dict[str, Any] = {
        key: text for key, text in wanted.items() if present.get(key) != text
    }
    if not changes:
        return Outcome(True, "Environment values are already set with the correct values")
    if context.is_test:
        return Outcome(None, "Environment values will be changed", changes)
    for key, text in changes.items():
        if text is None:
            os.environ.pop(key, None)
        else:
            os.environ[key] = text
    return Outcome(True, "Environ values were set", changes)


def _wanted(name: str, value: Loose, false_unsets: bool) -> dict[str, str | None] | str:
    """Give the texts of the variables, None for those to go; or what is wrong."""
    if value is False or isinstance(value, str | int | float):
        value = {name: value}
    if not isinstance(value, dict):
        return "Environ value must be string, dict or False"
    found: dict[str, str | None] = {}
    for key, each in value.items():
        if each is False:
            found[str(key)] = None if false_unsets else ""
        elif isinstance(each, str | int | float):
            found[str(key)] = str(each)
        else:
            return f"The value of {key} is neither text nor False"
    return found
