"""The `event` states: messages to whoever listens on the master. Minions have no such line yet."""

from typing import Any

from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def send(
    context: StateContext, name: str, data: Loose = None, show_changed: bool = True, **_odd: Loose
) -> Outcome:
    """Fail: the master would not hear the event; it stands in the minion's log."""
    if context.is_test:
        changes: dict[str, Any] = {"tag": name, "data": data} if show_changed else {}
        return Outcome(None, "Event would have been fired", changes)
    context.call("event.send", name, data)
    return failed(
        f"the event {name} stands in the minion's log, but the master does not hear events of "
        "minions yet; docs/from-salt.md says what to use instead"
    )


def fire_master(
    context: StateContext, name: str, data: Loose = None, show_changed: bool = True, **_odd: Loose
) -> Outcome:
    """Do as `event.send` does."""
    return send(context, name, data, show_changed)


def wait(
    context: StateContext, name: str, sfun: Loose = None, data: Loose = None, **_odd: Loose
) -> Outcome:
    """Send an event only if something that is watched has changed."""
    return Outcome(True)


def mod_watch(
    context: StateContext, name: str, data: Loose = None, show_changed: bool = True, **_odd: Loose
) -> Outcome:
    """Send the event: something that is watched has changed."""
    return send(context, name, data, show_changed)
