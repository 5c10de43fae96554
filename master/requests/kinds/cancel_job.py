"""`CancelJob`: a job is cancelled on all its minions, or on those named."""

from typing import Final

from limpet.common.control.requests import CancelJob, WatchJob
from limpet.common.errors import UsageError
from limpet.common.identifiers import JobId, MinionId
from limpet.master.core.effects import NOW, Query
from limpet.master.core.step import Step
from limpet.master.requests.context import Caller, Handlers, RequestContext


def cancel(context: RequestContext, step: Step, caller: Caller, request: CancelJob) -> None:
    """Cancel; answered by how the job is then, once durable. Raises `UsageError`."""
    job = context.job_table.jobs.get(JobId(request.jid))
    if job is not None:
        unknown = [name for name in request.minions if name not in job.deliveries]
        if unknown:
            raise UsageError(f"job {job.jid} was not sent to {', '.join(unknown[:5])}")
        names = [MinionId(name) for name in request.minions] or list(job.deliveries)
        context.job_table.cancel(step, job, names, is_all=not request.minions)
    query = WatchJob(request.jid, is_streamed=False, is_followed=False)
    after = NOW if job is None else job.commit
    step.effects.append(Query(caller.client, query, after))


HANDLERS: Final[Handlers] = {CancelJob: cancel}
