"""How a minion comes in: Hello is denied, made to wait, put to the proof, or welcomed.

Hello, lower link counter than the present ---> dropped
Hello, other boot, present session alive ----> the present one is probed for 2 s
    probe answered ---------------------------> newer one Denied `cloned`
    silence, send failure, disconnect -------> newer one let in
else ----------------------------------------> let in: the old session ends at once
let in, a turn of SYNC is free --------------> Welcome
let in, none is free ------------------------> Busy, in order, again each beat; 60 s at most
"""

import random
from typing import Final, Protocol

from limpet.common.clock import Instant, to_micros
from limpet.common.identifiers import Commit, SessionId
from limpet.common.messages.fields import PROTOCOL_MAX, PROTOCOL_MIN
from limpet.common.messages.session import Busy, DenialReason, Denied, Hello, MasterBeat, Welcome
from limpet.master.core.effects import Peer
from limpet.master.core.step import Step
from limpet.master.events.tags import minion_event
from limpet.master.sessions.minion import Greeting, Minion, Probe, Session
from limpet.master.sessions.registry import MinionRegistry

DENIED_RETRY_S: Final = 15.0
STOPPING_RETRY_S: Final = 1.0
BUSY_AFTER_S: Final = 0.5
"""So long who waits for its turn of SYNC is told nothing: most turns come sooner, and the minion
waits ten times that for a first answer."""


class Identity(Protocol):
    """Which store this is, as far as it may be told."""

    store_id: str
    commit: Commit
    """Nobody is told the store id before this is durable."""

    def told(self, commit: int) -> int:
        """Give the number that stands for a commit towards minions."""
        ...

    def on_store_seen(self, step: Step, store_id: str, told: int) -> None:
        """Take note that a minion has seen this commit of that store."""
        ...


class Teller(Protocol):
    """Who has something to say to everybody who comes in."""

    def tell(self, step: Step, minion: Minion, after: Commit) -> None:
        """Say it, behind Welcome."""
        ...


class Greeter:
    """Answers every Hello."""

    def __init__(
        self, registry: MinionRegistry, identity: Identity, teller: Teller, chance: random.Random
    ) -> None:
        self._registry = registry
        self._teller = teller
        self._identity = identity
        self._chance = chance
        self.is_stopping = False

    def on_hello(self, step: Step, peer: Peer, minion: Minion, address: str, hello: Hello) -> None:
        """Take a greeting."""
        greeting = Greeting(hello, peer, address, step.now.boot)
        if self.is_stopping:
            self._deny(step, minion, greeting, "stopping", "the master is about to stop")
            return
        if hello.protocol_min > PROTOCOL_MAX or hello.protocol_max < PROTOCOL_MIN:
            self._deny(
                step,
                minion,
                greeting,
                "protocol",
                f"this master speaks protocol {PROTOCOL_MIN} to {PROTOCOL_MAX}, the minion "
                f"{hello.protocol_min} to {hello.protocol_max}",
            )
            return
        session = minion.session
        is_older = hello.boot_id == minion.boot_id and hello.link_counter < minion.link_counter
        # With nobody there it is let in: a host that was set back to a snapshot counts anew.
        if is_older and (session is not None or minion.waiting is not None):
            step.count("stale_hello")
            return
        if session is not None and session.boot_id != hello.boot_id and session.peer != peer:
            limit_s = self._registry.settings.beats_missed_max * session.interval_s
            if step.now.boot - minion.heard < limit_s:
                self._probe(step, minion, session, greeting)
                return
        self._let_in(step, minion, greeting)

    def _deny(
        self, step: Step, minion: Minion, greeting: Greeting, reason: DenialReason, text: str
    ) -> None:
        retry_s = STOPPING_RETRY_S if reason == "stopping" else DENIED_RETRY_S
        step.send(
            greeting.peer,
            minion.key,
            Denied(greeting.hello.nonce, reason, text[:200], to_micros(retry_s)),
        )

    # -- two hosts, one key -------------------------------------------------------------------

    def _probe(self, step: Step, minion: Minion, session: Session, greeting: Greeting) -> None:
        earlier = minion.probe
        if earlier is not None and earlier.greeting.peer != greeting.peer:
            self._registry.forget_peer(earlier.greeting.peer)
            self._deny(step, minion, earlier.greeting, "cloned", "another connection came later")
        self._registry.adopt_peer(greeting.peer, minion.key)
        if earlier is not None:  # the question is out; its deadline is not put off
            minion.probe = Probe(greeting, earlier.number)
            return
        session.beat_number += 1
        session.sent_at = step.now.boot
        minion.probe = Probe(greeting, session.beat_number)
        step.send(session.peer, minion.key, self.beat(step, session))
        self._registry.timers.set(
            ("probe", minion.key, ""), step.now.after(self._registry.settings.probe_s)
        )

    def on_probe_answered(self, step: Step, minion: Minion) -> None:
        """Turn the newer one away, for the first one lives; a person must know of both."""
        probe = minion.probe
        assert probe is not None
        minion.probe = None
        self._registry.timers.clear(("probe", minion.key, ""))
        self._registry.forget_peer(probe.greeting.peer)
        where = f"{minion.address or 'unknown'} and {probe.greeting.address or 'unknown'}"
        self._deny(
            step,
            minion,
            probe.greeting,
            "cloned",
            f"the key of {minion.minion} is in use on two hosts: {where}",
        )
        step.count("key_in_two_places")
        step.report(
            "error",
            f"cloned {minion.minion}",
            f"the key of {minion.minion} is in use on two hosts, {where}: the newer one is turned "
            "away; give one of them a new key",
        )
        step.publish(
            minion_event(
                minion.minion,
                "cloned",
                step.now.wall,
                address=minion.address,
                other_address=probe.greeting.address,
            )
        )

    def on_probe_failed(self, step: Step, minion: Minion) -> None:
        """Let the newer one in, for the first one does not answer."""
        probe = minion.probe
        if probe is not None:
            minion.probe = None
            self._registry.timers.clear(("probe", minion.key, ""))
            self._let_in(step, minion, probe.greeting)

    # -- coming in ----------------------------------------------------------------------------

    def _let_in(self, step: Step, minion: Minion, greeting: Greeting) -> None:
        registry, hello = self._registry, greeting.hello
        if minion.session is not None:
            is_other = minion.session.peer != greeting.peer
            registry.end_session(step, minion, "replaced", shut=is_other)
        self._drop_others(step, minion, greeting.peer)
        registry.adopt_peer(greeting.peer, minion.key)
        minion.boot_id, minion.link_counter = hello.boot_id, hello.link_counter
        minion.version, minion.address = hello.version, greeting.address
        minion.last_loss = hello.last_loss or minion.last_loss
        if minion.presence != "syncing":
            minion.presence = "syncing"
            minion.since_s = step.now.wall
        registry.heard(step, minion)
        registry.timers.clear(("offline", minion.key, ""))
        registry.timers.clear(("lost", minion.key, ""))
        self._identity.on_store_seen(step, hello.store_id, hello.store_commit)
        if registry.admission.enter(minion.key):
            self._welcome(step, minion, greeting)
            return
        minion.waiting = greeting
        registry.timers.set(("waiting", minion.key, ""), step.now.after(BUSY_AFTER_S))

    def _put_off(self, step: Step, minion: Minion, greeting: Greeting) -> None:
        """Say Busy, and when it will be said again: silence then means that the master is gone."""
        settings = self._registry.settings
        interval_s = settings.beat_interval(self._registry.fleet)
        step.send(greeting.peer, minion.key, Busy(greeting.hello.nonce, to_micros(interval_s)))
        last = greeting.since + settings.waiting_s
        when = Instant(min(step.now.after(interval_s), last))
        self._registry.timers.set(("waiting", minion.key, ""), when)

    def _drop_others(self, step: Step, minion: Minion, peer: Peer) -> None:
        """Shut the connections of earlier greetings that were not answered yet."""
        if minion.waiting is None and minion.probe is None:
            return  # and nothing of them is due: most greetings are the only one
        others = [minion.waiting] if minion.waiting is not None else []
        others += [minion.probe.greeting] if minion.probe is not None else []
        minion.waiting = minion.probe = None
        for what in ("waiting", "probe"):
            self._registry.timers.clear((what, minion.key, ""))
        for other in others:
            if other.peer != peer:
                self._registry.forget_peer(other.peer)
                step.disconnect(other.peer, "replaced")

    def _welcome(self, step: Step, minion: Minion, greeting: Greeting) -> None:
        registry, settings, hello = self._registry, self._registry.settings, greeting.hello
        number = SessionId(self._chance.getrandbits(52) or 1)
        interval_s = settings.beat_interval(registry.fleet)
        session = Session(
            number, greeting, step.now, interval_s, step.now.after(settings.sync_page_s)
        )
        minion.session = session
        minion.waiting = None
        registry.timers.clear(("waiting", minion.key, ""))
        registry.timers.set(("session", minion.key, ""), step.now.after(interval_s * 1.25))
        registry.listener.on_greeted(step, minion, session)
        row = registry.keyring.row(minion.key)
        assert row is not None
        registry.note_row(step, minion, was_ready=row.was_ready, journal_id=hello.journal_id)
        step.send(
            greeting.peer,
            minion.key,
            Welcome(
                number,
                hello.nonce,
                session.protocol,
                settings.version,
                minion.minion,
                to_micros(interval_s),
                registry.fleet,
                self._identity.store_id,
                self._identity.told(step.durable),
                to_micros(step.now.boot),
                not row.grains_digest or row.grains_digest != hello.grains_digest,
                to_micros(settings.remember_s),
                settings.return_bytes_max,
            ),
            after=self._identity.commit,
        )
        self._teller.tell(step, minion, self._identity.commit)

    def admit_waiting(self, step: Step) -> None:
        """Welcome those whose turn has come. Called at the end of each turn; costs little."""
        while (key := self._registry.admission.next_in_turn()) is not None:
            minion = self._registry.by_key.get(key)
            greeting = None if minion is None else minion.waiting
            if minion is None or greeting is None:
                self._registry.admission.leave(key)
                continue
            self._registry.admission.enter(key)
            self._welcome(step, minion, greeting)

    def on_waiting_due(self, step: Step, minion: Minion) -> None:
        """Say Busy, or forget a greeting whose turn did not come in time.

        The minion of a forgotten one comes again by itself.
        """
        greeting = minion.waiting
        if greeting is None:
            return
        if step.now.boot < greeting.since + self._registry.settings.waiting_s:
            self._put_off(step, minion, greeting)
        else:
            self._registry.forget_peer(greeting.peer)
            minion.waiting = None
            self._registry.admission.leave(minion.key)
            self._registry.absent(step, minion, "waited too long")

    def beat(self, step: Step, session: Session) -> MasterBeat:
        """Make the beat with the session's present number."""
        return MasterBeat(
            session.number,
            session.beat_number,
            session.heard_beat,
            to_micros(step.now.boot),
            self._identity.told(step.durable),
        )
