"""How the link behaves at any time: nothing lasts, nothing stale is obeyed, nobody is displaced."""

from dataclasses import dataclass

from limpet.common.messages.fields import Message
from limpet.common.messages.session import Hello, Regreet, Welcome
from limpet.common.wire.codec import FromMinion
from limpet.master.core import effects as master_do
from limpet.master.store.operations import PutChunk, PutDelivery
from limpet.minion.core import effects as minion_do
from limpet.minion.sessions.backoff import NEW_HANDSHAKE_S
from limpet.minion.sessions.states import SUSPENDED_GAP_S, SUSPENDED_LATE_S, State
from support.simulator.checking import Checker, Scene
from support.simulator.minion_host import MinionHost
from support.simulator.network import Connection

LIMITS_S = {
    State.RESOLVING: 3.0,
    State.CONNECTING: 3.0,
    State.GREETING: 5.0,
    State.WAITING: 60.0,
    State.SYNCING: 5.0,
    State.BACKOFF: 120.0,
    State.ENROLLING: 5.0,
    State.PENDING: 300.0 * 1.25,
    State.DENIED: 300.0 * 1.25,
}
"""Longest stay in each state; READY is judged by its beats, LOST never outlasts an event."""

SLACK_S = 0.2
LATE_S = 10.0
"""How long after a slow way what comes may still be old."""
FEW = 6
"""Clones are looked for in stories of so few minions."""


@dataclass
class Stay:
    """How long a host has been where it is."""

    life: int
    state: State
    attempt: int
    deadline: float
    since: float


class Conduct(Checker):
    """Watches links and sessions."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._stays: dict[str, Stay] = {}
        self._last_event: dict[str, tuple[int, float, float]] = {}
        """Host: life, time of its last event, and when it had wanted the next."""
        self._hellos: dict[bytes, Hello] = {}
        """Greetings by their nonce."""
        self._welcomed: dict[str, tuple[str, int]] = {}
        """Key: boot id and link counter of the greeting that was welcomed last."""
        self._sessions: dict[str, tuple[bytes, str, int]] = {}
        """Key: connection, boot id and number of its session before the present event."""
        self._peer_heard: dict[bytes, tuple[float, Connection]] = {}
        self._master_life = -1

    # -- minions -------------------------------------------------------------------------------

    def on_minion_decided(self, host: MinionHost, effects: list[minion_do.Effect]) -> None:
        """Check that a host that stood still throws its socket away before it looks at it."""
        core, life = host.the_core, host.life
        last = self._last_event.get(host.name)
        now, link = host.now().boot, core.link
        self._last_event[host.name] = (life, now, core.next_deadline)
        if last is None or last[0] != life:
            return
        stay = self._stays.get(host.name)
        had_socket = stay is not None and stay.life == life and stay.state is State.READY
        if (
            now - last[1] > SUSPENDED_GAP_S
            and now - last[2] > SUSPENDED_LATE_S
            and had_socket
            and stay is not None
        ):
            first = next((e for e in effects if not isinstance(e, minion_do.Report)), None)
            if first != minion_do.CloseSocket(stay.attempt):  # type: ignore[arg-type]
                self.broken(
                    f"{host.name} stood still for {now - last[1]:.0f} s and then obeys its socket: "
                    f"{first}, {link.connection.state}"
                )

    def on_minion_heard(self, host: MinionHost, message: Message) -> None:
        """Check that Regreet is heeded."""
        session = host.the_core.link.session
        if (
            isinstance(message, Regreet)
            and session is not None
            and session.line.session == message.session
        ):
            self.broken(f"{host.name} goes on in session {message.session}, unknown to the master")

    def on_minion_step(self, host: MinionHost) -> None:
        """Check that no state lasts longer than it may."""
        core = host.the_core
        stay, link = self._stays.get(host.name), core.link
        deadline = link.connection.deadline
        if (
            stay is None
            or stay.life != host.life
            or stay.state is not link.connection.state
            or stay.attempt != link.attempt
            or (stay.state is State.SYNCING and stay.deadline != deadline)
        ):
            since = self.world.t
            self._stays[host.name] = Stay(
                host.life, link.connection.state, link.attempt, deadline, since
            )
        else:
            self._is_short(host, stay)

    def look(self) -> None:
        """Check all that live and do nothing at all."""
        for host in self.scene.minions:
            stay = self._stays.get(host.name)
            if stay is None or not host.is_alive or host.is_paused:
                continue
            if stay.life == host.life and stay.state is host.the_core.state:
                self._is_short(host, stay)

    def _is_short(self, host: MinionHost, stay: Stay) -> None:
        if self.world.t - host.stood_still[1] < SLACK_S:
            return
        limit_s = LIMITS_S.get(stay.state)
        if stay.state is State.CONNECTING and not host.the_core.notes.is_accepted:
            limit_s = NEW_HANDSHAKE_S
        if limit_s is not None and self.world.t - stay.since > limit_s + SLACK_S:
            self.broken(f"{host.name}: {stay.state} for {self.world.t - stay.since:.1f} s")
        connection = host.socket.connection
        if stay.state is State.READY and connection is not None and host.ready_at is not None:
            interval_s = host.the_core.link.session.beats.interval_s  # type: ignore[union-attr]
            arrived = max(host.ready_at, connection.arrived_sent_at)
            if self.world.t > arrived + 3 * interval_s + SLACK_S:
                self.broken(
                    f"{host.name} counts as READY, and for {self.world.t - arrived:.1f} s nothing "
                    "that it said has arrived"
                )

    # -- the master ----------------------------------------------------------------------------

    def on_master_heard(
        self, connection: Connection, message: FromMinion, effects: list[master_do.Effect]
    ) -> None:
        """Check that a key that is not accepted is not obeyed."""
        core = self.master.core
        assert core is not None
        if isinstance(message, Hello):
            self._hellos[message.nonce] = message
        if self.master.peers.get(connection.peer) is connection:
            self._peer_heard[connection.peer] = (self.world.t, connection)
        if core.is_key_accepted(connection.key):
            return
        for effect in effects:
            operations = effect.operations if isinstance(effect, master_do.Persist) else ()
            if any(isinstance(each, PutDelivery | PutChunk) for each in operations):
                self.broken(
                    f"a {type(message).__name__} of {self.scene.minion_of(connection.key)} is "
                    f"obeyed, and its key is not accepted: {effect}"
                )

    def on_master_effect(self, effect: master_do.Effect) -> None:
        if not isinstance(effect, master_do.Send):
            return
        core = self.master.core
        assert core is not None
        if effect.peer in self.master.peers and not core.is_key_accepted(effect.key):
            self.broken(
                f"{type(effect.message).__name__} for {self.scene.minion_of(effect.key)}, whose "
                "key is not accepted"
            )
        if isinstance(effect.message, Welcome):
            self._is_welcome(effect.peer, effect.key, effect.message)

    def on_master_step(self) -> None:
        """Note whose session is present, where somebody may be displaced."""
        core = self.master.core
        if core is None or len(self.scene.minions) > FEW:
            return
        self._sessions.clear()
        for key, minion in core._registry.by_key.items():
            if minion.session is not None:
                session = minion.session
                self._sessions[key] = (session.peer, session.boot_id, session.number)

    def _is_welcome(self, peer: bytes, key: str, welcome: Welcome) -> None:
        if self._master_life != self.master.life:  # a new process knows nothing of before
            self._master_life = self.master.life
            self._welcomed.clear()
        hello, minion = self._hellos[welcome.nonce], self.scene.minion_of(key)
        boot_id, highest = self._welcomed.get(key, ("", 0))
        is_older = hello.boot_id == boot_id and hello.link_counter < highest
        is_present = key in self._sessions
        if is_older and is_present and minion not in self.truth.keys_changed:
            self.broken(f"{minion}: a greeting from before the present session is welcomed")
        self._welcomed[key] = (hello.boot_id, hello.link_counter)
        present = self._sessions.get(key)
        if present is not None and present[1] != hello.boot_id and present[0] != peer:
            self._is_gone(minion, present[0], present[2])

    def _is_gone(self, minion: str, peer: bytes, number: int) -> None:
        """Check that a session which another host's displaces had not spoken just now."""
        hosts = (*self.scene.minions, *self.scene.copies)
        sessions = [host.core.link.session for host in hosts if host.core is not None]
        if number not in [each.line.session for each in sessions if each is not None]:
            return  # for its minion it was over
        heard_at, connection = self._peer_heard.get(peer, (-1e9, None))
        if connection is None or connection.is_dead or not connection.minion_end_open:
            return
        weather = connection.weather
        was_slow = self.world.t - weather.slow_until < LATE_S
        is_near = (
            not was_slow
            and weather.latency_s < 0.05
            and not weather.slow_bytes_s
            and not weather.is_dark
        )
        heard_s = self.world.t - heard_at
        was_still = self.world.t - self.master.stood_still[1] < 5.0
        if is_near and heard_s < 1.0 and not was_still and peer not in self.master.full_peers:
            self.broken(f"{minion}: a living session is displaced by another host with its key")
