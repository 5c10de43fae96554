"""The delivery table of `docs/protocol.md` as stories: cancels, keys and batches."""

import pytest

from limpet.common.control.replies import JobEnded, JobStored
from limpet.common.control.requests import CancelJob, ChangeKeys
from limpet.common.messages.jobs import (
    Cancel,
    CancelAnswer,
    CancelVerdict,
)
from limpet.common.messages.session import SyncEntry
from support.master.master_bench import Bench, MinionOnBench, delivers, keep_alive, ready

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


def test_a_batch_does_not_wait_for_one_that_is_gone_when_the_master_starts_again() -> None:
    """Found by the simulator: web2 had greeted and was never READY, so nobody called it offline."""
    bench = Bench(["web1", "web2"])
    MinionOnBench(bench, "web1").connect()
    MinionOnBench(bench, "web2").greet()
    stored = bench.run(batch="1")
    bench.crash()
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    web1.finish(stored.jid)
    bench.advance(60)
    assert bench.statuses(stored.jid) == {"web1": "ok", "web2": "offline"}


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
