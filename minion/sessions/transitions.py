"""Where the link goes: to a socket, through greeting and SYNC to READY, away, and back again.

Each method is one move, made at once and to its end; which one comes next is decided in
`link.py`. No move leads to a state that lasts for ever (`ConnectionState`).
"""

import random
from typing import Final

from limpet.common.clock import Moment, to_seconds
from limpet.common.identifiers import Commit, JournalId
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.messages.session import Busy, Denied, Welcome
from limpet.minion.core.effects import Port, Prove, Reexec, Send
from limpet.minion.core.notes import Notes
from limpet.minion.core.outbox import Outbox
from limpet.minion.core.settings import LinkSettings
from limpet.minion.sessions.advice import Adviser
from limpet.minion.sessions.connection_state import ConnectionState
from limpet.minion.sessions.dialer import Dialer
from limpet.minion.sessions.greeting import Greeter, Line, busy_silence_s
from limpet.minion.sessions.reconnect_policy import ReconnectPolicy
from limpet.minion.sessions.server_keys import ServerKeys
from limpet.minion.sessions.session import JobSide, Session
from limpet.minion.sessions.states import (
    ENROLLING_S,
    GREETING_S,
    SYNC_PAGE_S,
    WAITING_S,
    Loss,
    State,
)

ANSWERED: Final = (State.GREETING, State.WAITING)
"""The states in which a Hello waits for its answer."""


class Transitions:
    """The state of one link, its session if there is one, and the moves from state to state."""

    __slots__ = (
        "_greeter",
        "_identity",
        "_jobs",
        "_last_loss",
        "_notes",
        "_outbox",
        "_waiting_until",
        "_was_told_accepted",
        "adviser",
        "connection",
        "dialer",
        "grains_digest",
        "keys",
        "ready",
        "reconnect",
        "reexecs",
        "session",
        "wants_grains",
    )

    def __init__(
        self,
        settings: LinkSettings,
        notes: Notes,
        outbox: Outbox,
        jobs: JobSide,
        chance: random.Random,
        *,
        now: Moment,
        boot_id: str,
        journal_id: JournalId,
        identity: Commit,
    ) -> None:
        self._identity = identity  # the commit that makes the journal's id durable
        self._notes = notes
        self._outbox = outbox
        self._jobs = jobs
        self._greeter = Greeter(settings, notes, chance, boot_id=boot_id, journal_id=journal_id)
        self.connection = ConnectionState(now, outbox)
        self.session: Session | None = None
        """From Welcome until it is lost."""
        self.ready: Line | None = None
        """The session's line while the link is READY."""
        self.reconnect = ReconnectPolicy(notes, chance, has_token=bool(settings.join_token_id))
        self.wants_grains = False
        """The master asked for the grains in its last Welcome."""
        self.grains_digest = notes.grains_digest
        self.adviser = Adviser(settings.master_host, notes, outbox)
        self.keys = ServerKeys(settings, outbox)
        self.dialer = Dialer(settings, notes, outbox, self.connection, self.reconnect, self.keys)
        self.reexecs = 0
        self._last_loss = ""
        self._was_told_accepted = False
        self._waiting_until = now.boot

    @property
    def address(self) -> str:
        """Give the address of the master that is talked to, or was last."""
        return self.dialer.round.address

    # --- resolving and connecting -------------------------------------------------------------

    def dial(self, now: Moment) -> None:
        """Begin a new round on the port that is next."""
        self.go_on(now, self.dialer.start(now))

    def go_on(self, now: Moment, loss: Loss | None) -> None:
        """Go back if the round has failed."""
        if loss is not None:
            self.fail(now, loss)

    def on_handshake(self, now: Moment) -> None:
        """Say the first word on the port that has opened."""
        self.dialer.on_tcp()
        self.keys.on_handshake()
        if self.dialer.round.port == "main":
            self.greet(now)
        else:
            self._enrol(now)

    # --- greeting -----------------------------------------------------------------------------

    def greet(self, now: Moment) -> None:
        """Say Hello."""
        hello = self._greeter.hello(
            now,
            grains_digest=self.grains_digest,
            last_loss=self._last_loss,
            attempts=self.connection.attempts,
        )
        self._outbox.add(Send(self.connection.attempt, hello, self._identity))
        self.connection.enter(now, State.GREETING, GREETING_S, "")

    def is_answer(self, nonce: bytes) -> bool:
        """Say whether an answer with this nonce is one to the Hello that waits for it."""
        return self.connection.state in ANSWERED and self._greeter.is_answer(nonce)

    def on_welcome(self, now: Moment, welcome: Welcome) -> None:
        """Open the session, and begin to SYNC."""
        if not self._greeter.is_spoken(welcome):
            self._outbox.error("protocol", f"the master speaks protocol {welcome.protocol}")
            self._deny(now, Loss.PROTOCOL, 0.0, "main")
            return
        asked = self._greeter.take().asked_before(now.boot)
        self._was_told_accepted = False
        self.keys.on_session()
        self.wants_grains = welcome.wants_grains
        self.session = Session(
            now,
            self.connection.attempt,
            welcome,
            asked=asked,
            jobs=self._jobs,
            notes=self._notes,
            outbox=self._outbox,
        )
        self.send_page(now, self.session)

    def on_busy(self, now: Moment, busy: Busy) -> None:
        """Wait on this connection, as long as the master goes on saying so, and no longer."""
        silence = now.after(busy_silence_s(busy))
        if self.connection.state is State.WAITING:
            self.connection.renew(min(silence, self._waiting_until))
            return
        self._greeter.on_busy(now.boot)
        self._waiting_until = now.after(WAITING_S)
        self.connection.enter_until(
            now, State.WAITING, min(silence, self._waiting_until), "the master is busy"
        )

    def on_denied(self, now: Moment, denied: Denied) -> None:
        """Go where this denial sends the minion: to the other port, or to wait."""
        if denied.reason == "unknown_key":
            self.on_unknown_key(now)
            return
        self.adviser.on_denied(denied)
        port: Port = "enrol" if denied.reason == "rejected" else "main"
        self._deny(now, denied.reason, to_seconds(denied.retry), port)

    def _deny(self, now: Moment, reason: str, hint_s: float, port: Port) -> None:
        """Close, and ask again later, for ever, on this port."""
        self.connection.close()
        self.end_session(None)
        self.reconnect.use_port(port)
        self.connection.enter(now, State.DENIED, self.reconnect.poll_s(hint_s), str(reason))

    def on_unknown_key(self, now: Moment) -> None:
        """Ask at the enrolment port: at once, unless that was tried before to no avail."""
        if self._was_told_accepted:
            self._was_told_accepted = False
            self.fail(now, Loss.KEY_DENIED)
            self.reconnect.on_unknown_key()
            return
        self.connection.close()
        self.end_session(None)
        self.reconnect.on_unknown_key()
        self.dial(now)

    # --- sync ---------------------------------------------------------------------------------

    def send_page(self, now: Moment, session: Session) -> None:
        """Send the present page of SYNC."""
        session.send_page()
        self.connection.enter(now, State.SYNCING, SYNC_PAGE_S, f"page {session.page}")

    def become_ready(self, now: Moment, session: Session) -> None:
        """Begin to beat, and to serve."""
        cause, self._last_loss = self._last_loss, ""
        self.connection.attempts = 0
        self.reconnect.failures.on_ready(now.boot)
        self._notes.keep_address(self.address)
        session.beats.restart(now)
        self.connection.enter_until(
            now, State.READY, session.beats.lost_at, f"session with {self.address}"
        )
        self.ready = session.line
        self.adviser.on_ready(self.address, cause)
        session.beat(now)
        self._jobs.on_ready(now, session.line)

    # --- enrolment ----------------------------------------------------------------------------

    def _enrol(self, now: Moment) -> None:
        request = self._greeter.enrol(now)
        if request.token_id:
            self._outbox.add(Prove(self.connection.attempt, request, self.keys.key))
        else:
            self._outbox.add(Send(self.connection.attempt, request))
        self.connection.enter(now, State.ENROLLING, ENROLLING_S, "")

    def on_enrol_answer(self, now: Moment, answer: EnrolAnswer) -> None:
        """Go to the main port, or come back later."""
        if self.connection.state is not State.ENROLLING or not self._greeter.is_answer(
            answer.nonce
        ):
            return
        self._greeter.forget()
        if answer.status == "accepted":
            self.connection.close()
            self._was_told_accepted = True
            self.reconnect.use_port("main")
            self.dial(now)
        elif answer.status == "pending":
            self.connection.close()
            pause_s = self.reconnect.poll_s(to_seconds(answer.retry))
            text = answer.text or "waiting until somebody accepts this minion's key"
            self._outbox.info("pending", text)
            self.connection.enter(now, State.PENDING, pause_s, text)
        else:
            self._greeter.on_refused()
            self.adviser.on_refused(answer.text)
            self._deny(now, answer.text or "refused", to_seconds(answer.retry), "enrol")

    # --- losing and coming back ---------------------------------------------------------------

    def lose(self, now: Moment, loss: Loss, pause_s: float | None = None) -> None:
        """End a session (or an attempt that stood still) and come back soon."""
        self.connection.close()
        self.end_session(loss)
        self.connection.enter(now, State.LOST, 0.0, loss)
        self.adviser.on_lost(self.address, loss)
        if pause_s is None:
            pause_s = self.reconnect.pause_after_loss_s(now.boot)
        self.connection.enter(now, State.BACKOFF, pause_s, loss)

    def fail(self, now: Moment, loss: Loss) -> None:
        """Count a failed attempt, throw its socket away and pause."""
        self.connection.close()
        self.end_session(None)
        self.dialer.change_place()
        if not self._last_loss:
            self._last_loss = str(loss)
        is_tcp_connected = self.dialer.round.was_tcp_connected
        pause_s = self.reconnect.pause_after_failure_s(
            now.boot, loss, is_tcp_connected=is_tcp_connected
        )
        failures = self.reconnect.failures
        self.adviser.on_failed(loss, in_a_row=failures.in_a_row, keys=len(self.keys.known()))
        self.connection.enter(now, State.BACKOFF, pause_s, loss)
        if failures.take_reexec(now.boot):
            self.reexecs += 1
            self._outbox.add(Reexec(f"ten minutes of failures while TCP connects: {loss}"))

    def end_session(self, loss: Loss | None) -> None:
        """Forget the session, if there is one, and the Hello that waits; a move follows."""
        had_session = self.session is not None
        self.session = self.ready = None
        self._greeter.forget()
        if loss is not None:
            self._last_loss = str(loss)
        if had_session:
            self._jobs.on_line_lost()
