"""`RotateMaster`: the master takes its next key into use."""

from typing import Final

from limpet.common.control.requests import RotateMaster
from limpet.master.core.step import Step
from limpet.master.requests.context import Caller, Handlers, RequestContext


def rotate(context: RequestContext, step: Step, caller: Caller, request: RotateMaster) -> None:
    """Begin; the answer comes from the rotation. Raises `UsageError`."""
    context.rotation.on_request(step, caller.client, request)


HANDLERS: Final[Handlers] = {RotateMaster: rotate}
