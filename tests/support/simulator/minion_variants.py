# ruff: noqa: ANN401 - stand-ins take whatever the methods in whose place they stand take
"""The minion's machines, each broken in one way. Patching is the point here, and only here."""

import random
from typing import Any

import msgspec

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import JobId
from limpet.common.messages.jobs import Accepted
from limpet.common.messages.session import Regreet
from limpet.minion.core import effects as minion_do
from limpet.minion.core.outbox import Outbox
from limpet.minion.jobs.cancellation import Cancellation
from limpet.minion.jobs.job_registry import JobRegistry
from limpet.minion.jobs.job_table import JobTable
from limpet.minion.jobs.returns import Returns
from limpet.minion.jobs.seen_jids import SeenJids
from limpet.minion.sessions import backoff, transitions
from limpet.minion.sessions.connection_state import ConnectionState
from limpet.minion.sessions.heartbeats import Heartbeats
from limpet.minion.sessions.link import Link
from limpet.minion.sessions.master_clock import MasterClock
from limpet.minion.sessions.reconnect_policy import ReconnectPolicy
from limpet.minion.sessions.server_keys import ServerKeys
from limpet.minion.sessions.session import Session
from limpet.minion.sessions.states import State
from limpet.minion.sessions.transitions import Transitions
from support.simulator.breaking import Change, nothing, variant
from support.simulator.story import FLEET_ONES

# -- the link ------------------------------------------------------------------------------------


@variant(within=800)
def no_deadline_in_greeting() -> list[Change]:
    """A master that says nothing is waited for without end."""
    return [(transitions, "GREETING_S", 1e9)]


@variant()
def socket_reused_after_a_failure() -> list[Change]:
    """The old socket goes on being used, as a REQ socket is that "reconnects by itself"."""
    plain_open = ConnectionState.open

    def open_once(connection: ConnectionState, *words: Any, **more: Any) -> None:
        if not connection._is_open:
            plain_open(connection, *words, **more)

    return [(ConnectionState, "close", nothing), (ConnectionState, "open", open_once)]


@variant()
def next_keys_never_tried() -> list[Change]:
    """A minion insists on the key that it had, whatever was announced."""
    return [(ServerKeys, "take_next", lambda _keys: False)]


@variant()
def next_keys_confirmed_before_they_are_kept() -> list[Change]:
    """The master counts on a minion that is killed before it has written anything down."""
    plain = ServerKeys.on_trust

    def on_trust(keys: ServerKeys, line: Any, protocol: int, trust: Any) -> None:
        plain(keys, line, protocol, trust)
        if keys._asked is not None:
            keys._answer(line, trust.serial, "kept", "")

    return [(ServerKeys, "on_trust", on_trust)]


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
    plain = Heartbeats.on_master_beat

    def on_master_beat(beats: Heartbeats, number: int, echo: int) -> Instant | None:
        left_at = plain(beats, number, echo)
        newest = beats._left_at
        if newest is not None:
            beats.lost_at = Instant(newest + 3 * beats.interval_s)
        return left_at

    return [(Heartbeats, "on_master_beat", on_master_beat)]


@variant()
def sync_skipped() -> list[Change]:
    """READY at once after the Welcome."""

    def send_page(transitions: Transitions, now: Moment, session: Session) -> None:
        transitions.become_ready(now, session)

    return [(Transitions, "send_page", send_page)]


@variant()
def suspended_socket_obeyed() -> list[Change]:
    """What a socket held while the host slept is taken for fresh."""
    return [(Link, "on_event", nothing)]


@variant()
def backoff_without_cap() -> list[Change]:
    """Pauses double for ever."""

    def cap_s(_fleet: int) -> float:
        return 1e9

    return [(backoff, "cap_s", cap_s)]


@variant()
def retries_end_after_three() -> list[Change]:
    """The link gives up, as if a person were there to see it."""
    plain = ReconnectPolicy.pause_after_failure_s

    def pause_s(
        reconnect: ReconnectPolicy, at: Instant, loss: Any, *, is_tcp_connected: bool
    ) -> float:
        seconds = plain(reconnect, at, loss, is_tcp_connected=is_tcp_connected)
        return seconds if reconnect.failures.in_a_row < 3 else 1e9

    return [(ReconnectPolicy, "pause_after_failure_s", pause_s)]


@variant()
def frames_of_other_sessions_heeded() -> list[Change]:
    """Whatever comes while READY is obeyed."""

    def session_of(link: Link, _session: int) -> Session | None:
        return None if link.transitions.ready is None else link.session

    return [(Link, "session_of", session_of)]


@variant()
def no_deadline_without_echo() -> list[Change]:
    """A READY link is lost only when the transport says so."""
    plain = ConnectionState.enter_until

    def enter_until(
        connection: ConnectionState, now: Moment, state: State, deadline: Instant, why: str
    ) -> None:
        plain(
            connection,
            now,
            state,
            Instant(now.boot + 1e9) if state is State.READY else deadline,
            why,
        )

    return [(ConnectionState, "enter_until", enter_until), (ConnectionState, "renew", nothing)]


# -- jobs on the minion --------------------------------------------------------------------------


def _without_after(kind: type) -> list[Change]:
    """Let effects of one kind, or messages of it, wait for no commit."""
    plain = Outbox.add

    def add(outbox: Outbox, effect: Any) -> None:
        is_it = type(effect) is kind or (
            isinstance(effect, minion_do.Send) and type(effect.message) is kind
        )
        if is_it and effect.after:
            effect = msgspec.structs.replace(effect, after=minion_do.NOW)
        plain(outbox, effect)

    return [(Outbox, "add", add)]


@variant()
def accepted_before_commit() -> list[Change]:
    """The master is told of what is not on disk."""
    return _without_after(Accepted)


@variant()
def released_before_start_is_durable() -> list[Change]:
    """The worker runs while its start is still on its way to the disk."""
    return _without_after(minion_do.ReleaseJob)


@variant()
def no_dedupe() -> list[Change]:
    """A job that is known is taken for a new one."""

    def unknown(_registry: JobRegistry, _jid: JobId) -> None:
        return None

    return [(JobRegistry, "find", unknown), (SeenJids, "why", unknown)]


@variant()
def cancel_without_tombstone() -> list[Change]:
    """A cancel is acknowledged and not written down."""

    def cancel_unknown(cancels: Cancellation, _now: Moment, line: Any, jid: JobId) -> None:
        cancels._answer_cancel(line, jid, "cancelled", minion_do.NOW)

    return [(Cancellation, "_cancel_unknown", cancel_unknown)]


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

    return [(MasterClock, "seconds_until", never)]


@variant()
def return_ack_ignored() -> list[Change]:
    """Returns and spool files are kept for good."""
    return [(JobTable, "on_acknowledged", nothing)]
