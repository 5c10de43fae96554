"""A minion whose key the master does not know (yet)."""

import pytest

from limpet.common.clock import to_micros
from limpet.common.identifiers import JournalId, MinionId
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest
from limpet.common.messages.session import Denied, Hello
from limpet.minion.core.effects import OpenSocket, Prove
from limpet.minion.core.settings import LinkSettings
from limpet.minion.journal.records import JournalState
from limpet.minion.sessions.states import State
from support.minion.minion_bench import SETTINGS, Bench

WITH_TOKEN = LinkSettings(MinionId("web1"), "10.0.0.1", "aa" * 32, join_token_id="tok1")


def unknown(settings: LinkSettings = SETTINGS, seed: int = 1) -> Bench:
    """Start a minion that was never accepted."""
    journal = JournalState(journal_id=JournalId("c" * 32))
    return Bench(journal, settings=settings, seed=seed).start()


def ports(bench: Bench) -> list[str]:
    """Give the ports of all sockets, in order."""
    return [effect.port for effect in bench.of(OpenSocket)]


def test_an_accepted_request_leads_to_the_main_port_at_once() -> None:
    bench = unknown().connect()
    assert bench.state() is State.ENROLLING
    assert bench.last(EnrolRequest).minion_id == "web1"
    bench.enrol_answer("accepted")
    assert bench.state() is State.CONNECTING
    assert ports(bench) == ["enrol", "main"]
    bench.connect()
    bench.hear(bench.welcome())
    bench.answer_sync()
    assert bench.core.is_ready
    assert bench.disk.notes["is_accepted"] == "1"


def test_with_a_token_the_request_is_signed_by_the_shell() -> None:
    bench = unknown(WITH_TOKEN).connect()
    assert bench.sent(EnrolRequest) == []
    assert bench.of(Prove)[0].request.token_id == "tok1"
    bench.enrol_answer("accepted")
    assert bench.state() is State.CONNECTING


def test_a_join_string_that_cannot_be_used_is_said_and_tried_again() -> None:
    bench = unknown(WITH_TOKEN).connect()
    attempt = bench.attempt
    bench.take(bench.core.on_proof_failed(bench.now, attempt, "no such file"))
    assert bench.state() is State.BACKOFF
    assert any("no such file" in text for text in bench.reports())
    bench.take(bench.core.on_proof_failed(bench.now, attempt, "late"))
    bench.advance_to(State.CONNECTING)


@pytest.mark.covers("A2", "A8", "A12")
def test_a_pending_minion_asks_every_quarter_minute_or_so_for_ever() -> None:
    bench = unknown()
    began = bench.now.boot
    for _ in range(200):
        bench.connect()
        bench.enrol_answer("pending")
        assert bench.state() is State.PENDING
        assert not bench.is_open
        bench.advance_to(State.CONNECTING, 18.76)
    assert 200 * 13 < bench.now.boot - began < 200 * 17
    assert set(ports(bench)) == {"enrol"}
    bench.connect()
    bench.enrol_answer("accepted")
    assert ports(bench)[-1] == "main"


@pytest.mark.covers("A2")
def test_a_refused_minion_asks_again_for_ever() -> None:
    bench = unknown()
    for _ in range(20):
        bench.connect()
        bench.enrol_answer("refused", text="this id belongs to another key")
        assert bench.state() is State.DENIED
        bench.advance_to(State.CONNECTING, 18.76)
    assert set(ports(bench)) == {"enrol"}
    assert any("`limpet keys list` there say why" in text for text in bench.reports())


def test_a_token_that_let_a_minion_in_is_left_out_when_a_restored_master_refuses_it() -> None:
    bench = Bench(settings=WITH_TOKEN).start()  # it was accepted once
    assert bench.disk.notes["is_accepted"] == "1"
    bench.link("connected")
    bench.link("denied")  # the master has lost its store, and does not know the key
    assert ports(bench) == ["main", "enrol"]
    bench.connect()
    assert bench.of(Prove)[-1].request.token_id == "tok1"
    bench.enrol_answer("refused")
    bench.advance_to(State.CONNECTING, 18.76)
    bench.connect()
    request = bench.last(EnrolRequest)
    assert request.token_id == ""
    bench.hear(EnrolAnswer(request.nonce, "pending", 0, ""))
    assert bench.state() is State.PENDING


def test_a_token_that_never_let_anybody_in_is_asked_with_again() -> None:
    bench = unknown(WITH_TOKEN).connect()
    bench.enrol_answer("refused")
    bench.advance_to(State.CONNECTING, 18.76)
    bench.connect()
    assert [proof.request.token_id for proof in bench.of(Prove)] == ["tok1", "tok1"]


def test_the_master_may_ask_a_pending_minion_to_wait_longer() -> None:
    bench = unknown().connect()
    bench.enrol_answer("pending", retry_s=100)
    bench.advance(74)
    assert bench.state() is State.PENDING
    bench.advance_to(State.CONNECTING, 52)


@pytest.mark.covers("A2")
def test_a_key_that_zap_denies_knocks_at_the_enrolment_port() -> None:
    bench = Bench().start()
    bench.link("connected")
    bench.link("denied")
    assert ports(bench) == ["main", "enrol"]
    bench.connect()
    bench.enrol_answer("pending")
    assert bench.state() is State.PENDING


def test_a_greeting_denied_for_an_unknown_key_knocks_at_the_enrolment_port() -> None:
    bench = Bench().start().connect()
    bench.hear(Denied(bench.last(Hello).nonce, "unknown_key", "", 0))
    assert ports(bench) == ["main", "enrol"]


@pytest.mark.covers("A2")
def test_a_rejected_key_asks_again_on_the_enrolment_port() -> None:
    bench = Bench().start().connect()
    bench.hear(Denied(bench.last(Hello).nonce, "rejected", "", 0))
    assert bench.state() is State.DENIED
    bench.advance_to(State.CONNECTING, 19)
    assert ports(bench) == ["main", "enrol"]


@pytest.mark.covers("A11")
def test_two_ports_that_contradict_each_other_do_not_make_a_tight_loop() -> None:
    bench = Bench().start()
    began = bench.now.boot
    for _ in range(30):
        bench.link("connected")
        bench.link("denied")
        bench.advance_to(State.CONNECTING)
        if ports(bench)[-1] == "enrol":
            bench.connect()
            bench.enrol_answer("accepted")
            assert bench.state() is State.CONNECTING
    assert bench.now.boot - began > 15


@pytest.mark.covers("A3")
def test_after_two_handshakes_without_end_the_other_port_is_asked() -> None:
    bench = Bench().start()
    for _ in range(2):
        bench.link("connected")
        bench.advance(3.1)
        bench.advance_to(State.CONNECTING)
    assert ports(bench) == ["main", "main", "enrol"]


def test_an_enrolment_port_that_is_shut_does_not_keep_an_accepted_minion_away() -> None:
    bench = unknown()
    for _ in range(2):  # not at once: whoever comes to the main port unknown costs a handshake
        bench.link("refused")
        bench.advance_to(State.CONNECTING)
    assert ports(bench) == ["enrol", "enrol", "main"]
    bench.connect()
    bench.hear(bench.welcome())
    bench.answer_sync()
    assert bench.core.is_ready


def test_an_enrolment_port_that_says_nothing_is_left_after_five_seconds() -> None:
    bench = unknown().connect()
    bench.advance(4.9)
    assert bench.state() is State.ENROLLING
    bench.advance(0.2)
    assert not bench.is_open
    bench.advance_to(State.CONNECTING)


@pytest.mark.covers("A19")
def test_an_answer_with_another_nonce_is_ignored() -> None:
    bench = unknown().connect()
    bench.hear(EnrolAnswer(b"0" * 16, "accepted", to_micros(0), ""))
    assert bench.state() is State.ENROLLING


def test_who_is_new_waits_longer_for_the_handshake_on_either_port() -> None:
    bench = unknown()
    bench.link("connected")
    bench.advance(7.9)
    assert bench.state() is State.CONNECTING
    bench.link("ready")
    bench.enrol_answer("accepted")
    assert ports(bench) == ["enrol", "main"]
    assert [effect.handshake_s for effect in bench.of(OpenSocket)] == [8.0, 8.0]


@pytest.mark.parametrize(
    ("loss", "most"), [("unanswered", 8.0), ("nothing", 2.0), ("refused", 2.0)]
)
def test_who_is_new_comes_again_later_where_nobody_answers(loss: str, most: float) -> None:
    pauses = []
    for seed in range(20):
        bench = unknown(seed=seed)
        for number in range(20):
            if loss == "refused":
                bench.link("refused")
            elif loss == "nothing":
                bench.advance(8.0 if number else 3.0)
            else:
                bench.link("connected")
                bench.advance(8.0)
            assert bench.state() is State.BACKOFF
            began = bench.now.boot
            bench.advance_to(State.CONNECTING)
            pauses.append(bench.now.boot - began)
    assert 0.8 * most < max(pauses) <= most


def main_is_asked_after_s(settings: LinkSettings, loss: str, seed: int) -> float:
    """Give how long it takes until the main port is tried, if the other never works."""
    bench = unknown(settings, seed)
    began = bench.now.boot
    while ports(bench)[-1] == "enrol":
        if loss == "refused":
            bench.link("refused")
        elif loss == "unanswered":
            bench.link("connected")
            bench.advance(8.0)
        else:
            bench.advance_to(State.BACKOFF)
        bench.advance_to(State.CONNECTING)
    return bench.now.boot - began


@pytest.mark.parametrize(("loss", "most"), [("nothing", 13.0), ("refused", 3.0)])
def test_where_the_enrolment_port_is_filtered_the_main_one_is_tried_soon(
    loss: str, most: float
) -> None:
    """The key may be accepted already, and only the state be lost."""
    took = [main_is_asked_after_s(SETTINGS, loss, seed) for seed in range(20)]
    assert max(took) < most


@pytest.mark.parametrize(("settings", "loss"), [(WITH_TOKEN, "nothing"), (SETTINGS, "unanswered")])
def test_who_may_be_one_of_many_does_not_go_to_the_main_port_so_soon(
    settings: LinkSettings, loss: str
) -> None:
    assert min(main_is_asked_after_s(settings, loss, seed) for seed in range(20)) > 40


def test_a_main_port_that_does_not_know_the_key_is_not_asked_again_soon() -> None:
    bench = unknown()
    for _ in range(2):
        bench.advance_to(State.BACKOFF)
        bench.advance_to(State.CONNECTING)
    assert ports(bench)[-1] == "main"
    bench.link("connected")
    bench.link("denied")
    began = bench.now.boot
    while ports(bench)[-1] == "enrol":
        bench.advance(0.1)
    assert bench.now.boot - began > 40


def test_an_accepted_minion_is_no_more_patient_at_the_enrolment_port() -> None:
    bench = Bench().start()
    bench.link("connected")
    bench.link("denied")
    assert [effect.handshake_s for effect in bench.of(OpenSocket)] == [3.0, 3.0]


def test_who_is_new_goes_back_and_forth_while_the_master_is_not_there() -> None:
    bench = unknown()
    for _ in range(6):
        bench.link("refused")
        bench.advance_to(State.CONNECTING)
    assert ports(bench) == [*["enrol", "enrol", "main", "main"] * 2][:7]
