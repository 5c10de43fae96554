"""The invariants: watched at every effect that leaves a process, and once more after the calm."""

from limpet.common.control.replies import JobStored
from limpet.common.identifiers import JobId, MinionId
from limpet.common.messages.jobs import Accepted, Deliver, Return, ReturnAck, Started
from limpet.master import effects as master_do
from limpet.master.jobs.delivery import shown_status
from limpet.minion import effects as minion_do
from limpet.minion.jobs.records import JournalState
from support.simulator.master_host import MasterHost
from support.simulator.minion_host import MinionHost
from support.simulator.operator import Command
from support.simulator.truth import Truth
from support.simulator.world import Broken, World

READY_BOUND_S = 25.0
"""From the end of the last fault to READY: time left to LOST, a connect that nobody answers, one
backoff, the greeting, and the slowest poll of the enrolment port after a refusal."""


class Checkers:
    """Looks over the shoulders of all hosts of one story."""

    def __init__(
        self, world: World, master: MasterHost, minions: list[MinionHost], truth: Truth
    ) -> None:
        self.world = world
        self.master = master
        self.minions = minions
        self.truth = truth
        self.enough = False

    def broken(self, text: str) -> None:
        """End the story."""
        raise Broken(f"seed {self.world.seed}, at {self.world.t:.3f} s: {text}")

    # -- at each effect ------------------------------------------------------------------------

    def minion_effect(self, host: MinionHost, effect: minion_do.Effect) -> None:
        """Check that what leaves a minion's core is on its disk."""
        is_local = isinstance(effect, minion_do.ReleaseJob) and self._is_local(effect.jid)
        if isinstance(effect, minion_do.ReleaseJob) and not is_local:
            entry = self._journal(host).jobs.get(effect.jid)
            if entry is None or entry.started is None:
                self.broken(f"{host.name}: {effect.jid} released before its start was durable")
            runs = self.truth.runs_of(effect.jid, host.settings.minion_id)
            is_cloned = host.settings.minion_id in self.truth.cloned
            if runs and effect.jid not in host.workers and not is_cloned:
                self.broken(f"{host.name}: {effect.jid} would run a second time")
        elif isinstance(effect, minion_do.Send):
            message = effect.message
            if isinstance(message, Accepted | Started | Return):
                self._on_disk(host, message)

    def _is_local(self, jid: JobId) -> bool:
        return jid not in self.master.store.jobs and jid not in self.truth.acknowledged_jobs

    def _on_disk(self, host: MinionHost, message: Accepted | Started | Return) -> None:
        entry = self._journal(host).jobs.get(message.jid)  # type: ignore[call-overload]
        if isinstance(message, Accepted) and (entry is None or entry.accepted is None):
            self.broken(f"{host.name}: said Accepted of {message.jid} before it was durable")
        if isinstance(message, Started) and (entry is None or entry.started is None):
            self.broken(f"{host.name}: said Started of {message.jid} before it was durable")
        if (
            isinstance(message, Return)
            and entry is not None
            and entry.accepted is not None
            and entry.finished is None
            and not entry.is_acknowledged
        ):
            self.broken(f"{host.name}: returned {message.jid} before its end was durable")

    def _journal(self, host: MinionHost) -> JournalState:
        return host.journal()

    def started_run(self, host: MinionHost, jid: str) -> None:
        """Check that nothing runs twice: the first invariant.

        Copies of one host are left out: what was on its way to the original when the copy took
        over can't be called back.
        """
        if host.settings.minion_id in self.truth.cloned:
            return
        runs = self.truth.runs_of(jid, host.settings.minion_id)
        if len(runs) > 1:
            self.broken(f"{jid} ran {len(runs)} times on {host.settings.minion_id}")

    def master_effect(self, effect: master_do.Effect) -> None:
        """Check that what leaves the master's core is in its store."""
        store = self.master.store
        if isinstance(effect, master_do.Send):
            message = effect.message
            if isinstance(message, Deliver):
                minion = self._minion_of(effect.key)
                row = store.deliveries.get(JobId(message.jid), {}).get(MinionId(minion))
                if row is None or not row.journal_id:
                    self.broken(f"{message.jid} sent to {minion} before it was bound to a journal")
            elif isinstance(message, ReturnAck):
                minion = self._minion_of(effect.key)
                row = store.deliveries.get(JobId(message.jid), {}).get(MinionId(minion))
                if row is not None and shown_status(row.state) in ("queued", "running"):
                    self.broken(f"return of {message.jid} from {minion} acknowledged, not stored")
        elif (
            isinstance(effect, master_do.Answer)
            and isinstance(effect.reply, JobStored)
            and JobId(effect.reply.jid) not in store.jobs
        ):
            self.broken(f"{effect.reply.jid} told to a client before it was stored")

    def _minion_of(self, key: str) -> str:
        for host in self.minions:
            if host.key == key:
                return host.settings.minion_id
        raise AssertionError(key)

    # -- after the calm ------------------------------------------------------------------------

    def all_ready(self, since: float) -> None:
        """Check that nobody is stranded."""
        for host in self.minions:
            if host.ready_at is None:
                state = host.core.state if host.core is not None else "no process"
                self.broken(
                    f"{host.name} is not READY {self.world.t - since:.1f} s after the last "
                    f"fault: {state}"
                )

    def all_told(self, commands: list[Command]) -> None:
        """Check that every job has ended, in the store and for whom asked, with a true status."""
        for command in commands:
            if not command.is_over:
                self.broken(
                    f"the command of {command.jid or 'a job'} still waits: {command.statuses}"
                )
            if not command.jid:
                continue
            jid = JobId(command.jid)
            if jid not in self.master.store.jobs:
                if not self.truth.is_store_rolled_back:
                    self.broken(f"{command.jid} was told to a client and is lost")
                continue
            for row in self.master.store.deliveries[jid].values():
                self._is_true(command, row.minion, shown_status(row.state), row.error)

    def _is_true(self, command: Command, minion: str, status: str, error: str) -> None:
        runs = self.truth.runs_of(command.jid, minion)
        where = f"{command.jid} on {minion}: told `{status}` ({error})"
        ended = runs[0].ended if runs else ""
        rolled_back = self.truth.is_store_rolled_back
        replaced = minion in self.truth.journals_replaced | self.truth.cloned
        if command.request.function == "test.ping":
            if status in ("queued", "running"):
                self.broken(f"{where}, though it is over")
            return
        if status in ("queued", "running"):
            self.broken(f"{where}, long after all was over (runs: {runs})")
        if status in ("ok", "failed") and status not in {run.ended for run in runs}:
            self.broken(f"{where}, but it ended as `{ended}`")
        is_known = (
            ended in ("died", "") or rolled_back or replaced
        )  # "": died before its first step
        if status == "interrupted" and not is_known:
            self.broken(f"{where}, but it ended as `{ended}`")
        if status in ("expired", "refused", "offline") and runs and not (rolled_back or replaced):
            self.broken(f"{where}, but it ran: {runs[0]}")
        if status == "cancelled" and not command.is_cancel_asked and not rolled_back:
            self.broken(f"{where}, but nobody cancelled it")
        if status == "lost" and not (replaced or rolled_back or minion in self.truth.keys_changed):
            self.broken(f"{where}, though its minion is back with its journal")

    def nothing_left(self) -> None:
        """Check that nobody keeps what is over: journals, spools, the master's memory."""
        for host in self.minions:
            if self.truth.is_store_rolled_back:
                continue
            for entry in host.journal().jobs.values():
                if entry.accepted is not None and not entry.is_acknowledged:
                    self.broken(f"{host.name} still holds {entry.jid}, unacknowledged")
            left = sorted(jid for jid in host.spool if not self._is_local(JobId(jid)))
            if left:
                self.broken(f"{host.name}: spool files left: {left}")
