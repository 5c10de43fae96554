"""One state: checked, its conditions asked, called, and its answer turned into Salt's result.

Whatever happens inside a state is its result; the run goes on.
"""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import LimpetError
from limpet.states.library import registry
from limpet.states.library.context import Chunk, StateContext
from limpet.states.library.registry import StateFunction
from limpet.states.runner import conditions, slots

_WRONG: Final = "__wrong__"
"""Marks the result of a chunk that can't be called, until the result is kept."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A state that may be called: its function is there and its chunk makes sense."""

    function: StateFunction
    chunk: Chunk
    umask: int | None

    @property
    def is_checking_itself(self) -> bool:
        """The function has a `check_cmd` of its own, so the runner's is not meant."""
        return "check_cmd" in self.function.signature.names


def prepare(chunk: Chunk) -> Prepared | list[str]:
    """Check a chunk; give what can be called, or what is wrong with it."""
    name = chunk.get("name")
    errors: list[str] = []
    if name and not isinstance(name, str):
        place = f"in SLS '{chunk['__sls__']}' " if "__sls__" in chunk else ""
        errors.append(
            f"ID '{name}' {place}is not formed as a string, but is a {type(name).__name__}"
        )
    umask = None
    if chunk.get("umask") is not None:
        try:
            umask = int(str(chunk["umask"]), 8)
        except ValueError:
            errors.append(f"Invalid umask: {chunk['umask']}")
    if errors:
        return errors
    full = f"{chunk['state']}.{chunk['fun']}"
    function = registry.find(full)
    if function is None:
        if "__sls__" not in chunk:
            return [f"Specified state '{full}' was not found{registry.meant(full)}"]
        return [
            f"State '{full}' was not found in SLS '{chunk['__sls__']}'",
            f"Reason: '{full}' is not available{registry.meant(full) or '.'}",
        ]
    missing = [
        f"Missing parameter {parameter} for state {full}" for parameter in function.missing(chunk)
    ]
    return missing or Prepared(function, chunk, umask)


def refused(context: StateContext, prepared: Prepared) -> dict[str, Any] | None:
    """Give the result of a state whose conditions say that it isn't run, else None."""
    refusal = conditions.refusal(context, prepared.chunk)
    if refusal is None:
        return None
    return {
        "name": prepared.chunk["name"],
        "changes": {},
        "result": True,
        "comment": refusal.comment,
        "skip_watch": True,
    }


def call(context: StateContext, prepared: Prepared) -> dict[str, Any]:
    """Call the function and give its result, in Salt's shape without the run's own keys."""
    chunk = prepared.chunk
    arguments = slots.fill(context, dict(chunk))
    with context.file_system.umask(prepared.umask):
        outcome = registry.call(prepared.function, context, arguments)
    found = outcome.data(arguments["name"])
    odd = prepared.function.odd(chunk)
    signature = prepared.function.signature
    if odd and not (signature.drops_odd_keyword or signature.takes_more_keyword):
        shown = ", ".join(f"'{each}'" for each in odd)
        found.setdefault("warnings", []).append(
            f"{shown}: no argument of {prepared.function.name}, and ignored"
        )
    return found


def checked(context: StateContext, prepared: Prepared, result: dict[str, Any]) -> dict[str, Any]:
    """Let `check_cmd` decide how a state has ended, where it has one."""
    if "check_cmd" not in prepared.chunk or prepared.is_checking_itself:
        return result
    is_good, comment = conditions.check(context, prepared.chunk["check_cmd"])
    return {**result, "result": is_good, "comment": comment}


def guarded(chunk: Chunk, step: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do a step of a state; whatever it raises becomes the failed result.

    An error that a person can act on is told as it is, any other with its trace.
    """
    try:
        return step()
    except LimpetError as error:
        comment = str(error)
    except Exception:  # noqa: BLE001 — the boundary of one state: a mistake in it must not end the run
        comment = f"An exception occurred in this state: {traceback.format_exc()}"
    return {"name": chunk["name"], "changes": {}, "result": False, "comment": comment}


def wrong(chunk: Chunk, errors: list[str]) -> dict[str, Any]:
    """Give the result of a chunk that can't be called."""
    return {
        "name": chunk.get("name"),
        "changes": {},
        "result": False,
        "comment": "".join(f"{error}\n" for error in errors),
        _WRONG: True,
    }


def not_run(chunk: Chunk, comment: str, *, result: bool) -> dict[str, Any]:
    """Give the result of a state that its requisites have kept from running."""
    return {
        "name": chunk.get("name"),
        "changes": {},
        "result": result,
        "comment": comment,
        "__state_ran__": False,
    }


def belongs(result: Mapping[str, Any], chunk: Chunk) -> dict[str, Any]:
    """Add where the state comes from; as in Salt, a chunk that can't be called has none of that."""
    if _WRONG in result:
        return {key: value for key, value in result.items() if key != _WRONG}
    return {**result, "__sls__": chunk.get("__sls__"), "__id__": chunk.get("__id__")}
