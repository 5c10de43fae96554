"""A host with a minion on it: carries out the effects of the production core."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

import msgspec

from limpet.common.clock import Moment
from limpet.common.identifiers import Attempt, Commit, MinionId, MinionKey
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.wire.codec import FromMaster
from limpet.minion.core import effects as do
from limpet.minion.core.machine import MinionCore
from limpet.minion.core.settings import LinkSettings
from limpet.minion.journal.records import (
    AnyRecord,
    JobAccepted,
    JournalState,
    Record,
    compact,
    replay,
)
from limpet.minion.sessions.states import State
from support.simulator.coverage import Counted, Coverage
from support.simulator.disks import Disk
from support.simulator.host_workers import HostWorkers
from support.simulator.master_keys import Trusting
from support.simulator.master_ports import MasterPorts
from support.simulator.minion_socket import MinionSocket
from support.simulator.network import Network, Weather
from support.simulator.truth import Truth
from support.simulator.watching import Watcher
from support.simulator.world import HostClock, Process, World

INSTANT = {"test.ping": lambda _args, _kwargs: True}
JOURNAL_RECORDS_MAX = 400
_records = msgspec.msgpack.Decoder(AnyRecord)

Step = Callable[[MinionCore], list[do.Effect]]
Tell = Callable[[do.LocalReply | do.LocalRefused], None]


class MinionHost(Process):
    """One host: `records` is its journal; its processes, files and socket have their own names."""

    def __init__(
        self,
        world: World,
        network: Network,
        master: MasterPorts,
        truth: Truth,
        *,
        name: str,
        minion_id: str,
        key: str,
        master_name: str = "master.example",
        token_id: str = "tok",
    ) -> None:
        super().__init__(world, name)
        self.truth = truth
        self.key = MinionKey(key)
        self.settings = LinkSettings(
            minion_id=MinionId(minion_id),
            master_host=master_name,
            server_key=(b"m" * 32).hex(),
            join_token_id=token_id,
            version="1",
        )
        self.weather = Weather()
        self.clock = HostClock(world, up_since=world.t - 100.0 - world.chance.random() * 1000)
        self.boot_id = f"{world.chance.getrandbits(128):032x}"
        self.records: list[Record] = []
        self.on_disk = JournalState()
        """What the records come to, kept up to date."""
        self.accepted_at: dict[str, tuple[int, float]] = {}
        """Jid to the life of the link, and the time, at which its acceptance was durable."""
        self.disk: Disk[Record] = Disk(world, name, self._append)
        self.socket = MinionSocket(self, network, master)
        self.workers = HostWorkers(self)
        self.trusting = Trusting(self)
        self.core: MinionCore | None = None
        self.watcher = Watcher()
        self.coverage: Coverage | None = None
        self.ready_at: float | None = None
        self.losses = 0
        """How often it was READY and then was not."""
        self.is_on = True
        self.proving_works = True
        self.proving_s = 0.1
        self.grains_s = 1.0
        self.committed = 0
        self._wake = 0
        self._held: list[tuple[int, do.Effect]] = []
        self._clients = 2**31
        self.clients: dict[int, tuple[Tell, Callable[[], None]]] = {}
        """Jobs that wait for an answer: whom to tell, and what to do when the link is gone."""

    @property
    def the_core(self) -> MinionCore:
        """Give the core of a host that lives."""
        assert self.core is not None
        return self.core

    # -- disk ---------------------------------------------------------------------------------

    def _append(self, _commit: int, items: tuple[Record, ...]) -> None:
        for item in items:
            record = _records.decode(msgspec.msgpack.encode(item))
            self.records.append(record)
            replay(self.on_disk, record)
            if isinstance(record, JobAccepted):
                self.accepted_at[record.jid] = (self.life, self.world.t)
        if len(self.records) > JOURNAL_RECORDS_MAX:
            self.set_records(compact(self.journal()))

    def journal(self) -> JournalState:
        """Replay what is on the disk."""
        state = JournalState()
        for record in self.records:
            replay(state, record)
        return state

    def set_records(self, records: list[Record]) -> None:
        """Put another journal in the place of the one on disk."""
        self.records = records
        self.on_disk = self.journal()

    # -- life ---------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start the minion's link process."""
        if self.is_alive or not self.is_on:
            return
        self.is_alive = True
        self._held = []
        self.committed = 0
        self.disk.tell_trouble = self._trouble
        self.world.note(self.name, "starts")
        kept = {jid for jid, entry in self.on_disk.jobs.items() if not entry.is_acknowledged}
        for jid in [jid for jid in self.workers.spool if jid not in kept]:  # the shell tidies up
            self.workers.drop(jid)
        core = MinionCore(
            replace(self.settings, server_key=self.trusting.current, trust=self.trusting.held),
            self.journal(),
            now=self.clock.now(),
            boot_id=self.boot_id,
            chance=random.Random(self.world.chance.getrandbits(64)),
            instant=INSTANT,
        )
        self.core = core
        if self.coverage is not None:
            self.core = cast(MinionCore, Counted(core, self.coverage.on_minion_event))
        self.let(self.life, lambda: self.carry_out(core.start(self.now())))

    def on_killed(self) -> None:
        """The link process is gone: its socket closes, its disk loses what was not synced."""
        super().on_killed()
        self.core = None
        self.ready_at = None
        self.disk.crash()
        self.socket.drop()
        self.workers.on_link_died()
        clients, self.clients = self.clients, {}
        for _, again in clients.values():
            self.world.later(0.25, again)
        if self.is_on:
            self.world.later(self.restart_s(), self.boot)

    def speak_protocol_1(self) -> None:
        """Be of the first release, from the next start on."""
        self.settings = replace(self.settings, protocol_max=1)

    def power_off(self, seconds: float) -> None:
        """The host goes down without a word and boots again after a while."""
        self.world.note(self.name, f"loses power for {seconds:.1f} s")
        connection = self.socket.connection
        if connection is not None:
            connection.is_dead = connection.is_dead or self.world.chance.random() < 0.7
        self.is_on = False
        self.workers.kill_all()
        self.kill()

        def up() -> None:
            self.is_on = True
            self.boot_id = f"{self.world.chance.getrandbits(128):032x}"
            self.clock.up_since = self.world.t - 1.0
            self.boot()

        self.world.later(seconds, up)

    def kill_tree(self) -> None:
        """Kill -9 the link and every worker."""
        self.workers.kill_all()
        self.kill()

    def suspend(self, seconds: float) -> None:
        """The whole host stands still; its boot clock goes on."""
        self.workers.frozen_until = max(self.workers.frozen_until, self.world.t + seconds)
        self.pause(seconds)

    def stop_and_start(self, seconds: float) -> None:
        """End the link as SIGTERM does, and start it again: jobs go on."""

        def stop() -> None:
            self.carry_out(self.the_core.on_stop(self.now()))
            self.restart_after_s = seconds
            life = self.life
            self.world.later(0.3, lambda: self.kill() if self.life == life else None)

        self.let(self.life, stop)

    def run_locally(self, seconds: float) -> None:
        """Run a job for `limpet call`, which may lose patience."""
        client = self.world.chance.getrandbits(30)
        arguments = msgspec.msgpack.encode([[], {"seconds": seconds}])
        self.step(lambda core: core.on_local_run(self.now(), client, "cmd.run", arguments, 60.0))
        if self.world.chance.random() < 0.5:
            self.step_later(seconds / 2, lambda core: core.on_local_gone(self.now(), client))

    def reimage(self) -> None:
        """The host is installed anew with its old key: no journal, no jobs, no spool."""
        self.world.note(self.name, "is reimaged")
        self.truth.journals_replaced.add(self.settings.minion_id)
        self.power_off(3.0)
        self.set_records([])
        self.workers.spool.clear()
        self.workers.bodies.clear()

    def now(self) -> Moment:
        """Read the host's clocks."""
        return self.clock.now()

    # -- events -------------------------------------------------------------------------------

    def step(self, act: Step) -> None:
        """Hand one event to the core, if it lives, and carry out what it says."""
        self.let(self.life, lambda: self.carry_out(act(self.the_core)))

    def step_later(self, delay_s: float, act: Step) -> None:
        """Hand one event to the core after a delay, if this life of it still lives."""
        life = self.life
        self.world.later(
            delay_s, lambda: self.let(life, lambda: self.carry_out(act(self.the_core)))
        )

    def hear(self, attempt: Attempt, message: FromMaster | EnrolAnswer) -> None:
        """Let the core hear a message, in this very turn."""
        if self.world.is_traced:
            self.world.note(self.name, f"<- {message}")
        effects = self.the_core.on_message(self.now(), attempt, message)
        self.watcher.on_minion_heard(self, message)
        self.carry_out(effects)

    def _trouble(self, text: str) -> None:
        if self.is_alive:
            self.step(lambda core: core.on_journal_trouble(self.now(), text))

    def _committed_to(self, life: int, commit: int) -> None:
        def act() -> None:
            self.committed = max(self.committed, commit)
            due = [effect for after, effect in self._held if after <= self.committed]
            self._held = [each for each in self._held if each[0] > self.committed]
            for effect in due:
                self._do(effect)
            if life == self.life:
                self.carry_out(self.the_core.on_committed(self.now(), Commit(commit)))

        self.let(life, act)

    # -- effects ------------------------------------------------------------------------------

    def carry_out(self, effects: list[do.Effect]) -> None:
        """Carry out what the core says, in order; what waits for a commit is held back."""
        life = self.life
        self.watcher.on_minion_decided(self, effects)
        for effect in effects:
            after = getattr(effect, "after", 0)
            if after > self.committed:
                self._held.append((after, effect))
                continue
            self._do(effect)
            if life != self.life:
                return
        self._set_alarm()
        self._watch_ready()
        self.watcher.on_minion_step(self)

    def _watch_ready(self) -> None:
        is_ready = self.the_core.is_ready
        if is_ready and self.ready_at is None:
            self.ready_at = self.world.t
            self.world.note(self.name, "READY")
        elif not is_ready and self.ready_at is not None:
            self.ready_at = None
            self.losses += self.the_core.state is not State.STOPPED
            self.world.note(self.name, "not READY")

    def _set_alarm(self) -> None:
        deadline = self.the_core.next_deadline
        if not (deadline < 1e12):
            raise AssertionError(f"{self.name}: a state without a deadline: {deadline}")
        self._wake += 1
        wake, life = self._wake, self.life

        def ring() -> None:
            if wake == self._wake and life == self.life:
                self.step(lambda core: core.on_deadline(self.now()))

        self.world.at(self.clock.at(deadline) + 1e-6, ring)

    def _do(self, effect: do.Effect) -> None:
        self.count_effect()
        self.watcher.on_minion_effect(self, effect)
        life = self.life
        match effect:
            case do.Persist():
                self.disk.write(
                    effect.commit, effect.records, lambda commit: self._committed_to(life, commit)
                )
            case do.Resolve():
                self.socket.resolve(effect.attempt)
            case do.OpenSocket():
                self.socket.open(effect)
            case do.CloseSocket():
                self.socket.close(effect.attempt)
            case do.Send():
                self.socket.send(effect.attempt, effect.message)
            case do.Prove():
                self._prove(effect)
            case do.KeepServerKey():
                self.trusting.keep_server_key(effect.key)
            case do.KeepTrust():
                self.trusting.keep_trust(effect.trust)
            case do.SpawnJob():
                self.workers.spawn(effect)
            case do.ReleaseJob():
                self.workers.release(effect.jid)
            case do.AdoptJob():
                self.workers.adopt(effect)
            case do.KillJob():
                self.workers.kill(effect.jid, effect.reason)
            case do.ReadBody():
                self.workers.read(effect)
            case do.DropSpool():
                self.workers.drop(effect.jid)
            case do.CollectGrains():
                self.step_later(
                    self.grains_s, lambda core: core.on_grains(self.now(), b"{}", "00" * 32, "")
                )
            case do.LocalStored():
                self.truth.local.add(effect.jid)
            case do.Reexec():
                self.world.note(self.name, f"starts afresh: {effect.reason}")
                self.restart_after_s = 0.1
                self.kill()
            case do.Report():
                self.world.note(self.name, f"[{effect.level}] {effect.text}")
            case do.LocalReply() | do.LocalRefused():
                tell = self.clients.pop(effect.client, None)
                if tell is not None:
                    self.world.later(0.0005, partial(tell[0], effect))
            case _:
                assert isinstance(effect, do.LocalAnswer), effect

    def chance_client(self) -> int:
        """Give the number of a new connection to the Unix socket."""
        self._clients += 1
        return self._clients

    def _prove(self, effect: do.Prove) -> None:
        attempt, life = effect.attempt, self.life
        if not self.proving_works:
            self.step_later(
                self.proving_s, lambda core: core.on_proof_failed(self.now(), attempt, "no key")
            )
            return
        signed = msgspec.structs.replace(effect.request, signature=b"s" * 64)
        self.world.later(
            self.proving_s, lambda: self.let(life, lambda: self.socket.send(attempt, signed))
        )
