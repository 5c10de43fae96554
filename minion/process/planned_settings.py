"""What the core is told of the plan."""

from fnmatch import fnmatchcase

from limpet.common.identifiers import MinionId
from limpet.minion.core.settings import JobLimits, LinkSettings, MasterPlace
from limpet.minion.jobs.instant import Instants
from limpet.minion.master_keys.io.key_files import MasterKeys
from limpet.minion.process.plan import Plan


def settings_of(plan: Plan, known: MasterKeys | None = None) -> LinkSettings:
    """Give the part of the plan that the core is told, with the master's keys as they are kept.

    A plan may be older than the last rotation of the master's key: its key is the last resort.
    """
    first, *others = plan.places
    limits = JobLimits(side_by_side_max=plan.jobs_at_once)
    if plan.job_timeout_s:
        limits = JobLimits(
            side_by_side_max=plan.jobs_at_once,
            default_timeout_s=min(plan.job_timeout_s, limits.default_timeout_s),
            timeout_s_max=plan.job_timeout_s,
        )
    return LinkSettings(
        minion_id=MinionId(plan.minion_id),
        master_host=first.host,
        port=first.port,
        enrol_port=first.enrol_port,
        server_key=((known and known.current) or plan.server_key).hex(),
        trust=known.trust if known is not None else None,
        join_token_id=plan.join_token_id,
        version=plan.version,
        limits=limits,
        others=tuple(MasterPlace(each.host, each.port, each.enrol_port) for each in others),
    )


def permitted(instant: Instants, plan: Plan) -> Instants:
    """Leave out what the administrator refuses: it goes to a worker, which says so."""
    refused = plan.worker_setup.configuration.get("refuse", ())
    return {
        name: function
        for name, function in instant.items()
        if not any(fnmatchcase(name, pattern) for pattern in refused)
    }
