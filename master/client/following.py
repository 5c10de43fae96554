"""Following one job to its end, through restarts of the master.

The request names the job before the master has: asked again with the same request id, the master
gives the same job. So whatever is cut, before or after the id of the job is known, asking again is
safe, and nothing is told twice.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from limpet.common.control.replies import (
    JobEnded,
    JobStored,
    JobUpdate,
    Remark,
)
from limpet.common.control.replies import (
    JobOutput as OutputReply,
)
from limpet.common.control.requests import RunJob, WatchJob
from limpet.common.errors import MasterUnreachable, Stalled
from limpet.master.client.errors import ConnectionLost, raise_refusal, unexpected
from limpet.master.client.results import JobOutput, JobResult, MinionAnswer, ResultTable
from limpet.master.client.retrying_connection import RetryingConnection

Change = MinionAnswer | JobOutput

SILENCE_S: Final = 15.0
"""After so long without a word the master is asked again, or asked whether it is alive."""


class Following:
    """One job that is being followed. Iterate over it, or call `next_change` in a loop of your own.

    Made by `Client.start` and `Client.watch`. Close it (or use `with`) when you leave it early: the
    job goes on all the same.
    """

    def __init__(
        self,
        line: RetryingConnection,
        request: RunJob | WatchJob,
        *,
        on_over: Callable[[RetryingConnection], None],
        timeout_s: float | None,
    ) -> None:
        self._line = line
        self._request = request
        self._on_over = on_over
        self._results = ResultTable()
        self._waiting: deque[Change] = deque()
        self._is_asked = False
        self._is_over = False
        self._heard_at = 0.0
        self._began = time.monotonic()
        self._deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s

    @property
    def jid(self) -> str | None:
        """Give the job's id, as soon as the master has stored it."""
        return self._results.jid

    @property
    def is_over(self) -> bool:
        """Say whether nothing more will come."""
        return self._is_over and not self._waiting

    @property
    def is_at_hand(self) -> bool:
        """Say whether something more has come already: `next_change` gives it without waiting."""
        return bool(self._waiting) or self._line.is_at_hand

    @property
    def is_timed_out(self) -> bool:
        """Say whether the timeout has passed; the job may go on."""
        return time.monotonic() >= self._deadline

    def result(self) -> JobResult:
        """Give what is known now; not before `jid` is known."""
        return self._results.result()

    def wait_stored(self) -> JobResult:
        """Wait until the job is stored. Raises what `next_change` raises, also `Stalled`."""
        while self._results.jid is None:
            if time.monotonic() >= self._deadline:
                self.close()
                if not self._line.was_reached:
                    raise MasterUnreachable(self._line.trouble)
                raise Stalled("the master to store the job", time.monotonic() - self._began)
            self._take(self._deadline)
        return self._results.result()

    def next_change(self, wait_s: float) -> Change | None:
        """Give the next change; None when `wait_s` or the timeout has passed, or at the end.

        The states that the minions are in when the job is stored come first. Raises
        `NoMinionMatched`, `UsageError`, `MasterUnreachable` when the master stayed away for longer
        than the client's patience, and what else the master refused with.
        """
        deadline = min(time.monotonic() + wait_s, self._deadline)
        while not self._waiting and not self._is_over:
            if not self._take(deadline) and time.monotonic() >= deadline:
                return None
        return self._waiting.popleft() if self._waiting else None

    def __iter__(self) -> Iterator[Change]:
        """Give all changes until the job has ended or the timeout has passed."""
        while not self.is_over and (self._waiting or time.monotonic() < self._deadline):
            change = self.next_change(3600.0)
            if change is not None:
                yield change

    def close(self) -> None:
        """Stop following. A second call changes nothing."""
        if not self._is_over:
            self._is_over = True
            self._line.close()
            self._on_over(self._line)

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, deadline: float) -> bool:
        """Take in one reply; False if none came by the deadline."""
        try:
            if not self._is_asked:
                if not self._line.open(deadline):
                    return False
                self._line.ask(self._question())
                self._is_asked = True
                self._heard_at = time.monotonic()
            patience_until = self._heard_at + SILENCE_S
            reply = self._line.receive(min(deadline, patience_until))
            if reply is None:
                if time.monotonic() >= patience_until:
                    self._on_silence()
                return False
            raise_refusal(reply)
            self._heard_at = time.monotonic()
            self._on_reply(reply)
        except ConnectionLost as lost:
            self._is_asked = False
            self._line.on_lost(lost, self._goes_on())
            return False
        except BaseException:
            self.close()
            raise
        return True

    def _goes_on(self) -> str:
        jid = self._results.jid
        if jid is not None:
            return f"job {jid} is stored and goes on: limpet jobs wait {jid}"
        if isinstance(self._request, RunJob):
            return "whether the job was stored is not known: limpet jobs list"
        return ""

    def _question(self) -> RunJob | WatchJob:
        """Ask for the job by its id once that is known, else by the request id."""
        if isinstance(self._request, RunJob) and self._results.jid is not None:
            return WatchJob(
                jid=self._results.jid,
                is_streamed=self._request.is_streamed,
                is_followed=self._request.is_followed,
            )
        return self._request

    def _on_silence(self) -> None:
        """Find out whether the master is alive; raises `ConnectionLost` if it does not answer."""
        if self._results.jid is None:
            # It may be stopped, or its disk may stall: asking again under the same id is harmless.
            raise ConnectionLost("the master does not answer", is_silence=True)
        self._line.probe()
        self._heard_at = time.monotonic()

    def _on_reply(self, reply: object) -> None:
        if isinstance(reply, Remark):
            self._line.on_notice(reply.text)
        elif isinstance(reply, JobStored):
            self._line.on_answered()
            self._waiting.extend(self._results.on_stored(reply))
            if not self._request.is_followed:
                self._end()
        elif isinstance(reply, JobUpdate) and reply.jid == self._results.jid:
            self._waiting.extend(self._results.on_result(reply.result))
        elif isinstance(reply, OutputReply) and reply.jid == self._results.jid:
            self._waiting.append(JobOutput(reply.minion, reply.data, reply.dropped_bytes))
        elif isinstance(reply, JobEnded) and reply.jid == self._results.jid:
            self._results.is_ended = True
            self._end()
        else:
            raise unexpected(reply)

    def _end(self) -> None:
        self._is_over = True
        self._on_over(self._line)
