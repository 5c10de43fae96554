"""The minion's link: it connects, greets, syncs, beats, and comes back after any loss.

    RESOLVING --addresses--> CONNECTING --ready--> GREETING --Welcome--> SYNCING --answered--> READY
    GREETING --Busy--> WAITING --Welcome--> SYNCING        READY --Regreet--> GREETING, same socket
    CONNECTING on the enrolment port --ready--> ENROLLING --pending--> PENDING --poll--> RESOLVING
    any of them --failure or deadline--> BACKOFF --pause over--> RESOLVING
    READY --no echo for three beats, disconnected, drained, suspended--> LOST --at once--> BACKOFF

Every failure throws the socket away; the next attempt has a new one, after a pause. Each state is
a `Stay` and so has a deadline; only what the master says, never an event of this host, moves one.
The jobs are not this file's business; they are told when a session is ready and when it is gone.
"""

import random
from typing import Final

from limpet.common.clock import Instant, Moment, to_seconds
from limpet.common.identifiers import Attempt, Commit, JournalId
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
    STOPPED_S,
    SUSPENDED_GAP_S,
    SUSPENDED_LATE_S,
    SYNC_PAGE_S,
    WAITING_S,
    WITH_SESSION,
    WITH_SOCKET,
    Loss,
    State,
)
from limpet.minion.memory import Memory
from limpet.minion.outbox import Outbox
from limpet.minion.settings import LinkSettings

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
        self._settings = settings
        self._memory = memory
        self._outbox = outbox
        self._jobs = jobs
        self._greeter = Greeter(settings, memory, chance, boot_id=boot_id, journal_id=journal_id)
        self.seat = Seat(now, outbox)
        self.session: Session | None = None
        """From Welcome until it is lost."""
        self.retreat = Retreat(memory, chance, has_token=bool(settings.join_token_id))
        self.wants_grains = False
        """The master asked for the facts in its last Welcome."""
        self.grains_digest = memory.grains_digest
        self._adviser = Adviser(settings.master_host, memory, outbox)
        self.bad_frames = 0
        self.reexecs = 0
        self.keys = ServerKeys(settings, outbox)
        self._dialler = Dialler(settings, memory, outbox, self.seat, self.retreat, self.keys)
        self._last_loss = ""
        self._was_told_accepted = False
        self._waiting_until = now.boot
        self._heard_at = now.boot

    # --- what others may read ---------------------------------------------------------------

    @property
    def state(self) -> State:
        """Give the present state."""
        return self.seat.state

    @property
    def attempt(self) -> Attempt:
        """Give the number of the present socket or look-up; what others bring is stale."""
        return self.seat.attempt

    @property
    def line(self) -> Line | None:
        """Give the open session, as a sender sees it."""
        return None if self.session is None else self.session.line

    @property
    def is_ready(self) -> bool:
        """Say whether the session is open and its SYNC done."""
        return self.seat.state is State.READY

    @property
    def address(self) -> str:
        """Give the address of the master that is talked to, or was last."""
        return self._dialler.round.address

    @property
    def advice(self) -> str:
        """Give what a person may have to do about the last failure; empty when READY."""
        return self._adviser.advice

    @property
    def next_deadline(self) -> Instant:
        """Give the instant at which `on_deadline` has something to do."""
        if self.session is not None and self.is_ready:
            return min(self.seat.stay.deadline, self.session.beats.due)
        return self.seat.stay.deadline

    def is_heeded(self, session: int) -> bool:
        """Say whether what the master asks of the jobs in this session is to be done."""
        return self.is_ready and self._present(session) is not None

    def _present(self, session: int) -> Session | None:
        """Give the open session if a message names it."""
        is_named = self.session is not None and self.session.line.session == session
        return self.session if is_named and self.state in WITH_SESSION else None

    # --- events -----------------------------------------------------------------------------

    def start(self, now: Moment) -> None:
        """Begin."""
        self._heard_at = now.boot
        self._dial(now)

    def on_turn(self, now: Moment) -> None:
        """Come first in every event: notice that this host or process stood still.

        Then the socket is thrown away before anything that it holds is looked at.
        """
        gap = now.boot - self._heard_at
        late = now.boot - self.next_deadline
        self._heard_at = now.boot
        if gap > SUSPENDED_GAP_S and late > SUSPENDED_LATE_S and self.state in WITH_SOCKET:
            self._lose(now, Loss.SUSPENDED)

    def on_deadline(self, now: Moment) -> None:
        """Do what is due."""
        if now.boot >= self.seat.stay.deadline:
            self._on_stay_over(now)
        elif self.session and self.is_ready and now.boot >= self.session.beats.due:
            self.session.beat(now)

    def _on_stay_over(self, now: Moment) -> None:
        state = self.state
        if state is State.RESOLVING:
            self._go_on(now, self._dialler.on_addresses(now, ()))
        elif state is State.CONNECTING:
            self._go_on(now, self._dialler.on_deadline(now))
        elif state in SILENT:
            self._fail(now, SILENT[state])
        elif state is State.READY:
            self._lose(now, Loss.BEATS_SILENT)
        elif state is State.STOPPED:
            self.seat.enter(now, State.STOPPED, STOPPED_S, "")
        else:  # BACKOFF, PENDING, DENIED: the pause is over
            self._dial(now)

    def on_resolved(self, now: Moment, attempt: Attempt, addresses: tuple[str, ...]) -> None:
        """Hear the resolver; an answer that took longer than one attempt helps the next."""
        if attempt == self.attempt and self.state is State.RESOLVING:
            self._go_on(now, self._dialler.on_addresses(now, addresses))
            return
        is_for_now = self._dialler.on_late_addresses(attempt, addresses)
        if is_for_now and self.state is State.RESOLVING:
            self._go_on(now, self._dialler.on_addresses(now, addresses))

    def on_link(self, now: Moment, attempt: Attempt, what: LinkEvent) -> None:
        """Hear the transport about the present socket."""
        if attempt != self.attempt or self.state not in WITH_SOCKET:
            return
        if self.state is State.CONNECTING:
            self._on_link_connecting(now, what)
        elif what == "denied" and self._dialler.round.port == "main":
            self._on_unknown_key(now)
        elif what not in ("connected", "ready"):
            if self.state is State.READY:
                self._lose(now, Loss.DISCONNECTED)
            else:
                self._fail(now, Loss.DISCONNECTED)

    def _on_link_connecting(self, now: Moment, what: LinkEvent) -> None:
        if what == "connected":
            if not self._dialler.round.is_tcp_connected:
                self.seat.renew(self._dialler.handshake_until())
            self._dialler.on_tcp()
        elif what == "ready":
            self._dialler.on_tcp()
            self.keys.on_handshake()
            if self._dialler.round.port == "main":
                self._greet(now)
            else:
                self._enrol(now)
        elif what == "denied" and self._dialler.round.port == "main":
            self._dialler.on_tcp()
            self.keys.on_handshake()
            self._on_unknown_key(now)
        else:
            self._go_on(now, self._dialler.on_failed(now, what))

    def on_bad_frame(self, now: Moment, attempt: Attempt, reason: str) -> None:
        """Count a frame that could not be read. It changes nothing else."""
        if attempt == self.attempt:
            self.bad_frames += 1
            self._outbox.warning(
                f"bad frame {reason}", f"a frame of the master could not be read: {reason}"
            )

    def on_message(self, now: Moment, message: SessionMessage | EnrolAnswer) -> None:
        """Hear the master. The attempt is the present one."""
        if isinstance(message, MasterBeat):
            self._on_master_beat(now, message)
        elif isinstance(message, SyncAnswer):
            self._on_sync_answer(now, message)
        elif isinstance(message, Welcome):
            self._on_welcome(now, message)
        elif isinstance(message, Busy):
            self._on_busy(now, message)
        elif isinstance(message, Denied):
            if self._answers_greeting(message.nonce):
                self._on_denied(now, message)
        elif isinstance(message, Regreet):
            if self._present(message.session):
                self._end_session(Loss.REGREETED)
                self._greet(now)
        elif isinstance(message, Trust):
            session = self._present(message.session)
            if session is not None:
                self.keys.on_trust(session.line, session.protocol, message)
        elif isinstance(message, Drain):
            if self._present(message.session):
                self._on_drain(now, message)
        else:
            self._on_enrol_answer(now, message)

    def on_proof_failed(self, now: Moment, attempt: Attempt, reason: str) -> None:
        """Hear that the request could not be signed."""
        if attempt == self.attempt and self.state is State.ENROLLING:
            self._outbox.error("proof", f"the join string can't be used: {reason}")
            self._fail(now, Loss.PROOF_FAILED)

    def on_stop(self, now: Moment) -> None:
        """Close the socket; nothing leads out of STOPPED."""
        if self.state is State.STOPPED:
            return
        self.seat.close()
        self._end_session(Loss.STOPPED)
        self.seat.enter(now, State.STOPPED, STOPPED_S, "told to stop")

    def beat_early(self, now: Moment) -> None:
        """Send a beat out of turn, to learn soon that what was sent has arrived."""
        if self.session is not None and self.is_ready:
            self.session.beat_early(now)

    # --- resolving and connecting -------------------------------------------------------------

    def _dial(self, now: Moment) -> None:
        """Begin a new round on the port that is next."""
        self._go_on(now, self._dialler.start(now))

    def _go_on(self, now: Moment, loss: Loss | None) -> None:
        """Go back if the round has failed."""
        if loss is not None:
            self._fail(now, loss)

    # --- greeting ---------------------------------------------------------------------------

    def _greet(self, now: Moment) -> None:
        hello = self._greeter.hello(
            now,
            grains_digest=self.grains_digest,
            last_loss=self._last_loss,
            attempts=self.seat.attempts,
        )
        self._outbox.add(Send(self.attempt, hello, self._identity))
        self.seat.enter(now, State.GREETING, GREETING_S, "")

    def _answers_greeting(self, nonce: bytes) -> bool:
        return self.state in (State.GREETING, State.WAITING) and self._greeter.is_answer(nonce)

    def _on_welcome(self, now: Moment, welcome: Welcome) -> None:
        if not self._answers_greeting(welcome.nonce):
            return
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
            self.attempt,
            welcome,
            asked=asked,
            jobs=self._jobs,
            memory=self._memory,
            outbox=self._outbox,
        )
        self._send_page(now, self.session)

    def _on_busy(self, now: Moment, busy: Busy) -> None:
        """Wait on this connection, as long as the master goes on saying so, and no longer."""
        if not self._answers_greeting(busy.nonce):
            return
        silence = now.after(busy_silence_s(busy))
        if self.state is State.WAITING:
            self.seat.renew(min(silence, self._waiting_until))
            return
        self._greeter.on_busy(now.boot)
        self._waiting_until = now.after(WAITING_S)
        self.seat.enter_until(
            now, State.WAITING, min(silence, self._waiting_until), "the master is busy"
        )

    def _on_denied(self, now: Moment, denied: Denied) -> None:
        if denied.reason == "unknown_key":
            self._on_unknown_key(now)
            return
        self._adviser.on_denied(denied)
        port: Port = "enrol" if denied.reason == "rejected" else "main"
        self._deny(now, denied.reason, to_seconds(denied.retry), port)

    def _deny(self, now: Moment, reason: str, hint_s: float, port: Port) -> None:
        """Close, and ask again later, for ever, on this port."""
        self.seat.close()
        self._end_session(None)
        self.retreat.use_port(port)
        self.seat.enter(now, State.DENIED, self.retreat.poll_s(hint_s), str(reason))

    def _on_unknown_key(self, now: Moment) -> None:
        """Knock at the enrolment port: at once, unless that was tried before to no avail."""
        if self._was_told_accepted:
            self._was_told_accepted = False
            self._fail(now, Loss.KEY_DENIED)
            self.retreat.on_unknown_key()
            return
        self.seat.close()
        self._end_session(None)
        self.retreat.on_unknown_key()
        self._dial(now)

    # --- sync and beats -----------------------------------------------------------------------

    def _send_page(self, now: Moment, session: Session) -> None:
        session.send_page()
        self.seat.enter(now, State.SYNCING, SYNC_PAGE_S, f"page {session.page}")

    def _on_sync_answer(self, now: Moment, answer: SyncAnswer) -> None:
        session = self._present(answer.session)
        if session is None or self.state is not State.SYNCING:
            return
        what = session.on_sync_answer(now, answer)
        if what == "next_page":
            self._send_page(now, session)
        elif what == "done":
            self._become_ready(now, session)

    def _become_ready(self, now: Moment, session: Session) -> None:
        cause, self._last_loss = self._last_loss, ""
        self.seat.attempts = 0
        self.retreat.failures.on_ready(now.boot)
        self._memory.keep_address(self.address)
        session.beats.restart(now)
        self.seat.enter_until(
            now, State.READY, session.beats.lost_at, f"session with {self.address}"
        )
        self._adviser.on_ready(self.address, cause)
        session.beat(now)
        self._jobs.on_ready(now, session.line)

    def _on_master_beat(self, now: Moment, beat: MasterBeat) -> None:
        session = self._present(beat.session)
        if session is not None:
            session.on_master_beat(now, beat)
            if self.is_ready:
                self.seat.renew(session.beats.lost_at)

    def _on_drain(self, now: Moment, drain: Drain) -> None:
        pause_s = self.retreat.pause_after_drain_s(
            to_seconds(drain.back_in), to_seconds(drain.spread)
        )
        self._lose(now, Loss.DRAINED, pause_s)

    # --- enrolment ------------------------------------------------------------------------------

    def _enrol(self, now: Moment) -> None:
        request = self._greeter.enrol(now)
        if request.token_id:
            self._outbox.add(Prove(self.attempt, request, self.keys.key))
        else:
            self._outbox.add(Send(self.attempt, request))
        self.seat.enter(now, State.ENROLLING, ENROLLING_S, "")

    def _on_enrol_answer(self, now: Moment, answer: EnrolAnswer) -> None:
        if self.state is not State.ENROLLING or not self._greeter.is_answer(answer.nonce):
            return
        self._greeter.forget()
        if answer.status == "accepted":
            self.seat.close()
            self._was_told_accepted = True
            self.retreat.use_port("main")
            self._dial(now)
        elif answer.status == "pending":
            self.seat.close()
            pause_s = self.retreat.poll_s(to_seconds(answer.retry))
            text = answer.text or "waiting until somebody accepts this minion's key"
            self._outbox.info("pending", text)
            self.seat.enter(now, State.PENDING, pause_s, text)
        else:
            self._greeter.on_refused()
            self._adviser.on_refused(answer.text)
            self._deny(now, answer.text or "refused", to_seconds(answer.retry), "enrol")

    # --- losing and coming back -------------------------------------------------------------------

    def _lose(self, now: Moment, loss: Loss, pause_s: float | None = None) -> None:
        """End a session (or an attempt that stood still) and come back soon."""
        self.seat.close()
        self._end_session(loss)
        self.seat.enter(now, State.LOST, 0.0, loss)
        self._adviser.on_lost(self.address, loss)
        if pause_s is None:
            pause_s = self.retreat.pause_after_loss_s(now.boot)
        self.seat.enter(now, State.BACKOFF, pause_s, loss)

    def _fail(self, now: Moment, loss: Loss) -> None:
        """Count a failed attempt, throw its socket away and pause."""
        self.seat.close()
        self._end_session(None)
        self._dialler.change_place()
        if not self._last_loss:
            self._last_loss = str(loss)
        is_tcp_connected = self._dialler.round.was_tcp_connected
        pause_s = self.retreat.pause_after_failure_s(
            now.boot, loss, is_tcp_connected=is_tcp_connected
        )
        failures = self.retreat.failures
        self._adviser.on_failed(loss, in_a_row=failures.in_a_row, keys=len(self.keys.known()))
        self.seat.enter(now, State.BACKOFF, pause_s, loss)
        if failures.take_reexec(now.boot):
            self.reexecs += 1
            self._outbox.add(Reexec(f"ten minutes of failures while TCP connects: {loss}"))

    def _end_session(self, loss: Loss | None) -> None:
        had_session = self.session is not None
        self.session = None
        self._greeter.forget()
        if loss is not None:
            self._last_loss = str(loss)
        if had_session:
            self._jobs.on_line_lost()
