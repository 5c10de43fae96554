"""What an answer may look at and act on, and who asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from limpet.common.control.replies import Refused
from limpet.common.control.requests import ListMinions, Request, RunJob
from limpet.common.targeting.target import compile_target
from limpet.master.core.effects import Client
from limpet.master.core.key_changes import KeyChanges
from limpet.master.core.settings import MasterSettings
from limpet.master.core.step import Step
from limpet.master.core.store_identity import StoreIdentity
from limpet.master.jobs.job_table import JobTable
from limpet.master.master_keys.announcements import Announcements
from limpet.master.master_keys.rotation import MasterRotation
from limpet.master.pillar.requests import PillarRequests
from limpet.master.sessions.registry import MinionRegistry
from limpet.master.targeting.resolution import Resume, TargetResolution


@dataclass(frozen=True, slots=True)
class Caller:
    """A client of the Unix socket, and whom the kernel says it is."""

    client: Client
    uid: int
    user: str


@dataclass(slots=True)
class RequestContext:
    """The parts of the core that requests concern."""

    settings: MasterSettings
    keys: KeyChanges
    registry: MinionRegistry
    job_table: JobTable
    identity: StoreIdentity
    rejected: Mapping[str, int]
    """What was turned away so far, by reason."""
    pillar: PillarRequests
    rotation: MasterRotation
    announcements: Announcements
    targets: TargetResolution
    since_s: float
    """When the master began, wall time."""
    public_key: str
    """The master's key, 64 hex digits."""
    is_stopping: bool = False
    store_trouble: str = ""
    """Why the store takes no writes; empty: it does."""

    def with_targets(
        self, step: Step, caller: Caller, request: RunJob | ListMinions, go_on: Resume
    ) -> None:
        """Go on with the accepted minions that a target means. Raises `UsageError`."""
        target = compile_target(request.target, request.target_kind, self.settings.nodegroups)
        if self.targets.is_full:
            text = "many commands wait for pillars: ask again"
            step.answer(caller.client, Refused("busy", text))
            return
        self.targets.open(step, caller.client, target, go_on)


Handler = Callable[[RequestContext, Step, Caller, Any], None]
"""Answers one request, now or later. Raises `UsageError` for what the caller can put right."""
Handlers = Mapping[type[Request], Handler]
