"""Which of the master's keys is tried, and how the next ones are learned, kept and never lost."""

import random
from typing import get_args

import pytest

from limpet.common.identifiers import MinionId
from limpet.common.messages.session import Drain, Hello
from limpet.common.messages.trust import Trust, TrustAck, Verdict
from limpet.common.transport.events import LinkEvent
from limpet.minion.core.effects import KeepServerKey, KeepTrust, OpenSocket, Prove
from limpet.minion.core.settings import HeldTrust, LinkSettings
from limpet.minion.journal.records import JournalState
from limpet.minion.sessions.states import State
from support.minion.minion_bench import Bench

K0, K1, K2, K3, K4 = ("aa", "b1", "b2", "b3", "b4")
SITE = "5e" * 32


def key(two: str) -> str:
    """Give a key, in hex."""
    return two * 32


def held(serial: int = 10, *keys: str) -> HeldTrust:
    """Give what a minion keeps: the present key and the next ones."""
    current, *rest = keys or (K0, K1, K2, K3)
    return HeldTrust(serial, SITE, key(current), tuple(key(each) for each in rest))


def bench_with(trust: HeldTrust | None = None, current: str = K0, token: str = "") -> Bench:
    """Give a minion that knows keys."""
    settings = LinkSettings(
        MinionId("web1"), "10.0.0.1", key(current), trust=trust, join_token_id=token
    )
    return Bench(settings=settings)


def ready(trust: HeldTrust | None = None, protocol: int = 2) -> Bench:
    """Give a minion in a session."""
    return bench_with(trust).ready(protocol=protocol)


def trust(bench: Bench, serial: int, *keys: str, site: str = SITE) -> Trust:
    """Make an announcement for the present session."""
    current, *rest = keys or (K0, K1, K2, K3)
    return Trust(
        bench.session,
        bytes.fromhex(site),
        b"",
        serial,
        bytes.fromhex(key(current)),
        tuple(bytes.fromhex(key(each)) for each in rest),
        b"s" * 64,
        b"",
    )


def kept(bench: Bench, serial: int, verdict: Verdict = "kept") -> None:
    """Let the shell have checked and written an announcement."""
    bench.take(bench.core.on_trust_kept(bench.now, serial, verdict, ""))


def tried(bench: Bench) -> list[str]:
    """Give the keys of all sockets, in order, in short."""
    return [effect.server_key[:2] for effect in bench.of(OpenSocket)]


def fail(bench: Bench, what: LinkEvent = "handshake_failed") -> None:
    """Let the other side end the handshake."""
    bench.link("connected")
    bench.link(what)


def come_in(bench: Bench) -> None:
    """Let the master take the minion in at the present socket."""
    bench.session += 1
    bench.connect()
    bench.hear(bench.welcome(protocol=2))
    bench.answer_sync()
    assert bench.core.is_ready


# -- dialling ---------------------------------------------------------------------------------


@pytest.mark.covers("H6")
def test_all_known_keys_are_tried_without_a_pause_and_then_the_round_has_failed() -> None:
    bench = bench_with(held()).start()
    for _ in range(3):
        fail(bench)
        assert bench.state() is State.CONNECTING
    assert tried(bench) == [K0, K1, K2, K3]
    fail(bench)
    assert bench.state() is State.BACKOFF
    assert "has none of the 4 that this minion knows" in bench.core.link.advice
    assert "limpet minion setup --join" in bench.core.link.advice
    assert bench.core.link.reconnect.failures.in_a_row == 1


def test_with_one_key_nothing_is_different_from_before() -> None:
    bench = bench_with().start()
    fail(bench)
    assert tried(bench) == [K0]
    assert bench.state() is State.BACKOFF


@pytest.mark.parametrize("what", ["refused", "denied", "disconnected"])
def test_only_a_handshake_that_is_ended_leads_to_another_key(what: LinkEvent) -> None:
    bench = bench_with(held()).start()
    if what == "disconnected":
        bench.connect()
    bench.link(what)
    assert set(tried(bench)) == {K0}


def test_a_handshake_that_is_silent_is_no_reason_to_doubt_the_key() -> None:
    bench = bench_with(held()).start()
    bench.link("connected")
    bench.advance_to(State.BACKOFF)
    bench.advance_to(State.CONNECTING)
    assert tried(bench) == [K0, K0]


def test_every_address_is_tried_with_every_key() -> None:
    settings = LinkSettings(MinionId("web1"), "m.example", key(K0), trust=held(10, K0, K1))
    bench = Bench(settings=settings).start()
    bench.take(bench.core.on_resolved(bench.now, bench.core.link.attempt, ("10.0.0.1", "10.0.0.2")))
    for _ in range(4):
        fail(bench)
    sockets = [(each.address, each.server_key[:2]) for each in bench.of(OpenSocket)]
    assert sockets == [
        ("10.0.0.1", K0),
        ("10.0.0.1", K1),
        ("10.0.0.2", K0),
        ("10.0.0.2", K1),
    ]


@pytest.mark.covers("H6")
def test_a_session_under_a_next_key_makes_it_the_first_for_good() -> None:
    bench = bench_with(held()).start()
    fail(bench)
    fail(bench)
    come_in(bench)
    assert bench.of(KeepServerKey) == [KeepServerKey(key(K2))]
    assert bench.core.link.keys.known() == tuple(key(each) for each in (K2, K0, K1, K3))
    bench.link("disconnected")
    bench.advance_to(State.CONNECTING)
    assert tried(bench)[-1] == K2


def test_the_next_round_begins_with_the_key_that_was_right_last() -> None:
    bench = bench_with(held()).start()
    for _ in range(4):
        fail(bench)
    bench.advance_to(State.CONNECTING)
    fail(bench)
    bench.link("connected")
    bench.link("denied")
    assert tried(bench) == [K0, K1, K2, K3, K0, K1, K1]


def test_a_socket_alone_or_an_enrolment_makes_no_key_the_first() -> None:
    bench = bench_with(held()).start()
    fail(bench)
    bench.connect()
    assert bench.state() is State.GREETING
    assert not bench.of(KeepServerKey)
    assert bench.core.link.keys.current == key(K0)


def test_a_proof_is_made_for_the_key_that_the_connection_has_proved() -> None:
    settings = LinkSettings(
        MinionId("web1"), "10.0.0.1", key(K0), trust=held(), join_token_id="tok"
    )
    bench = Bench(JournalState(), settings=settings).start()
    fail(bench)
    bench.connect()
    (prove,) = bench.of(Prove)
    assert prove.server_key == key(K1)


@pytest.mark.covers("H6", "B1")
def test_whatever_a_network_does_no_key_is_forgotten() -> None:
    chance = random.Random(7)
    bench = bench_with(held()).start()
    events = get_args(LinkEvent)
    for _ in range(3000):
        if chance.random() < 0.8:
            bench.link(chance.choice(events))
        else:
            bench.advance(chance.choice((0.01, 1.0, 5.0)))
    assert set(bench.core.link.keys.known()) == {key(each) for each in (K0, K1, K2, K3)}
    assert not bench.of(KeepServerKey)


def test_a_minion_that_was_off_during_the_rotation_is_ready_within_seconds() -> None:
    for seed in range(50):
        settings = LinkSettings(MinionId("web1"), "10.0.0.1", key(K0), trust=held())
        bench = Bench(settings=settings, seed=seed).start()
        began = bench.now.boot
        while bench.of(OpenSocket)[-1].server_key != key(K3):
            if bench.state() is State.BACKOFF:
                bench.advance_to(State.CONNECTING)
            bench.pass_time(0.1)
            fail(bench)
        come_in(bench)
        assert bench.now.boot - began < 15.0


def test_a_rotation_that_is_drained_costs_one_pause() -> None:
    bench = ready(held())
    bench.hear(Drain(bench.session, 500_000, 1_000_000))
    began = bench.now.boot
    bench.advance_to(State.CONNECTING)
    fail(bench)
    come_in(bench)
    assert tried(bench) == [K0, K0, K1]
    assert bench.now.boot - began <= 1.6


# -- announcements ----------------------------------------------------------------------------


def test_the_first_announcement_is_checked_written_and_confirmed() -> None:
    bench = ready()
    said = trust(bench, 10)
    bench.hear(said)
    assert bench.of(KeepTrust) == [KeepTrust(said, "")]
    assert not bench.sent(TrustAck)
    kept(bench, 10)
    assert bench.last(TrustAck) == TrustAck(bench.session, 10, "kept", 10, "")
    assert bench.core.link.keys.known() == tuple(key(each) for each in (K0, K1, K2, K3))
    bench.hear(said)
    assert len(bench.of(KeepTrust)) == 1
    assert len(bench.sent(TrustAck)) == 2


def test_a_later_one_is_checked_against_the_pinned_site_and_takes_its_place() -> None:
    bench = ready(held())
    bench.hear(trust(bench, 11, K0, K2, K3, K4))
    assert bench.last(Hello)
    assert bench.of(KeepTrust)[0].pinned == SITE
    kept(bench, 11)
    assert key(K1) not in bench.core.link.keys.known()


@pytest.mark.parametrize("serial", [1, 9, 10])
def test_an_older_one_is_never_taken(serial: int) -> None:
    bench = ready(held())
    bench.hear(trust(bench, serial, K0, K4))
    assert not bench.of(KeepTrust)
    assert bench.last(TrustAck) == TrustAck(bench.session, serial, "stale", 10, "")
    assert bench.core.link.keys.held == held()


@pytest.mark.parametrize("verdict", ["refused", "failed"])
def test_one_that_is_not_believed_or_not_written_changes_nothing(verdict: Verdict) -> None:
    bench = ready(held())
    bench.hear(trust(bench, 11, K0, K4))
    kept(bench, 11, verdict)
    assert bench.core.link.keys.held == held()
    assert bench.last(TrustAck).verdict == verdict
    assert any("not kept" in text for text in bench.reports())


def test_one_that_names_another_present_key_is_refused() -> None:
    bench = ready(held())
    bench.hear(trust(bench, 11, K4, K1))
    assert not bench.of(KeepTrust)
    assert bench.last(TrustAck).verdict == "refused"


def test_it_is_not_heard_in_protocol_1_or_in_another_session() -> None:
    bench = ready(held(), protocol=1)
    bench.hear(trust(bench, 11, K0, K4))
    other = ready(held())
    said = trust(other, 11, K0, K4)
    other.session += 1
    other.hear(trust(other, 11, K0, K4))
    assert said
    for each in (bench, other):
        assert not each.of(KeepTrust)
        assert not each.sent(TrustAck)


def test_an_answer_of_the_shell_that_comes_after_the_session_is_kept_and_not_sent() -> None:
    bench = ready(held())
    bench.hear(trust(bench, 11, K0, K4))
    bench.link("disconnected")
    kept(bench, 11)
    assert not bench.sent(TrustAck)
    assert bench.core.link.keys.known() == (key(K0), key(K4))
    kept(bench, 11)
    kept(bench, 99)
    assert not bench.sent(TrustAck)


def test_a_younger_one_takes_the_place_of_one_that_is_being_checked() -> None:
    bench = ready(held())
    bench.hear(trust(bench, 11, K0, K4))
    bench.hear(trust(bench, 12, K0, K3))
    kept(bench, 11)
    assert bench.core.link.keys.held == held()
    kept(bench, 12)
    assert bench.core.link.keys.known() == (key(K0), key(K3))


# -- what people are told ----------------------------------------------------------------------


def test_a_minion_that_never_came_in_is_told_of_its_join_string() -> None:
    bench = Bench(JournalState(), settings=LinkSettings(MinionId("web1"), "10.0.0.1", key(K0)))
    bench.start()
    fail(bench)
    assert "Join strings made before the master's key was rotated are dead" in (
        bench.core.link.advice
    )


def test_the_advice_is_gone_when_it_is_ready() -> None:
    bench = bench_with().start()
    fail(bench)
    assert bench.core.link.advice
    bench.advance_to(State.CONNECTING)
    come_in(bench)
    assert not bench.core.link.advice
