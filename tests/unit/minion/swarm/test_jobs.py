"""Jobs that end without a process."""

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.identifiers import JobId
from limpet.minion.swarm.answers import Behaviour, body_bytes
from limpet.minion.swarm.jobs import MadeJobs

JID = JobId("0" * 26)
OTHER = JobId("1" * 26)


def moment(seconds: float) -> Moment:
    return Moment(Instant(seconds), 1_000.0 + seconds)


def test_a_job_waits_until_it_is_let_go_and_ends_when_its_time_has_come() -> None:
    jobs = MadeJobs(Behaviour(delay_s=(2.0, 2.0)), "m")
    jobs.spawn(JID, 60.0)
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
    jobs = MadeJobs(Behaviour(delay_s=(1.0, 1.0)), "m")
    for jid, at in ((JID, 5.0), (OTHER, 4.0)):
        jobs.spawn(jid, 60.0)
        jobs.release(moment(at), jid)
    assert [jid for jid, _ in jobs.collect(moment(9.0))] == [OTHER, JID]


def test_a_job_that_is_killed_ends_once() -> None:
    jobs = MadeJobs(Behaviour(), "m")
    jobs.spawn(JID, 60.0)
    jobs.release(moment(1.0), JID)
    assert jobs.kill(moment(1.0), JID, "cancelled").outcome == "cancelled"
    assert jobs.collect(moment(9.0)) == []
    assert jobs.kill(moment(1.0), OTHER, "cancelled").outcome == "cancelled"


def test_a_job_that_takes_longer_than_it_may_is_ended_in_time() -> None:
    jobs = MadeJobs(Behaviour(delay_s=(9.0, 9.0)), "m")
    jobs.spawn(JID, 2.0)
    jobs.release(moment(1.0), JID)
    assert jobs.next_deadline == 3.0
    ((_, result),) = jobs.collect(moment(3.0))
    assert (result.outcome, result.error) == ("failed", "timeout after 2 s")
    jobs.spawn(OTHER, 2.0)
    assert jobs.kill(moment(1.0), OTHER, "timeout").error == "timeout after 2 s"


def test_a_return_is_read_until_it_is_dropped() -> None:
    jobs = MadeJobs(Behaviour(return_bytes=(50_000, 50_000)), "m")
    jobs.spawn(JID, 60.0)
    jobs.release(moment(1.0), JID)
    ((_, result),) = jobs.collect(moment(1.0))
    assert result.is_in_spool
    assert len(jobs.read_body(JID, 0, 1 << 20)) == body_bytes(50_000)
    jobs.drop(JID)
    assert jobs.read_body(JID, 0, 1 << 20) == b""
