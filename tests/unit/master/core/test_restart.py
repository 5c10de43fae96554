"""The master dies at every point of a job's life, and begins again from what was durable."""

import hashlib
from collections.abc import Callable

import msgspec
import pytest

from limpet.common.control.replies import JobEnded, JobStored
from limpet.common.control.requests import CancelJob, RunJob, WatchJob
from limpet.common.messages.jobs import BulkAck, BulkChunk, BulkOffer, Deliver
from limpet.master.core.settings import MasterSettings
from limpet.master.core.store_identity import RESTORED_NOTE
from limpet.master.store.operations import ChangeJob, PutJob
from support.fakes.honest_minion import HonestMinion
from support.master.master_bench import Bench


class Story:
    """One job on one minion, step by step; a client asks again when it was cut off."""

    def __init__(self) -> None:
        self.bench = Bench(["web1"])
        self.web1 = HonestMinion(self.bench, "web1")
        self.web1.come()
        self.request: RunJob = self.bench.request("web1")
        self.jid = ""

    def ask(self) -> None:
        replies = self.bench.ask(1, self.request)
        for reply in replies:
            if isinstance(reply, JobStored):
                assert self.jid in ("", reply.jid), "one request became two jobs"
                self.jid = reply.jid

    def deliver(self) -> None:
        self.web1.work()

    def start(self) -> None:
        self.web1.start(self.jid)

    def end(self) -> None:
        self.web1.end(self.jid)

    def settle(self) -> None:
        self.web1.work()

    STEPS = ("ask", "deliver", "start", "end", "settle")

    def step(self, name: str) -> None:
        act: Callable[[], None] = getattr(self, name)
        act()


@pytest.mark.covers("A1", "C1", "C2", "C8", "C14")
@pytest.mark.parametrize("is_lost", [False, True], ids=["kept", "commit lost"])
@pytest.mark.parametrize("crash_at", range(5))
def test_the_job_ends_once_and_runs_once_wherever_the_master_dies(
    crash_at: int, is_lost: bool
) -> None:
    story = Story()
    bench, web1 = story.bench, story.web1
    for number, name in enumerate(Story.STEPS):
        if number == crash_at:
            bench.disk_is_slow = is_lost
            story.step(name)
            bench.crash(down_s=2)
            bench.disk_is_slow = False
            web1.come()
            story.ask()
            web1.work()
        else:
            story.step(name)
    for name in Story.STEPS[1:]:
        story.step(name)
    assert bench.statuses(story.jid) == {"web1": "ok"}
    assert len(bench.store.jobs) == 1
    assert web1.runs == {story.jid: 1}
    assert web1.jobs == {story.jid: "acknowledged"}
    story.ask()
    assert isinstance(bench.answers[1][-1], JobEnded)


@pytest.mark.covers("C1")
def test_a_job_that_was_stored_and_never_sent_is_sent_after_the_restart() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    bench.carry_out(bench.core.on_peer_gone(bench.now, web1.peer))
    stored = bench.run()
    bench.crash(down_s=1)
    bench.advance(20)
    web1.come()
    assert web1.jobs == {stored.jid: "accepted"}


def test_the_expiry_of_what_was_never_sent_goes_on_after_the_restart() -> None:
    bench = Bench(["web1"])
    stored = bench.run(ttl_s=100)
    bench.crash(down_s=60)
    bench.advance(39)
    assert bench.statuses(stored.jid) == {"web1": "queued"}
    bench.advance(2)
    assert bench.statuses(stored.jid) == {"web1": "expired"}


def test_a_queued_job_of_one_that_does_not_come_back_is_offline_after_thirty_seconds() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    stored = bench.run()
    bench.crash(down_s=1)
    bench.advance(29.5)
    assert bench.statuses(stored.jid) == {"web1": "queued"}
    bench.advance(1)
    assert bench.statuses(stored.jid) == {"web1": "offline"}
    bench.crash()
    web1.come()
    assert bench.messages(web1.peer, Deliver) == []
    web1.jobs[stored.jid] = "running"
    web1.end(stored.jid)
    assert bench.statuses(stored.jid) == {"web1": "ok"}


def test_in_a_large_fleet_a_job_waits_for_as_long_as_the_way_back_is_spread_over() -> None:
    fleet = 12_000  # the last of them tries again after forty seconds
    bench = Bench([f"web{number}" for number in range(1, fleet + 1)])
    web1, web2, web3 = (HonestMinion(bench, name) for name in ("web1", "web2", "web3"))
    for minion in (web1, web2, web3):
        minion.come()
    bench.disk_is_slow = True  # the master dies before anything has left
    bench.ask(1, bench.request("web[1-3]"))
    bench.commit()
    bench.crash(down_s=1)
    bench.disk_is_slow = False
    (jid,) = bench.store.jobs
    bench.advance(fleet / 300)
    web1.come()
    assert web1.jobs == {jid: "accepted"}
    bench.advance(35)
    web2.come()
    assert web2.jobs == {jid: "accepted"}
    bench.advance(10)
    assert bench.statuses(jid)["web3"] == "offline"


def test_a_ttl_and_settings_that_are_given_stay_as_they_are_in_a_large_fleet() -> None:
    usual, given = MasterSettings(), MasterSettings(default_ttl_s=20, return_grace_s=10)
    for fleet, way_back_s in ((1, 30), (4_500, 30), (10_000, 20_000 / 300)):
        assert usual.default_ttl(fleet) == usual.return_grace(fleet) == way_back_s
        assert (given.default_ttl(fleet), given.return_grace(fleet)) == (20, 10)
    bench = Bench([f"web{number}" for number in range(12_000)])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    stored = bench.run("web1", ttl_s=5)
    usual_one = bench.run("web1")
    now = bench.now.wall
    assert bench.delivery(stored.jid, "web1").expires_s == now + 5
    assert bench.delivery(usual_one.jid, "web1").expires_s == now + 80


def test_a_running_job_of_one_that_does_not_come_back_is_lost_and_still_corrected() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    stored = bench.run()
    web1.work()
    web1.start(stored.jid)
    bench.crash()
    bench.advance(89)
    assert bench.statuses(stored.jid) == {"web1": "running"}
    bench.advance(2)
    assert bench.statuses(stored.jid) == {"web1": "lost"}
    bench.crash()
    web1.end(stored.jid)
    web1.come()
    assert bench.statuses(stored.jid) == {"web1": "ok"}


def test_a_new_minion_that_was_offline_at_the_restart_loses_its_running_job_after_a_minute() -> (
    None
):
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    stored = bench.run()
    web1.work()
    web1.start(stored.jid)
    bench.advance(30)
    bench.crash()
    bench.advance(61)
    assert bench.statuses(stored.jid) == {"web1": "lost"}


def test_a_follower_that_comes_back_hears_the_rest() -> None:
    bench = Bench(["web1", "web2"])
    web1, web2 = HonestMinion(bench, "web1"), HonestMinion(bench, "web2")
    web1.come()
    web2.come()
    stored = bench.run()
    for minion in (web1, web2):
        minion.work()
        minion.start(stored.jid)
    web1.end(stored.jid)
    bench.crash(down_s=5)
    (again,) = bench.ask(7, WatchJob(stored.jid, is_streamed=False, is_followed=True))
    assert isinstance(again, JobStored)
    assert {each.minion: each.status for each in again.results} == {"web1": "ok", "web2": "running"}
    assert again.results[0].body == b"\xc3"
    web2.come()
    web2.end(stored.jid)
    assert [each.minion for each in bench.updates(7)] == ["web2"]
    assert bench.answers[7][-1] == JobEnded(stored.jid)


def test_a_cancel_that_was_not_durable_was_never_answered() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    stored = bench.run()
    web1.work()
    web1.start(stored.jid)
    bench.disk_is_slow = True
    bench.ask(2, CancelJob(stored.jid))
    assert bench.answers.get(2) is None
    bench.crash()
    bench.disk_is_slow = False
    web1.come()
    assert bench.statuses(stored.jid) == {"web1": "running"}


@pytest.mark.covers("B-17")
def test_a_large_body_goes_on_from_what_was_durable() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    stored = bench.run()
    body = b"0123456789" * 10
    digest = hashlib.sha256(body).hexdigest()
    web1.say(BulkOffer(web1.session, stored.jid, digest, len(body)))
    web1.say(BulkChunk(web1.session, stored.jid, digest, 0, body[:40]))
    bench.disk_is_slow = True
    assert web1.say(BulkChunk(web1.session, stored.jid, digest, 40, body[40:70])) == []
    bench.crash()
    bench.disk_is_slow = False
    web1.come()
    (ack,) = web1.say(BulkOffer(web1.session, stored.jid, digest, len(body)))
    assert isinstance(ack, BulkAck)
    assert ack.offset == 40


@pytest.mark.covers("C17")
def test_a_restored_backup_begins_a_new_epoch_and_sends_nothing_of_before() -> None:
    bench = Bench(["web1", "web2"])
    web1, web2 = HonestMinion(bench, "web1"), HonestMinion(bench, "web2")
    web1.come()
    web2.come()
    bench.carry_out(bench.core.on_peer_gone(bench.now, web1.peer))
    queued = bench.run("web1", client=1, ttl_s=3600)
    running = bench.run("web2", client=2)
    web2.work()
    web2.start(running.jid)
    backup = bench.store.copy()
    old_id = bench.store.notes["store_id"]

    web1.come()  # the queued job is sent and runs after the backup was made
    web1.start(queued.jid)
    web1.end(queued.jid)
    web1.work()
    web2.end(running.jid)
    web2.work()
    web1.beat()
    web1.beat()
    bench.store = backup
    bench.crash()
    web1.come()
    assert bench.store.notes["store_id"] != old_id
    assert bench.statuses(queued.jid) == {"web1": "expired"}
    assert "backup" in bench.delivery(queued.jid, "web1").error
    assert bench.messages(web1.peer, Deliver) == []
    assert web1.runs[queued.jid] == 1
    web2.come()  # its return was acknowledged by the state that is gone
    assert bench.statuses(running.jid) == {"web2": "lost"}
    new = bench.run("web1", client=3)
    web1.work()
    assert web1.jobs[new.jid] == "accepted"
    assert any(event.tag == "master/epoch" for event in bench.events)


def test_a_store_restored_by_command_sends_nothing_of_before_even_if_nobody_saw_more() -> None:
    bench = Bench(["web1", "web2"])
    web1, web2 = HonestMinion(bench, "web1"), HonestMinion(bench, "web2")
    web1.come()
    web2.come()
    bench.carry_out(bench.core.on_peer_gone(bench.now, web1.peer))
    queued = bench.run("web1", client=1, ttl_s=3600)
    running = bench.run("web2", client=2)
    web2.work()
    web2.start(running.jid)
    old_id = bench.store.notes["store_id"]
    bench.store.notes[RESTORED_NOTE] = "1.0"
    bench.crash()
    web1.come()
    assert bench.store.notes["store_id"] != old_id
    assert bench.statuses(queued.jid) == {"web1": "expired"}
    assert bench.messages(web1.peer, Deliver) == []
    web2.come()  # what runs goes on, and is heard
    web2.end(running.jid)
    web2.work()
    assert bench.statuses(running.jid) == {"web2": "ok"}
    new_id = bench.store.notes["store_id"]
    bench.crash()  # heeded once
    assert bench.store.notes["store_id"] == new_id


def test_a_commit_the_minion_saw_and_the_store_has_is_no_new_epoch() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    web1.beat()
    web1.beat()
    old_id = bench.store.notes["store_id"]
    bench.crash()
    web1.come()
    assert bench.store.notes["store_id"] == old_id


@pytest.mark.parametrize("made_up", [2**53, 10_000 << 20, 10_000])
def test_a_commit_that_was_never_told_to_anybody_begins_no_epoch(made_up: int) -> None:
    bench = Bench(["web1", "web2"])
    web1 = HonestMinion(bench, "web1")
    old = bench.run("web2", ttl_s=3600)
    bench.crash()
    store_id = bench.store.notes["store_id"]
    web1.store_id, web1.store_commit = store_id, made_up
    web1.come()
    assert bench.store.notes["store_id"] == store_id
    assert bench.statuses(old.jid) == {"web2": "queued"}


def test_a_new_epoch_is_told_only_once_it_is_durable() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    web1.store_commit = bench.told(10_000)
    bench.disk_is_slow = True
    assert web1.greet() == []
    bench.commit()
    welcome = bench.sent[-1][1]
    assert getattr(welcome, "store_id", "") == bench.store.notes["store_id"] != web1.store_id


def test_ended_jobs_leave_memory_and_are_answered_by_the_store() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    request = bench.request("web1")
    (stored,) = bench.ask(1, request)
    assert isinstance(stored, JobStored)
    web1.work()
    web1.end(stored.jid)
    again = bench.ask(2, request)
    assert isinstance(again[0], JobStored)
    assert again[0].jid == stored.jid
    assert again[0].results[0].body == b"\xc3"
    assert again[1] == JobEnded(stored.jid)
    kinds = [type(op) for each in bench.persisted for op in each.operations]
    assert (kinds.count(PutJob), kinds.count(ChangeJob)) == (1, 1)


def test_a_job_of_after_the_restore_is_not_given_up_with_those_of_before() -> None:
    bench = Bench(["web1", "web2"])
    web1, web2 = HonestMinion(bench, "web1"), HonestMinion(bench, "web2")
    old = bench.run("web2", client=1, ttl_s=3600)
    bench.crash()
    new = bench.run("web2", client=2, ttl_s=3600)
    web1.store_id, web1.store_commit = bench.store.notes["store_id"], bench.told(10_000)
    web1.come()
    assert bench.statuses(old.jid) == {"web2": "expired"}
    assert bench.statuses(new.jid) == {"web2": "queued"}
    web2.come()
    assert list(web2.jobs) == [new.jid]


def test_a_partial_body_of_a_job_that_is_over_does_not_stay_for_ever() -> None:
    bench = Bench(["web1"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    stored = bench.run()
    digest = "a" * 64
    web1.say(BulkOffer(web1.session, stored.jid, digest, 100))
    web1.say(BulkChunk(web1.session, stored.jid, digest, 0, b"x" * 10))
    row = bench.job(stored.jid)
    bench.store.jobs[row.jid] = msgspec.structs.replace(row, ended_s=row.created_s)
    bench.store.deliveries[row.jid] = {}
    bench.crash()
    bench.advance(601)
    assert not bench.store.chunks


def test_a_job_without_deliveries_is_over_after_the_restart() -> None:
    bench = Bench(["web1"])
    stored = bench.run(ttl_s=600)
    row = bench.job(stored.jid)
    bench.store.deliveries[row.jid] = {}
    bench.crash()
    assert bench.job(stored.jid).ended_s > 0


def test_what_was_meant_for_a_key_that_is_gone_ends_at_the_start() -> None:
    bench = Bench(["web1", "web2"])
    web1 = HonestMinion(bench, "web1")
    web1.come()
    running = bench.run("web1", client=1)
    web1.work()
    queued = bench.run("web2", client=2, ttl_s=600)
    bench.store.keys.clear()
    bench.crash()
    assert bench.statuses(running.jid) == {"web1": "lost"}
    assert bench.statuses(queued.jid) == {"web2": "refused"}
