"""What a supervisor writes of its job: the report of one ended by force, and the result itself."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from limpet.common.messages.jobs import Outcome
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.spool import capture, cut_off_runs
from limpet.minion.spool.spool import Spool
from limpet.minion.workers.fork_server_messages import Spawn, WorkerSetup
from limpet.minion.workers.value_encoding import encode_value
from limpet.minion.workers.worker import WorkerReport, describe, one_line

WRITE_RETRIES: Final = 60
"""Seconds for which a result that can't be written is tried again."""


def forced(
    job: Spawn, setup: WorkerSetup, spool: Spool, outcome: Outcome, error: str
) -> WorkerReport:
    """Report in place of a worker that was ended; by its supervisor, whose pid names the body."""
    body, is_cut = b"", False
    known = cut_off_runs.known_of(setup.state_directory, job.jid)
    if known is not None:
        value, words = known
        body, is_cut = encode_value(value, job.return_bytes_max)
        error = f"{error}; {words}"
    else:
        with suppress(OSError):  # no output is better than no result
            room = max(1024, job.return_bytes_max - 1024)
            output, is_cut = capture.summary(spool.output(job.jid), room)
            if output:
                body, _ = encode_value(_as_text(output), job.return_bytes_max)
    return describe(
        outcome,
        1,
        one_line(error),
        body,
        is_cut,
        spool=spool,
        body_path=spool.unfinished(job.jid, os.getpid(), "body"),
    )


def write(job: Spawn, spool: Spool, slot: Path, result: WorkerResult) -> None:
    """Make the result durable; a disk that fails is tried for a minute. Raises `OSError` then."""
    unfinished = spool.unfinished(job.jid, os.getpid(), "body")
    if not job.is_streamed:
        with suppress(OSError):
            spool.output(job.jid).unlink(missing_ok=True)
    for attempt in range(WRITE_RETRIES):
        try:
            if result.is_in_spool and unfinished.exists():
                unfinished.rename(spool.body(job.jid))
            spool.write_result(job.jid, slot, result)
            return
        except OSError:
            if attempt == WRITE_RETRIES - 1:
                raise
            time.sleep(1.0)


def _as_text(output: bytes) -> str | bytes:
    try:
        return output.decode()
    except UnicodeDecodeError:
        return output
