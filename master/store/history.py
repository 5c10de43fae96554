"""Answers to the command line that are read from disk: lists of jobs, jobs with their results.

Runs in the reader's thread on its own read-only connection, each question in one transaction.
"""

import sqlite3
from collections.abc import Iterator
from typing import Final

import msgspec

from limpet.common.control.replies import (
    JobEnded,
    Jobs,
    JobStored,
    JobSummary,
    JobUpdate,
    MinionResult,
    Refused,
    Reply,
)
from limpet.common.control.requests import ListJobs, Request, WatchJob
from limpet.common.identifiers import JobId, MinionId
from limpet.master.jobs.delivery import SHOWN, result_of, shown_status
from limpet.master.store import reading
from limpet.master.store.operations import JobRow

BODIES_BYTES_MAX: Final = 48 * 1024 * 1024
"""Bodies in one answer; those over it are left out with a word: the frame must stay sendable."""


def answer(database: sqlite3.Connection, request: Request) -> list[Reply]:
    """Answer `ListJobs` and `WatchJob`. Raises `sqlite3.Error`, also when interrupted."""
    match request:
        case ListJobs():
            return [_list_jobs(database, request)]
        case WatchJob():
            return _watch_job(database, request)
        case _:
            raise AssertionError(f"{type(request).__name__} is not answered by the store")


def fetch(database: sqlite3.Connection, jid: JobId, minion: MinionId) -> JobUpdate | None:
    """Give one minion's result with its body; None: there is no such delivery (it was pruned)."""
    found = reading.delivery(database, jid, minion)
    if found is None:
        return None
    return JobUpdate(jid, result_of(found, reading.body(database, jid, minion)))


def _list_jobs(database: sqlite3.Connection, request: ListJobs) -> Jobs:
    summaries: list[JobSummary] = []
    for jid, function, target, user, created_s, by_state in reading.newest_jobs(
        database, limit=request.limit, before=request.before
    ):
        counts: dict[str, int] = {}
        for state, number in by_state.items():
            status = shown_status(state)
            counts[status] = counts.get(status, 0) + number
        summaries.append(JobSummary(jid, function, target, user, created_s, counts))
    return Jobs(tuple(summaries))


def _watch_job(database: sqlite3.Connection, request: WatchJob) -> list[Reply]:
    job = reading.job(database, JobId(request.jid))
    if job is None:
        return [
            Refused(
                "unknown_job",
                f"no job {request.jid}: it was never made here, or has left the history; "
                "`limpet jobs list` shows those that are kept",
            )
        ]
    found = reading.results(database, job.jid)
    if sum(columns[-1] for columns in found) <= BODIES_BYTES_MAX:
        bodies = reading.bodies(database, job.jid)
        results = [_result(columns, bodies.get(columns[0])) for columns in found]
    else:
        results = list(_within_room(database, job.jid, found))
    stored = _stored(job, tuple(results))
    return [stored, JobEnded(job.jid)] if request.is_followed else [stored]


def _result(columns: reading.ResultColumns, apart: bytes | None) -> MinionResult:
    """Show a delivery; `apart`: its value, if that is not in its row."""
    minion, state, since_s, error, retcode, body, started_s, duration_s, is_cut, _ = columns
    return MinionResult(
        minion,
        SHOWN[state],
        since_s,
        error,
        retcode,
        apart if body is None else body,
        started_s,
        duration_s,
        is_cut == 1,
    )


def _within_room(
    database: sqlite3.Connection, jid: JobId, found: list[reading.ResultColumns]
) -> Iterator[MinionResult]:
    """Show deliveries with as many values as one answer has room for."""
    room = BODIES_BYTES_MAX
    for columns in found:
        minion, body_bytes = columns[0], columns[-1]
        if body_bytes > room:
            yield _without_body(_result(columns, None), body_bytes)
            continue
        room -= body_bytes
        yield _result(columns, reading.body(database, jid, minion))


def _stored(job: JobRow, results: tuple[MinionResult, ...]) -> JobStored:
    return JobStored(
        jid=job.jid,
        function=job.function,
        target=job.target,
        user=job.user,
        created_s=job.created_s,
        results=results,
        is_ended=job.ended_s > 0,
    )


def _without_body(result: MinionResult, body_bytes: int) -> MinionResult:
    """Say of a value that did not fit beside the others that it is there."""
    text = (
        f"the value of {body_bytes} bytes is left out: "
        "all values of the job together are too large for one answer"
    )
    return msgspec.structs.replace(result, body=None, error=result.error or text, is_cut=True)
