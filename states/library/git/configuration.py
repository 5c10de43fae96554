"""git's configuration: `git.config_set`, `git.config_unset`."""

from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def config_set(
    context: StateContext,
    name: str,
    value: Loose = None,
    multivar: Loose = None,
    repo: str | None = None,
    user: str | None = None,
    password: str | None = None,
    output_encoding: str | None = None,
    **more: Loose,
) -> Outcome:
    """See to it that a key of git's configuration has this value, or these by `multivar`."""
    if value is not None and multivar is not None:
        return failed("Only one of 'value' and 'multivar' is permitted")
    if value is None and multivar is None:
        return failed("One of 'value' and 'multivar' is required")
    is_global = bool(more.get("global"))
    if not is_global and not repo:
        return failed("Non-global config options require the 'repo' argument to be set")
    several = multivar if isinstance(multivar, list) else str(multivar).split(",")
    wanted = [str(each) for each in ([value] if multivar is None else several)]
    shown = repr(wanted[0]) if multivar is None else repr(wanted)
    asked: dict[str, Any] = {"cwd": repo, "user": user, "global": is_global}
    try:
        found = context.call("git.config_get", name, all=True, **asked)
        if found == wanted:
            return Outcome(True, f"'{name}' is already set to {shown}")
        change = {"old": found, "new": wanted}
        word = "set to" if found else "added as"
        if context.is_test:
            return Outcome(None, f"'{name}' would be {word} {shown}", change)
        context.call("git.config_set", name, value=value, multivar=multivar, **asked)
    except HostError as error:
        return failed(str(error))
    return Outcome(True, f"'{name}' was {word} {shown}", {name: change})


def config_unset(
    context: StateContext,
    name: str,
    value_regex: str | None = None,
    repo: str | None = None,
    user: str | None = None,
    password: str | None = None,
    output_encoding: str | None = None,
    all: bool = False,  # noqa: A002 — Salt's name
    **more: Loose,
) -> Outcome:
    """See to it that the keys which a regular expression fits are not set."""
    is_global = bool(more.get("global"))
    if not is_global and not repo:
        return failed("Non-global config options require the 'repo' argument to be set")
    asked: dict[str, Any] = {"cwd": repo, "user": user, "global": is_global}
    try:
        found = context.call(
            "git.config_get_regexp", f"^({name.removeprefix('^').removesuffix('$')})$",
            value_regex=value_regex, **asked,
        )  # fmt: skip
        if not found:
            return Outcome(True, "No matching keys are set")
        several = {key: values for key, values in found.items() if len(values) > 1}
        if several and not all:
            listed = ", ".join(f"{key} ({', '.join(each)})" for key, each in several.items())
            return failed(
                "Multivar(s) matched by the key expression (set 'all' to True to force removal): "
                f"{listed}"
            )
        if context.is_test:
            return Outcome(None, f"{len(found)} key(s) would have value(s) unset", found)
        for key in found:
            context.call("git.config_unset", key, value_regex=value_regex, all=all, **asked)
    except HostError as error:
        return failed(str(error))
    return Outcome(True, "Value(s) successfully unset", found)
