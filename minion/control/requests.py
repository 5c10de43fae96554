"""What clients on this host ask of the running minion: told to the core, or answered at once."""

from collections.abc import Callable
from typing import Literal

from limpet.common.clock import Moment
from limpet.common.identifiers import JobId
from limpet.minion.control import messages as local
from limpet.minion.control.server import LocalServer
from limpet.minion.core.effects import Effect
from limpet.minion.core.machine import MinionCore
from limpet.minion.workers.job_processes import JobProcesses


class LocalRequests:
    """Answers what is known here; what has to be decided goes to the core."""

    def __init__(
        self,
        core: MinionCore,
        workers: JobProcesses,
        server: LocalServer,
        *,
        status: Callable[[], local.LocalStatus],
    ) -> None:
        """Take whom to ask. `status` says how the minion is."""
        self._core = core
        self._workers = workers
        self._server = server
        self._status = status

    def on_request(self, now: Moment, client: int, request: local.AnyLocalRequest) -> list[Effect]:
        """Serve one request; gives what is to be carried out for it."""
        core = self._core
        match request:
            case local.RunLocal(function=function, arguments=arguments, job_timeout_s=timeout_s):
                return core.on_local_run(now, client, function, arguments, timeout_s)
            case local.AskSource() | local.PullSource():
                return core.on_local_question(now, client, request)
            case local.AskRunning():
                self._server.answer(client, local.LocalJobs(self._running()))
                return []
            case local.KillLocal(jid=jid):
                is_live = core.job_table.is_live(JobId(jid))
                effects = core.on_local_cancel(now, JobId(jid))
                verdict: Literal["cancelling", "finished"] = "cancelling" if is_live else "finished"
                self._server.answer(client, local.LocalKilled(jid, verdict))
                return effects
            case local.RefreshGrains():
                self._server.answer(client, local.LocalDone())
                return core.on_refresh_grains(now)
            case _:
                self._server.answer(client, self._status())
                return []

    def _running(self) -> tuple[local.LocalJob, ...]:
        """Describe the jobs that run."""
        return tuple(
            local.LocalJob(
                job.jid, job.function, job.user, job.pid, job.started_wall_s, job.arguments
            )
            for job in self._workers.running()
        )
