"""What clients ask of the master, and when and how they are answered."""

import math

import msgspec
import pytest

from limpet.common.control.replies import (
    JobEnded,
    JobOutput,
    Jobs,
    JobStored,
    Keys,
    MasterStatus,
    Minions,
    NoMinion,
    Refused,
    TokenMade,
    Tokens,
)
from limpet.common.control.requests import (
    AskStatus,
    CancelJob,
    ChangeKeys,
    CreateToken,
    ListJobs,
    ListKeys,
    ListMinions,
    ListTokens,
    RevokeToken,
    RunJob,
    WatchEvents,
    WatchJob,
)
from limpet.common.errors import UsageError
from limpet.common.identifiers import JobId, MinionId
from limpet.common.messages.enrolment import EnrolRequest
from limpet.common.messages.jobs import Deliver, Output
from limpet.common.messages.session import Grains
from limpet.master.core import effects as do
from limpet.master.core.settings import Changes, MasterSettings
from limpet.master.jobs.batch import batch_size_of
from support.master.master_bench import Bench, MinionOnBench, key_of, ready


def refusal(bench: Bench, request: RunJob) -> Refused:
    (reply,) = bench.ask(5, request)
    assert isinstance(reply, Refused)
    return reply


def test_the_same_request_of_the_same_user_is_the_same_job() -> None:
    bench, (web1,) = ready("web1")
    request = bench.request()
    (first,) = bench.ask(1, request)
    (second,) = bench.ask(2, msgspec.structs.replace(request, function="other.thing"))
    (third,) = bench.ask(3, request, uid=1000)
    assert isinstance(first, JobStored)
    assert isinstance(second, JobStored)
    assert isinstance(third, JobStored)
    assert first.jid == second.jid != third.jid
    web1.finish(first.jid)
    assert bench.answers[1][-1] == bench.answers[2][-1] == JobEnded(first.jid)


def test_asking_again_before_the_job_is_durable_waits_for_it() -> None:
    bench, _ = ready("web1")
    bench.disk_is_slow = True
    request = bench.request()
    bench.ask(1, request)
    bench.ask(2, request)
    assert not bench.answers
    bench.commit()
    assert len({reply.jid for client in (1, 2) for reply in bench.answers[client]}) == 1  # type: ignore[attr-defined]
    assert len(bench.store.jobs) == 1


def test_a_target_that_matches_nobody_makes_no_job() -> None:
    bench, _ = ready("web1")
    (reply,) = bench.ask(1, bench.request("db*"))
    assert isinstance(reply, NoMinion)
    assert not bench.store.jobs


def test_targets_are_matched_by_grains() -> None:
    bench, (web1, _web2) = ready("web1", "web2")
    web1.say(Grains(web1.session, "a" * 64, b'{"os": "Debian"}', 1))
    stored = bench.run("os:Debian", kind="grain")
    assert [each.minion for each in stored.results] == ["web1"]
    assert bench.store.keys[web1.key].grains == b'{"os": "Debian"}'
    (welcome,) = web1.greet()
    assert welcome.wants_grains  # type: ignore[attr-defined]  # its Hello names no digest


@pytest.mark.covers("B-34")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 5000,
        b'{"a":' * 5000,
        b"\xff",
        b"NaN",
        b'{"a":' + b"[" * 17 + b"]" * 17 + b"}",
        b'{"a":' + b"[" * 950 + b"]" * 950 + b"}",
    ],
    ids=range(9),
)
def test_facts_that_are_none_leave_the_old_ones_in_force(body: bytes) -> None:
    bench, (web1,) = ready("web1")
    web1.say(Grains(web1.session, "a" * 64, b'{"os": "Debian"}', 1))
    web1.say(Grains(web1.session, "b" * 64, body, 1))
    assert bench.counts == ["bad_facts"]
    assert bench.store.keys[web1.key].grains == b'{"os": "Debian"}'
    assert len(web1.beat()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"target": ""},
        {"target": "a and (", "target_kind": "compound"},
        {"target": "none", "target_kind": "nodegroup"},
        {"ttl_s": 0.0},
        {"ttl_s": -1.0},
        {"ttl_s": math.nan},
        {"ttl_s": math.inf},
        {"ttl_s": 1e9},
        {"job_timeout_s": -1.0},
        {"job_timeout_s": math.nan},
        {"job_timeout_s": 1e12},
        {"batch": "0"},
        {"batch": "x"},
        {"batch": "-1"},
        {"batch": "0%"},
        {"batch": "%"},
        {"batch": "\uff11"},
    ],
)
def test_a_request_that_makes_no_sense_is_refused_with_the_reason(
    changes: dict[str, object],
) -> None:
    bench, _ = ready("web1")
    refused = refusal(bench, msgspec.structs.replace(bench.request(), **changes))
    assert refused.reason == "usage"
    assert len(refused.text) > 10
    assert not bench.store.jobs


@pytest.mark.parametrize(
    ("text", "size"), [("", 0), ("3", 3), ("25%", 2), ("1%", 1), ("100%", 10), ("900%", 10)]
)
def test_a_batch_is_a_number_or_a_share(text: str, size: int) -> None:
    assert batch_size_of(text, 10) == size


def test_a_batch_of_nonsense_says_so() -> None:
    with pytest.raises(UsageError, match="batch"):
        batch_size_of("many", 10)


@pytest.mark.covers("E16")
def test_more_open_jobs_than_the_master_takes_are_refused_as_busy() -> None:
    bench, (web1,) = ready("web1", settings=MasterSettings(jobs_open_max=2))
    first = bench.run()
    bench.run(client=2)
    assert refusal(bench, bench.request()).reason == "busy"
    web1.finish(first.jid)
    bench.run(client=3)


@pytest.mark.covers("C10")
def test_a_full_disk_refuses_new_jobs_until_it_is_over() -> None:
    bench, _ = ready("web1")
    bench.carry_out(bench.core.on_store_trouble(bench.now, "disk full"))
    refused = refusal(bench, bench.request())
    assert (refused.reason, "disk full" in refused.text) == ("store", True)
    bench.carry_out(bench.core.on_store_trouble(bench.now, ""))
    bench.run()


def test_a_stopping_master_takes_no_new_jobs_but_shows_the_old() -> None:
    bench, _ = ready("web1")
    request = bench.request()
    bench.ask(1, request)
    bench.carry_out(bench.core.on_stop(bench.now))
    assert refusal(bench, bench.request()).reason == "stopping"
    (reply,) = bench.ask(6, request)
    assert isinstance(reply, JobStored)


def test_history_is_read_by_the_store() -> None:
    bench, (web1,) = ready("web1")
    jids = [bench.run(client=number).jid for number in range(3)]
    web1.finish(jids[0])
    (reply,) = bench.ask(9, ListJobs(2))
    assert isinstance(reply, Jobs)
    assert len(reply.jobs) == 2
    (unknown,) = bench.ask(9, WatchJob("0" * 26, is_streamed=False, is_followed=True))
    assert isinstance(unknown, Refused)
    assert unknown.reason == "unknown_job"
    (unknown,) = bench.ask(9, CancelJob("0" * 26))
    assert isinstance(unknown, Refused)


def test_cancelling_for_a_minion_that_has_no_part_in_the_job_is_a_mistake() -> None:
    bench, _ = ready("web1")
    stored = bench.run()
    (reply,) = bench.ask(2, CancelJob(stored.jid, ("web9",)))
    assert isinstance(reply, Refused)
    assert "web9" in reply.text


def test_cancelling_what_has_ended_shows_how_it_ended() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    web1.finish(stored.jid)
    (reply,) = bench.ask(2, CancelJob(stored.jid))
    assert isinstance(reply, JobStored)
    assert [each.status for each in reply.results] == ["ok"]


def test_a_client_that_has_gone_is_told_nothing_more_and_its_job_goes_on() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run()
    bench.carry_out(bench.core.on_client_gone(bench.now, do.Client(1)))
    before = len(bench.answers[1])
    web1.finish(stored.jid)
    assert len(bench.answers[1]) == before
    assert bench.statuses(stored.jid) == {"web1": "ok"}


def test_a_job_that_nobody_follows_is_answered_once() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run(is_followed=False)
    web1.finish(stored.jid)
    assert len(bench.answers[1]) == 1


# -- output ----------------------------------------------------------------------------------------


def test_live_output_goes_to_those_who_asked_for_it() -> None:
    bench, (web1,) = ready("web1")
    stored = bench.run(is_streamed=True)
    bench.ask(2, WatchJob(stored.jid, is_streamed=False, is_followed=True))
    web1.say(Output(web1.session, stored.jid, 1, b"line\n", 7))
    assert bench.answers[1][-1] == JobOutput(stored.jid, "web1", b"line\n", 7)
    assert isinstance(bench.answers[2][-1], JobStored)
    (deliver,) = bench.messages(web1.peer, Deliver)
    assert deliver.is_streamed  # type: ignore[attr-defined]


@pytest.mark.covers("E10")
def test_output_over_a_clients_share_is_dropped_and_counted_and_statuses_are_not() -> None:
    settings = MasterSettings(output_bytes_s=10.0, output_burst_bytes=100.0)
    bench, (web1,) = ready("web1", settings=settings)
    stored = bench.run(is_streamed=True)
    for number in range(20):
        web1.say(Output(web1.session, stored.jid, number, b"x" * 10, 0))
    pieces = [each for each in bench.answers[1] if isinstance(each, JobOutput)]
    assert len(pieces) == 10
    assert bench.counts == ["output_dropped"] * 10
    bench.advance(1)
    web1.say(Output(web1.session, stored.jid, 21, b"y" * 10, 0))
    assert bench.answers[1][-1] == JobOutput(stored.jid, "web1", b"y" * 10, 100)
    web1.finish(stored.jid)
    assert isinstance(bench.answers[1][-1], JobEnded)


# -- minions, keys, tokens, the master -------------------------------------------------------------


def test_minions_are_shown_by_id_with_what_is_known_of_them() -> None:
    bench, (_web2, web1) = ready("web2", "web1")
    stored = bench.run("web1")
    web1.beat(stored.jid)
    (reply,) = bench.ask(1, ListMinions())
    assert isinstance(reply, Minions)
    assert [each.minion for each in reply.minions] == ["web1", "web2"]
    shown = reply.minions[0]
    assert (shown.state, shown.version, shown.address) == ("ready", "1.0", "192.0.2.7")
    assert shown.running == (stored.jid,)
    (reply,) = bench.ask(1, ListMinions("web2"))
    assert isinstance(reply, Minions)
    assert [each.minion for each in reply.minions] == ["web2"]


def enrol_request() -> EnrolRequest:
    return EnrolRequest(1, 1, "1.0", "web9", b"n" * 16, 1_700_000_000_000_000, "", b"")


def test_an_enrolled_key_may_connect_once_it_is_accepted() -> None:
    bench = Bench()
    key = key_of("web9")
    bench.disk_is_slow = True
    bench.carry_out(bench.core.on_enrolment(bench.now, 7, key, "192.0.2.9", enrol_request()))
    assert bench.enrolled == {}
    bench.commit()
    assert bench.enrolled[7].status == "pending"
    bench.disk_is_slow = False
    (listed,) = bench.ask(1, ListKeys())
    assert isinstance(listed, Keys)
    assert [(each.minion, each.state) for each in listed.keys] == [("web9", "pending")]
    assert not bench.core.is_key_accepted(key)

    (changed,) = bench.ask(1, ChangeKeys("accept", ("web9",), False, False))
    assert isinstance(changed, Keys)
    assert bench.core.is_key_accepted(key)
    bench.carry_out(bench.core.on_enrolment(bench.now, 8, key, "192.0.2.9", enrol_request()))
    assert bench.enrolled[8].status == "accepted"
    web9 = MinionOnBench(bench, "web9")
    web9.connect()
    assert MinionId("web9") in {row.minion for row in bench.store.keys.values()}
    assert any(event.tag == "key/web9/accepted" for event in bench.events)


def test_a_dry_change_of_keys_changes_nothing() -> None:
    bench, (web1,) = ready("web1")
    before = bench.store.commit
    bench.ask(1, ChangeKeys("delete", ("web1",), False, True))
    assert bench.store.commit == before
    assert len(web1.beat()) == 1


def test_tokens_are_made_listed_and_revoked() -> None:
    bench = Bench()
    (made,) = bench.ask(1, CreateToken(3600.0, 1, "web*"))
    assert isinstance(made, TokenMade)
    (listed,) = bench.ask(1, ListTokens())
    assert isinstance(listed, Tokens)
    assert [each.token_id for each in listed.tokens] == [made.token_id]
    (revoked,) = bench.ask(1, RevokeToken(made.token_id))
    assert isinstance(revoked, Tokens)
    assert revoked.tokens[0].state == "revoked"
    (refused,) = bench.ask(1, RevokeToken("nosuch"))
    assert isinstance(refused, Refused)


def test_those_who_watch_events_are_handed_to_the_shell() -> None:
    bench = Bench()
    bench.ask(4, WatchEvents())
    assert bench.subscribed == [4]


def test_the_status_says_how_the_master_is() -> None:
    bench, (web1,) = ready("web1")
    bench.run()
    web1.beat(condition="disk full")
    bench.carry_out(bench.core.on_bad_frame(bench.now, web1.peer, web1.key, "bad_type"))
    (status,) = bench.ask(1, AskStatus())
    assert isinstance(status, MasterStatus)
    assert (status.fleet, status.ready) == (1, 1)
    assert status.rejected == {"bad_type": 1}
    assert status.figures["jobs_open"] == 1
    assert status.figures["deliveries_open"] == 1
    assert status.problems == ("web1: disk full",)
    assert status.store_commit == bench.store.commit


def test_another_configuration_is_in_force_at_once_and_history_over_its_limits_goes() -> None:
    bench = Bench(["web1"])
    for _ in range(10):
        bench.run(is_followed=False)  # the minion is offline: over at once
    request = msgspec.structs.replace(bench.request(), target="shop", target_kind="nodegroup")
    assert "shop" in refusal(bench, request).text

    bench.carry_out(
        bench.core.on_configured(
            bench.now,
            Changes(
                job_timeout_s=7.0,
                history_age_s=1e6,
                history_jobs_max=3,
                history_bytes_max=1 << 40,
                secret_keys=(),
                nodegroups={"shop": "web*"},
            ),
        )
    )

    assert len(bench.store.jobs) == 3
    stored, *_ = bench.ask(6, request)
    assert isinstance(stored, JobStored)
    assert bench.store.jobs[JobId(stored.jid)].job_timeout_s == 7.0


def test_the_status_that_nobody_asked_for_is_the_one_that_a_client_is_told() -> None:
    bench = Bench(["web1"])
    before = len(bench.persisted)
    (told,) = bench.ask(5, AskStatus())
    assert bench.core.status(bench.now) == told
    assert len(bench.persisted) == before
