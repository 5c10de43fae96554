"""`WatchJob`: what is known of a job, with bodies, then what becomes of it."""

from typing import Final

from limpet.common.control.requests import RunJob, WatchJob
from limpet.common.identifiers import JobId
from limpet.master.core.effects import NOW, Client, Query
from limpet.master.core.step import Step
from limpet.master.requests.context import Caller, Handlers, RequestContext


def watch_job(context: RequestContext, step: Step, caller: Caller, request: WatchJob) -> None:
    """Follow a job that exists."""
    watch(context, step, caller.client, JobId(request.jid), request)


def watch(
    context: RequestContext, step: Step, client: Client, jid: JobId, request: RunJob | WatchJob
) -> None:
    """Let the store say what is known, with bodies; then follow what is not over."""
    job = context.job_table.jobs.get(jid)
    if job is None or job.row.ended_s > 0:
        after = NOW if job is None else job.commit
        query = WatchJob(jid, is_streamed=False, is_followed=request.is_followed)
        step.effects.append(Query(client, query, after))
        return
    query = WatchJob(jid, is_streamed=False, is_followed=False)
    step.effects.append(Query(client, query, job.commit))
    if request.is_followed:
        context.job_table.followers.follow(client, jid, is_streamed=request.is_streamed)


HANDLERS: Final[Handlers] = {WatchJob: watch_job}
