"""The `alternatives` states: which of several programs stands under a common name."""

from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.functions import alternatives
from limpet.states.functions.alternatives import links
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def install(
    context: StateContext, name: str, link: str, path: str, priority: int, **_odd: Loose
) -> Outcome:
    """See to it that a path is one of the alternatives of a name, with that priority."""
    more: dict[str, Any] = {"link": link, "path": path, "priority": priority}
    functions = context.functions
    try:
        present = links.look(functions, name)
        if present is not None and (path, priority) in present.priorities:
            comment = f"Alternatives for {name} is already set to {path}"
            return Outcome(True, comment, more=more)
        changes = {"name": name, "link": link, "path": path, "priority": priority}
        if context.is_test:
            comment = f"Alternative will be set for {name} to {path} with priority {priority}"
            return Outcome(None, comment, changes, more=more)
        said = alternatives.install(functions, name, link, path, priority)
        after = links.look(functions, name)
        if after is None or path not in after.paths:
            return Outcome(False, f"Alternative for {name} not installed: {said}", more=more)
        if after.current == path and after.link == link:
            comment = f"Alternative for {name} set to path {path} with priority {priority}"
        else:
            comment = (
                f"Alternative {path} for {name} registered with priority {priority} and not set "
                "to default"
            )
        return Outcome(True, comment, changes, more=more)
    except (HostError, UsageError) as error:
        return Outcome(False, str(error), more=more)


def remove(context: StateContext, name: str, path: str, **_odd: Loose) -> Outcome:
    """See to it that a path is none of the alternatives of a name."""
    more = {"path": path}
    functions = context.functions
    try:
        present = links.look(functions, name)
        if present is None:
            return Outcome(False, f"Alternative for {name} doesn't exist", more=more)
        if path not in present.paths:
            comment = f"Alternative for {name} is set to it's default path {present.current}"
            return Outcome(True, comment, more=more)
        left = [each for each in present.priorities if each[0] != path]
        if context.is_test:
            stays = present.current if present.current != path else ""
            highest = max(left, key=lambda each: each[1])[0] if left else ""
            comment = f"Alternative for {name} will be removed"
            return Outcome(None, comment, {"path": stays or highest}, more=more)
        said = alternatives.remove(functions, name, path)
        after = links.look(functions, name)
        if after is not None and path in after.paths:
            return Outcome(False, f"Alternative for {name} not removed: {said}", more=more)
        if after is None or not after.current:
            return Outcome(True, f"Alternative for {name} removed", {"path": ""}, more=more)
        comment = f"Alternative for {name} removed. Falling back to path {after.current}"
        return Outcome(True, comment, {"path": after.current}, more=more)
    except (HostError, UsageError) as error:
        return Outcome(False, str(error), more=more)


def auto(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """See to it that the priorities decide where a name leads."""
    functions = context.functions
    try:
        present = links.look(functions, name)
        if present is None:
            return failed(f"no alternatives for {name}")
        if present.is_automatic:
            return Outcome(True, f"{name} already in auto mode")
        if context.is_test:
            changes = {"result": f"{name} in auto mode"}
            return Outcome(None, f"{name} will be put in auto mode", changes)
        said = alternatives.auto(functions, name)
        after = links.look(functions, name)
        if after is None or not after.is_automatic:
            return failed(f"{name} is not in auto mode: {said}")
        return Outcome(True, said, {"result": said or f"{name} in auto mode"})
    except (HostError, UsageError) as error:
        return failed(str(error))


def set_(context: StateContext, name: str, path: str, **_odd: Loose) -> Outcome:
    """See to it that a name leads to a path, which is one of its alternatives."""
    more = {"path": path}
    functions = context.functions
    try:
        present = links.look(functions, name)
        if present is not None and present.current == path:
            return Outcome(True, f"Alternative for {name} already set to {path}", more=more)
        if present is None or path not in present.paths:
            return Outcome(False, f"Alternative {path} for {name} doesn't exist", more=more)
        if context.is_test:
            comment = f"Alternative for {name} will be set to path {path}"
            return Outcome(None, comment, {"path": path}, more=more)
        said = alternatives.set_(functions, name, path)
        after = links.look(functions, name)
        if after is None or after.current != path:
            return Outcome(False, f"Alternative for {name} not updated: {said}", more=more)
        comment = f"Alternative for {name} set to path {path}"
        return Outcome(True, comment, {"path": path}, more=more)
    except (HostError, UsageError) as error:
        return Outcome(False, str(error), more=more)
