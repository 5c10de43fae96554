"""Durable before told, in either direction; nothing twice; nothing too late: at every effect."""

from limpet.common.clock import Instant
from limpet.common.control.replies import JobStored, JobUpdate
from limpet.common.identifiers import JobId
from limpet.common.messages.jobs import (
    Accepted,
    BulkAck,
    CancelAnswer,
    Deliver,
    Return,
    ReturnAck,
    Started,
)
from limpet.common.messages.session import Hello
from limpet.common.wire.codec import FromMinion
from limpet.master.core import effects as master_do
from limpet.master.jobs.delivery import OPEN, shown_status
from limpet.master.store.operations import CORRECTABLE, PutDelivery
from limpet.minion.core import effects as minion_do
from limpet.minion.journal.records import JobAccepted, JobStarted
from support.simulator.checking import Checker, Scene
from support.simulator.minion_host import MinionHost
from support.simulator.network import Connection
from support.simulator.statuses import SHOWN_ARROWS
from support.simulator.truth import Run

RESEND_S = 5.0
UNDER_WAY_S = 1.5
"""What waited for its commit when something was learned leaves within this time."""
CLOCK_SLACK_S = 0.5
SLOW_CLOCK_SLACK_S = 3.5
"""How far a minion's estimate of the master's time may be off: half of the slowest round trip."""


class Durability(Checker):
    """Watches what leaves the cores."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._expiries: dict[tuple[str, str], float] = {}
        """(jid, minion): the latest time, of the world, at which it may start."""
        self._cancelled: dict[tuple[str, str], str] = {}
        """(jid, host): a cancel was acknowledged before it started."""
        self._sent: set[tuple[str, str]] = set()
        self._was_settled: set[tuple[str, str]] = set()
        """Deliveries that the master settled by its own verdict at some time."""
        self._last_sent: dict[tuple[str, str], float] = {}
        self._last_returned: dict[tuple[str, str], float] = {}
        self._store_id = ""
        self._void: dict[tuple[str, str], float] = {}
        """Deliveries of before a restore, and when the master learned of it: sent no more."""
        self.acknowledged: dict[tuple[str, str], str] = {}
        """(jid, minion): the status at which its return was acknowledged."""

    # -- minions -------------------------------------------------------------------------------

    def on_minion_effect(self, host: MinionHost, effect: minion_do.Effect) -> None:
        if isinstance(effect, minion_do.ReleaseJob):
            if effect.jid not in self.truth.local:
                self._may_run(host, effect.jid)
        elif isinstance(effect, minion_do.Send):
            message = effect.message
            if isinstance(message, Return):
                self._last_returned[message.jid, host.name] = self.world.t
            if isinstance(message, Accepted | Started | Return | CancelAnswer):
                self._on_disk(host, message)
        elif isinstance(effect, minion_do.Persist):
            for record in effect.records:
                if isinstance(record, JobAccepted) and record.jid in self.truth.forged:
                    self.broken(f"{host.name} accepted {record.jid}, which nobody sent")
                if isinstance(record, JobStarted):
                    self._is_in_time(host, record.jid)

    def _may_run(self, host: MinionHost, jid: str) -> None:
        entry = host.on_disk.jobs.get(JobId(jid))
        if entry is None or entry.started is None:
            self.broken(f"{host.name}: {jid} released before its start was durable")
        if (jid, host.name) in self._cancelled:
            self.broken(f"{host.name}: {jid} runs though its cancel was acknowledged before")

    def _is_in_time(self, host: MinionHost, jid: str) -> None:
        """Check the time to live on the true clock.

        It is that of the delivery: what is on disk in time waits for its slot, until a restart.
        """
        minion = host.settings.minion_id
        latest = self._expiries.get((jid, minion))
        if latest is None or minion in self.truth.clocks_jumped | self.truth.cloned:
            return
        life, at = host.accepted_at.get(jid, (-1, 0.0))
        begins = at if life == host.life else self.world.t
        slack_s = SLOW_CLOCK_SLACK_S if self.truth.is_way_slow else CLOCK_SLACK_S
        if begins > latest + slack_s:
            self.broken(f"{host.name}: {jid} starts {self.world.t - latest:.1f} s after its ttl")

    def _on_disk(
        self, host: MinionHost, message: Accepted | Started | Return | CancelAnswer
    ) -> None:
        entry = host.on_disk.jobs.get(JobId(message.jid))
        if isinstance(message, Accepted) and (entry is None or entry.accepted is None):
            self.broken(f"{host.name}: said Accepted of {message.jid} before it was durable")
        if isinstance(message, Started) and (entry is None or entry.started is None):
            self.broken(f"{host.name}: said Started of {message.jid} before it was durable")
        if isinstance(message, CancelAnswer):
            is_known = entry is not None and (
                entry.is_cancelled or entry.finished is not None or entry.is_acknowledged
            )
            if not is_known:
                self.broken(f"{host.name}: acknowledged a cancel of {message.jid} not on disk")
            if message.verdict == "cancelled" and (entry is None or entry.started is None):
                self._cancelled[message.jid, host.name] = message.verdict
        if (
            isinstance(message, Return)
            and entry is not None
            and entry.accepted is not None
            and entry.finished is None
            and not entry.is_acknowledged
        ):
            self.broken(f"{host.name}: returned {message.jid} before its end was durable")

    def on_run(self, host: MinionHost, run: Run) -> None:
        """Check that nothing runs twice, and nothing that is a secret of nobody.

        Copies of one host are left out: what was on its way to the original when the copy took
        over can't be called back.
        """
        if run.minion in self.truth.cloned or run.jid in self.truth.local:
            return
        runs = self.truth.runs_of(run.jid, run.minion)
        if len(runs) > 1:
            self.broken(f"{run.jid} ran {len(runs)} times on {run.minion}")
        if run.jid in self.truth.forged:
            self.broken(f"{run.jid} ran on {run.minion}, and nobody ever asked for it")

    # -- the master ----------------------------------------------------------------------------

    def on_master_effect(self, effect: master_do.Effect) -> None:
        if isinstance(effect, master_do.Send):
            message = effect.message
            if isinstance(message, Deliver):
                self._last_sent[message.jid, self.scene.minion_of(effect.key)] = self.world.t
                if effect.peer in self.master.peers:
                    self._may_be_sent(effect.key, message)
            elif isinstance(message, ReturnAck):
                self._is_kept(effect.key, message)
            elif isinstance(message, BulkAck):
                self._has_bytes(effect.key, message)
        elif isinstance(effect, master_do.Persist):
            for operation in effect.operations:
                if isinstance(operation, PutDelivery) and operation.row.state in CORRECTABLE:
                    self._was_settled.add((operation.row.jid, operation.row.minion))
        elif isinstance(effect, master_do.Answer):
            if isinstance(effect.reply, JobStored):
                if JobId(effect.reply.jid) not in self.master.store.jobs:
                    self.broken(f"{effect.reply.jid} told to a client before it was stored")
            elif isinstance(effect.reply, JobUpdate):
                self._is_stored(effect.reply)

    def on_master_heard(
        self, connection: Connection, message: FromMinion, effects: list[master_do.Effect]
    ) -> None:
        """Take note when the master learns, by a greeting, that its store is an old one."""
        core = self.master.core
        assert core is not None
        store_id = core._identity.store_id
        if isinstance(message, Hello) and message.store_id == self._store_id != store_id:
            for jid, job in core._job_table.jobs.items():
                rows = self.master.store.deliveries.get(jid, {}) if job.is_old else {}
                for row in rows.values():
                    if row.state in ("created", "bound"):
                        self._void[jid, row.minion] = self.world.t
        self._store_id = store_id

    def look(self) -> None:
        """Check that what is unanswered is sent again as long as a minion is READY."""
        self._look_at_deliveries()
        for host in self.scene.minions:
            if host.is_alive and not host.is_paused and host.ready_at is not None:
                self._look_at_returns(host, max(host.ready_at, host.stood_still[1]))

    def _look_at_returns(self, host: MinionHost, since: float) -> None:
        job_table = host.the_core.job_table
        for jid in job_table.returns._sent:
            sent_at = max(since, self._last_returned.get((jid, host.name), 0.0))
            if self.world.t - sent_at > RESEND_S + 1.0:
                self.broken(
                    f"{host.name} waits for the acknowledgement of {jid}, and has said nothing of "
                    f"it for {self.world.t - sent_at:.1f} s"
                )

    def _look_at_deliveries(self) -> None:
        core, now = self.master.core, self.world.t
        was_slow = now - max(self.master.stood_still[1], self.master.disk.stalled_until) < 10.0
        if core is None or was_slow or self.master.is_paused or self.master.disk.is_full:
            return
        for host in self.scene.minions:
            minion = core._registry.by_key.get(host.key)
            lane = core._job_table.lanes.get(host.settings.minion_id)
            session = None if minion is None else minion.ready_session
            if lane is None or session is None:
                continue
            for jid, delivery in lane.open.items():
                sent_at = self._last_sent.get((jid, host.settings.minion_id), now)
                is_waiting = delivery.is_in_flight and delivery.commit <= core._durable
                if is_waiting and now - sent_at > RESEND_S + 1.0:
                    waited_s = now - sent_at
                    self.broken(f"{jid} waits for {host.name}, not sent for {waited_s:.1f} s")

    def _may_be_sent(self, key: str, message: Deliver) -> None:
        minion = self.scene.minion_of(key)
        row = self.scene.row(message.jid, minion)
        if row is None or not row.journal_id:
            self.broken(f"{message.jid} sent to {minion} before it was bound to a journal")
            return
        expires = self.master.clock.at(Instant(message.expires_at / 1e6))
        state = self._state(message.jid, minion)
        core = self.master.core
        found = None if core is None else core._job_table.find(message.jid, minion)
        # What waited for its commit leaves, though in memory the delivery is over by now.
        is_stale = found is not None and core is not None and found[1].commit > core._durable
        void_at = self._void.get((message.jid, minion), self.world.t)
        held_s = self.world.t - max(void_at, self.master.disk.stalled_until)
        if held_s > UNDER_WAY_S and not self.master.disk.is_full:
            self.broken(f"{message.jid} of before the restore is sent to {minion}")
        if state not in OPEN and not is_stale:
            self.broken(f"{message.jid} sent to {minion} though it is `{state}`")
        name = (message.jid, minion)
        self._expiries[name] = max(self._expiries.get(name, 0.0), expires)
        if name not in self._sent:
            self._sent.add(name)
            self._fits_batch(message.jid, minion)

    def _state(self, jid: str, minion: str) -> str:
        """Give the state of a delivery in the master's memory, or on its disk."""
        core, row = self.master.core, self.scene.row(jid, minion)
        found = None if core is None else core._job_table.find(jid, minion)
        if found is not None:
            return found[1].state
        return "" if row is None else row.state

    def _fits_batch(self, jid: str, minion: str) -> None:
        store = self.master.store
        size = store.jobs[JobId(jid)].batch_size
        if not size:
            return
        active = [
            row.minion
            for row in store.deliveries[JobId(jid)].values()
            if row.state in OPEN
            and row.state != "created"
            and (row.jid, row.minion) not in self._was_settled
        ]
        if len(active) > size:
            self.broken(f"{jid} is sent to {minion}, and {active} are at it: batch of {size}")

    def _is_kept(self, key: str, message: ReturnAck) -> None:
        minion = self.scene.minion_of(key)
        row = self.scene.row(message.jid, minion)
        if row is None:
            return
        if row.state in OPEN:
            self.broken(f"return of {message.jid} from {minion} acknowledged, not stored")
        self.acknowledged[message.jid, minion] = shown_status(row.state)

    def _has_bytes(self, key: str, message: BulkAck) -> None:
        minion = self.scene.minion_of(key)
        _digest, pieces = self.master.store.chunks.get(
            (JobId(message.jid), minion),  # type: ignore[arg-type]
            ("", {}),
        )
        have = sum(len(piece) for piece in pieces.values())
        if message.offset > have and self._state(message.jid, minion) in OPEN:
            self.broken(f"{message.offset} bytes of {message.jid} acknowledged, {have} stored")

    def _is_stored(self, update: JobUpdate) -> None:
        told, row = update.result, self.scene.row(update.jid, update.result.minion)
        stored = "" if row is None else shown_status(row.state)
        if stored != told.status and stored not in SHOWN_ARROWS.get(told.status, ()):
            self.broken(
                f"{update.jid} on {told.minion}: told `{told.status}`, stored `{stored or 'not'}`"
            )
