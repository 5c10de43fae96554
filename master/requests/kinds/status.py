"""`AskStatus`: how the master is, as far as its core knows."""

from collections.abc import Mapping
from itertools import islice
from typing import Final, get_args

from limpet.common.control.replies import MasterStatus
from limpet.common.control.requests import AskStatus
from limpet.master.core.step import Step
from limpet.master.requests.context import Caller, Handlers, RequestContext
from limpet.master.sessions.minion import Presence

PROBLEMS_MAX: Final = 20


def status(context: RequestContext, step: Step, caller: Caller, _request: AskStatus) -> None:
    """Tell it; the shell adds what only it can measure."""
    step.answer(caller.client, status_of(context, step))


def status_of(context: RequestContext, step: Step) -> MasterStatus:
    """Give what the core knows. Nothing changes."""
    registry = context.registry
    announced = context.announcements.announced
    problems = [context.store_trouble] if context.store_trouble else []
    ailing = islice(registry.troubled.values(), PROBLEMS_MAX)
    problems += [f"{each.minion}: {each.condition}" for each in ailing]
    return MasterStatus(
        context.settings.version,
        context.since_s,
        context.identity.store_id,
        step.durable,
        registry.fleet,
        registry.presences["ready"],
        dict(context.rejected),
        _figures(context, step),
        tuple(problems[:PROBLEMS_MAX]),
        context.public_key,
        () if announced is None else tuple(each.key.hex() for each in announced.following),
        "" if announced is None else announced.site.hex(),
    )


def _figures(context: RequestContext, step: Step) -> dict[str, float]:
    job_table, registry = context.job_table, context.registry
    return {
        "store_trouble": float(bool(context.store_trouble)),
        "oldest_job_s": job_table.oldest_s(step.now.wall),
        **_by_presence(registry.presences),
        "jobs_open": float(job_table.open_jobs),
        "jobs_in_memory": float(len(job_table.jobs)),
        "deliveries_open": float(job_table.open_deliveries),
        "followers": float(len(job_table.followers)),
        "bulk_bodies": float(len(job_table.bodies)),
        "syncing": float(registry.admission.inside),
        "waiting_for_sync": float(len(registry.admission)),
        "minions_with_next_keys": float(context.announcements.knowing),
        "history_bytes_max": float(context.settings.history_bytes_max),
        **context.keys.figures,
        **context.pillar.figures,
    }


def _by_presence(presences: Mapping[Presence, int]) -> dict[str, float]:
    """Give how many minions are how: `minions_ready` and the like."""
    return {
        f"minions_{presence.replace(' ', '_')}": float(presences[presence])
        for presence in get_args(Presence)
    }


HANDLERS: Final[Handlers] = {AskStatus: status}
