"""`ListMinions`: all accepted minions, or those of a target, and how they are."""

from functools import partial
from typing import Final

from limpet.common.control.replies import Minions
from limpet.common.control.requests import ListMinions
from limpet.master.core.effects import Client
from limpet.master.core.step import Step
from limpet.master.requests.context import Caller, Handlers, RequestContext
from limpet.master.sessions.minion import Minion


def list_minions(context: RequestContext, step: Step, caller: Caller, request: ListMinions) -> None:
    """Show them, once it is known whom the target means. Raises `UsageError`."""
    context.with_targets(step, caller, request, partial(_show, context, caller.client))


def _show(context: RequestContext, client: Client, step: Step, minions: list[Minion]) -> None:
    rows = tuple(each.shown(context.announcements.why_not(each)) for each in minions)
    step.answer(client, Minions(rows))


HANDLERS: Final[Handlers] = {ListMinions: list_minions}
