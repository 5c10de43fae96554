"""Who follows which job, and what they are told: each thing after the commit that makes it true.

A client follows one job at a time. Statuses are never dropped here; live output is, and counted,
when a client is sent more of it than its share. The shell bounds what one client may leave unread.
"""

from limpet.common.control.replies import JobEnded, JobOutput, JobUpdate
from limpet.common.identifiers import Commit, JobId, MinionId
from limpet.master.core.effects import Client, Fetch
from limpet.master.core.settings import MasterSettings
from limpet.master.core.step import Step
from limpet.master.jobs.delivery import Delivery
from limpet.master.sessions.rate_limits import Rates


class Follower:
    """One client that follows one job."""

    __slots__ = ("dropped", "is_streamed", "jid", "rates")

    def __init__(self, jid: JobId, rates: Rates, *, is_streamed: bool) -> None:
        self.jid = jid
        self.is_streamed = is_streamed
        self.rates = rates
        self.dropped: dict[MinionId, int] = {}
        """Bytes of output not passed on, until the next piece says so."""


class JobFollowers:
    """The followers of all jobs."""

    def __init__(self, settings: MasterSettings) -> None:
        self._limits = {"output": (settings.output_bytes_s, settings.output_burst_bytes)}
        self._by_client: dict[Client, Follower] = {}
        self._by_job: dict[JobId, dict[Client, Follower]] = {}

    def __len__(self) -> int:
        return len(self._by_client)

    def follow(self, client: Client, jid: JobId, *, is_streamed: bool) -> None:
        """Let the client follow the job, and nothing that it followed before."""
        self.leave(client)
        follower = Follower(jid, Rates(self._limits), is_streamed=is_streamed)
        self._by_client[client] = follower
        self._by_job.setdefault(jid, {})[client] = follower

    def leave(self, client: Client) -> None:
        """Let the client follow nothing; nothing happens if it did not."""
        follower = self._by_client.pop(client, None)
        if follower is not None:
            followers = self._by_job[follower.jid]
            del followers[client]
            if not followers:
                del self._by_job[follower.jid]

    def tell(self, step: Step, delivery: Delivery, body: bytes | None, after: Commit) -> None:
        """Tell a new status."""
        followers = self._by_job.get(delivery.jid)
        if followers:
            update = JobUpdate(delivery.jid, delivery.result(body))
            for client in followers:
                step.answer(client, update, after)

    def fetch(self, step: Step, jid: JobId, minion: MinionId, after: Commit) -> None:
        """Tell a new status whose body is in the store alone."""
        for client in self._by_job.get(jid, ()):
            step.effects.append(Fetch(client, jid, minion, after))

    def end(self, step: Step, jid: JobId, after: Commit) -> None:
        """Tell that the job has ended; nobody follows it any more."""
        for client in self._by_job.pop(jid, {}):
            del self._by_client[client]
            step.answer(client, JobEnded(jid), after)

    def output(
        self, step: Step, jid: JobId, minion: MinionId, data: bytes, dropped_bytes: int
    ) -> None:
        """Pass live output on to those who asked for it and are not over their share."""
        for client, follower in self._by_job.get(jid, {}).items():
            if not follower.is_streamed:
                continue
            lost = follower.dropped.pop(minion, 0) + dropped_bytes
            if follower.rates.take("output", step.now.boot, len(data)):
                step.answer(client, JobOutput(jid, minion, data, lost))
            else:
                follower.dropped[minion] = lost + len(data)
                step.count("output_dropped")
