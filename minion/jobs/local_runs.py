"""Runs asked for on this host (`limpet call`): no journal and no master."""

import random
from typing import Final

from limpet.common.clock import Moment
from limpet.common.identifiers import JobId, make_job_id
from limpet.minion.core.effects import NOW, KillJob, LocalRefused, LocalStored
from limpet.minion.core.outbox import Outbox
from limpet.minion.core.settings import JobLimits
from limpet.minion.jobs.cancellation import Cancellation
from limpet.minion.jobs.ending import without_result
from limpet.minion.jobs.job import Job, Phase
from limpet.minion.jobs.job_registry import JobRegistry

LOCAL_RUNS_MAX: Final = 16
LOCAL_WAIT_S: Final = 24 * 3600.0
"""How long a local run may wait for the state run before it."""


class LocalRuns:
    """The runs of the clients of the minion's Unix socket."""

    def __init__(
        self,
        limits: JobLimits,
        registry: JobRegistry,
        cancellation: Cancellation,
        outbox: Outbox,
        chance: random.Random,
    ) -> None:
        self._limits = limits
        self._registry = registry
        self._cancellation = cancellation
        self._outbox = outbox
        self._chance = chance
        self._is_stopping = False

    def on_stop(self) -> None:
        """End them: their clients leave with this process."""
        self._is_stopping = True
        for job in self._registry.live.values():
            if job.is_local and job.phase is not Phase.QUEUED:
                self._outbox.add(KillJob(job.jid, "cancelled"))

    def on_run(
        self,
        now: Moment,
        client: int,
        function: str,
        arguments: bytes,
        job_timeout_s: float,
        condition: str,
    ) -> None:
        """Run something for a client of the Unix socket, while that stays."""
        if self._is_stopping:
            self._outbox.add(LocalRefused(client, "stopping", "this minion is about to end"))
            return
        if condition:
            self._outbox.add(LocalRefused(client, "disk_full", condition))
            return
        if sum(job.is_local for job in self._registry.live.values()) >= LOCAL_RUNS_MAX:
            text = f"{LOCAL_RUNS_MAX} runs of `limpet call` are under way; try again later"
            self._outbox.add(LocalRefused(client, "busy", text))
            return
        jid = make_job_id(now.wall, self._chance)
        self._registry.live[jid] = Job(
            jid=jid,
            function=function,
            arguments=arguments,
            job_timeout_s=self._limits.timeout_s(job_timeout_s),
            is_streamed=False,
            user="",
            return_bytes_max=self._limits.return_bytes_max,
            expires=now.after(LOCAL_WAIT_S),
            client=client,
        )
        self._outbox.add(LocalStored(client, jid))
        self._registry.start_next(now)

    def on_gone(self, client: int) -> None:
        """Forget what the client asked for and has not begun; what runs goes on to its end.

        Half a package installation is worse than one that nobody watches; `kill_job` ends it.
        """
        for job in [job for job in self._registry.live.values() if job.client == client]:
            if job.phase is Phase.QUEUED:
                del self._registry.live[job.jid]

    def on_cancel(self, now: Moment, jid: JobId) -> None:
        """End a job because somebody on this host says so; unknown ones are left alone."""
        job = self._registry.live.get(jid)
        if job is None:
            return
        if not job.is_local:
            self._cancellation.on_cancel(now, None, jid)
        elif job.phase is Phase.QUEUED:
            self._registry.finish(now, job, without_result(now, job, "cancelled", "cancelled"))
        elif not job.is_ending:
            self._registry.kill(now, job, "cancelled", NOW)
