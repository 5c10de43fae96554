"""What a client can have done about jobs: run, follow, wait for, show, cancel and list them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from limpet.common.control.replies import Jobs, JobStored, JobSummary
from limpet.common.control.requests import CancelJob, ListJobs, RunJob, TargetKind, WatchJob
from limpet.common.errors import UsageError
from limpet.common.identifiers import FUNCTION_PATTERN, job_id
from limpet.common.terminal.arguments import encode_arguments
from limpet.master.client.following import Following
from limpet.master.client.requester import ANSWER_S, Requester
from limpet.master.client.results import JobResult, ResultTable

TARGET_BYTES_MAX: Final = 4096


class JobCalls(Requester):
    """A client's calls about jobs."""

    def run(
        self,
        target: str,
        function: str,
        *arguments: Any,  # noqa: ANN401
        keywords: Mapping[str, Any] | None = None,
        kind: TargetKind = "glob",
        ttl_s: float | None = None,
        job_timeout_s: float = 0.0,
        batch: str = "",
        timeout_s: float | None = None,
    ) -> JobResult:
        """Run a function on all minions of a target and wait for all that can answer.

        `keywords` are the function's keyword arguments. `kind` says how the target is meant.
        `ttl_s` keeps the job for minions that are offline for so long. `job_timeout_s` ends the
        function itself (0: the minion's default, 24 h). `batch` (`5`, `20%`) bounds how many run at
        once. `timeout_s` is how long to wait here: the result then shows who is still `running`.

        Raises `NoMinionMatched`, `UsageError`, `MasterUnreachable`; a function that failed is not
        an error here, but a status in the result. Raises `Stalled` if the timeout passed before
        the job was stored.
        """
        following = self.start(
            target,
            function,
            *arguments,
            keywords=keywords,
            kind=kind,
            ttl_s=ttl_s,
            job_timeout_s=job_timeout_s,
            batch=batch,
            timeout_s=timeout_s,
        )
        return _to_the_end(following)

    def start(
        self,
        target: str,
        function: str,
        *arguments: Any,  # noqa: ANN401
        keywords: Mapping[str, Any] | None = None,
        kind: TargetKind = "glob",
        ttl_s: float | None = None,
        job_timeout_s: float = 0.0,
        batch: str = "",
        timeout_s: float | None = None,
        is_streamed: bool = False,
        is_followed: bool = True,
    ) -> Following:
        """Begin as `run` does, and give the job to follow: iterate over its changes.

        `is_streamed` asks for the live output of the function as `JobOutput`. Without
        `is_followed` it ends as soon as the job is stored.
        """
        if not FUNCTION_PATTERN.match(function):
            raise UsageError(
                f"{function[:80]!a} is not the name of a function: module.function is expected, "
                "as in test.ping"
            )
        size = len(target.encode("utf-8", "surrogateescape"))
        if not 0 < size <= TARGET_BYTES_MAX:
            raise UsageError(
                f"the target has {size} bytes, but 1 to {TARGET_BYTES_MAX} are expected; define "
                "a node group in the master's configuration for what is longer"
            )
        request = RunJob(
            request_id=os.urandom(16).hex(),
            target=target,
            target_kind=kind,
            function=function,
            arguments=encode_arguments(arguments, dict(keywords or {})),
            ttl_s=ttl_s,
            job_timeout_s=job_timeout_s,
            batch=batch,
            is_streamed=is_streamed,
            is_followed=is_followed,
        )
        return self._follow(request, timeout_s)

    def submit(
        self,
        target: str,
        function: str,
        *arguments: Any,  # noqa: ANN401
        keywords: Mapping[str, Any] | None = None,
        kind: TargetKind = "glob",
        ttl_s: float | None = None,
        job_timeout_s: float = 0.0,
        batch: str = "",
        timeout_s: float = ANSWER_S,
    ) -> JobResult:
        """Store a job and come back at once, with its `jid` and who it is for."""
        following = self.start(
            target,
            function,
            *arguments,
            keywords=keywords,
            kind=kind,
            ttl_s=ttl_s,
            job_timeout_s=job_timeout_s,
            batch=batch,
            timeout_s=timeout_s,
            is_followed=False,
        )
        return following.wait_stored()

    def watch(
        self, jid: str, *, timeout_s: float | None = None, is_streamed: bool = False
    ) -> Following:
        """Follow a job that exists, from what is known of it now to its end."""
        return self._follow(
            WatchJob(jid=job_id(jid), is_streamed=is_streamed, is_followed=True), timeout_s
        )

    def wait(self, jid: str, *, timeout_s: float | None = None) -> JobResult:
        """Wait for a job's end. The result says who has none if the timeout passed."""
        return _to_the_end(self.watch(jid, timeout_s=timeout_s))

    def show(self, jid: str) -> JobResult:
        """Give what is known of a job now."""
        request = WatchJob(jid=job_id(jid), is_streamed=False, is_followed=False)
        return self._follow(request, ANSWER_S).wait_stored()

    def cancel(self, jid: str, minions: Sequence[str] = ()) -> JobResult:
        """Cancel a job on all its minions, or on those named; comes back once that is durable."""
        stored = self._ask(CancelJob(jid=job_id(jid), minions=tuple(minions)), JobStored)
        job_table = ResultTable()
        job_table.on_stored(stored)
        return job_table.result()

    def jobs(self, limit: int = 50, before: str = "") -> tuple[JobSummary, ...]:
        """Give the newest jobs, newest first; `before`: only those older than this jid."""
        older = job_id(before) if before else ""
        return self._ask(ListJobs(limit=limit, before=older), Jobs).jobs

    def _follow(self, request: RunJob | WatchJob, timeout_s: float | None) -> Following:
        return Following(self._take_line(), request, on_over=self._give_back, timeout_s=timeout_s)


def _to_the_end(following: Following) -> JobResult:
    with following:
        following.wait_stored()
        for _ in following:
            pass
        return following.result()
