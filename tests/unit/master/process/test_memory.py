"""What the master keeps in memory, and for how long: only what may still change."""

import msgspec
import pytest

from limpet.common.control.replies import JobStored
from limpet.common.control.requests import CancelJob
from limpet.common.messages.jobs import BulkOffer, Cancel
from limpet.common.messages.session import Beat, Denied, SyncEntry
from limpet.master.core.settings import MasterSettings
from limpet.master.store.operations import PruneHistory
from support.fakes.honest_minion import HonestMinion
from support.master.master_bench import Bench, MinionOnBench


def in_memory(bench: Bench) -> int:
    return len(bench.core._job_table.jobs)


def lost_jobs(bench: Bench, web1: HonestMinion, number: int) -> list[str]:
    """Make jobs that run and are lost with their minion."""
    jids = []
    for client in range(number):
        jids.append(bench.run(client=client).jid)
        web1.work()
        web1.start(jids[-1])
    bench.advance(80)
    return jids


@pytest.mark.covers("C13")
def test_a_thousand_jobs_leave_nothing_behind() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    for _ in range(1000):
        stored = bench.run()
        web1.work()
        web1.start(stored.jid)
        web1.end(stored.jid)
    core = bench.core
    assert in_memory(bench) == 0
    assert not core._job_table.lanes
    assert len(core._timers) == 3  # the session, the note that it lives, the pruning
    assert len(core._job_table.followers) == 0


def test_history_is_pruned_as_jobs_end_and_every_hour() -> None:
    bench = Bench(["web1"], settings=MasterSettings(history_jobs_max=100))
    for _ in range(600):
        bench.run(is_followed=False)  # the minion is offline: over at once
    assert len(bench.store.jobs) <= 351
    before = len(bench.persisted)
    bench.advance(3700)
    prunes = [
        operation
        for persist in bench.persisted[before:]
        for operation in persist.operations
        if isinstance(operation, PruneHistory)
    ]
    assert len(prunes) == 1
    assert len(bench.store.jobs) == 100


def test_lost_jobs_are_kept_for_late_returns_up_to_a_number() -> None:
    bench = Bench(["web1"], settings=MasterSettings(jobs_ended_max=2))
    web1 = HonestMinion(bench, "web1")
    web1.come()
    jids = lost_jobs(bench, web1, 4)
    assert in_memory(bench) == 2
    for jid in jids:
        web1.end(jid)
    assert [bench.statuses(jid)["web1"] for jid in jids] == ["lost", "lost", "ok", "ok"]
    assert bench.counts.count("late_return") == 2
    assert in_memory(bench) == 0


def test_lost_jobs_older_than_the_history_are_let_go() -> None:
    bench = Bench(["web1"], settings=MasterSettings(history_age_s=1000))
    web1 = HonestMinion(bench, "web1")
    web1.come()
    lost_jobs(bench, web1, 2)
    assert in_memory(bench) == 2
    bench.advance(4000)
    assert in_memory(bench) == 0
    assert not bench.store.jobs


def test_a_wanted_cancel_goes_with_its_job() -> None:
    bench = Bench(["web1"], settings=MasterSettings(history_age_s=1000))
    web1 = HonestMinion(bench, "web1")
    web1.come()
    (jid,) = lost_jobs(bench, web1, 1)
    bench.ask(9, CancelJob(jid))
    assert bench.core._job_table.lanes
    bench.advance(4000)
    assert not bench.core._job_table.lanes


def test_request_ids_are_remembered_up_to_a_number_and_as_long_as_the_job_is_open() -> None:
    bench = Bench(["web1", "web2"], settings=MasterSettings(requests_max=5))
    opened = bench.request("web2", ttl_s=1000)
    requests = [bench.request("web1") for _ in range(20)]
    (first,) = bench.ask(1, opened)
    jids = []
    for request in requests:
        stored = bench.ask(1, request)[0]
        assert isinstance(stored, JobStored)
        jids.append(stored.jid)
    (again,) = bench.ask(2, opened)
    assert isinstance(first, JobStored)
    assert isinstance(again, JobStored)
    assert again.jid == first.jid
    last = bench.ask(2, requests[-1])[0]
    assert isinstance(last, JobStored)
    assert last.jid == jids[-1]
    assert len(bench.core._job_table._requests) <= 7


def test_a_cancel_for_a_journal_that_is_gone_is_not_repeated() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    (jid,) = lost_jobs(bench, web1, 1)
    bench.ask(9, CancelJob(jid))
    anew = MinionOnBench(bench, "web1", host="anew", journal="anew")
    anew.connect()
    assert bench.messages(anew.peer, Cancel) == []
    assert bench.delivery(jid, "web1").cancel == "answered"


def test_a_job_the_user_saw_cancelled_is_cancelled_at_a_minion_that_still_runs_it() -> None:
    bench = Bench(["web1", "web2"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    bench.run("web2", client=3, ttl_s=600)
    stored = bench.run(client=1, ttl_s=600)
    web1.finish(stored.jid, "cancelled")
    answer = web1.connect(SyncEntry(stored.jid, "running"))
    assert [each.verdict for each in answer.verdicts] == ["cancel"]


def test_a_body_of_a_job_that_is_over_for_this_minion_is_not_asked_for() -> None:
    bench = Bench(["web1", "web2"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    stored = bench.run(ttl_s=600)
    web1.finish(stored.jid)
    (ack,) = web1.say(BulkOffer(web1.session, stored.jid, "a" * 64, 1000))
    assert getattr(ack, "offset", 0) == 1000
    assert not bench.store.chunks


def test_a_return_that_claims_too_large_a_body_is_not_taken() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    stored = bench.run()
    said = msgspec.structs.replace(
        web1.returned(stored.jid, body=b""), bulk_digest="a" * 64, bulk_bytes=2**40
    )
    assert web1.say(said) == []
    assert bench.counts == ["oversize"]


def test_words_of_jobs_that_were_not_sent_to_a_minion_change_nothing() -> None:
    bench = Bench(["web1", "web2"])
    web1, web2 = HonestMinion(bench, "web1"), HonestMinion(bench, "web2")
    web1.come()
    web2.come()
    stored = bench.run("web1")
    assert web2.accept(stored.jid) == []
    assert web2.begin(stored.jid) == []
    assert bench.counts == ["not_my_job", "not_my_job"]
    assert bench.statuses(stored.jid) == {"web1": "queued"}


def test_beats_out_of_order_or_echoing_what_was_never_sent_are_turned_away() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    web1.beat()
    assert web1.say(Beat(web1.session, 1, 0, (), "")) == []
    assert web1.say(Beat(web1.session, 2, 99, (), "")) == []
    assert bench.counts == ["bad_beat", "bad_beat"]


def test_connections_that_go_while_they_wait_are_forgotten() -> None:
    bench = Bench(["web1", "web2"], settings=MasterSettings(sync_at_once=1))
    web1, web2 = MinionOnBench(bench, "web1"), MinionOnBench(bench, "web2")
    clone = MinionOnBench(bench, "web1", host="another")
    web1.greet()
    web2.greet()
    bench.carry_out(bench.core.on_peer_gone(bench.now, web2.peer))
    clone.greet()
    bench.carry_out(bench.core.on_peer_gone(bench.now, clone.peer))
    web1.beat()
    web1.sync()
    assert bench.messages(clone.peer, Denied) == []
    assert len(bench.core._registry.admission) == 0
    assert bench.core._registry.admission.inside == 0
    assert set(bench.core._registry._by_peer) == {web1.peer}


def test_a_cancel_that_comes_between_the_end_and_its_commit_keeps_nothing_in_memory() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    stored = bench.run()
    bench.disk_is_slow = True
    web1.finish(stored.jid)
    bench.ask(9, CancelJob(stored.jid))
    bench.commit()
    assert bench.statuses(stored.jid) == {"web1": "ok"}
    assert in_memory(bench) == 0


@pytest.mark.covers("C13")
def test_a_cancel_in_the_moment_of_the_end_keeps_no_job_in_memory() -> None:
    """Found by the simulator: the commit of the cancel came after that of the end."""
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    jid = bench.run().jid
    bench.disk_is_slow = True
    web1.finish(jid)
    bench.ask(9, CancelJob(jid))
    bench.commit()
    assert bench.statuses(jid) == {"web1": "ok"}
    assert in_memory(bench) == 0
