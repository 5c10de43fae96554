"""The production machines, broken on purpose, each in one way: the proof that the checkers see.

Each variant replaces one method or constant while it is in force. That is done nowhere else.
"""

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.identifiers import Commit, JobId
from limpet.common.messages.session import Beat, Regreet
from limpet.master.jobs.absence import Absence
from limpet.master.jobs.book import Book
from limpet.master.jobs.bulk import Bodies
from limpet.master.jobs.delivery import Delivery
from limpet.master.jobs.hearing import Hearing
from limpet.master.jobs.job import Job
from limpet.master.jobs.sending import Sending
from limpet.master.keys import Keys
from limpet.master.sessions.door import Door
from limpet.master.sessions.talk import Talk
from limpet.master.store.operations import PutChunk
from limpet.master.turn import Turn
from limpet.minion import effects as minion_do
from limpet.minion.jobs import book as book_module
from limpet.minion.jobs.book import JobBook
from limpet.minion.jobs.cancels import Cancels
from limpet.minion.jobs.ledger import Ledger
from limpet.minion.jobs.remembered import Remembered
from limpet.minion.jobs.returns import Returns
from limpet.minion.link import backoff
from limpet.minion.link import machine as link_module
from limpet.minion.link.beats import Beats
from limpet.minion.link.machine import Link
from limpet.minion.link.retreat import Retreat
from limpet.minion.link.seat import Seat
from limpet.minion.link.session import Session
from limpet.minion.link.states import State
from limpet.minion.outbox import Outbox
from support.simulator.story import FLEET_ONES, Kind

Change = tuple[Any, str, Any]
"""Whose attribute, its name, what it is instead."""


@dataclass(frozen=True)
class Variant:
    """One way of being broken."""

    name: str
    changes: Callable[[], list[Change]]
    within: int = 400
    """Seeds within which it is caught."""
    kind: Kind | None = None
    """The sort of stories in which it is looked for; None: all, as chance has it."""

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """Break the machines for as long as the context lasts."""
        kept: list[Change] = []
        try:
            for owner, name, value in self.changes():
                kept.append((owner, name, owner.__dict__[name]))
                setattr(owner, name, value)
            yield
        finally:
            for owner, name, value in reversed(kept):
                setattr(owner, name, value)


ALL: dict[str, Variant] = {}


def variant(
    within: int = 400, kind: Kind | None = None
) -> Callable[[Callable[[], list[Change]]], None]:
    """Register a variant under the name of the function that makes its changes."""

    def register(changes: Callable[[], list[Change]]) -> None:
        ALL[changes.__name__] = Variant(changes.__name__, changes, within, kind)

    return register


def nothing(*_arguments: Any, **_named: Any) -> None:
    """Do nothing, whatever is asked."""


# -- the link ------------------------------------------------------------------------------------


@variant(within=800)
def no_deadline_in_greeting() -> list[Change]:
    """A master that says nothing is waited for without end."""
    return [(link_module, "GREETING_S", 1e9)]


@variant()
def socket_reused_after_a_failure() -> list[Change]:
    """The old socket goes on being used, as a REQ socket is that "reconnects by itself"."""
    plain_open = Seat.open

    def open_once(
        seat: Seat, port: Any, address: str, number: int, *, is_new_context: bool
    ) -> None:
        if not seat._is_open:
            plain_open(seat, port, address, number, is_new_context=is_new_context)

    return [(Seat, "close", nothing), (Seat, "open", open_once)]


@variant(within=10, kind=FLEET_ONES)
def no_jitter() -> list[Change]:
    """All come back after the same pause."""

    def longest(_chance: random.Random, fleet: int) -> float:
        return max(backoff.BASE_S, fleet / backoff.FLEET_PER_S)

    return [(backoff, "reconnect_s", longest)]


@variant()
def regreet_ignored() -> list[Change]:
    """A session that the master does not know goes on."""
    plain = Link.on_message

    def on_message(link: Link, now: Moment, message: Any) -> None:
        if not isinstance(message, Regreet):
            plain(link, now, message)

    return [(Link, "on_message", on_message)]


@variant(within=800)
def beat_is_life_without_echo() -> list[Change]:
    """Whatever the master says proves that it hears."""
    plain = Beats.on_master_beat

    def on_master_beat(beats: Beats, number: int, echo: int) -> Instant | None:
        left_at = plain(beats, number, echo)
        newest = beats._left_at
        if newest is not None:
            beats.lost_at = Instant(newest + 3 * beats.interval_s)
        return left_at

    return [(Beats, "on_master_beat", on_master_beat)]


@variant()
def sync_skipped() -> list[Change]:
    """READY at once after the Welcome."""

    def send_page(link: Link, now: Moment, session: Session) -> None:
        link._become_ready(now, session)

    return [(Link, "_send_page", send_page)]


@variant()
def suspended_socket_obeyed() -> list[Change]:
    """What a socket held while the host slept is taken for fresh."""
    return [(Link, "on_turn", nothing)]


@variant()
def backoff_without_cap() -> list[Change]:
    """Pauses double for ever."""

    def cap_s(_fleet: int) -> float:
        return 1e9

    return [(backoff, "cap_s", cap_s)]


@variant()
def retries_end_after_three() -> list[Change]:
    """The link gives up, as if a person were there to see it."""
    plain = Retreat.pause_after_failure_s

    def pause_s(retreat: Retreat, at: Instant, loss: Any, *, is_tcp_connected: bool) -> float:
        seconds = plain(retreat, at, loss, is_tcp_connected=is_tcp_connected)
        return seconds if retreat.failures.in_a_row < 3 else 1e9

    return [(Retreat, "pause_after_failure_s", pause_s)]


@variant()
def frames_of_other_sessions_heeded() -> list[Change]:
    """Whatever comes while READY is obeyed."""

    def is_heeded(link: Link, _session: int) -> bool:
        return link.is_ready

    return [(Link, "is_heeded", is_heeded)]


@variant()
def no_deadline_without_echo() -> list[Change]:
    """A READY link is lost only when the transport says so."""
    plain = Seat.enter_until

    def enter_until(seat: Seat, now: Moment, state: State, deadline: Instant, why: str) -> None:
        plain(seat, now, state, Instant(now.boot + 1e9) if state is State.READY else deadline, why)

    return [(Seat, "enter_until", enter_until), (Seat, "renew", nothing)]


# -- jobs on the minion --------------------------------------------------------------------------


def _without_after(kind: type) -> list[Change]:
    """Let effects of one kind, or messages of it, wait for no commit."""
    plain = Outbox.add

    def add(outbox: Outbox, effect: Any) -> None:
        is_it = type(effect) is kind or (
            isinstance(effect, minion_do.Send) and type(effect.message) is kind
        )
        if is_it and effect.after:
            effect = type(effect)(
                **{name: getattr(effect, name) for name in effect.__slots__ if name != "after"},
                after=minion_do.NOW,
            )
        plain(outbox, effect)

    return [(Outbox, "add", add)]


@variant()
def accepted_before_commit() -> list[Change]:
    """The master is told of what is not on disk."""
    return _without_after(book_module.Accepted)


@variant()
def released_before_start_is_durable() -> list[Change]:
    """The worker runs while its start is still on its way to the disk."""
    return _without_after(minion_do.ReleaseJob)


@variant()
def no_dedupe() -> list[Change]:
    """A job that is known is taken for a new one."""

    def unknown(_ledger: Ledger, _jid: JobId) -> None:
        return None

    return [(Ledger, "find", unknown), (Remembered, "why", unknown)]


@variant()
def cancel_without_tombstone() -> list[Change]:
    """A cancel is acknowledged and not written down."""

    def cancel_unknown(cancels: Cancels, _now: Moment, line: Any, jid: JobId) -> None:
        cancels._answer_cancel(line, jid, "cancelled", minion_do.NOW)

    return [(Cancels, "_cancel_unknown", cancel_unknown)]


@variant()
def return_never_sent_again() -> list[Change]:
    """A return that got lost stays lost until the next session."""

    def on_deadline(returns: Returns, now: Moment) -> None:
        for jid, (_, size, job) in list(returns._sent.items()):
            returns._sent[jid] = (now.after(1e9), size, job)
        returns.bulk.on_deadline(now)

    return [(Returns, "on_deadline", on_deadline)]


@variant(within=800)
def expired_still_run() -> list[Change]:
    """The time to live is looked at by nobody on the minion."""

    def never(_clock: Any, _master_s: float, _at: Instant) -> float:
        return 1e6

    return [(book_module.MasterClock, "seconds_until", never)]


@variant()
def return_ack_ignored() -> list[Change]:
    """Returns and spool files are kept for good."""
    return [(JobBook, "on_acknowledged", nothing)]


@variant()
def bulk_offset_ignored() -> list[Change]:
    """A piece is added to the body wherever it belongs."""

    def on_chunk(
        bodies: Bodies, turn: Turn, minion: Any, jid: Any, digest: str, offset: int, data: bytes
    ) -> Any:
        body = bodies._bodies.get((minion, jid))
        if body is None or body.digest != digest:
            return None
        body.commit = turn.keep(PutChunk(jid, minion, digest, body.have, data))
        body.have += len(data)
        return body

    return [(Bodies, "on_chunk", on_chunk)]


# -- the master ----------------------------------------------------------------------------------


@variant()
def return_acknowledged_before_commit() -> list[Change]:
    """The minion drops what the master does not have on disk."""
    plain = Hearing._acknowledge

    def acknowledge(hearing: Hearing, turn: Any, peer: Any, minion: Any, said: Any, _: Any) -> None:
        plain(hearing, turn, peer, minion, said, Commit(0))

    return [(Hearing, "_acknowledge", acknowledge)]


@variant()
def job_told_before_commit() -> list[Change]:
    """A client has a job id that a crash makes void."""
    plain = Turn.answer

    def answer(turn: Turn, client: Any, reply: Any, after: Any = Commit(0)) -> None:
        plain(turn, client, reply, Commit(0))

    return [(Turn, "answer", answer)]


@variant()
def sent_before_bound() -> list[Change]:
    """A delivery leaves before its journal is written down."""
    plain = Turn.send

    def send(turn: Turn, peer: Any, key: Any, message: Any, after: Any = Commit(0)) -> None:
        plain(turn, peer, key, message, Commit(0))

    return [(Turn, "send", send)]


@variant()
def delivery_never_sent_again() -> list[Change]:
    """A delivery that found a full queue waits for the next session."""
    plain = Sending._send

    def send(sending: Sending, turn: Turn, job: Any, delivery: Delivery, session: Any) -> None:
        plain(sending, turn, job, delivery, session)
        delivery.resend_at = FOREVER
        sending.arm(turn.now, delivery)

    return [(Sending, "_send", send)]


@variant()
def journal_id_ignored() -> list[Change]:
    """A minion that was installed anew is sent what its old journal was bound to."""
    plain = Absence.on_ready

    def on_ready(absence: Absence, turn: Any, minion: Any, session: Any) -> None:
        for delivery in absence._open_of(minion):
            delivery.journal_id = delivery.journal_id and session.journal_id
            if delivery.state in ("accepted", "started"):
                delivery.state = "bound"
        plain(absence, turn, minion, session)

    return [(Absence, "on_greeted", nothing), (Absence, "on_ready", on_ready)]


@variant()
def late_result_overwrites_first() -> list[Change]:
    """The last word counts instead of the first."""
    plain = Hearing.on_return

    def on_return(hearing: Hearing, turn: Any, peer: Any, minion: Any, said: Any) -> None:
        found = hearing._book.find(said.jid, minion.minion)
        if found is not None and not found[1].is_open:
            job, delivery = found
            job.count(delivery, -1)
            delivery.state, delivery.is_returned = "lost", False
            job.count(delivery, 1)
        plain(hearing, turn, peer, minion, said)

    return [(Hearing, "on_return", on_return)]


@variant()
def lost_is_never_corrected() -> list[Change]:
    """What the master once believed to be lost stays so."""
    return [(Delivery, "is_correctable", property(lambda _delivery: False))]


@variant()
def request_id_ignored() -> list[Change]:
    """A client that asks again after a cut makes a second job."""
    return [(Book, "asked_before", nothing)]


@variant(within=600)
def clone_displaces_original() -> list[Change]:
    """Whoever comes last with the key is let in."""

    def probe(door: Door, turn: Any, minion: Any, _session: Any, greeting: Any) -> None:
        door._let_in(turn, minion, greeting)

    return [(Door, "_probe", probe)]


@variant()
def session_of_a_rejected_key_kept() -> list[Change]:
    """Rejecting a key changes what is written down, and nothing else."""
    return [(Keys, "_shut_out", nothing)]


@variant()
def link_counter_ignored() -> list[Change]:
    """A greeting of an older socket that comes late is welcomed."""
    plain = Door.on_hello

    def on_hello(door: Door, turn: Any, peer: Any, minion: Any, address: str, hello: Any) -> None:
        minion.link_counter = 0
        plain(door, turn, peer, minion, address, hello)

    return [(Door, "on_hello", on_hello)]


@variant()
def beats_not_answered() -> list[Change]:
    """The master beats by itself and echoes nobody."""

    def on_beat(_talk: Talk, _turn: Any, _minion: Any, _session: Any, _said: Beat) -> None:
        return None

    return [(Talk, "on_beat", on_beat)]


@variant()
def batch_without_limit() -> list[Change]:
    """A batch is sent to all at once."""
    return [(Job, "has_room", property(lambda _job: True))]


@variant()
def absent_minions_queued_for() -> list[Change]:
    """A job that nobody asked to wait is kept for a minion that is offline."""
    return [(Absence, "on_offline", nothing), (Sending, "given_up_at", lambda _s, _d: FOREVER)]


@variant(within=800)
def restored_store_sends_old_jobs() -> list[Change]:
    """A store from a backup goes on as if nothing had happened since."""
    return [(Absence, "on_store_restored", nothing)]


@variant()
def ended_jobs_kept() -> list[Change]:
    """Nothing ever leaves the master's memory."""
    return [(Book, "on_committed", nothing)]
