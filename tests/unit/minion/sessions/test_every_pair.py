"""Every event in every state: none raises, none opens a second socket, none leaves a state open."""

import itertools
from collections.abc import Callable

import pytest

from limpet.common.clock import to_micros
from limpet.common.identifiers import Attempt, JournalId, MinionId
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest
from limpet.common.messages.jobs import BulkAck, Cancel, ReturnAck
from limpet.common.messages.session import (
    Busy,
    Denied,
    Drain,
    Hello,
    MasterBeat,
    Regreet,
    SyncAnswer,
)
from limpet.common.messages.sources import Offer, Piece
from limpet.common.messages.trust import Trust
from limpet.minion.control.messages import AskSource, PullSource
from limpet.minion.core.settings import LinkSettings
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.journal.records import JournalState
from limpet.minion.sessions.states import WITH_SOCKET, State
from support.minion.minion_bench import SETTINGS, Bench, accepted_journal, jid

NAMED = LinkSettings(MinionId("web1"), "master.example", "aa" * 32)


def nonce(bench: Bench) -> bytes:
    """Give the nonce of the last greeting."""
    greetings = [message.nonce for message in bench.sent(Hello)]
    greetings += [message.nonce for message in bench.sent(EnrolRequest)]
    return greetings[-1] if greetings else b"0" * 16


def in_state(state: State) -> Bench:
    """Bring a minion into a state (LOST is passed through at once and is BACKOFF then)."""
    if state is State.RESOLVING:
        return Bench(settings=NAMED).start()
    if state in (State.ENROLLING, State.PENDING):
        bench = Bench(JournalState(journal_id=JournalId("c" * 32)), settings=SETTINGS).start()
        bench.connect()
        if state is State.PENDING:
            bench.enrol_answer("pending")
        return bench
    bench = Bench(accepted_journal()).start()
    if state is State.BACKOFF:
        bench.link("refused")
    if state in (State.CONNECTING, State.BACKOFF):
        return bench
    bench.connect()
    if state is State.WAITING:
        bench.hear(Busy(nonce(bench), 0))
    elif state is State.DENIED:
        bench.hear(Denied(nonce(bench), "stopping", "", 0))
    elif state is not State.GREETING:
        bench.hear(bench.welcome())
        if state is not State.SYNCING:
            bench.answer_sync()
    if state is State.LOST:
        bench.link("disconnected")
    if state is State.STOPPED:
        bench.take(bench.core.on_stop(bench.now))
    return bench


def welcome(bench: Bench) -> None:
    """Say Welcome, rightly or not."""
    if bench.sent(Hello):
        bench.hear(bench.welcome())


def due(bench: Bench) -> None:
    """Let the next deadline pass."""
    bench.pass_time(max(0.0, bench.core.next_deadline - bench.now.boot) + 0.001)
    bench.take(bench.core.on_deadline(bench.now))


TRUST = Trust(7, b"S" * 32, b"", 9, b"\xaa" * 32, (b"n" * 32,), b"s" * 64, b"")
ASK = AskSource("file", "base", "top.sls", b"", "")
PULL = PullSource("file", "base", "big", "a" * 64, 0)


def suspended(bench: Bench) -> None:
    """Let the host stand still for hours."""
    bench.pass_time(9000)
    bench.take(bench.core.on_deadline(bench.now))


EVENTS: dict[str, Callable[[Bench], object]] = {
    "deadline": due,
    "early deadline": lambda b: b.take(b.core.on_deadline(b.now)),
    "suspended": suspended,
    "resolved": lambda b: b.take(b.core.on_resolved(b.now, b.core.link.attempt, ("10.0.0.7",))),
    "unresolved": lambda b: b.take(b.core.on_resolved(b.now, b.core.link.attempt, ())),
    "connected": lambda b: b.link("connected"),
    "ready": lambda b: b.link("ready"),
    "refused": lambda b: b.link("refused"),
    "denied by ZAP": lambda b: b.link("denied"),
    "handshake failed": lambda b: b.link("handshake_failed"),
    "disconnected": lambda b: b.link("disconnected"),
    "Welcome": welcome,
    "Busy": lambda b: b.hear(Busy(nonce(b), 0)),
    "Denied cloned": lambda b: b.hear(Denied(nonce(b), "cloned", "", 0)),
    "Denied unknown": lambda b: b.hear(Denied(nonce(b), "unknown_key", "", 0)),
    "Regreet": lambda b: b.hear(Regreet(b.session)),
    "SyncAnswer": lambda b: b.hear(SyncAnswer(b.session, 0, ())),
    "MasterBeat": lambda b: b.hear(MasterBeat(b.session, 1, 1, to_micros(b.now.boot), 1)),
    "Drain": lambda b: b.hear(Drain(b.session, to_micros(1), to_micros(1))),
    "Deliver": lambda b: b.deliver(1),
    "Deliver ping": lambda b: b.deliver(2, "test.ping"),
    "Cancel": lambda b: b.hear(Cancel(b.session, jid(1))),
    "ReturnAck": lambda b: b.hear(ReturnAck(b.session, jid(1))),
    "BulkAck": lambda b: b.hear(BulkAck(b.session, jid(1), "a" * 64, 0)),
    "EnrolAnswer accepted": lambda b: b.hear(EnrolAnswer(nonce(b), "accepted", 0, "")),
    "EnrolAnswer pending": lambda b: b.hear(EnrolAnswer(nonce(b), "pending", 0, "")),
    "EnrolAnswer refused": lambda b: b.hear(EnrolAnswer(nonce(b), "refused", 0, "")),
    "bad frame": lambda b: b.take(b.core.on_bad_frame(b.now, b.attempt, "bad_schema")),
    "proof failed": lambda b: b.take(b.core.on_proof_failed(b.now, b.attempt, "no")),
    "committed": lambda b: b.take(b.core.on_committed(b.now, b.durable)),
    "journal trouble": lambda b: b.take(b.core.on_journal_trouble(b.now, "disk full")),
    "spawned": lambda b: b.spawn(jid(1)),
    "spawn failed": lambda b: b.take(b.core.on_job_spawn_failed(b.now, jid(1), "no")),
    "ended": lambda b: b.end(jid(1), WorkerResult("ok", 0)),
    "output": lambda b: b.take(b.core.on_output(b.now, jid(1), b"x", 0)),
    "body": lambda b: b.take(b.core.on_body(b.now, jid(1), 0, b"x")),
    "grains": lambda b: b.take(b.core.on_grains(b.now, b"{}", "d" * 64, "")),
    "refresh": lambda b: b.take(b.core.on_refresh_grains(b.now)),
    "local run": lambda b: b.take(b.core.on_local_run(b.now, 1, "cmd.run", b"", 0)),
    "Offer": lambda b: b.hear(Offer(b.session, 1, True, "", 0, b"", b"", True, "")),
    "Piece": lambda b: b.hear(Piece(b.session, 1, 0, b"x", "")),
    "Trust": lambda b: b.hear(TRUST),
    "trust kept": lambda b: b.take(b.core.on_trust_kept(b.now, TRUST.serial, "kept", "")),
    "trust refused": lambda b: b.take(b.core.on_trust_kept(b.now, TRUST.serial, "refused", "no")),
    "resolved late": lambda b: b.take(b.core.on_resolved(b.now, Attempt(1), ("10.0.0.8",))),
    "local ask": lambda b: b.take(b.core.on_local_question(b.now, 2, ASK)),
    "local pull": lambda b: b.take(b.core.on_local_question(b.now, 3, PULL)),
    "local gone": lambda b: b.take(b.core.on_local_gone(b.now, 1)),
    "local cancel": lambda b: b.take(b.core.on_local_cancel(b.now, jid(1))),
    "stop": lambda b: b.take(b.core.on_stop(b.now)),
}


@pytest.mark.covers("A1", "B10")
@pytest.mark.parametrize("state", list(State), ids=lambda state: state.value)
def test_every_event_is_taken_in_every_state(state: State) -> None:
    arrived = State.BACKOFF if state is State.LOST else state
    for name, event in EVENTS.items():
        bench = in_state(state)
        assert bench.state() is arrived, name
        event(bench)
        assert bench.is_open == (bench.state() in WITH_SOCKET), f"{state} {name}"
        assert bench.core.next_deadline < bench.now.boot + 7300, f"{state} {name}"
        if state is State.STOPPED:
            assert bench.state() is State.STOPPED, name


@pytest.mark.parametrize("state", [each for each in State if each is not State.STOPPED])
def test_after_any_two_events_in_any_state_a_healthy_master_has_the_minion_back(
    state: State,
) -> None:
    names = [name for name in EVENTS if name not in ("stop", "suspended")]
    for pair in itertools.product(names, names):
        bench = in_state(state)
        for name in pair:
            EVENTS[name](bench)
        began = bench.now.boot
        while not bench.core.is_ready:
            assert bench.now.boot - began < 100, f"{state} {pair} ends in {bench.state()}"
            if bench.state() is State.CONNECTING:
                bench.connect()
            elif bench.state() is State.GREETING:
                bench.session += 1
                bench.hear(bench.welcome())
            elif bench.state() is State.SYNCING:
                bench.answer_sync()
            elif bench.state() is State.ENROLLING:
                bench.enrol_answer("accepted")
            elif bench.state() is State.RESOLVING:
                attempt = bench.core.link.attempt
                bench.take(bench.core.on_resolved(bench.now, attempt, ("10.0.0.1",)))
            elif bench.state() is State.WAITING:
                bench.session += 1
                bench.hear(bench.welcome())
            else:
                bench.advance(0.5)
