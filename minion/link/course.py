"""Where the link goes: to a socket, through greeting and SYNC to READY, away, and back again.

Each method is one move, made at once and to its end; which one comes next is decided in
`machine.py`. No move leads to a state that lasts for ever (`Seat`).
"""

import random
from typing import Final

from limpet.common.clock import Moment, to_seconds
from limpet.common.identifiers import Commit, JournalId
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.messages.session import Busy, Denied, Welcome
from limpet.minion.effects import Port, Prove, Reexec, Send
from limpet.minion.link.advice import Adviser
from limpet.minion.link.dialling import Dialler
from limpet.minion.link.greeting import Greeter, Line, busy_silence_s
from limpet.minion.link.retreat import Retreat
from limpet.minion.link.seat import Seat
from limpet.minion.link.server_keys import ServerKeys
from limpet.minion.link.session import JobSide, Session
from limpet.minion.link.states import (
    ENROLLING_S,
    GREETING_S,
    SYNC_PAGE_S,
    WAITING_S,
    Loss,
    State,
)
from limpet.minion.memory import Memory
from limpet.minion.outbox import Outbox
from limpet.minion.settings import LinkSettings

ANSWERED: Final = (State.GREETING, State.WAITING)
"""The states in which a Hello waits for its answer."""


class Course:
    """The state of one link, its session if there is one, and the moves from state to state."""

    __slots__ = (
        "_greeter",
        "_identity",
        "_jobs",
        "_last_loss",
        "_memory",
        "_outbox",
        "_waiting_until",
        "_was_told_accepted",
        "adviser",
        "dialler",
        "grains_digest",
        "keys",
        "ready",
        "reexecs",
        "retreat",
        "seat",
        "session",
        "wants_grains",
    )

    def __init__(
        self,
        settings: LinkSettings,
        memory: Memory,
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
        self._memory = memory
        self._outbox = outbox
        self._jobs = jobs
        self._greeter = Greeter(settings, memory, chance, boot_id=boot_id, journal_id=journal_id)
        self.seat = Seat(now, outbox)
        self.session: Session | None = None
        """From Welcome until it is lost."""
        self.ready: Line | None = None
        """The session's line while the link is READY."""
        self.retreat = Retreat(memory, chance, has_token=bool(settings.join_token_id))
        self.wants_grains = False
        """The master asked for the facts in its last Welcome."""
        self.grains_digest = memory.grains_digest
        self.adviser = Adviser(settings.master_host, memory, outbox)
        self.keys = ServerKeys(settings, outbox)
        self.dialler = Dialler(settings, memory, outbox, self.seat, self.retreat, self.keys)
        self.reexecs = 0
        self._last_loss = ""
        self._was_told_accepted = False
        self._waiting_until = now.boot

    @property
    def address(self) -> str:
        """Give the address of the master that is talked to, or was last."""
        return self.dialler.round.address

    # --- resolving and connecting -------------------------------------------------------------

    def dial(self, now: Moment) -> None:
        """Begin a new round on the port that is next."""
        self.go_on(now, self.dialler.start(now))

    def go_on(self, now: Moment, loss: Loss | None) -> None:
        """Go back if the round has failed."""
        if loss is not None:
            self.fail(now, loss)

    def on_handshake(self, now: Moment) -> None:
        """Say the first word on the port that has opened."""
        self.dialler.on_tcp()
        self.keys.on_handshake()
        if self.dialler.round.port == "main":
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
            attempts=self.seat.attempts,
        )
        self._outbox.add(Send(self.seat.attempt, hello, self._identity))
        self.seat.enter(now, State.GREETING, GREETING_S, "")

    def is_answer(self, nonce: bytes) -> bool:
        """Say whether an answer with this nonce is one to the Hello that waits for it."""
        return self.seat.state in ANSWERED and self._greeter.is_answer(nonce)

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
            self.seat.attempt,
            welcome,
            asked=asked,
            jobs=self._jobs,
            memory=self._memory,
            outbox=self._outbox,
        )
        self.send_page(now, self.session)

    def on_busy(self, now: Moment, busy: Busy) -> None:
        """Wait on this connection, as long as the master goes on saying so, and no longer."""
        silence = now.after(busy_silence_s(busy))
        if self.seat.state is State.WAITING:
            self.seat.renew(min(silence, self._waiting_until))
            return
        self._greeter.on_busy(now.boot)
        self._waiting_until = now.after(WAITING_S)
        self.seat.enter_until(
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
        self.seat.close()
        self.end_session(None)
        self.retreat.use_port(port)
        self.seat.enter(now, State.DENIED, self.retreat.poll_s(hint_s), str(reason))

    def on_unknown_key(self, now: Moment) -> None:
        """Knock at the enrolment port: at once, unless that was tried before to no avail."""
        if self._was_told_accepted:
            self._was_told_accepted = False
            self.fail(now, Loss.KEY_DENIED)
            self.retreat.on_unknown_key()
            return
        self.seat.close()
        self.end_session(None)
        self.retreat.on_unknown_key()
        self.dial(now)

    # --- sync ---------------------------------------------------------------------------------

    def send_page(self, now: Moment, session: Session) -> None:
        """Send the present page of SYNC."""
        session.send_page()
        self.seat.enter(now, State.SYNCING, SYNC_PAGE_S, f"page {session.page}")

    def become_ready(self, now: Moment, session: Session) -> None:
        """Begin to beat, and to serve."""
        cause, self._last_loss = self._last_loss, ""
        self.seat.attempts = 0
        self.retreat.failures.on_ready(now.boot)
        self._memory.keep_address(self.address)
        session.beats.restart(now)
        self.seat.enter_until(
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
            self._outbox.add(Prove(self.seat.attempt, request, self.keys.key))
        else:
            self._outbox.add(Send(self.seat.attempt, request))
        self.seat.enter(now, State.ENROLLING, ENROLLING_S, "")

    def on_enrol_answer(self, now: Moment, answer: EnrolAnswer) -> None:
        """Go to the main port, or come back later."""
        if self.seat.state is not State.ENROLLING or not self._greeter.is_answer(answer.nonce):
            return
        self._greeter.forget()
        if answer.status == "accepted":
            self.seat.close()
            self._was_told_accepted = True
            self.retreat.use_port("main")
            self.dial(now)
        elif answer.status == "pending":
            self.seat.close()
            pause_s = self.retreat.poll_s(to_seconds(answer.retry))
            text = answer.text or "waiting until somebody accepts this minion's key"
            self._outbox.info("pending", text)
            self.seat.enter(now, State.PENDING, pause_s, text)
        else:
            self._greeter.on_refused()
            self.adviser.on_refused(answer.text)
            self._deny(now, answer.text or "refused", to_seconds(answer.retry), "enrol")

    # --- losing and coming back ---------------------------------------------------------------

    def lose(self, now: Moment, loss: Loss, pause_s: float | None = None) -> None:
        """End a session (or an attempt that stood still) and come back soon."""
        self.seat.close()
        self.end_session(loss)
        self.seat.enter(now, State.LOST, 0.0, loss)
        self.adviser.on_lost(self.address, loss)
        if pause_s is None:
            pause_s = self.retreat.pause_after_loss_s(now.boot)
        self.seat.enter(now, State.BACKOFF, pause_s, loss)

    def fail(self, now: Moment, loss: Loss) -> None:
        """Count a failed attempt, throw its socket away and pause."""
        self.seat.close()
        self.end_session(None)
        self.dialler.change_place()
        if not self._last_loss:
            self._last_loss = str(loss)
        is_tcp_connected = self.dialler.round.was_tcp_connected
        pause_s = self.retreat.pause_after_failure_s(
            now.boot, loss, is_tcp_connected=is_tcp_connected
        )
        failures = self.retreat.failures
        self.adviser.on_failed(loss, in_a_row=failures.in_a_row, keys=len(self.keys.known()))
        self.seat.enter(now, State.BACKOFF, pause_s, loss)
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
