"""The record of how a job ended, from what its worker said or from what else is known."""

import msgspec

from limpet.common.clock import Moment
from limpet.common.messages.jobs import Outcome
from limpet.minion.jobs.job import Job
from limpet.minion.jobs.results import RESULT_BODY_BYTES_MAX, WorkerResult
from limpet.minion.journal.records import JobFinished


def from_result(now: Moment, job: Job, result: WorkerResult) -> JobFinished:
    """Give the record of a worker's result. A cancel that was written before has won."""
    outcome: Outcome = result.outcome
    error = result.error
    if job.cancelled is not None:
        outcome = "cancelled"
        error = error if result.outcome == "cancelled" and error else "cancelled while it ran"
    body = result.body if len(result.body) <= RESULT_BODY_BYTES_MAX else b""
    return JobFinished(
        jid=job.jid,
        outcome=outcome,
        retcode=result.retcode,
        error=error[:4096],
        started_wall_s=result.started_wall_s or job.started_wall_s,
        duration_s=max(0.0, result.duration_s),
        body=body,
        body_bytes=max(result.body_bytes, len(body)),
        body_digest=result.body_digest,
        is_cut=result.is_cut,
        finished_wall_s=now.wall,
    )


def without_result(now: Moment, job: Job, outcome: Outcome, error: str) -> JobFinished:
    """Give the record of a job of which no result is known."""
    started = job.started_wall_s
    return JobFinished(
        jid=job.jid,
        outcome=outcome,
        retcode=1,
        error=error[:4096],
        started_wall_s=started or now.wall,
        duration_s=max(0.0, now.wall - started) if started else 0.0,
        body=b"",
        body_bytes=0,
        body_digest="",
        is_cut=False,
        finished_wall_s=now.wall,
    )


def without_body(ending: JobFinished, why: str) -> JobFinished:
    """Give the same end without its body, and the reason beside its error."""
    error = f"{ending.error}; {why}" if ending.error else why
    return msgspec.structs.replace(
        ending, error=error[:4096], body=b"", body_bytes=0, body_digest="", is_cut=True
    )
