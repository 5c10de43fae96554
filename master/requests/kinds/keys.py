"""`ListKeys`, `ChangeKeys`: the keys of minions; told once what changed them is durable."""

from typing import Final

from limpet.common.control.replies import Keys
from limpet.common.control.requests import ChangeKeys, ListKeys
from limpet.master.core.step import Step
from limpet.master.requests.context import Caller, Handlers, RequestContext


def list_keys(context: RequestContext, step: Step, caller: Caller, _request: ListKeys) -> None:
    """Show all keys."""
    step.answer(caller.client, Keys(context.keys.infos()), context.keys.commit)


def change_keys(context: RequestContext, step: Step, caller: Caller, request: ChangeKeys) -> None:
    """Accept, reject or delete keys. Raises `UsageError`."""
    changed = context.keys.change(step, request)
    step.answer(caller.client, Keys(changed), context.keys.commit)


HANDLERS: Final[Handlers] = {ListKeys: list_keys, ChangeKeys: change_keys}
