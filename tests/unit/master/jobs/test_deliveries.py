"""The delivery table of `docs/protocol.md` as stories: sent, answered, returned."""

import pytest

from limpet.common.control.replies import JobEnded, JobStored, JobUpdate
from limpet.common.identifiers import JobId, MinionId
from limpet.common.messages.jobs import (
    Deliver,
    Outcome,
    Return,
    ReturnAck,
)
from limpet.common.messages.session import SyncAnswer, SyncEntry, SyncPage
from limpet.master.core.settings import MasterSettings
from support.master.master_bench import WALL_S, Bench, MinionOnBench, delivers, keep_alive, ready

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


def test_the_master_is_at_rest_while_no_answer_is_outstanding() -> None:
    bench, (web1, web2) = ready("web1", "web2")
    assert bench.core.is_at_rest
    stored = bench.run()
    web1.finish(stored.jid)
    assert not bench.core.is_at_rest
    web2.finish(stored.jid)
    assert bench.core.is_at_rest


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
    web1.accept(stored.jid)
    bench.disk_is_slow = True
    assert web1.finish(stored.jid) == []
    assert web1.finish(stored.jid) == []  # again, before the first is durable
    assert bench.updates() == []
    bench.commit()
    assert len(bench.messages(web1.peer, ReturnAck)) == 2
    assert [each.status for each in bench.updates()] == ["ok"]


@pytest.mark.parametrize("outcome", ["ok", "refused", "expired"])
def test_what_no_journal_of_the_minion_keeps_is_not_acknowledged(outcome: Outcome) -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    assert web1.finish(stored.jid, outcome) == []
    assert bench.statuses(stored.jid) == {"web1": outcome}
    assert bench.store.deliveries[JobId(stored.jid)][MinionId("web1")].state == outcome


def test_a_return_that_comes_again_is_acknowledged_though_it_was_never_accepted() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()  # and its Accepted is lost
    bench.disk_is_slow = True
    assert web1.finish(stored.jid) == []
    bench.advance(5)
    assert web1.finish(stored.jid) == []
    bench.commit()
    assert len(bench.messages(web1.peer, ReturnAck)) == 1


def test_a_return_of_what_a_sync_has_named_is_acknowledged_at_once() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()  # and its Accepted is lost with the connection
    answer = web1.connect(SyncEntry(stored.jid, "finished"))
    assert [each.verdict for each in answer.verdicts] == ["resend"]
    (ack,) = web1.finish(stored.jid)
    assert isinstance(ack, ReturnAck)


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
    web1.accept(stored.jid)
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
    web1.begin(stored.jid)
    assert bench.updates() == []
    said = web1.returned(stored.jid)
    assert isinstance(said, Return)
    web1.say(said)
    bench.commit(upto=bench.waiting[0].commit)
    assert [each.status for each in bench.updates()] == ["running"]
    bench.commit()
    assert [each.status for each in bench.updates()] == ["running", "ok"]
    assert isinstance(bench.answers[1][-2], JobUpdate)
