"""The `test` states: they change nothing, and end as they are told to."""

from typing import Any

from limpet.common.errors import UsageError
from limpet.states.context import Loose
from limpet.states.data.traversal import traverse
from limpet.states.library.context import StateContext, tag_of
from limpet.states.outcome import Outcome

_PRETENDED = {"testing": {"old": "Unchanged", "new": "Something pretended to change"}}


def nop(context: StateContext, name: Loose, **_odd: Loose) -> Outcome:
    """Do nothing, successfully."""
    return Outcome(True, "Success!")


def succeed_without_changes(
    context: StateContext, name: Loose, comment: str | None = None, **_odd: Loose
) -> Outcome:
    """Succeed and report no changes."""
    return Outcome(True, comment or "Success!")


def fail_without_changes(
    context: StateContext, name: Loose, comment: str | None = None, **_odd: Loose
) -> Outcome:
    """Fail and report no changes."""
    if context.is_test:
        return Outcome(False, "If we weren't testing, this would be a failure!")
    return Outcome(False, comment or "Failure!")


def succeed_with_changes(
    context: StateContext, name: Loose, comment: str | None = None, **_odd: Loose
) -> Outcome:
    """Succeed and pretend that something changed."""
    if context.is_test:
        return Outcome(
            None, "If we weren't testing, this would be successful with changes", _PRETENDED
        )
    return Outcome(True, comment or "Success!", _PRETENDED)


def fail_with_changes(
    context: StateContext, name: Loose, comment: str | None = None, **_odd: Loose
) -> Outcome:
    """Fail and pretend that something changed."""
    if context.is_test:
        return Outcome(None, "If we weren't testing, this would be failed with changes", _PRETENDED)
    return Outcome(False, comment or "Failure!", _PRETENDED)


def configurable_test_state(
    context: StateContext,
    name: Loose,
    changes: Loose = True,
    result: Loose = True,
    comment: str = "",
    warnings: Loose = None,
    allow_test_mode_failure: bool = False,
    **_odd: Loose,
) -> Outcome:
    """End as `result` and `changes` say: True, False, or `Random`."""
    is_changing = _decide(context, changes, "changes")
    ends_well = _decide(context, result, "result")
    more: dict[str, Any] = {}
    if isinstance(warnings, str):
        more["warnings"] = [warnings]
    elif isinstance(warnings, list):
        more["warnings"] = list(warnings)
    shown = _PRETENDED if is_changing else {}
    if context.is_test:
        end = None if is_changing else True
        if allow_test_mode_failure and not ends_well:
            end = False
        return Outcome(end, comment or "This is a test", shown, more=more)
    return Outcome(ends_well, comment, shown, more=more)


def show_notification(
    context: StateContext, name: Loose, text: Loose = None, **_odd: Loose
) -> Outcome:
    """Show a text as the comment."""
    if not text:
        raise UsageError("Missing required argument text.")
    return Outcome(True, str(text))


def check_pillar(
    context: StateContext,
    name: Loose,
    present: Loose = None,
    boolean: Loose = None,
    integer: Loose = None,
    string: Loose = None,
    listing: Loose = None,
    dictionary: Loose = None,
    verbose: bool = False,
    **_odd: Loose,
) -> Outcome:
    """Succeed if the named pillar keys are there and have the wanted types."""
    asked: list[tuple[str, Loose, type | tuple[type, ...] | None]] = [
        ("present", present, None),
        ("boolean", boolean, bool),
        ("integer", integer, int),
        ("string", string, str),
        ("list", listing, list),
        ("dict", dictionary, dict),
    ]
    if not any(keys for _, keys, _ in asked):
        raise UsageError("Missing required argument text.")
    failing: list[str] = []
    nothing = object()
    for what, keys, kind in asked:
        for key in [keys] if isinstance(keys, str) else keys or []:
            value = traverse(context.pillar, key, nothing)
            is_right = value is not nothing and (
                kind is None or (isinstance(value, kind) and not (kind is int and value is True))
            )
            if not is_right:
                failing.append(f"Missing {what} pillar: {key}" if verbose else key)
    if not failing:
        return Outcome(True)
    return Outcome(False, "Pillar keys are missing or of the wrong type: " + ", ".join(failing))


def mod_watch(
    context: StateContext, name: Loose, sfun: str | None = None, **_odd: Loose
) -> Outcome:
    """Say which of the watched states have changed something."""
    return Outcome(True, "Watch statement fired.", {"Requisites with changes": _changed(context)})


def _changed(context: StateContext) -> list[str]:
    found: list[str] = []
    for kind, chunks in (context.low.get("__reqs__") or {}).items():
        if kind != "watch":  # as in Salt, those of `watch_any` are not told
            continue
        found += [
            f"{chunk['state']}: {chunk['__id__']}"
            for chunk in chunks
            if context.running.get(tag_of(chunk), {}).get("changes")
        ]
    return found


def _decide(context: StateContext, wish: Loose, argument: str) -> bool:
    if isinstance(wish, bool):
        return wish
    if isinstance(wish, str) and wish.lower() == "random":
        return context.host.system.random() < 0.5
    raise UsageError(
        f"You have specified the state option '{argument}' with invalid arguments. It must be "
        "either True, False, or 'Random'"
    )
