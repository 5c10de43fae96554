"""`RunJob`: a job is made once for each request id, told when it is durable, and followed."""

import math
from typing import Final

from limpet.common.control.replies import NoMinion, Refused
from limpet.common.control.requests import RunJob
from limpet.common.errors import UsageError
from limpet.common.identifiers import JobId
from limpet.master.core.settings import MasterSettings
from limpet.master.core.step import Step
from limpet.master.jobs.batch import batch_size_of
from limpet.master.requests.context import Caller, Handlers, RequestContext
from limpet.master.requests.kinds.watch_job import watch
from limpet.master.sessions.minion import Minion
from limpet.master.store.operations import JobRow


def run(context: RequestContext, step: Step, caller: Caller, request: RunJob) -> None:
    """Make a job for whom the target means, once that is known. Raises `UsageError`."""
    if _is_answered(context, step, caller, request):
        return
    ttl_s = _checked_ttl(context.settings, request.ttl_s)
    job_timeout_s = _checked_timeout(context.settings, request.job_timeout_s)
    batch_size_of(request.batch, 1)  # a wrong one is refused before anything is rendered

    def go_on(step: Step, targets: list[Minion]) -> None:
        # Asked twice, on two connections, while pillars were rendered; or a stop meanwhile.
        if not _is_answered(context, step, caller, request):
            _create(context, step, caller, request, targets, ttl_s, job_timeout_s)

    context.with_targets(step, caller, request, go_on)


def _is_answered(context: RequestContext, step: Step, caller: Caller, request: RunJob) -> bool:
    """Answer where nothing new is made: the job is there already, or can't be taken now."""
    known = context.job_table.asked_before(caller.uid, request.request_id)
    if known is not None:
        watch(context, step, caller.client, known, request)
        return True
    refusal = _why_no_job(context)
    if refusal is None:
        return False
    step.answer(caller.client, refusal)
    return True


def _create(
    context: RequestContext,
    step: Step,
    caller: Caller,
    request: RunJob,
    targets: list[Minion],
    ttl_s: float | None,
    job_timeout_s: float,
) -> None:
    """Make the job, now that it is known whom it is for."""
    if not targets:
        text = f"no minion matches {request.target!a}"
        step.answer(caller.client, NoMinion(request.target, text))
        return
    batch_size = batch_size_of(request.batch, len(targets))

    def make_row(jid: JobId) -> JobRow:
        return JobRow(
            jid,
            caller.uid,
            caller.user,
            request.request_id,
            request.target,
            request.target_kind,
            request.function,
            request.arguments,
            step.now.wall,
            ttl_s,
            job_timeout_s,
            batch_size,
            request.is_streamed,
        )

    job_table = context.job_table
    job = job_table.create(step, make_row, targets)
    is_over = job.open == 0
    if is_over:
        job_table.end_if_over(step, job)
    step.answer(caller.client, job.stored(), job.commit)
    if request.is_followed and is_over:
        job_table.followers.follow(caller.client, job.jid, is_streamed=False)
        job_table.followers.end(step, job.jid, job.commit)
    elif request.is_followed:
        job_table.followers.follow(caller.client, job.jid, is_streamed=request.is_streamed)


def _why_no_job(context: RequestContext) -> Refused | None:
    """Say why no new job can be taken now, if so."""
    if context.is_stopping:
        return Refused("stopping", "the master is about to stop; ask again in a moment")
    if context.store_trouble:
        return Refused("store", f"the master takes no new jobs: {context.store_trouble}")
    settings, job_table = context.settings, context.job_table
    if job_table.open_jobs >= settings.jobs_open_max:
        return Refused("busy", f"{job_table.open_jobs} jobs are not over yet; wait or cancel some")
    if job_table.open_deliveries >= settings.deliveries_open_max:
        return Refused(
            "busy", f"{job_table.open_deliveries} results are outstanding; wait for some"
        )
    return None


def _checked_ttl(settings: MasterSettings, ttl_s: float | None) -> float | None:
    if ttl_s is None:
        return None
    if not math.isfinite(ttl_s) or not 0 < ttl_s <= settings.ttl_max_s:
        raise UsageError(
            f"--ttl {ttl_s:g}: give seconds above 0 and at most {settings.ttl_max_s:g}"
        )
    return ttl_s


def _checked_timeout(settings: MasterSettings, timeout_s: float) -> float:
    """Give how long the job may run; 0 asks for the default."""
    if not math.isfinite(timeout_s) or not 0 <= timeout_s <= settings.job_timeout_max_s:
        raise UsageError(
            f"the job timeout {timeout_s:g}: give seconds, at most "
            f"{settings.job_timeout_max_s:g}, or 0 for the default"
        )
    return timeout_s or settings.job_timeout_s


HANDLERS: Final[Handlers] = {RunJob: run}
