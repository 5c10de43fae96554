"""What becomes of jobs when minions come, go, stay away, or are no longer who they were.

READY                     created ones are bound and sent, bound ones sent again, cancels too
another journal           bound and running ones are lost: they may have run
SYNC does not list it     a running one is lost: nothing is left of it
offline                   what nobody asked to wait for is `offline`
offline for a minute      what runs is lost, until its return
key gone                  never sent: refused; else lost
store restored            what is not accepted is expired, and never sent
"""

from functools import partial

from limpet.common.identifiers import Commit, JobId
from limpet.common.messages.session import SyncEntry, SyncVerdict
from limpet.master.core.step import Step
from limpet.master.jobs.delivery import RUNNING, Delivery, Settled
from limpet.master.jobs.job_table import JobTable
from limpet.master.jobs.reports import JobReports
from limpet.master.sessions.minion import Minion, Session


class PresenceChanges:
    """Listens to sessions on behalf of the job table."""

    def __init__(self, job_table: JobTable, reports: JobReports) -> None:
        self._job_table = job_table
        self._reports = reports

    def _settle(
        self, step: Step, delivery: Delivery, state: Settled, error: str, since_s: float
    ) -> None:
        job = self._job_table.jobs[delivery.jid]
        self._job_table.change(step, job, delivery, partial(delivery.settle, state, error, since_s))

    def _open_of(self, minion: Minion) -> list[Delivery]:
        lane = self._job_table.lanes.get(minion.minion)
        return [] if lane is None else list(lane.open.values())

    # -- sessions -----------------------------------------------------------------------------

    def on_greeted(self, step: Step, minion: Minion, session: Session) -> None:
        """Give up what is bound to a journal that the minion no longer has."""
        for delivery in self._open_of(minion):
            if delivery.journal_id and delivery.journal_id != session.journal_id:
                self._settle(
                    step,
                    delivery,
                    "lost",
                    "may have run; the minion's journal was replaced",
                    step.now.wall,
                )
        lane = self._job_table.lanes.get(minion.minion)
        for delivery in [] if lane is None else list(lane.cancels.values()):
            if delivery.journal_id != session.journal_id:  # nobody is left to cancel it
                job = self._job_table.jobs[delivery.jid]
                self._job_table.change(step, job, delivery, delivery.on_cancel_answered)

    def sync_verdicts(
        self, step: Step, minion: Minion, session: Session, entries: tuple[SyncEntry, ...]
    ) -> tuple[tuple[SyncVerdict, ...], Commit]:
        """Judge a page; the answer waits for the newest commit that a verdict rests on."""
        verdicts: list[SyncVerdict] = []
        after = Commit(0)
        for entry in entries:
            if JobId(entry.jid) in self._job_table.jobs:  # bounded, whatever the minion lists
                session.listed.add(JobId(entry.jid))
            verdict, commit = self._reports.verdict(step, minion, session.journal_id, entry)
            verdicts.append(verdict)
            after = max(after, commit)
        return tuple(verdicts), after

    def on_ready(self, step: Step, minion: Minion, session: Session) -> None:
        """Send all that waits for the minion, in the order in which it was asked for."""
        job_table = self._job_table
        for delivery in self._open_of(minion):
            job = job_table.jobs[delivery.jid]
            if delivery.state == "created":
                job_table.sending.try_bind(step, job, delivery)
            elif delivery.state == "bound":
                job_table.lane(minion.minion).backlog.append(delivery)
            elif delivery.jid not in session.listed:
                self._settle(
                    step,
                    delivery,
                    "lost",
                    "the minion no longer knows it; its return may have been acknowledged to a "
                    "state of the master's store that is gone",
                    step.now.wall,
                )
        lane = job_table.lanes.get(minion.minion)
        if lane is not None:
            job_table.sending.pump(step, minion, session, lane)
            for delivery in list(lane.cancels.values()):
                job_table.sending.send_cancel(step, delivery)

    def on_session_ended(self, step: Step, minion: Minion) -> None:
        """Take note that nothing is under way any more."""
        lane = self._job_table.lanes.get(minion.minion)
        if lane is None:
            return
        lane.backlog.clear()
        lane.flight = 0
        for delivery in lane.open.values():
            delivery.is_in_flight = False

    def on_offline(self, step: Step, minion: Minion) -> None:
        """End what nobody asked to wait for."""
        for delivery in self._open_of(minion):
            if delivery.state in RUNNING:
                continue
            if self._job_table.jobs[delivery.jid].row.ttl_s is None:
                self._settle(step, delivery, "offline", "the minion went offline", minion.seen_s)

    def on_away_too_long(self, step: Step, minion: Minion) -> None:
        """Give up what runs there, until its return says better."""
        for delivery in self._open_of(minion):
            if delivery.state in RUNNING:
                self._settle(
                    step,
                    delivery,
                    "lost",
                    "was running when the minion went offline",
                    step.now.wall,
                )

    # -- keys and stores ----------------------------------------------------------------------

    def on_key_gone(self, step: Step, minion: Minion) -> None:
        """End all that was meant for a key that is no longer accepted."""
        for delivery in self._open_of(minion):
            if delivery.key == minion.key:
                self.on_stranger(step, delivery)

    def on_stranger(self, step: Step, delivery: Delivery) -> None:
        """End a delivery whose key is not accepted."""
        if delivery.state == "created":
            error = "the minion's key is no longer accepted"
            self._settle(step, delivery, "refused", error, step.now.wall)
        else:
            error = "may have run; the minion's key is no longer accepted"
            self._settle(step, delivery, "lost", error, step.now.wall)

    def on_store_restored(self, step: Step) -> None:
        """End what this older store thinks is still to be sent."""
        for job in list(self._job_table.jobs.values()):
            if not job.is_old:  # asked for since: nothing of it was forgotten
                continue
            for delivery in list(job.deliveries.values()):
                if delivery.is_open and delivery.state not in RUNNING:
                    self._settle(
                        step,
                        delivery,
                        "expired",
                        "the master's store was restored from a backup; it may have run before "
                        "that, and is not sent again",
                        step.now.wall,
                    )
