"""`WatchEvents`: what happens from now on."""

from typing import Final

from limpet.common.control.requests import WatchEvents
from limpet.master.core.effects import Subscribe
from limpet.master.core.step import Step
from limpet.master.requests.context import Caller, Handlers, RequestContext


def watch_events(
    _context: RequestContext, step: Step, caller: Caller, _request: WatchEvents
) -> None:
    """Let the client follow."""
    step.effects.append(Subscribe(caller.client))


HANDLERS: Final[Handlers] = {WatchEvents: watch_events}
