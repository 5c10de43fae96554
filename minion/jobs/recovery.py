"""What becomes of the jobs that the journal holds when a minion starts.

finished, not acknowledged      -> its return is sent
started, no end                 -> same boot: adopted; else its supervisor's result or `interrupted`
accepted, not started           -> runs if its time to live holds, else `expired`
cancelled and not started       -> `cancelled`
acknowledged, or a tombstone    -> remembered, never runs
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from limpet.common.clock import Instant, Moment
from limpet.minion.core.settings import JobLimits
from limpet.minion.jobs.job import TIMEOUT_GRACE_S, Job, Phase
from limpet.minion.jobs.seen_jids import Why
from limpet.minion.journal.records import JobEntry

HOST_RESTARTED: Final = "the host was restarted while the job ran; it was not run again"


class Fate(Enum):
    """What is to be done with a restored job."""

    RETURN = "return"
    ADOPT = "adopt"
    INTERRUPT = "interrupt"
    RUN = "run"
    EXPIRE = "expire"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Restored:
    """A job out of the journal, and what to do with it."""

    job: Job
    fate: Fate


def why_seen(entry: JobEntry) -> Why | None:
    """Say whether only the jid matters any more."""
    if entry.is_acknowledged:
        return Why.ACKNOWLEDGED
    if entry.accepted is None and entry.started is None and entry.finished is None:
        return Why.TOMBSTONE
    return None


def restore(entry: JobEntry, now: Moment, boot_id: str, limits: JobLimits) -> Restored:
    """Make the job of an entry that is not merely remembered."""
    accepted = entry.accepted
    job = Job(
        jid=entry.jid,
        function="" if accepted is None else accepted.function,
        arguments=b"" if accepted is None else accepted.arguments,
        job_timeout_s=limits.default_timeout_s if accepted is None else accepted.job_timeout_s,
        is_streamed=accepted is not None and accepted.is_streamed,
        user="" if accepted is None else accepted.user,
        return_bytes_max=(
            limits.return_bytes_max if accepted is None else accepted.return_bytes_max
        ),
        expires=now.boot,
    )
    if entry.finished is not None:
        job.phase = Phase.FINISHED
        job.ending = entry.finished
        return Restored(job, Fate.RETURN)
    started = entry.started
    if started is not None:
        job.phase = Phase.RUNNING
        job.pid = started.pid
        job.process_start = started.process_start
        job.started_wall_s = started.started_wall_s
        if started.boot_id != boot_id:
            return Restored(job, Fate.INTERRUPT)
        job.deadline = Instant(started.started_boot_s + job.job_timeout_s + TIMEOUT_GRACE_S)
        return Restored(job, Fate.ADOPT)
    assert accepted is not None
    if entry.is_cancelled:
        return Restored(job, Fate.CANCEL)
    if accepted.boot_id == boot_id:
        job.expires = Instant(accepted.expires_boot_s)
    else:
        job.expires = Instant(now.boot + (accepted.expires_wall_s - now.wall))
    return Restored(job, Fate.RUN if now.boot <= job.expires else Fate.EXPIRE)
