"""The delivery table of `docs/protocol.md` as stories: minions that are away, and time to live."""

import pytest

from limpet.common.control.replies import JobEnded
from limpet.common.messages.session import SyncEntry
from support.master.master_bench import WALL_S, Bench, delivers, keep_alive, ready

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
