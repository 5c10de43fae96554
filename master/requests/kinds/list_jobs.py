"""`ListJobs`: the newest jobs, read by the store."""

from typing import Final

from limpet.common.control.requests import ListJobs
from limpet.master.core.effects import Query
from limpet.master.core.step import Step
from limpet.master.requests.context import Caller, Handlers, RequestContext


def list_jobs(_context: RequestContext, step: Step, caller: Caller, request: ListJobs) -> None:
    """Let the store answer."""
    step.effects.append(Query(caller.client, request))


HANDLERS: Final[Handlers] = {ListJobs: list_jobs}
