"""Hands each request of a client to the file of `kinds/` that answers it."""

import importlib
import os
from functools import cache
from typing import Final

from limpet.common.clock import Moment
from limpet.common.control.replies import MasterStatus, Refused
from limpet.common.control.requests import Request
from limpet.common.errors import UsageError
from limpet.master.core.effects import Client
from limpet.master.core.key_changes import KeyChanges
from limpet.master.core.settings import MasterSettings
from limpet.master.core.step import Step
from limpet.master.core.store_identity import StoreIdentity
from limpet.master.jobs.job_table import JobTable
from limpet.master.master_keys.announcements import Announcements
from limpet.master.master_keys.rotation import MasterRotation
from limpet.master.pillar.requests import PillarRequests
from limpet.master.requests import kinds
from limpet.master.requests.context import Caller, Handler, RequestContext
from limpet.master.requests.kinds.status import status_of
from limpet.master.sessions.registry import Due, MinionRegistry
from limpet.master.targeting.resolution import TargetResolution
from limpet.states.discovery import module_names

KINDS: Final = module_names(os.path.dirname(kinds.__file__), ())
"""The files that answer requests."""


@cache
def handlers() -> dict[type[Request], Handler]:
    """Give who answers which request, as the files of `kinds/` say."""
    found: dict[type[Request], Handler] = {}
    for name in KINDS:
        module = importlib.import_module(f"{kinds.__name__}.{name}")
        for request, handler in module.HANDLERS.items():
            assert request not in found, f"{name}: {request.__name__} is answered elsewhere too"
            found[request] = handler
    return found


class Requests:
    """Answers requests."""

    def __init__(
        self,
        settings: MasterSettings,
        keys: KeyChanges,
        registry: MinionRegistry,
        job_table: JobTable,
        identity: StoreIdentity,
        rejected: dict[str, int],
        pillar: PillarRequests,
        rotation: MasterRotation,
        announcements: Announcements,
        *,
        now: Moment,
        public_key: str,
    ) -> None:
        self._handlers = handlers()
        self.context = RequestContext(
            settings=settings,
            keys=keys,
            registry=registry,
            job_table=job_table,
            identity=identity,
            rejected=rejected,
            pillar=pillar,
            rotation=rotation,
            announcements=announcements,
            targets=TargetResolution(settings.pillar, pillar, registry, job_table.timers),
            since_s=now.wall,
            public_key=public_key,
        )

    def on_request(self, step: Step, caller: Caller, request: Request) -> None:
        """Answer one request; whatever the client followed before, it no longer does."""
        self.context.job_table.followers.leave(caller.client)
        self.context.targets.leave(caller.client)
        try:
            handler = self._handlers.get(type(request))
            if handler is None:
                raise UsageError(f"this master does not know the request {type(request).__name__}")
            handler(self.context, step, caller, request)
        except UsageError as error:
            step.answer(caller.client, Refused("usage", str(error)))

    def on_due(self, step: Step, due: Due) -> None:
        """See to a command that waits for pillars."""
        self.context.targets.on_due(step, due)

    def on_client_gone(self, client: Client) -> None:
        """Forget what a client waited for."""
        self.context.targets.leave(client)

    def status(self, step: Step) -> MasterStatus:
        """Say how the master is; the shell adds what only it can measure."""
        return status_of(self.context, step)
