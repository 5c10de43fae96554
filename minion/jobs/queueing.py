"""Which queued job starts next: so many side by side, state runs one after another."""

from collections.abc import Iterable, Mapping
from typing import Final

from limpet.common.identifiers import JobId
from limpet.minion.jobs.job import Job, Phase

LOCAL_SIDE_BY_SIDE_MAX: Final = 8
"""Runs asked for on the host itself have slots of their own, free while all others are busy."""

ACTIVE: Final = (Phase.SPAWNING, Phase.RUNNING)


def startable(jobs: Mapping[JobId, Job], side_by_side_max: int) -> Iterable[Job]:
    """Give the jobs that may start now, in their order of arrival."""
    active = [job for job in jobs.values() if job.phase in ACTIVE]
    free = side_by_side_max - sum(not job.is_local for job in active)
    local_free = LOCAL_SIDE_BY_SIDE_MAX - sum(job.is_local for job in active)
    is_state_lane_free = not any(job.is_state_run for job in active)
    chosen: list[Job] = []
    for job in jobs.values():
        if job.phase is not Phase.QUEUED or (job.is_state_run and not is_state_lane_free):
            continue
        if job.is_local:
            if local_free <= 0:
                continue
            local_free -= 1
        else:
            if free <= 0:
                continue
            free -= 1
        if job.is_state_run:
            is_state_lane_free = False
        chosen.append(job)
    return chosen
