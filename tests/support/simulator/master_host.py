"""The master's host: carries out the effects of the production core, on a store that is a model."""

import random
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import cast

from limpet.common.control.replies import AnyReply
from limpet.common.control.requests import Request
from limpet.common.identifiers import Commit, MinionKey
from limpet.common.wire.codec import FromMinion, encode, enrol_request_decoder, master_decoder
from limpet.master.core import effects as do
from limpet.master.core.machine import MasterCore
from limpet.master.core.settings import MasterSettings
from limpet.master.store.operations import Operation, PutDelivery
from support.master.store_model import StoreModel
from support.simulator.coverage import Counted, Coverage
from support.simulator.disks import Disk
from support.simulator.file_server import FileServer
from support.simulator.master_keys import KeyDisk
from support.simulator.master_ports import MasterPorts
from support.simulator.network import Connection, Network
from support.simulator.truth import Truth
from support.simulator.watching import Watcher
from support.simulator.world import HostClock, Process, World

ADDRESS = "192.0.2.9"
"""Where all minions of a simulation come from."""


class AnyProof:
    """A verifier for which every proof that a simulated minion makes is right."""

    master_key = b"m" * 32

    def verifier_of(self, secret: bytes) -> bytes:
        """Give what stands for the secret."""
        return b"v" * 32

    def verify(self, verifier: bytes, message: bytes, signature: bytes) -> bool:
        """Say yes to the one signature that simulated minions make."""
        return signature == b"s" * 64


class MasterHost(Process, MasterPorts):
    """One master with its two ports, its store, and the clients of its Unix socket."""

    def __init__(self, world: World, network: Network, truth: Truth) -> None:
        Process.__init__(self, world, "master")
        self.network = network
        self.truth = truth
        self.clock = HostClock(world, up_since=world.t - 5000.0)
        self.store = StoreModel()
        self.disk: Disk[Operation] = Disk(world, "master", self.apply)
        self.core: MasterCore | None = None
        self.settings = MasterSettings(sync_at_once=world.chance.choice((1, 100)))
        self.peers: dict[bytes, Connection] = {}
        self.clients: dict[int, Callable[[AnyReply | None], None]] = {}
        self._client_numbers = count(1)
        self._handles = count(1)
        self._enrol_waiting: dict[int, Connection] = {}
        self._held: list[tuple[int, do.Effect]] = []
        self._committed = 0
        self._wake = 0
        self.is_enrol_up = True
        self._is_rebooting = False
        self.server_key = ""
        """The key that this life of the process began with."""
        self.garbles = False
        self.full_peers: set[bytes] = set()
        self.watcher = Watcher()
        self.file_server = FileServer(self, random.Random(world.seed))
        self.coverage: Coverage | None = None
        self.keys = KeyDisk(self)
        self.key_changed: Callable[[], None] = lambda: None
        """What to do when the master has another key on its disk."""

    # -- life ---------------------------------------------------------------------------------

    def apply(self, commit: int, operations: tuple[Operation, ...]) -> None:
        """Make one transaction durable."""
        if self.coverage is not None:
            for operation in operations:
                if isinstance(operation, PutDelivery):
                    row = operation.row
                    self.coverage.on_row(
                        self.store.deliveries.get(row.jid, {}).get(row.minion), row
                    )
        self.store.apply(commit, operations)

    def boot(self) -> None:
        """Start the master on what its store holds."""
        if self.is_alive:
            return
        self.is_alive = True
        if self._is_rebooting:
            self._is_rebooting = False
            self.clock.up_since = self.world.t - 1.0
        snapshot = self.store.snapshot(self.clock.now().wall)
        self.server_key = self.keys.model.current.hex()
        self._committed = snapshot.commit
        self._held = []
        self.disk.tell_trouble = self._trouble
        self.world.note(self.name, "starts")
        core = MasterCore(
            self.settings,
            snapshot,
            now=self.clock.now(),
            chance=random.Random(self.world.chance.getrandbits(64)),
            verifier=AnyProof(),
            announced=self.keys.model.announced(),
        )
        self.core = core
        if self.coverage is not None:
            self.core = cast(MasterCore, Counted(core, self.coverage.on_master_event))
        self.let(self.life, lambda: self._carry_out(core.start(self.clock.now())))

    def on_killed(self) -> None:
        """All connections end, all clients see their socket close, unsynced writes may be lost."""
        super().on_killed()
        self.core = None
        self.disk.crash()
        for connection in list(self.peers.values()):
            self.network.close_master_end(connection)
        self.peers.clear()
        self._enrol_waiting.clear()
        self.full_peers.clear()
        clients, self.clients = self.clients, {}
        for tell in clients.values():
            self.world.later(0.001, partial(tell, None))
        self.world.later(self.restart_s(), self.boot)

    def stop_and_start(self, seconds: float) -> None:
        """End as SIGTERM does, telling the minions, and start again."""

        def stop() -> None:
            assert self.core is not None
            self._carry_out(self.core.on_stop(self.clock.now()))
            self.restart_after_s = seconds
            life = self.life
            self.world.later(0.5, lambda: self.kill() if self.life == life else None)

        self.let(self.life, stop)

    def restore(self, backup: StoreModel) -> None:
        """Bring an older copy of the store back while the master is down."""
        self.truth.is_store_rolled_back = True
        self.kill()
        self.store = backup

    def on_key_changed(self) -> None:
        """Hear that the key on the disk is another one now."""
        self.key_changed()

    def _start_afresh(self) -> None:
        """Drain and exec: a new life, after a moment."""
        self.restart_after_s = 0.3
        life = self.life
        self.world.later(0.5, lambda: self.kill() if self.life == life else None)

    def reboot(self, seconds: float) -> None:
        """The master's host restarts: connections die in silence, its boot clock begins anew."""
        for connection in self.peers.values():
            connection.is_dead = connection.is_dead or self.world.chance.random() < 0.7
        self.restart_after_s = seconds
        self._is_rebooting = True
        self.kill()

    def _trouble(self, text: str) -> None:
        if self.is_alive:
            self.step(lambda core: core.on_store_trouble(self.clock.now(), text))

    # -- the ports ----------------------------------------------------------------------------

    @property
    def is_stopped(self) -> bool:
        """Say whether the process stands still."""
        return self.is_alive and self.is_paused

    def is_listening(self, port: str) -> bool:
        """Say whether the port is open."""
        return self.is_alive and (port == "main" or self.is_enrol_up)

    def allows(self, key: MinionKey) -> bool:
        """Answer as ZAP does."""
        return self.core is not None and self.core.is_key_accepted(key)

    def accept(self, port: str, key: MinionKey) -> dict[str, object]:
        """Give the master's end of a new connection."""
        box: list[Connection] = []

        def to_master(frame: bytes) -> None:
            connection = box[0]
            if port == "main":
                self._on_frame(connection, frame)
            else:
                self._on_enrol_frame(connection, frame)

        def tell_master() -> None:
            connection = box[0]
            if self.peers.pop(connection.peer, None) is not None:
                peer = do.Peer(connection.peer)
                self.step(lambda core: core.on_peer_gone(self.clock.now(), peer))

        self._box = box
        return {"to_master": to_master, "tell_master": tell_master}

    def opened(self, connection: Connection, port: str) -> None:
        """Take note of the new connection."""
        self._box.append(connection)
        if port == "main":
            self.peers[connection.peer] = connection

    def _on_frame(self, connection: Connection, frame: bytes) -> None:
        if self.garbles:
            self.step(
                lambda core: core.on_bad_frame(
                    self.clock.now(), do.Peer(connection.peer), connection.key, "bad_schema"
                )
            )
            return
        message = master_decoder_shared.decode(frame)
        self.step(
            lambda core: (
                self.hear(core, connection, message) if connection.peer in self.peers else []
            )
        )

    def hear(
        self, core: MasterCore, connection: Connection, message: FromMinion
    ) -> list[do.Effect]:
        """Let the core hear a message."""
        if self.world.is_traced:
            self.world.note(self.name, f"<- {message}")
        effects = core.on_message(
            self.clock.now(), do.Peer(connection.peer), connection.key, ADDRESS, message
        )
        self.watcher.on_master_heard(connection, message, effects)
        return effects

    def _on_enrol_frame(self, connection: Connection, frame: bytes) -> None:
        request = enrol_decoder_shared.decode(frame)
        handle = next(self._handles)
        self._enrol_waiting[handle] = connection
        self.step(
            lambda core: core.on_enrolment(
                self.clock.now(), handle, connection.key, ADDRESS, request
            )
        )

    # -- effects ------------------------------------------------------------------------------

    def step(self, act: Callable[[MasterCore], list[do.Effect]]) -> None:
        """Hand one event to the core, if it lives, and carry out what it says."""

        def run() -> None:
            assert self.core is not None
            self._carry_out(act(self.core))

        self.let(self.life, run)

    def _carry_out(self, effects: list[do.Effect]) -> None:
        for effect in effects:
            after = getattr(effect, "after", 0)
            if after > self._committed:
                self._held.append((after, effect))
                continue
            self._do(effect)
        self._set_alarm()
        self.watcher.on_master_step()

    def _set_alarm(self) -> None:
        assert self.core is not None
        deadline = self.core.next_deadline
        if not (deadline < 1e12):
            raise AssertionError(f"master: a state without a deadline: {deadline}")
        self._wake += 1
        wake, life = self._wake, self.life

        def ring() -> None:
            if wake == self._wake and life == self.life:
                self.step(lambda core: core.on_deadline(self.clock.now()))

        self.world.at(self.clock.at(deadline) + 1e-6, ring)

    def _committed_to(self, life: int, commit: int) -> None:
        def act() -> None:
            self._committed = max(self._committed, commit)
            assert self.core is not None
            due = [effect for after, effect in self._held if after <= self._committed]
            self._held = [
                (after, effect) for after, effect in self._held if after > self._committed
            ]
            for effect in due:
                self._do(effect)
            self._carry_out(self.core.on_committed(self.clock.now(), Commit(commit)))

        self.let(life, act)

    def _do(self, effect: do.Effect) -> None:
        self.count_effect()
        self.watcher.on_master_effect(effect)
        life = self.life
        if isinstance(effect, do.Persist):
            self.disk.write(
                effect.commit, effect.operations, lambda commit: self._committed_to(life, commit)
            )
        elif isinstance(effect, do.Send):
            self._send(effect)
        elif isinstance(effect, do.Disconnect):
            connection = self.peers.pop(effect.peer, None)
            if connection is not None:
                self.network.close_master_end(connection)
        elif isinstance(effect, do.AnswerEnrolment):
            connection = self._enrol_waiting.pop(effect.handle, None)
            if connection is not None:
                self.network.send(connection, upwards=False, frame=encode(effect.answer))
        elif isinstance(effect, do.Answer):
            tell = self.clients.get(effect.client)
            if tell is not None:
                reply = effect.reply
                self.world.later(0.0005, lambda: tell(reply))  # type: ignore[arg-type]
        elif isinstance(effect, do.Query):
            self._tell_all(effect.client, self.store.answer(effect.request))
        elif isinstance(effect, do.Fetch):
            self._tell_all(effect.client, (self.store.fetch(effect.jid, effect.minion),))
        elif isinstance(effect, do.ReadSource):
            self.file_server.read(effect)
        elif isinstance(effect, do.Render):
            self.file_server.render(effect)
        elif isinstance(effect, do.WriteKeys):
            self.keys.write(effect.work)
        elif isinstance(effect, do.StartAfresh):
            self._start_afresh()
        elif isinstance(effect, do.Report):
            self.world.note(self.name, f"[{effect.level}] {effect.text}")

    def _send(self, effect: do.Send) -> None:
        connection = self.peers.get(effect.peer)
        why = ""
        if connection is None or not connection.master_end_open:
            why = "gone"
        elif effect.peer in self.full_peers or self.file_server.drops(effect.message):
            why = "full"
        if why:
            peer = effect.peer
            self.world.later(
                0.0,
                lambda: self.step(lambda core: core.on_send_failed(self.clock.now(), peer, why)),  # type: ignore[arg-type]
            )
            return
        assert connection is not None
        self.network.send(connection, upwards=False, frame=encode(effect.message))

    def _tell_all(self, client: int, replies: Sequence[AnyReply]) -> None:
        tell = self.clients.get(client)
        if tell is not None:
            for reply in replies:
                self.world.later(0.0005, partial(tell, reply))

    # -- clients ------------------------------------------------------------------------------

    def connect_client(self, tell: Callable[[AnyReply | None], None]) -> int | None:
        """Connect to the Unix socket; None where nobody listens."""
        if not self.is_alive:
            return None
        client = next(self._client_numbers)
        self.clients[client] = tell
        return client

    def ask(self, client: int, request: Request) -> None:
        """Send a request from a client."""
        self.step(
            lambda core: (
                core.on_request(self.clock.now(), do.Client(client), 0, "root", request)
                if client in self.clients
                else []
            )
        )

    def leave(self, client: int) -> None:
        """Close a client's connection."""
        if self.clients.pop(client, None) is not None:
            self.step(lambda core: core.on_client_gone(self.clock.now(), do.Client(client)))


master_decoder_shared = master_decoder()
enrol_decoder_shared = enrol_request_decoder()
