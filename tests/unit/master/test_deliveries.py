"""Each row of the delivery table in `docs/protocol.md`, as a story."""

import pytest

from limpet.common.control.replies import JobEnded, JobStored, JobUpdate
from limpet.common.control.requests import CancelJob, ChangeKeys
from limpet.common.messages.jobs import (
    Cancel,
    CancelAnswer,
    CancelVerdict,
    Deliver,
    Return,
    ReturnAck,
)
from limpet.common.messages.session import SyncAnswer, SyncEntry, SyncPage
from limpet.master.settings import MasterSettings
from support.master_bench import WALL_S, Bench, MinionOnBench


def ready(*names: str, settings: MasterSettings | None = None) -> tuple[Bench, list[MinionOnBench]]:
    bench = Bench(names, settings=settings or MasterSettings())
    minions = [MinionOnBench(bench, name) for name in names]
    for minion in minions:
        minion.connect()
    return bench, minions


def keep_alive(bench: Bench, minions: list[MinionOnBench], seconds: float) -> None:
    """Let time pass while the minions beat."""
    left = seconds
    while left > 0:
        bench.advance(min(4.0, left))
        left -= 4.0
        for minion in minions:
            minion.beat()


def delivers(bench: Bench, minion: MinionOnBench) -> list[Deliver]:
    return [each for each in bench.messages(minion.peer, Deliver) if isinstance(each, Deliver)]


# -- RunJob and the first send ---------------------------------------------------------------------


@pytest.mark.covers("C1")
def test_nobody_hears_of_a_job_before_it_is_durable() -> None:
    bench, (web1,) = ready("web1")
    bench.disk_is_slow = True
    bench.ask(1, bench.request())
    assert bench.answers.get(1) is None
    assert delivers(bench, web1) == []
    bench.commit()
    (stored,) = bench.answers[1]
    assert isinstance(stored, JobStored)
    (deliver,) = delivers(bench, web1)
    assert deliver.jid == stored.jid
    row = bench.delivery(stored.jid, "web1")
    assert (row.state, row.journal_id) == ("bound", web1.journal_id)


def test_one_job_finds_each_minion_as_it_is() -> None:
    bench = Bench(["ready", "away", "back", "never"])
    minions = {name: MinionOnBench(bench, name) for name in ("ready", "away", "back")}
    minions["away"].connect()
    bench.advance(20)
    minions["back"].connect()
    minions["ready"].connect()
    bench.carry_out(bench.core.on_peer_gone(bench.now, minions["back"].peer))

    stored = bench.run()
    shown = {each.minion: (each.status, each.since_s) for each in stored.results}
    assert shown == {
        "away": ("offline", WALL_S),
        "back": ("queued", WALL_S + 20),
        "never": ("offline", 0.0),
        "ready": ("queued", WALL_S + 20),
    }
    assert not stored.is_ended
    minions["back"].connect()
    assert [each.jid for each in delivers(bench, minions["back"])] == [stored.jid]


def test_with_a_ttl_the_job_waits_for_those_who_are_offline() -> None:
    bench = Bench(["web1"])
    stored = bench.run(ttl_s=3600)
    assert bench.statuses(stored.jid) == {"web1": "queued"}
    bench.advance(3000)
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    assert [each.jid for each in delivers(bench, web1)] == [stored.jid]


def test_a_job_for_nobody_that_is_there_is_over_at_once() -> None:
    bench = Bench(["web1"])
    stored = bench.run()
    assert stored.is_ended
    assert bench.answers[1][-1] == JobEnded(stored.jid)
    assert bench.job(stored.jid).ended_s > 0
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    assert delivers(bench, web1) == []


def test_the_time_to_live_is_told_on_the_masters_clock() -> None:
    bench, (web1,) = ready("web1")
    bench.run(ttl_s=100)
    (deliver,) = delivers(bench, web1)
    assert deliver.expires_at == pytest.approx((bench.now.boot + 100) * 1e6, abs=10)
    bench.run()
    assert delivers(bench, web1)[1].expires_at == pytest.approx((bench.now.boot + 30) * 1e6, abs=10)


# -- no answer -------------------------------------------------------------------------------------


@pytest.mark.covers("E5")
def test_an_unanswered_delivery_is_sent_again_every_five_seconds_until_accepted() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    keep_alive(bench, [web1], 12)
    assert [each.jid for each in delivers(bench, web1)] == [stored.jid] * 3
    web1.accept(stored.jid)
    keep_alive(bench, [web1], 20)
    assert len(delivers(bench, web1)) == 3


@pytest.mark.covers("B16")
def test_after_a_reconnect_it_is_sent_again_to_the_same_journal() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    bench.carry_out(bench.core.on_peer_gone(bench.now, web1.peer))
    web1.connect()
    assert [each.jid for each in delivers(bench, web1)] == [stored.jid]


def test_a_slow_disk_does_not_pile_up_sends() -> None:
    bench, (web1,) = ready("web1")
    bench.disk_is_slow = True
    bench.ask(1, bench.request())
    keep_alive(bench, [web1], 20)
    assert len(bench.held) <= 3
    bench.commit()
    assert len(delivers(bench, web1)) == 1


def test_only_so_many_deliveries_are_under_way_to_one_minion() -> None:
    bench, (web1,) = ready("web1", settings=MasterSettings(in_flight_max=2))
    jids = [bench.run(client=number).jid for number in range(5)]
    assert [each.jid for each in delivers(bench, web1)] == jids[:2]
    web1.accept(jids[0])
    assert [each.jid for each in delivers(bench, web1)] == jids[:3]
    web1.finish(jids[1])
    assert [each.jid for each in delivers(bench, web1)] == jids[:4]


# -- accepted, started, returned -------------------------------------------------------------------


def test_a_job_runs_and_returns_and_all_is_told_in_order() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    web1.accept(stored.jid)
    web1.begin(stored.jid)
    bench.advance(2)
    (ack,) = web1.finish(stored.jid, body=b"\xa2hi")
    assert ack == ReturnAck(web1.session, stored.jid)
    statuses = [each.status for each in bench.updates()]
    assert statuses == ["running", "ok"]
    assert bench.updates()[-1].body == b"\xa2hi"
    assert isinstance(bench.answers[1][-1], JobEnded)
    assert list(bench.store.bodies.values()) == [b"\xa2hi"]
    assert [event.tag for event in bench.events if event.tag.startswith("job/")] == [
        f"job/{stored.jid}/new",
        f"job/{stored.jid}/return/web1",
        f"job/{stored.jid}/ended",
    ]


@pytest.mark.covers("C2")
def test_a_return_is_acknowledged_only_once_it_is_durable() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    bench.disk_is_slow = True
    assert web1.finish(stored.jid) == []
    assert web1.finish(stored.jid) == []  # again, before the first is durable
    assert bench.updates() == []
    bench.commit()
    assert len(bench.messages(web1.peer, ReturnAck)) == 2
    assert [each.status for each in bench.updates()] == ["ok"]


@pytest.mark.covers("B-37", "A19")
def test_the_first_durable_return_wins() -> None:
    bench, (web1, _web2) = ready("web1", "web2")
    stored = bench.run()
    web1.finish(stored.jid, "failed", error="first")
    (ack,) = web1.finish(stored.jid, "ok")
    assert isinstance(ack, ReturnAck)
    assert bench.statuses(stored.jid)["web1"] == "failed"
    assert bench.counts == ["late_return"]


@pytest.mark.covers("B-37", "B-38")
def test_a_return_of_a_job_that_was_not_sent_to_this_key_is_dropped() -> None:
    bench, (web1, web2) = ready("web1", "web2")
    stored = bench.run("web1")
    assert web2.finish(stored.jid) == []
    assert bench.counts == ["not_my_job"]
    assert bench.statuses(stored.jid) == {"web1": "queued"}
    assert web1.accept(stored.jid) == []


@pytest.mark.covers("C17")
def test_a_return_that_nobody_knows_is_acknowledged_and_kept_as_an_event() -> None:
    bench, (web1,) = ready("web1")
    jid = "01HF7YAT000000000000000000"
    (ack,) = web1.finish(jid)
    assert ack == ReturnAck(web1.session, jid)
    assert bench.events[-1].tag == f"job/{jid}/orphan"
    assert bench.counts == ["unknown_job"]
    for _ in range(200):
        web1.finish(jid)
    assert sum(1 for event in bench.events if event.tag.endswith("orphan")) <= 60


def test_a_return_counts_in_any_session_of_its_key() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    said = web1.returned(stored.jid)
    bench.carry_out(bench.core.on_peer_gone(bench.now, web1.peer))
    web1.hello()  # a new socket that has not greeted
    (ack,) = web1.say(said)
    assert isinstance(ack, ReturnAck)
    assert bench.statuses(stored.jid) == {"web1": "ok"}


def test_a_late_return_of_a_job_that_has_left_memory_is_no_orphan() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    web1.finish(stored.jid)
    (ack,) = web1.finish(stored.jid)
    assert isinstance(ack, ReturnAck)
    assert bench.counts == ["late_return"]
    assert not [event for event in bench.events if event.tag.endswith("orphan")]


# -- another journal -------------------------------------------------------------------------------


@pytest.mark.covers("D6")
def test_a_reimaged_minion_is_not_handed_what_it_may_have_run() -> None:
    bench, (web1,) = ready("web1")
    sent = bench.run(client=1)
    running = bench.run(client=2)
    web1.accept(running.jid)
    bench.advance(60)
    waiting = bench.run(client=3, ttl_s=1000)

    reimaged = MinionOnBench(bench, "web1", host="web1 anew", journal="empty")
    reimaged.connect()
    assert [each.jid for each in delivers(bench, reimaged)] == [waiting.jid]
    assert bench.statuses(sent.jid) == {"web1": "offline"}
    assert bench.statuses(running.jid) == {"web1": "lost"}
    assert "journal was replaced" in bench.delivery(running.jid, "web1").error


def test_what_is_bound_to_a_replaced_journal_is_lost() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run(ttl_s=1000)
    web1.journal_id = "0" * 32
    web1.connect()
    assert bench.statuses(stored.jid) == {"web1": "lost"}
    assert delivers(bench, web1) == []


# -- offline ---------------------------------------------------------------------------------------


def test_a_stopped_minion_is_queued_then_offline_and_from_then_on_at_once() -> None:
    bench, (_web1, web2) = ready("web1", "web2")
    first = bench.run(client=1)
    web2.finish(first.jid)
    assert bench.statuses(first.jid) == {"web1": "queued", "web2": "ok"}
    keep_alive(bench, [web2], 15.5)
    assert bench.statuses(first.jid) == {"web1": "offline", "web2": "ok"}
    assert isinstance(bench.answers[1][-1], JobEnded)
    (offline,) = [each for each in bench.updates(1) if each.minion == "web1"]
    assert offline.since_s == WALL_S  # when it was last heard

    second = bench.run(client=2)
    assert {each.minion: each.status for each in second.results}["web1"] == "offline"
    web2.finish(second.jid)
    assert isinstance(bench.answers[2][-1], JobEnded)


def test_what_was_offline_is_never_sent_again_and_a_return_corrects_it() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    bench.advance(20)
    assert bench.statuses(stored.jid) == {"web1": "offline"}
    web1.connect()
    assert delivers(bench, web1) == []
    web1.finish(stored.jid, "ok")
    assert bench.statuses(stored.jid) == {"web1": "ok"}


@pytest.mark.covers("D4")
def test_a_running_job_is_lost_a_minute_after_its_minion_went_offline() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    web1.accept(stored.jid)
    web1.begin(stored.jid)
    bench.advance(74)
    assert bench.statuses(stored.jid) == {"web1": "running"}
    bench.advance(2)
    assert bench.statuses(stored.jid) == {"web1": "lost"}
    assert isinstance(bench.answers[1][-1], JobEnded)
    web1.connect(SyncEntry(stored.jid, "finished"))
    web1.finish(stored.jid, "interrupted")
    assert bench.statuses(stored.jid) == {"web1": "interrupted"}


@pytest.mark.covers("C14")
def test_a_lost_job_that_turns_out_to_run_is_running_again() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    web1.accept(stored.jid)
    bench.advance(80)
    answer = web1.connect(SyncEntry(stored.jid, "running"))
    assert answer.verdicts[0].verdict == "adopt"
    assert bench.statuses(stored.jid) == {"web1": "running"}
    assert bench.job(stored.jid).ended_s == 0
    web1.finish(stored.jid)
    assert bench.statuses(stored.jid) == {"web1": "ok"}
    assert bench.job(stored.jid).ended_s > 0


def test_a_minion_that_comes_back_in_time_keeps_its_running_job() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    web1.begin(stored.jid)
    bench.advance(60)
    web1.connect(SyncEntry(stored.jid, "running"))
    keep_alive(bench, [web1], 100)
    assert bench.statuses(stored.jid) == {"web1": "running"}


# -- ttl -------------------------------------------------------------------------------------------


def test_what_was_never_sent_expires_when_its_ttl_passes() -> None:
    bench = Bench(["web1"])
    stored = bench.run(ttl_s=60)
    bench.advance(59.9)
    assert bench.statuses(stored.jid) == {"web1": "queued"}
    bench.advance(0.2)
    assert bench.statuses(stored.jid) == {"web1": "expired"}
    assert isinstance(bench.answers[1][-1], JobEnded)


def test_what_was_sent_is_judged_by_the_minion() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run(ttl_s=6)
    keep_alive(bench, [web1], 8)
    assert bench.statuses(stored.jid) == {"web1": "queued"}
    web1.finish(stored.jid, "expired", body=b"")
    assert bench.statuses(stored.jid) == {"web1": "expired"}


def test_what_was_sent_to_one_that_stays_away_expires_ten_seconds_later() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run(ttl_s=60)
    bench.advance(69.9)
    assert bench.statuses(stored.jid) == {"web1": "queued"}
    bench.advance(0.2)
    assert bench.statuses(stored.jid) == {"web1": "expired"}
    web1.connect()
    assert delivers(bench, web1) == []
    web1.finish(stored.jid, "ok")
    assert bench.statuses(stored.jid) == {"web1": "ok"}


# -- cancel ----------------------------------------------------------------------------------------


def test_what_was_never_sent_is_cancelled_at_once() -> None:
    bench = Bench(["web1"])
    stored = bench.run(ttl_s=600)
    (answer,) = bench.ask(2, CancelJob(stored.jid))
    assert isinstance(answer, JobStored)
    assert answer.results[0].status == "cancelled"
    assert answer.is_ended
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    assert delivers(bench, web1) == []


def test_a_cancel_is_durable_before_it_is_sent_and_is_repeated_until_answered() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    web1.begin(stored.jid)
    bench.disk_is_slow = True
    bench.ask(2, CancelJob(stored.jid))
    assert bench.messages(web1.peer, Cancel) == []
    bench.commit()
    bench.disk_is_slow = False
    assert bench.messages(web1.peer, Cancel) == [Cancel(web1.session, stored.jid)]
    keep_alive(bench, [web1], 6)
    assert len(bench.messages(web1.peer, Cancel)) == 2
    web1.say(CancelAnswer(web1.session, stored.jid, "cancelling"))
    keep_alive(bench, [web1], 20)
    assert len(bench.messages(web1.peer, Cancel)) == 2
    assert bench.statuses(stored.jid) == {"web1": "running"}
    web1.finish(stored.jid, "cancelled")
    assert bench.statuses(stored.jid) == {"web1": "cancelled"}


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [("cancelled", "cancelled"), ("cancelling", "queued"), ("finished", "queued")],
)
def test_the_answer_to_a_cancel_says_what_is_known(verdict: CancelVerdict, shown: str) -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    bench.ask(2, CancelJob(stored.jid))
    web1.say(CancelAnswer(web1.session, stored.jid, verdict))
    assert bench.statuses(stored.jid) == {"web1": shown}
    row = bench.delivery(stored.jid, "web1")
    assert row.cancel == "answered"


def test_an_open_cancel_outlives_sessions_and_the_master() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    web1.begin(stored.jid)
    bench.carry_out(bench.core.on_peer_gone(bench.now, web1.peer))
    bench.ask(2, CancelJob(stored.jid))
    bench.crash()
    answer = web1.connect(SyncEntry(stored.jid, "running"))
    assert answer.verdicts[0].verdict == "cancel"
    assert len(bench.messages(web1.peer, Cancel)) == 1
    web1.finish(stored.jid, "cancelled")
    keep_alive(bench, [web1], 10)
    assert len(bench.messages(web1.peer, Cancel)) == 1


def test_a_job_that_is_lost_can_still_be_cancelled() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    web1.begin(stored.jid)
    bench.advance(80)
    bench.ask(2, CancelJob(stored.jid))
    bench.crash()
    assert web1.connect(SyncEntry(stored.jid, "running")).verdicts[0].verdict == "cancel"


def test_some_minions_of_a_job_can_be_cancelled() -> None:
    bench, (web1, web2) = ready("web1", "web2")
    stored = bench.run()
    bench.ask(2, CancelJob(stored.jid, ("web2",)))
    assert bench.messages(web1.peer, Cancel) == []
    assert len(bench.messages(web2.peer, Cancel)) == 1


# -- keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["reject", "delete"])
def test_a_key_that_is_turned_out_is_shut_out_in_the_same_turn(action: str) -> None:
    bench, (web1, web2) = ready("web1", "web2")
    sent = bench.run(client=1)
    web2.finish(sent.jid)
    bench.carry_out(bench.core.on_peer_gone(bench.now, web1.peer))
    queued = bench.run(client=2)
    web2.finish(queued.jid)
    web1.connect()
    assert bench.statuses(queued.jid)["web1"] == "queued"
    late = bench.run(client=3)
    peer = web1.peer
    bench.disk_is_slow = True
    bench.ask(9, ChangeKeys(action, ("web1",), False, False))  # type: ignore[arg-type]
    assert peer in bench.disconnected
    assert not bench.core.is_key_accepted(web1.key)
    assert web1.finish(late.jid) == []
    assert bench.counts[-1] == "revoked_key"
    bench.commit()
    assert bench.statuses(sent.jid)["web1"] == "lost"
    assert bench.statuses(late.jid)["web1"] == "lost"
    bench.crash()
    assert not bench.core.is_key_accepted(web1.key)


def test_what_was_never_sent_to_a_rejected_key_is_refused() -> None:
    bench = Bench(["web1"])
    stored = bench.run(ttl_s=600)
    bench.ask(9, ChangeKeys("reject", ("web1",), False, False))
    assert bench.statuses(stored.jid) == {"web1": "refused"}
    assert isinstance(bench.answers[1][-1], JobEnded)


def test_a_key_accepted_again_is_ready_again() -> None:
    bench, (web1,) = ready("web1")
    bench.ask(9, ChangeKeys("reject", ("web1",), False, False))
    bench.ask(9, ChangeKeys("accept", ("web1",), False, False))
    web1.connect()
    stored = bench.run()
    web1.finish(stored.jid)
    assert bench.statuses(stored.jid) == {"web1": "ok"}


def test_the_return_of_a_key_that_was_replaced_is_not_taken() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    bench.ask(9, ChangeKeys("delete", ("web1",), False, False))
    bench.ask(9, ChangeKeys("accept", ("web1",), False, False))
    assert bench.statuses(stored.jid) == {"web1": "lost"}
    assert web1.finish(stored.jid) == []


# -- batch -----------------------------------------------------------------------------------------


@pytest.mark.covers("C16")
def test_a_batch_lets_only_so_many_run_at_once() -> None:
    names = [f"web{number}" for number in range(5)]
    bench, minions = ready(*names)
    stored = bench.run(batch="2")
    started = [each for each in minions if delivers(bench, each)]
    assert started == minions[:2]
    minions[1].accept(stored.jid)
    minions[1].finish(stored.jid)
    assert len(delivers(bench, minions[2])) == 1
    assert delivers(bench, minions[3]) == []
    for minion in (0, 2, 3, 4):
        minions[minion].finish(stored.jid)
    assert set(bench.statuses(stored.jid).values()) == {"ok"}
    assert isinstance(bench.answers[1][-1], JobEnded)


def test_a_batch_goes_on_after_a_restart_of_the_master() -> None:
    names = [f"web{number}" for number in range(4)]
    bench, minions = ready(*names)
    stored = bench.run(batch="50%")
    minions[0].finish(stored.jid)
    bench.crash()
    for minion in minions:
        minion.connect()
    active = [each.name for each in minions if delivers(bench, each)]
    assert active == ["web1", "web2"]
    for minion in minions[1:]:
        minion.finish(stored.jid)
    assert set(bench.statuses(stored.jid).values()) == {"ok"}


def test_a_batch_does_not_wait_for_those_who_are_gone() -> None:
    bench, (_web1, web2, web3) = ready("web1", "web2", "web3")
    stored = bench.run(batch="1")
    keep_alive(bench, [web2, web3], 16)
    assert bench.statuses(stored.jid)["web1"] == "offline"
    assert len(delivers(bench, web2)) == 1
    web2.finish(stored.jid)
    web3.finish(stored.jid)
    assert isinstance(bench.answers[1][-1], JobEnded)


def test_a_batch_with_a_ttl_passes_over_absent_minions_until_they_come() -> None:
    bench = Bench(["web1", "web2"])
    web2 = MinionOnBench(bench, "web2")
    web2.connect()
    stored = bench.run(batch="1", ttl_s=600)
    assert len(delivers(bench, web2)) == 1
    web2.finish(stored.jid)
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    assert len(delivers(bench, web1)) == 1


# -- what the minion no longer knows ---------------------------------------------------------------


def test_a_running_job_that_sync_does_not_list_is_lost() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    web1.accept(stored.jid)
    web1.connect()
    assert bench.statuses(stored.jid) == {"web1": "lost"}
    assert delivers(bench, web1) == []


def test_a_job_that_runs_for_an_hour_is_asked_after() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    web1.begin(stored.jid)
    keep_alive(bench, [web1], 3610)
    assert len(delivers(bench, web1)) == 2
    assert bench.statuses(stored.jid) == {"web1": "running"}


# -- SYNC ------------------------------------------------------------------------------------------


@pytest.mark.covers("C14")
def test_sync_adopts_what_runs_and_asks_for_what_is_finished() -> None:
    bench, (web1,) = ready("web1")
    bench.run(client=1)
    jids = [bench.run(client=number).jid for number in range(2, 5)]
    web1.finish(jids[2])
    bench.crash()
    orphan = "01HF7YAT000000000000000000"
    answer = web1.connect(
        SyncEntry(jids[0], "running"),
        SyncEntry(jids[1], "finished"),
        SyncEntry(jids[2], "finished"),
        SyncEntry(orphan, "running"),
    )
    assert [each.verdict for each in answer.verdicts] == ["adopt", "resend", "resend", "unknown"]
    assert bench.statuses(jids[0]) == {"web1": "running"}
    web1.finish(jids[1])
    (ack,) = web1.finish(jids[2])
    assert isinstance(ack, ReturnAck)
    assert bench.statuses(jids[1]) == bench.statuses(jids[2]) == {"web1": "ok"}


def test_sync_acknowledges_a_return_only_once_it_is_durable() -> None:
    bench, (web1, web2) = ready("web1", "web2")
    stored = bench.run()
    bench.disk_is_slow = True
    web1.finish(stored.jid)
    web1.hello()
    web1.take(web1.say(web1.greeting()))
    entries = (SyncEntry(stored.jid, "finished"),)
    assert web1.say(SyncPage(web1.session, 0, True, entries)) == []
    bench.commit()
    (answer,) = bench.messages(web1.peer, SyncAnswer)
    assert isinstance(answer, SyncAnswer)
    assert answer.verdicts[0].verdict == "acknowledge"
    assert web2.finish(stored.jid) == []


def test_no_delivery_overtakes_the_answer_to_sync() -> None:
    bench, (web1,) = ready("web1")
    old = bench.run(client=1)
    running = bench.run(client=2)
    web1.take(web1.say(web1.hello()))
    bench.disk_is_slow = True
    entries = (SyncEntry(running.jid, "running"),)
    assert web1.say(SyncPage(web1.session, 0, True, entries)) == []
    bench.commit()
    kinds = [type(each) for to, each in bench.sent if to == web1.peer]
    assert kinds[-2:] == [SyncAnswer, Deliver]
    assert delivers(bench, web1)[0].jid == old.jid


def test_updates_wait_for_their_own_commit() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    bench.disk_is_slow = True
    web1.accept(stored.jid)
    assert bench.updates() == []
    said = web1.returned(stored.jid)
    assert isinstance(said, Return)
    web1.say(said)
    bench.commit(upto=bench.waiting[0].commit)
    assert [each.status for each in bench.updates()] == ["running"]
    bench.commit()
    assert [each.status for each in bench.updates()] == ["running", "ok"]
    assert isinstance(bench.answers[1][-2], JobUpdate)
