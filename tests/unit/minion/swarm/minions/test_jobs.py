"""Jobs that end without a process."""

import hashlib

import msgspec

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.identifiers import JobId
from limpet.minion.control.messages import AskSource, LocalServed
from limpet.minion.swarm.figures import Figures
from limpet.minion.swarm.minions.behaviour import Behaviour, body_bytes
from limpet.minion.swarm.minions.fetching import Fetching
from limpet.minion.swarm.minions.held_files import Held, Shared
from limpet.minion.swarm.minions.jobs import Asked, MadeJobs

JID = JobId("0" * 26)
OTHER = JobId("1" * 26)


def moment(seconds: float) -> Moment:
    return Moment(Instant(seconds), 1_000.0 + seconds)


def made(behaviour: Behaviour = Behaviour(), figures: Figures | None = None) -> MadeJobs:  # noqa: B008
    held, shared, counted = Held(), Shared(), figures or Figures()
    return MadeJobs(
        behaviour, "m", lambda questions: Fetching(questions, held, shared, counted, lambda: b"{}")
    )


def test_a_job_waits_until_it_is_let_go_and_ends_when_its_time_has_come() -> None:
    jobs = made(Behaviour(delay_s=(2.0, 2.0)))
    jobs.spawn(JID, 60.0, "cmd.run", b"")
    assert jobs.next_deadline == FOREVER
    assert jobs.collect(moment(100.0)) == []
    jobs.release(moment(100.0), JID)
    assert jobs.next_deadline == 102.0
    assert jobs.collect(moment(101.9)) == []
    ((jid, result),) = jobs.collect(moment(102.0))
    assert (jid, result.outcome, result.duration_s) == (JID, "ok", 2.0)
    assert result.started_wall_s == 1_100.0
    assert jobs.collect(moment(200.0)) == []


def test_jobs_end_in_the_order_of_their_ends() -> None:
    jobs = made(Behaviour(delay_s=(1.0, 1.0)))
    for jid, at in ((JID, 5.0), (OTHER, 4.0)):
        jobs.spawn(jid, 60.0, "cmd.run", b"")
        jobs.release(moment(at), jid)
    assert [jid for jid, _ in jobs.collect(moment(9.0))] == [OTHER, JID]


def test_a_job_that_is_killed_ends_once() -> None:
    jobs = made(Behaviour())
    jobs.spawn(JID, 60.0, "cmd.run", b"")
    jobs.release(moment(1.0), JID)
    assert jobs.kill(moment(1.0), JID, "cancelled").outcome == "cancelled"
    assert jobs.collect(moment(9.0)) == []
    assert jobs.kill(moment(1.0), OTHER, "cancelled").outcome == "cancelled"


def test_a_job_that_takes_longer_than_it_may_is_ended_in_time() -> None:
    jobs = made(Behaviour(delay_s=(9.0, 9.0)))
    jobs.spawn(JID, 2.0, "cmd.run", b"")
    jobs.release(moment(1.0), JID)
    assert jobs.next_deadline == 3.0
    ((_, result),) = jobs.collect(moment(3.0))
    assert (result.outcome, result.error) == ("failed", "timeout after 2 s")
    jobs.spawn(OTHER, 2.0, "cmd.run", b"")
    assert jobs.kill(moment(1.0), OTHER, "timeout").error == "timeout after 2 s"


def test_a_return_is_read_until_it_is_dropped() -> None:
    jobs = made(Behaviour(return_bytes=(50_000, 50_000)))
    jobs.spawn(JID, 60.0, "cmd.run", b"")
    jobs.release(moment(1.0), JID)
    ((_, result),) = jobs.collect(moment(1.0))
    assert result.is_in_spool
    assert len(jobs.read_body(JID, 0, 1 << 20)) == body_bytes(50_000)
    jobs.drop(JID)
    assert jobs.read_body(JID, 0, 1 << 20) == b""


CACHE = msgspec.msgpack.encode([["salt://big"], {}])
QUESTION = AskSource("file", "base", "big", b"", "")


def test_a_job_that_wants_a_file_asks_first_and_its_delay_follows() -> None:
    jobs = made(Behaviour(delay_s=(2.0, 2.0)))
    jobs.spawn(JID, 60.0, "cp.cache_file", CACHE)
    asked = jobs.release(moment(10.0), JID)
    assert asked == Asked(1, QUESTION)
    assert jobs.next_deadline == 70.0
    digest = hashlib.sha256(b"abc").hexdigest()
    assert jobs.on_reply(moment(11.0), 1, LocalServed(True, digest, 3, b"", b"abc", True)) is None
    assert jobs.next_deadline == 13.0
    assert jobs.on_reply(moment(11.0), 1, LocalServed(False, "", 0, b"", b"", False)) is None
    ((_, result),) = jobs.collect(moment(13.0))
    assert (result.outcome, result.duration_s) == ("ok", 3.0)
    assert msgspec.msgpack.decode(result.body) == {
        "bytes": 3, "files": 1, "unchanged": 0, "missing": [], "pillars": 0, "seconds": 1.0,
        "digests_ok": True,
    }  # fmt: skip
    assert jobs.take_gone() == []


def test_a_job_whose_time_is_over_while_it_asks_lets_go_of_its_question() -> None:
    jobs = made()
    jobs.spawn(JID, 5.0, "cp.cache_file", CACHE)
    jobs.release(moment(10.0), JID)
    ((_, result),) = jobs.collect(moment(15.0))
    assert (result.outcome, result.error) == ("failed", "timeout after 5 s")
    assert jobs.take_gone() == [1]
    jobs.spawn(OTHER, 5.0, "cp.cache_file", CACHE)
    jobs.release(moment(20.0), OTHER)
    assert jobs.kill(moment(21.0), OTHER, "cancelled").outcome == "cancelled"
    assert jobs.take_gone() == [2]


def test_a_question_that_the_link_puts_off_is_put_again_and_one_it_refuses_fails_the_job() -> None:
    figures = Figures()
    jobs = made(figures=figures)
    jobs.spawn(JID, 60.0, "cp.cache_file", CACHE)
    jobs.release(moment(10.0), JID)
    jobs.on_refused(moment(11.0), 1, "busy", "64 wait")
    assert jobs.questions(moment(11.2)) == []
    assert jobs.next_deadline == 11.25
    assert jobs.questions(moment(11.25)) == [Asked(1, QUESTION)]
    assert jobs.questions(moment(11.25)) == []
    jobs.on_refused(moment(12.0), 1, "failed", "no answer from the master")
    ((_, result),) = jobs.collect(moment(12.0))
    assert (result.outcome, result.error) == ("failed", "no answer from the master")
    assert figures.questions_failed == 1
