"""What must hold after the calm: all are there, all is told truly, nothing is kept."""

import hashlib
from collections import Counter

from limpet.common.identifiers import JobId, MinionId
from limpet.master.jobs.delivery import shown_status
from support.simulator.checking import Checker
from support.simulator.durability import Durability
from support.simulator.host_workers import body_of
from support.simulator.operator import Command

OPEN_STATUSES = ("queued", "running")


class Endings(Checker):
    """Looks once, at the end."""

    def all_ready(self, bounds: dict[str, float]) -> None:
        """Check that nobody is stranded, at either end of the link."""
        core = self.master.core
        for host in self.scene.minions:
            if host.ready_at is None:
                state = host.core.state if host.core is not None else "no process"
                self.broken(
                    f"{host.name} is not READY at its bound of {bounds[host.name]:.1f} s: {state}"
                )
            minion = None if core is None else core._registry.by_key.get(host.key)
            if minion is None or minion.presence != "ready":
                presence = "nobody" if minion is None else minion.presence
                self.broken(f"{host.name} believes to be READY; for the master it is {presence}")

    def all_told(self) -> None:
        """Check that every job has ended, in the store and for whom asked, with a true status."""
        for command in self.scene.commands:
            if self._waits_rightly(command):
                continue
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
        self._one_job_for_each_request()

    def _waits_rightly(self, command: Command) -> bool:
        """Say whether a job waits for somebody only because its time to live has not passed.

        A master that starts with its clock set back waits longer for those who are away.
        """
        if command.request.ttl_s is None or command.is_over or not command.jid:
            return False
        now_s = self.master.clock.now().wall
        rows = self.master.store.deliveries.get(JobId(command.jid), {}).values()
        still = [row for row in rows if shown_status(row.state) in OPEN_STATUSES]
        return all(row.state == "created" and row.expires_s > now_s for row in still)

    def _one_job_for_each_request(self) -> None:
        asked = Counter((row.uid, row.request_id) for row in self.master.store.jobs.values())
        twice = [request for request, count in asked.items() if count > 1]
        if twice:
            self.broken(f"one request made several jobs: {twice}")

    def _is_true(self, command: Command, minion: str, status: str, error: str) -> None:
        truth = self.truth
        runs = truth.runs_of(command.jid, minion)
        where = f"{command.jid} on {minion}: told `{status}` ({error})"
        ended = runs[0].ended if runs else ""
        rolled_back = truth.is_store_rolled_back
        replaced = minion in truth.journals_replaced | truth.cloned
        if status in OPEN_STATUSES:
            self.broken(f"{where}, long after all was over (runs: {runs})")
        if command.request.function == "test.ping":
            return
        if status in ("ok", "failed") and status not in {run.ended for run in runs}:
            self.broken(f"{where}, but it ended as `{ended}`")
        is_known = ended in ("died", "") or rolled_back or replaced  # "": died at its first step
        if status == "interrupted" and not is_known:
            self.broken(f"{where}, but it ended as `{ended}`")
        if status in ("expired", "refused", "offline") and runs and not (rolled_back or replaced):
            self.broken(f"{where}, but it ran: {runs[0]}")
        is_cancelled = command.is_cancel_asked or command.jid in truth.cancelled_by_others
        if status == "cancelled" and not is_cancelled and not rolled_back:
            self.broken(f"{where}, but nobody cancelled it")
        if status == "lost" and not (replaced or rolled_back or minion in truth.keys_changed):
            self.broken(f"{where}, though its minion is back with its journal")
        if status == "ok" and minion not in truth.cloned:  # a copy has no spool of its own
            self._is_whole(command.jid, minion)

    def _is_whole(self, jid: str, minion: str) -> None:
        """Check that what came in is what the function gave, byte for byte."""
        sizes = {run.size for run in self.truth.runs_of(jid, minion) if run.ended == "ok"}
        body = self.master.store.bodies.get((JobId(jid), MinionId(minion)), b"")
        wanted = {hashlib.sha256(body_of(jid, size)).digest() for size in sizes}
        if hashlib.sha256(body).digest() not in wanted:
            self.broken(f"{jid} on {minion}: {len(body)} bytes came in, of {sizes}, or others")

    def nothing_lost(self, durability: Durability) -> None:
        """Check that every return that was acknowledged is still there as it was."""
        if self.truth.is_store_rolled_back:
            return
        for (jid, minion), status in durability.acknowledged.items():
            row = self.scene.row(jid, minion)
            if row is None or shown_status(row.state) != status:
                now = "gone" if row is None else shown_status(row.state)
                self.broken(f"{jid} on {minion} was acknowledged as `{status}` and is {now}")

    def nothing_left(self) -> None:
        """Check that nobody keeps what is over: journals, spools, memory."""
        self._master_is_empty()
        for host in self.scene.minions:
            job_table = host.the_core.job_table
            returns, bulk = job_table.returns, job_table.returns.bulk
            kept = {
                "live": len(job_table.registry.live),
                "unsaved": len(job_table.registry.unsaved),
                "output": len(job_table.output._sequences) + len(job_table.output._under_way),
                "held": len(host._held),
            }
            if not self.truth.is_store_rolled_back:
                kept["finished"] = len(job_table.registry.finished)
                kept["returns"] = len(returns._waiting) + len(returns._sent) + len(bulk._queue)
                # What `limpet call` ran when its link died is swept up at the next start.
                kept["spool"] = len(host.workers.spool.keys() - self.truth.local)
                kept["journal"] = sum(
                    entry.accepted is not None and not entry.is_acknowledged
                    for entry in host.on_disk.jobs.values()
                )
            if any(kept.values()):
                self.broken(f"{host.name} keeps what is over: {kept}, {sorted(host.workers.spool)}")

    def _master_is_empty(self) -> None:
        core = self.master.core
        assert core is not None
        if any(self._waits_rightly(command) for command in self.scene.commands):
            return
        job_table, registry = core._job_table, core._registry
        is_kept = [
            job.row.jid for job in job_table.jobs.values() if job.row.ended_s > 0 and job.held
        ]
        partials = [due for due in core._timers._entries if due[0] == "partial"]
        counts = {
            "jobs": len(job_table.jobs) - len(is_kept),
            "open jobs": job_table.open_jobs,
            "open deliveries": job_table.open_deliveries,
            "lanes": sum(not lane.cancels for lane in job_table.lanes.values()),
            "followers": len(job_table.followers),
            "bodies": len(job_table.bodies) - len(partials),
            "syncing": registry.admission.inside + len(registry.admission),
            "held back": len(self.master._held),
            "leaving": len(job_table._leaving),
        }
        if any(counts.values()):
            self.broken(f"the master keeps what is over: {counts}")
        deadlines = len(core._timers) - len(partials)
        if deadlines > 3 * len(registry.by_key) + 5:
            self.broken(f"the master has {deadlines} deadlines for {len(registry.by_key)} minions")
