"""The minion's link: it connects, greets, syncs, beats, and comes back after any loss.

    RESOLVING --addresses--> CONNECTING --ready--> GREETING --Welcome--> SYNCING --answered--> READY
    GREETING --Busy--> WAITING --Welcome--> SYNCING        READY --Regreet--> GREETING, same socket
    CONNECTING on the enrolment port --ready--> ENROLLING --pending--> PENDING --poll--> RESOLVING
    any of them --failure or deadline--> BACKOFF --pause over--> RESOLVING
    READY --no echo for three beats, disconnected, drained, suspended--> LOST --at once--> BACKOFF

Every failure throws the socket away; the next attempt has a new one, after a pause. Each state is
a `Stay` and so has a deadline; only what the master says, never an event of this host, moves one.
Here is decided which move an event leads to; the moves themselves are in `transitions.py`. The jobs
are told when a session is ready and when it is gone.
"""

from collections.abc import Callable
from typing import Any, Final

from limpet.common.clock import Instant, Moment, to_seconds
from limpet.common.identifiers import Attempt
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.messages.session import (
    Busy,
    Denied,
    Drain,
    MasterBeat,
    Regreet,
    SyncAnswer,
    Welcome,
)
from limpet.common.messages.trust import Trust
from limpet.common.transport.events import LinkEvent
from limpet.minion.core.outbox import Outbox
from limpet.minion.sessions.greeting import Line
from limpet.minion.sessions.session import Session
from limpet.minion.sessions.states import (
    STOPPED_S,
    SUSPENDED_GAP_S,
    SUSPENDED_LATE_S,
    WITH_SESSION,
    WITH_SOCKET,
    Loss,
    State,
)
from limpet.minion.sessions.transitions import Transitions

SessionMessage = Welcome | Busy | Denied | Regreet | SyncAnswer | MasterBeat | Drain | Trust
"""What the link itself hears on the main port; the rest is for the jobs."""

SILENT: Final = {
    State.GREETING: Loss.GREETING_SILENT,
    State.WAITING: Loss.WAITING_OVER,
    State.SYNCING: Loss.SYNC_SILENT,
    State.ENROLLING: Loss.ENROL_SILENT,
}
"""States that end in a failure when the master says nothing, and what it is called."""


class Link:
    """The one conversation of this minion with its master."""

    __slots__ = (
        "_last_event",
        "_outbox",
        "bad_frames",
        "connection",
        "keys",
        "reconnect",
        "transitions",
    )

    def __init__(self, transitions: Transitions, outbox: Outbox, now: Moment) -> None:
        self.transitions = transitions
        self.connection = transitions.connection
        self.keys = transitions.keys
        self.reconnect = transitions.reconnect
        self._outbox = outbox
        self._last_event = now.boot
        self.bad_frames = 0

    # --- what others may read ---------------------------------------------------------------

    @property
    def attempt(self) -> Attempt:
        """Give the number of the present socket or look-up; what others bring is stale."""
        return self.connection.attempt

    @property
    def session(self) -> Session | None:
        """Give the open session; there is one from Welcome until it is lost."""
        return self.transitions.session

    @property
    def line(self) -> Line | None:
        """Give the open session, as a sender sees it."""
        session = self.transitions.session
        return None if session is None else session.line

    @property
    def address(self) -> str:
        """Give the address of the master that is talked to, or was last."""
        return self.transitions.address

    @property
    def advice(self) -> str:
        """Give what a person may have to do about the last failure; empty when READY."""
        return self.transitions.adviser.advice

    @property
    def next_deadline(self) -> Instant:
        """Give the instant at which `on_deadline` has something to do."""
        deadline = self.connection.deadline
        session = self.transitions.session
        if session is not None and self.transitions.ready is not None:
            due = session.beats.due
            return due if due < deadline else deadline
        return deadline

    def session_of(self, session: int) -> Session | None:
        """Give the session if the link is READY in this one: what it asks of the jobs is heeded."""
        return None if self.transitions.ready is None else self._present(session)

    def _present(self, number: int) -> Session | None:
        """Give the open session if a message names it."""
        session = self.transitions.session
        if session is None or session.line.session != number:
            return None
        return session if self.connection.state in WITH_SESSION else None

    # --- events -----------------------------------------------------------------------------

    def start(self, now: Moment) -> None:
        """Begin."""
        self._last_event = now.boot
        self.transitions.dial(now)

    def on_event(self, now: Moment) -> None:
        """Come first in every event: notice that this host or process stood still.

        Then the socket is thrown away before anything that it holds is looked at.
        """
        before, self._last_event = self._last_event, now.boot
        if now.boot - before <= SUSPENDED_GAP_S:
            return
        late = now.boot - self.next_deadline
        if late > SUSPENDED_LATE_S and self.connection.state in WITH_SOCKET:
            self.transitions.lose(now, Loss.SUSPENDED)

    def on_deadline(self, now: Moment) -> None:
        """Do what is due."""
        session = self.transitions.session
        if now.boot >= self.connection.deadline:
            self._on_stay_over(now)
        elif session and self.transitions.ready and now.boot >= session.beats.due:
            session.beat(now)

    def _on_stay_over(self, now: Moment) -> None:
        state, transitions = self.connection.state, self.transitions
        if state is State.RESOLVING:
            transitions.go_on(now, transitions.dialer.on_addresses(now, ()))
        elif state is State.CONNECTING:
            transitions.go_on(now, transitions.dialer.on_deadline(now))
        elif state in SILENT:
            transitions.fail(now, SILENT[state])
        elif state is State.READY:
            transitions.lose(now, Loss.BEATS_SILENT)
        elif state is State.STOPPED:
            self.connection.enter(now, State.STOPPED, STOPPED_S, "")
        else:  # BACKOFF, PENDING, DENIED: the pause is over
            transitions.dial(now)

    def on_resolved(self, now: Moment, attempt: Attempt, addresses: tuple[str, ...]) -> None:
        """Hear the resolver; an answer that took longer than one attempt helps the next."""
        dialer = self.transitions.dialer
        if attempt == self.connection.attempt and self.connection.state is State.RESOLVING:
            self.transitions.go_on(now, dialer.on_addresses(now, addresses))
            return
        is_for_now = dialer.on_late_addresses(attempt, addresses)
        if is_for_now and self.connection.state is State.RESOLVING:
            self.transitions.go_on(now, dialer.on_addresses(now, addresses))

    def on_link(self, now: Moment, attempt: Attempt, what: LinkEvent) -> None:
        """Hear the transport about the present socket."""
        if attempt != self.connection.attempt or self.connection.state not in WITH_SOCKET:
            return
        if self.connection.state is State.CONNECTING:
            self._on_link_connecting(now, what)
        elif what == "denied" and self.transitions.dialer.round.port == "main":
            self.transitions.on_unknown_key(now)
        elif what not in ("connected", "ready"):
            if self.connection.state is State.READY:
                self.transitions.lose(now, Loss.DISCONNECTED)
            else:
                self.transitions.fail(now, Loss.DISCONNECTED)

    def _on_link_connecting(self, now: Moment, what: LinkEvent) -> None:
        transitions = self.transitions
        if what == "connected":
            if not transitions.dialer.round.is_tcp_connected:
                self.connection.renew(transitions.dialer.handshake_until())
            transitions.dialer.on_tcp()
        elif what == "ready":
            transitions.on_handshake(now)
        elif what == "denied" and transitions.dialer.round.port == "main":
            transitions.dialer.on_tcp()
            transitions.keys.on_handshake()
            transitions.on_unknown_key(now)
        else:
            transitions.go_on(now, transitions.dialer.on_failed(now, what))

    def on_bad_frame(self, now: Moment, attempt: Attempt, reason: str) -> None:
        """Count a frame that could not be read. It changes nothing else."""
        if attempt == self.connection.attempt:
            self.bad_frames += 1
            self._outbox.warning(
                f"bad frame {reason}", f"a frame of the master could not be read: {reason}"
            )

    def on_message(self, now: Moment, message: SessionMessage | EnrolAnswer) -> None:
        """Hear the master. The attempt is the present one."""
        _HANDLERS[type(message)](self, now, message)

    def on_proof_failed(self, now: Moment, attempt: Attempt, reason: str) -> None:
        """Hear that the request could not be signed."""
        if attempt == self.connection.attempt and self.connection.state is State.ENROLLING:
            self._outbox.error("proof", f"the join string can't be used: {reason}")
            self.transitions.fail(now, Loss.PROOF_FAILED)

    def on_stop(self, now: Moment) -> None:
        """Close the socket; nothing leads out of STOPPED."""
        if self.connection.state is State.STOPPED:
            return
        self.connection.close()
        self.transitions.end_session(Loss.STOPPED)
        self.connection.enter(now, State.STOPPED, STOPPED_S, "told to stop")

    def beat_early(self, now: Moment) -> None:
        """Send a beat out of turn, to learn soon that what was sent has arrived."""
        session = self.transitions.session
        if session is not None and self.transitions.ready is not None:
            session.beat_early(now)

    # --- each message -----------------------------------------------------------------------

    def _on_welcome(self, now: Moment, welcome: Welcome) -> None:
        if self.transitions.is_answer(welcome.nonce):
            self.transitions.on_welcome(now, welcome)

    def _on_busy(self, now: Moment, busy: Busy) -> None:
        if self.transitions.is_answer(busy.nonce):
            self.transitions.on_busy(now, busy)

    def _on_denied(self, now: Moment, denied: Denied) -> None:
        if self.transitions.is_answer(denied.nonce):
            self.transitions.on_denied(now, denied)

    def _on_regreet(self, now: Moment, regreet: Regreet) -> None:
        if self._present(regreet.session):
            self.transitions.end_session(Loss.REGREETED)
            self.transitions.greet(now)

    def _on_sync_answer(self, now: Moment, answer: SyncAnswer) -> None:
        session = self._present(answer.session)
        if session is None or self.connection.state is not State.SYNCING:
            return
        what = session.on_sync_answer(now, answer)
        if what == "next_page":
            self.transitions.send_page(now, session)
        elif what == "done":
            self.transitions.become_ready(now, session)

    def _on_master_beat(self, now: Moment, beat: MasterBeat) -> None:
        session = self._present(beat.session)
        if session is not None:
            session.on_master_beat(now, beat)
            if self.transitions.ready is not None:
                self.connection.renew(session.beats.lost_at)

    def _on_trust(self, now: Moment, trust: Trust) -> None:
        session = self._present(trust.session)
        if session is not None:
            self.transitions.keys.on_trust(session.line, session.protocol, trust)

    def _on_drain(self, now: Moment, drain: Drain) -> None:
        if self._present(drain.session):
            pause_s = self.transitions.reconnect.pause_after_drain_s(
                to_seconds(drain.back_in), to_seconds(drain.spread)
            )
            self.transitions.lose(now, Loss.DRAINED, pause_s)

    def _on_enrol_answer(self, now: Moment, answer: EnrolAnswer) -> None:
        self.transitions.on_enrol_answer(now, answer)


_HANDLERS: Final[dict[type, Callable[[Link, Moment, Any], None]]] = {
    Welcome: Link._on_welcome,
    Busy: Link._on_busy,
    Denied: Link._on_denied,
    Regreet: Link._on_regreet,
    SyncAnswer: Link._on_sync_answer,
    MasterBeat: Link._on_master_beat,
    Trust: Link._on_trust,
    Drain: Link._on_drain,
    EnrolAnswer: Link._on_enrol_answer,
}
