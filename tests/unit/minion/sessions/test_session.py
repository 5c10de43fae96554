"""READY: beats, their loss, and the other ways in which a session ends."""

import pytest

from limpet.common.clock import to_micros
from limpet.common.messages.jobs import CancelAnswer, Return
from limpet.common.messages.session import (
    Beat,
    Drain,
    Grains,
    Hello,
    MasterBeat,
    Regreet,
    SyncAnswer,
    SyncPage,
    SyncVerdict,
)
from limpet.minion.core.effects import CollectGrains, OpenSocket, SpawnJob
from limpet.minion.sessions.states import State
from support.minion.minion_bench import Bench, jid, message_names


def beat_on(bench: Bench, seconds: float) -> None:
    """Let time pass with a master that echoes each beat within a second."""
    echoed = 0
    for _ in range(int(seconds)):
        bench.advance(1)
        if bench.last(Beat).number != echoed:
            echoed = bench.last(Beat).number
            bench.echo()


@pytest.mark.covers("B11", "B12")
def test_a_session_lives_as_long_as_the_own_beats_come_back() -> None:
    bench = Bench().ready()
    beat_on(bench, 600)
    assert bench.core.is_ready
    assert 115 <= len(bench.sent(Beat)) <= 125


@pytest.mark.covers("B1", "B8", "B12", "B14")
def test_fifteen_seconds_without_echo_end_the_session_with_a_new_socket() -> None:
    bench = Bench().ready()
    beat_on(bench, 60)
    bench.advance(15.0)
    assert bench.state() is not State.READY
    bench.come_back(5)
    assert bench.last(Hello).last_loss == "beats_silent"


@pytest.mark.covers("B12", "B13")
def test_a_master_that_beats_without_echo_does_not_count_as_alive() -> None:
    bench = Bench().ready()
    bench.echo()
    for number in range(100, 140):
        bench.advance(0.5)
        bench.hear(MasterBeat(bench.session, number, 1, to_micros(bench.now.boot), 1))
    assert not bench.core.is_ready


def test_an_echo_of_a_beat_that_was_never_sent_proves_nothing() -> None:
    bench = Bench().ready()
    for number in range(1, 40):
        bench.advance(0.5)
        bench.echo(1_000_000 + number)
    assert not bench.core.is_ready


@pytest.mark.covers("B18")
def test_sending_and_hearing_other_things_does_not_postpone_the_loss() -> None:
    bench = Bench().ready()
    bench.echo()
    for number in range(16):
        bench.advance(1)
        if bench.core.is_ready:
            bench.deliver(number, "test.ping")
    assert not bench.core.is_ready


def test_a_question_of_the_master_is_answered_at_once() -> None:
    bench = Bench().ready()
    bench.echo()
    bench.advance(1)
    sent = len(bench.sent(Beat))
    bench.echo()  # echoes what was echoed before: the master asks
    assert len(bench.sent(Beat)) == sent + 1
    assert bench.last(Beat).echo == bench.master_number
    bench.echo()  # the answer to that beat is not a question
    assert len(bench.sent(Beat)) == sent + 1


def test_a_question_right_after_a_beat_is_answered_a_moment_later() -> None:
    bench = Bench().ready()
    bench.echo()
    sent = len(bench.sent(Beat))
    bench.echo()
    assert len(bench.sent(Beat)) == sent
    bench.advance(0.1)
    assert len(bench.sent(Beat)) == sent + 1


def test_a_flood_of_questions_is_answered_at_a_bounded_rate() -> None:
    bench = Bench().ready()
    bench.echo()
    sent = len(bench.sent(Beat))
    for _ in range(1000):
        bench.advance(0.001)
        bench.echo(1)
    assert len(bench.sent(Beat)) - sent <= 21


@pytest.mark.covers("C15")
def test_a_restarted_master_regreets_and_the_socket_stays() -> None:
    bench = Bench().ready()
    bench.hear(Regreet(bench.session))
    assert bench.state() is State.GREETING
    bench.session = 8
    bench.hear(bench.welcome())
    bench.answer_sync()
    assert bench.core.is_ready
    assert len(bench.of(OpenSocket)) == 1
    assert bench.last(Hello).last_loss == "regreeted"


def test_a_regreet_for_another_session_is_ignored() -> None:
    bench = Bench().ready()
    bench.hear(Regreet(99))
    assert bench.core.is_ready


def test_frames_of_another_session_are_ignored() -> None:
    bench = Bench().ready()
    mine, bench.session = bench.session, 99
    bench.deliver(1)
    bench.hear(Drain(99, 0, 0))
    bench.hear(MasterBeat(99, 1, 1, 0, 1))
    assert bench.core.is_ready
    assert bench.of(SpawnJob) == []
    bench.session = mine
    bench.deliver(1)
    assert len(bench.of(SpawnJob)) == 1


@pytest.mark.covers("G9")
def test_frames_of_an_earlier_socket_are_ignored() -> None:
    bench = Bench().ready()
    old = bench.attempt
    bench.link("disconnected")
    bench.come_back()
    bench.take(bench.core.on_message(bench.now, old, Drain(bench.session, 0, 0)))
    bench.take(bench.core.on_link(bench.now, old, "disconnected"))
    assert bench.core.is_ready


def test_a_drained_minion_comes_back_spread_over_the_time_it_was_told() -> None:
    waits = []
    for seed in range(40):
        bench = Bench(seed=seed).ready()
        bench.hear(Drain(bench.session, to_micros(2), to_micros(4)))
        assert not bench.is_open
        began = bench.now.boot
        bench.advance_to(State.CONNECTING)
        waits.append(bench.now.boot - began)
    assert 2 <= min(waits) < 3
    assert 5 < max(waits) <= 6.01


@pytest.mark.covers("B7")
def test_after_a_suspension_the_socket_is_thrown_away_before_it_is_read() -> None:
    bench = Bench().ready()
    bench.echo()
    bench.pass_time(3600)
    bench.deliver(1)
    assert not bench.core.is_ready
    assert not bench.is_open
    assert bench.of(SpawnJob) == []
    bench.come_back(5)
    assert bench.last(Hello).last_loss == "suspended"


@pytest.mark.covers("B7")
def test_a_loop_that_is_merely_late_is_not_taken_for_suspended() -> None:
    bench = Bench().ready(beat_interval=to_micros(60))
    bench.echo()
    bench.pass_time(63)
    bench.take(bench.core.on_deadline(bench.now))
    assert bench.core.is_ready


def test_sessions_that_end_as_soon_as_they_begin_are_not_begun_in_a_rush() -> None:
    bench = Bench().ready()
    began = bench.now.boot
    for _ in range(60):
        bench.link("disconnected")
        bench.come_back()
    assert bench.now.boot - began > 20


def test_the_first_attempt_after_a_long_session_comes_within_a_quarter_second() -> None:
    for seed in range(20):
        bench = Bench(seed=seed).ready()
        beat_on(bench, 30)
        bench.link("disconnected")
        bench.advance_to(State.CONNECTING, 0.26)


def test_broken_frames_end_nothing() -> None:
    bench = Bench().ready()
    for _ in range(100):
        bench.take(bench.core.on_bad_frame(bench.now, bench.attempt, "bad_schema"))
    assert bench.core.is_ready
    assert bench.core.link.bad_frames == 100


def test_a_sync_answer_for_another_page_is_ignored() -> None:
    bench = Bench().start().connect()
    bench.hear(bench.welcome())
    bench.hear(SyncAnswer(bench.session, 3, ()))
    bench.hear(SyncAnswer(99, 0, ()))
    assert bench.state() is State.SYNCING
    bench.hear(SyncAnswer(bench.session, 0, ()))
    bench.hear(SyncAnswer(bench.session, 0, ()))
    assert bench.core.is_ready


def test_the_verdicts_of_sync_are_carried_out() -> None:
    bench = Bench().ready()
    jobs = [bench.deliver(number) for number in range(4)]
    for job in jobs[:2]:
        bench.spawn(job)
        bench.end(job)
    bench.spawn(jobs[2])
    bench.link("disconnected")
    bench.advance_to(State.CONNECTING)
    bench.session += 1
    bench.connect()
    bench.hear(bench.welcome())
    assert {entry.jid: entry.state for entry in bench.last(SyncPage).entries} == {
        jobs[0]: "finished",
        jobs[1]: "finished",
        jobs[2]: "running",
        jobs[3]: "accepted",
    }
    returned = len(bench.sent(Return))
    bench.answer_sync(
        SyncVerdict(jobs[0], "acknowledge"),
        SyncVerdict(jobs[1], "resend"),
        SyncVerdict(jobs[2], "cancel"),
        SyncVerdict(jobs[3], "adopt"),
        SyncVerdict(jid(77), "unknown"),
    )
    assert [message.jid for message in bench.sent(Return)[returned:]] == [jobs[1]]
    assert bench.last(CancelAnswer).jid == jobs[2]


def test_beats_name_the_running_jobs_and_what_ails_the_disk() -> None:
    bench = Bench().ready()
    bench.spawn(bench.deliver(1))
    bench.take(bench.core.on_journal_trouble(bench.now, "disk full: /var"))
    bench.advance(5.1)
    assert bench.last(Beat).running == (jid(1),)
    assert bench.last(Beat).condition == "disk full: /var"


@pytest.mark.covers("A15")
def test_facts_are_collected_after_the_link_is_ready_and_a_hang_costs_nothing() -> None:
    bench = Bench().start().connect()
    assert bench.of(CollectGrains) == []
    bench.hear(bench.welcome(wants_grains=True))
    bench.answer_sync()
    assert len(bench.of(CollectGrains)) == 1
    beat_on(bench, 200)
    assert bench.core.is_ready
    assert len(bench.of(CollectGrains)) == 1


def test_facts_are_sent_when_they_changed_or_are_wanted_and_only_then() -> None:
    bench = Bench().ready()
    digest = "d" * 64
    bench.take(bench.core.on_grains(bench.now, b"{}", digest, ""))
    assert bench.last(Grains).digest == digest
    bench.take(bench.core.on_refresh_grains(bench.now))
    bench.take(bench.core.on_grains(bench.now, b"{}", digest, ""))
    assert len(bench.sent(Grains)) == 1
    assert bench.disk.notes["grains_digest"] == digest
    bench.link("disconnected")
    bench.advance_to(State.CONNECTING)
    bench.connect()
    assert bench.last(Hello).grains_digest == digest
    bench.hear(bench.welcome(wants_grains=True))
    bench.answer_sync()
    bench.take(bench.core.on_grains(bench.now, b"{}", digest, ""))
    assert len(bench.sent(Grains)) == 2


def test_facts_that_cannot_be_collected_are_tried_again_later() -> None:
    bench = Bench().ready()
    bench.take(bench.core.on_grains(bench.now, b"", "", "timeout: disk"))
    assert "grains: timeout: disk" in bench.reports()
    beat_on(bench, 290)
    assert len(bench.of(CollectGrains)) == 1
    beat_on(bench, 20)
    assert len(bench.of(CollectGrains)) == 2


def test_a_stopped_minion_closes_its_socket_and_does_nothing_more() -> None:
    bench = Bench().ready()
    bench.take(bench.core.on_stop(bench.now))
    assert not bench.is_open
    bench.advance(3600)
    bench.take(bench.core.on_stop(bench.now))
    assert bench.state() is State.STOPPED
    assert message_names(bench).count("Hello") == 1


def test_what_the_master_told_of_itself_is_kept_over_a_restart() -> None:
    bench = Bench().ready(fleet=5000, store_id="store", store_commit=42)
    bench.advance(61)
    notes = bench.disk.notes
    assert (notes["fleet"], notes["store_id"], notes["store_commit"]) == ("5000", "store", "42")
    again = Bench(bench.crash()).start().connect()
    assert (again.last(Hello).store_id, again.last(Hello).store_commit) == ("store", 42)
    assert again.core.notes.fleet == 5000


def test_the_masters_commit_is_written_once_a_minute_and_told_at_once() -> None:
    bench = Bench().ready(store_commit=1)
    written = len(bench.disk.notes)
    for number in range(2, 30):
        bench.advance(1)
        clock = to_micros(bench.now.boot)
        beat = bench.last(Beat).number
        bench.hear(MasterBeat(bench.session, number, beat, clock, number))
    assert len(bench.disk.notes) == written
    assert bench.disk.notes["store_commit"] == "1"
    bench.link("disconnected")
    bench.advance_to(State.CONNECTING)
    bench.connect()
    assert bench.last(Hello).store_commit == 29
