"""The `grains` states: own grains of this minion, kept in its grains file."""

import copy
from typing import Any

from limpet.states.context import Loose
from limpet.states.data.traversal import traverse
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed

_NOTHING = object()


def exists(context: StateContext, name: str, delimiter: str = ":", **_odd: Loose) -> Outcome:
    """Fail if there is no such grain."""
    if traverse(context.grains, name, _NOTHING, delimiter) is _NOTHING:
        return failed("Grain does not exist")
    return Outcome(True, "Grain exists")


def present(
    context: StateContext,
    name: str,
    value: Loose,
    delimiter: str = ":",
    force: bool = False,
    **_odd: Loose,
) -> Outcome:
    """See to it that a grain has the value."""
    present_value = traverse(context.grains, name, _NOTHING, delimiter)
    if present_value is not _NOTHING and present_value == value:
        return Outcome(True, "Grain is already set")
    if context.is_test:
        if present_value is _NOTHING:
            return Outcome(None, f"Grain {name} is set to be added", {"new": name})
        changes = {"changed": {name: value}}
        return Outcome(None, f"Grain {name} is set to be changed", changes)
    answer = context.call("grains.set", name, value, force=force, delimiter=delimiter)
    if not answer.get("result"):
        return failed(str(answer.get("comment", "")))
    changes = answer.get("changes", {})
    if present_value is _NOTHING:
        return Outcome(True, f"Set grain {name} to {value}", changes)
    return Outcome(True, f"Set grain {name} to {value}", changes)


def absent(
    context: StateContext,
    name: str,
    destructive: bool = False,
    delimiter: str = ":",
    force: bool = False,
    **_odd: Loose,
) -> Outcome:
    """See to it that a grain has no value, or with `destructive` that it is not there."""
    found = traverse(context.grains, name, _NOTHING, delimiter)
    if found is _NOTHING:
        return Outcome(True, f"Grain {name} does not exist")
    if not destructive and found is None:
        return Outcome(True, f"Value for grain {name} is already None")
    if isinstance(found, dict | list) and not force:
        return failed(
            f"The key '{name}' exists but is a dict or a list. Use 'force=True' to overwrite."
        )
    changes: dict[str, Any] = {"deleted": name} if destructive else {"grain": name, "value": None}
    if context.is_test:
        if destructive:
            return Outcome(None, f"Grain {name} is set to be deleted", changes)
        return Outcome(None, f"Value for grain {name} is set to be deleted (None)", changes)
    answer = context.call(
        "grains.set", name, None, force=force, destructive=destructive, delimiter=delimiter
    )
    if not answer.get("result"):
        return failed(str(answer.get("comment", "")))
    if destructive:
        return Outcome(True, f"Grain {name} was deleted", changes)
    return Outcome(True, f"Value for grain {name} was set to None", changes)


def append(
    context: StateContext,
    name: str,
    value: Loose,
    convert: bool = False,
    delimiter: str = ":",
    **_odd: Loose,
) -> Outcome:
    """See to it that a value stands in the list of a grain; the grain must be there.

    Of a list every member is to stand there: it is added once, where Salt adds it in every run.
    """
    found = traverse(context.grains, name, _NOTHING, delimiter)
    if found is _NOTHING:
        return failed(f"Grain {name} does not exist")
    if not isinstance(found, list):
        if not convert:
            return failed(f"Grain {name} is not a valid list")
        found = [] if found is None else [found]
    # Members of a list are added one by one, each once.
    missing = [
        each for each in (value if isinstance(value, list) else [value]) if each not in found
    ]
    if not missing or value in found:
        return Outcome(True, f"Value {value} is already in the list for grain {name}")
    added = missing if isinstance(value, list) else value
    if context.is_test:
        comment = f"Value {added} in grain {name} is set to be added"
        return Outcome(None, comment, {"added": added})
    context.call("grains.append", name, added, convert=convert, delimiter=delimiter)
    return Outcome(True, f"Value {added} was added to grain {name}", {"added": added})


def list_present(
    context: StateContext, name: str, value: Loose, delimiter: str = ":", **_odd: Loose
) -> Outcome:
    """See to it that values stand in the list of a grain, which is made if need be."""
    found = traverse(context.grains, name, _NOTHING, delimiter)
    wanted = value if isinstance(value, list) else [value]
    if found is _NOTHING or not found:
        found = []
    if not isinstance(found, list):
        return failed(f"Grain {name} is not a valid list")
    added = [each for each in wanted if each not in found]
    if not added:
        shown = value if isinstance(value, list) else f"{value}"
        return Outcome(True, f"Value {shown} is already in grain {name}")
    shown = added if isinstance(value, list) else value
    if context.is_test:
        if not found:
            return Outcome(None, f"Grain {name} is set to be added", {"new": ""})
        comment = f"Value {shown} is set to be appended to grain {name}"
        return Outcome(None, comment, {"new": copy.deepcopy(found)})  # Salt: as it is before
    answer = context.call("grains.set", name, [*found, *added], force=True, delimiter=delimiter)
    if not answer.get("result"):
        return failed(str(answer.get("comment", "")))
    return Outcome(True, f"Append value {shown} to grain {name}", {"new": answer["changes"]})


def list_absent(
    context: StateContext, name: str, value: Loose, delimiter: str = ":", **_odd: Loose
) -> Outcome:
    """See to it that values don't stand in the list of a grain."""
    found = traverse(context.grains, name, _NOTHING, delimiter)
    if found is _NOTHING or not found:
        return Outcome(True, f"Grain {name} does not exist")
    if not isinstance(found, list):
        return failed(f"Grain {name} is not a valid list")
    unwanted = value if isinstance(value, list) else [value]
    deleted = [each for each in unwanted if each in found]
    if not deleted:
        return Outcome(True, f"Value {value} is absent from grain {name}")
    if context.is_test:
        comment = f"Value {value} in grain {name} is set to be deleted"
        return Outcome(None, comment, {"deleted": deleted})
    left = [each for each in found if each not in deleted]
    context.call("grains.set", name, left, force=True, delimiter=delimiter)
    return Outcome(True, f"Value {value} was deleted from grain {name}", {"deleted": deleted})
