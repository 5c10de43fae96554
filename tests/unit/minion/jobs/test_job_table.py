"""The life of jobs on a minion: accepted, started, ended, returned; and what cuts it short."""

import msgspec
import pytest

from limpet.common.clock import to_micros
from limpet.common.messages.jobs import (
    Accepted,
    Cancel,
    CancelAnswer,
    Outcome,
    Output,
    Return,
    ReturnAck,
    Started,
)
from limpet.common.messages.session import Beat, SyncPage
from limpet.minion.core.effects import (
    AdoptJob,
    DropSpool,
    KillJob,
    LocalAnswer,
    LocalRefused,
    LocalStored,
    Persist,
    ReleaseJob,
    SpawnJob,
)
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.journal.records import JobStarted
from limpet.minion.sessions.states import State
from support.minion.minion_bench import HOUR, NO_ARGUMENTS, Bench, jid, message_names

FAILED = WorkerResult("failed", 3, "it broke", body=b"\xa1x", body_bytes=2)


def spawned(bench: Bench) -> list[str]:
    """Give the jids of all jobs that got a worker, in order."""
    return [effect.jid for effect in bench.of(SpawnJob)]


def restart(bench: Bench, *, boot_id: str = "b" * 32, seconds: float = 1.0) -> Bench:
    """Start another process on the same disk, some time later."""
    return Bench(
        bench.crash(),
        boot_s=bench.now.boot + seconds,
        wall_s=bench.now.wall + seconds,
        boot_id=boot_id,
    )


def test_a_job_is_accepted_started_and_returned_each_once_it_is_on_disk() -> None:
    bench = Bench(is_disk_prompt=False).ready()
    bench.write()
    job = bench.deliver(1)
    assert message_names(bench)[-1] == "Beat"
    assert spawned(bench) == []
    bench.write()
    assert bench.last(Accepted).jid == job
    assert spawned(bench) == [job]
    bench.spawn(job)
    assert bench.of(ReleaseJob) == []
    assert bench.sent(Started) == []
    bench.write()
    assert [effect.jid for effect in bench.of(ReleaseJob)] == [job]
    assert bench.last(Started).jid == job
    bench.end(job, FAILED)
    assert bench.sent(Return) == []
    bench.write()
    returned = bench.last(Return)
    assert (returned.outcome, returned.retcode, returned.error) == ("failed", 3, "it broke")
    assert returned.body == b"\xa1x"
    bench.hear(ReturnAck(bench.session, job))
    assert bench.of(DropSpool) == []
    bench.write()
    assert [effect.jid for effect in bench.of(DropSpool)] == [job]


@pytest.mark.covers("F2", "F10")
def test_a_return_is_sent_again_every_five_seconds_until_it_is_acknowledged() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    bench.spawn(job)
    bench.end(job)
    bench.advance(4.9)
    assert len(bench.sent(Return)) == 1
    bench.advance(0.2)
    assert len(bench.sent(Return)) == 2
    bench.echo()
    bench.hear(ReturnAck(bench.session, job))
    bench.advance(10)
    assert len(bench.sent(Return)) == 2


@pytest.mark.covers("C2", "F14")
def test_a_return_that_was_ready_while_the_master_was_away_is_sent_after_sync() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    bench.spawn(job)
    bench.link("disconnected")
    bench.end(job)
    assert bench.sent(Return) == []
    bench.come_back()
    assert [(entry.jid, entry.state) for entry in bench.last(SyncPage).entries] == [
        (job, "finished")
    ]
    assert bench.last(Return).jid == job


@pytest.mark.covers("A19")
def test_an_acknowledgement_is_valid_in_any_session() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    bench.spawn(job)
    bench.end(job)
    old = bench.session
    bench.link("disconnected")
    bench.come_back()
    bench.hear(ReturnAck(old, job))
    assert [effect.jid for effect in bench.of(DropSpool)] == [job]


@pytest.mark.covers("F3")
@pytest.mark.parametrize("moment", ["accepted", "started", "finished", "acknowledged"])
def test_a_job_that_is_delivered_again_is_answered_from_the_journal(moment: str) -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    if moment != "accepted":
        bench.spawn(job)
    if moment in ("finished", "acknowledged"):
        bench.end(job)
    if moment == "acknowledged":
        bench.hear(ReturnAck(bench.session, job))
    for again in (bench, restart(bench).ready()):
        before = len(message_names(again))
        for _ in range(3):
            again.deliver(1)
        answers = message_names(again)[before:]
        expected = {"accepted": "Accepted", "started": "Started"}.get(moment, "Return")
        assert set(answers) <= {expected}
        assert len(spawned(again)) <= 1
    if moment == "acknowledged":
        assert bench.last(Return).outcome == "interrupted"


@pytest.mark.covers("F19")
def test_a_job_found_too_late_is_expired_and_never_runs() -> None:
    bench = Bench().ready()
    bench.deliver(1, expires_at=to_micros(bench.now.boot - 1))
    assert bench.last(Return).outcome == "expired"
    assert spawned(bench) == []
    assert bench.of(Persist)[-1].records[0].__class__.__name__ == "Note"


def test_the_time_to_live_is_judged_on_the_masters_clock() -> None:
    bench = Bench().ready(master_clock=to_micros(50_000))
    bench.deliver(1, expires_at=to_micros(50_010))
    bench.deliver(2, expires_at=to_micros(49_990))
    assert spawned(bench) == [jid(1)]
    assert bench.last(Return).jid == jid(2)


@pytest.mark.covers("F15", "E12")
def test_a_job_accepted_in_time_waits_for_its_turn_however_short_its_time_to_live() -> None:
    bench = Bench().ready()
    bench.spawn(bench.deliver(1, "state.apply"))
    bench.deliver(2, "state.apply", expires_at=to_micros(bench.now.boot + 3))
    bench.advance(600)
    bench.end(jid(1))
    assert spawned(bench) == [jid(1), jid(2)]


@pytest.mark.covers("F19")
def test_a_job_whose_acceptance_is_durable_too_late_is_expired() -> None:
    bench = Bench().ready()
    bench.is_disk_prompt = False
    bench.deliver(1, expires_at=to_micros(bench.now.boot + 3))
    bench.advance(3.1)
    bench.is_disk_prompt = True
    bench.write()
    bench.spawn(jid(1))
    assert bench.last(Return).outcome == "expired"
    assert bench.of(ReleaseJob) == []


@pytest.mark.covers("E12")
def test_eight_jobs_run_side_by_side_and_the_others_wait_their_turn() -> None:
    bench = Bench().ready()
    jobs = [bench.deliver(number) for number in range(12)]
    assert spawned(bench) == jobs[:8]
    bench.spawn(jobs[0])
    bench.end(jobs[0])
    assert spawned(bench) == jobs[:9]


@pytest.mark.covers("E12")
def test_a_full_queue_refuses() -> None:
    bench = Bench().ready()
    for number in range(108):
        bench.deliver(number)
    assert bench.sent(Return) == []
    bench.deliver(108)
    assert bench.last(Return).outcome == "refused"
    assert "queue full" in bench.last(Return).error


@pytest.mark.covers("F15")
def test_state_runs_queue_one_after_another_while_other_functions_pass() -> None:
    bench = Bench().ready()
    first = bench.deliver(1, "state.apply")
    second = bench.deliver(2, "state.sls")
    third = bench.deliver(3, "cmd.run")
    assert spawned(bench) == [first, third]
    bench.spawn(first)
    bench.end(first)
    assert spawned(bench) == [first, third, second]


def test_a_full_disk_refuses_new_jobs_and_says_why() -> None:
    bench = Bench().ready()
    bench.take(bench.core.on_journal_trouble(bench.now, "disk full: /var/lib"))
    bench.deliver(1)
    assert (bench.last(Return).outcome, bench.last(Return).error) == (
        "refused",
        "disk full: /var/lib",
    )
    bench.take(bench.core.on_journal_trouble(bench.now, ""))
    bench.deliver(2)
    assert spawned(bench) == [jid(2)]


def test_an_instant_function_is_answered_at_once_without_journal() -> None:
    bench = Bench().ready()
    commits = len(bench.of(Persist))
    bench.deliver(1, "test.ping")
    assert bench.last(Return).outcome == "ok"
    assert msgspec.msgpack.decode(bench.last(Return).body) is True
    assert len(bench.of(Persist)) == commits
    assert spawned(bench) == []


@pytest.mark.parametrize("arguments", [b"", b"\xc1", b"\x92\x90\x90", b"\x91\x90", b"\x90"])
def test_an_instant_function_with_broken_arguments_fails_and_harms_nothing(
    arguments: bytes,
) -> None:
    bench = Bench().ready()
    bench.deliver(1, "test.ping", arguments=arguments)
    assert bench.last(Return).outcome == "failed"
    assert "arguments" in bench.last(Return).error


def test_what_an_instant_function_raises_is_the_failure_of_its_job() -> None:
    def broken(positional: list[object], keyword: dict[str, object]) -> object:
        raise KeyError("no")

    bench = Bench(instant={"test.broken": broken, "test.odd": lambda p, k: object()}).ready()
    bench.deliver(1, "test.broken")
    assert "KeyError" in bench.last(Return).error
    bench.deliver(2, "test.odd")
    assert bench.last(Return).outcome == "failed"


@pytest.mark.covers("D4")
@pytest.mark.parametrize("function", ["cmd.run", "state.apply"])
@pytest.mark.parametrize("outcome", ["interrupted", "ok"])
def test_a_job_whose_host_died_is_looked_up_on_the_disk_and_not_run_again(
    function: str, outcome: Outcome
) -> None:
    bench = Bench().ready()
    job = bench.deliver(1, function)
    bench.spawn(job)
    again = restart(bench, boot_id="d" * 32).ready()
    assert again.of(AdoptJob) == [AdoptJob(job, 0, 0)]
    assert again.sent(Return) == []
    again.end(job, WorkerResult(outcome, 1, "as it was found there"))
    assert again.last(Return).outcome == outcome
    assert spawned(again) == []


@pytest.mark.parametrize(
    "function", ["state.show_low_sls", "state.show_top", "state.sls_exists", "state.running"]
)
def test_functions_that_only_look_at_states_wait_for_no_run(function: str) -> None:
    bench = Bench().ready()
    first = bench.deliver(1, "state.resume")
    second = bench.deliver(2, function)
    bench.deliver(3, "state.apply")
    assert spawned(bench) == [first, second]


@pytest.mark.covers("D1", "C14")
def test_a_job_whose_link_died_is_adopted_and_returned() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    bench.spawn(job, pid=77)
    again = restart(bench).ready()
    assert again.of(AdoptJob) == [AdoptJob(job, 77, 12345)]
    assert [(e.jid, e.state) for e in again.last(SyncPage).entries] == [(job, "running")]
    again.end(job)
    assert (again.last(Return).jid, again.last(Return).outcome) == (job, "ok")


def test_a_job_accepted_before_a_restart_runs_if_its_time_to_live_holds() -> None:
    bench = Bench().ready()
    bench.deliver(1, expires_at=to_micros(bench.now.boot + 100))
    assert spawned(restart(bench, seconds=99).start()) == [jid(1)]
    assert spawned(restart(bench, seconds=99, boot_id="d" * 32).start()) == [jid(1)]
    for boot_id in ("b" * 32, "e" * 32):
        late = restart(bench, seconds=101, boot_id=boot_id).ready()
        assert spawned(late) == []
        assert late.last(Return).outcome == "expired"


def test_a_worker_spawned_but_not_on_disk_is_spawned_anew_after_a_restart() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    bench.is_disk_prompt = False
    bench.spawn(job)
    assert bench.of(ReleaseJob) == []
    assert spawned(restart(bench).start()) == [job]


def test_sync_tells_only_what_is_on_disk() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    bench.spawn(job)
    bench.is_disk_prompt = False
    bench.end(job)
    bench.deliver(2)
    bench.link("disconnected")
    bench.come_back()
    assert [(entry.jid, entry.state) for entry in bench.last(SyncPage).entries] == [
        (job, "running")
    ]
    assert bench.sent(Return) == []
    bench.write()
    assert bench.last(Return).jid == job


# --- cancel -------------------------------------------------------------------------------------


def cancel(bench: Bench, number: int) -> None:
    """Let the master cancel a job."""
    bench.hear(Cancel(bench.session, jid(number)))


def test_a_cancel_that_comes_first_leaves_a_tombstone_for_ever() -> None:
    bench = Bench().ready()
    cancel(bench, 1)
    assert bench.last(CancelAnswer).verdict == "cancelled"
    for again in (bench, restart(bench).ready()):
        again.deliver(1)
        assert again.last(Return).outcome == "cancelled"
        assert spawned(again) == []


def test_a_cancel_is_answered_only_when_it_is_on_disk() -> None:
    bench = Bench().ready()
    bench.is_disk_prompt = False
    cancel(bench, 1)
    cancel(bench, 1)
    assert bench.sent(CancelAnswer) == []
    bench.write()
    assert len(bench.sent(CancelAnswer)) == 2


def test_a_queued_job_that_is_cancelled_never_starts() -> None:
    bench = Bench().ready()
    first = bench.deliver(1, "state.apply")
    bench.deliver(2, "state.apply")
    cancel(bench, 2)
    assert bench.last(CancelAnswer).verdict == "cancelled"
    assert (bench.last(Return).jid, bench.last(Return).outcome) == (jid(2), "cancelled")
    bench.spawn(first)
    bench.end(first)
    assert spawned(bench) == [first]


def test_a_running_job_that_is_cancelled_is_killed_once_the_cancel_is_on_disk() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    bench.spawn(job)
    bench.is_disk_prompt = False
    cancel(bench, 1)
    assert bench.of(KillJob) == []
    bench.write()
    assert [(kill.jid, kill.reason) for kill in bench.of(KillJob)] == [(job, "cancelled")]
    assert bench.last(CancelAnswer).verdict == "cancelling"
    bench.end(job, WorkerResult("ok", 0))
    bench.write()
    assert bench.last(Return).outcome == "cancelled", "the cancel was on disk first"


def test_an_end_that_was_written_before_the_cancel_stands() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    bench.spawn(job)
    bench.end(job)
    cancel(bench, 1)
    assert bench.last(CancelAnswer).verdict == "finished"
    assert bench.last(Return).outcome == "ok"
    bench.hear(ReturnAck(bench.session, job))
    cancel(bench, 1)
    assert bench.last(CancelAnswer).verdict == "finished"


def test_a_job_cancelled_while_its_worker_is_made_never_gets_released() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    cancel(bench, 1)
    bench.spawn(job)
    assert bench.of(ReleaseJob) == []
    assert len(bench.of(KillJob)) == 2
    bench.end(job, WorkerResult("interrupted", 1, "gone"))
    assert bench.last(Return).outcome == "cancelled"


@pytest.mark.parametrize("boot_id", ["b" * 32, "d" * 32])
def test_a_cancel_before_a_restart_is_carried_out_after_it(boot_id: str) -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    bench.spawn(job)
    cancel(bench, 1)
    again = restart(bench, boot_id=boot_id).ready()
    if boot_id == "b" * 32:
        assert [kill.jid for kill in again.of(KillJob)] == [job]
        again.end(job)
        assert again.last(Return).outcome == "cancelled"
    else:
        again.end(job, WorkerResult("interrupted", 1, "the host was restarted"))
        assert again.last(Return).outcome == "interrupted"


def test_a_job_that_cannot_be_ended_gives_its_slot_free_after_a_minute() -> None:
    bench = Bench().ready()
    first = bench.deliver(1, "state.apply")
    second = bench.deliver(2, "state.apply")
    bench.spawn(first)
    cancel(bench, 1)
    for _ in range(70):
        bench.advance(1)
    assert len(bench.of(KillJob)) == 6
    assert spawned(bench) == [first, second]
    assert any("could not be ended" in text for text in bench.reports())


# --- time limits --------------------------------------------------------------------------------


@pytest.mark.covers("F5")
def test_a_job_whose_supervisor_does_not_end_it_is_ended_by_the_link() -> None:
    bench = Bench().ready()
    job = bench.deliver(1, job_timeout=to_micros(10))
    bench.spawn(job)
    bench.advance(24.9)
    assert bench.of(KillJob) == []
    bench.advance(0.2)
    assert [(kill.jid, kill.reason) for kill in bench.of(KillJob)] == [(job, "timeout")]


def test_a_job_without_a_timeout_of_its_own_has_a_day() -> None:
    bench = Bench().ready()
    bench.spawn(bench.deliver(1))
    bench.advance(24 * HOUR + 14)
    assert bench.of(KillJob) == []
    bench.advance(2)
    assert len(bench.of(KillJob)) == 1


def test_an_adopted_job_keeps_the_time_limit_it_had() -> None:
    bench = Bench().ready()
    bench.spawn(bench.deliver(1, job_timeout=to_micros(100)))
    again = restart(bench, seconds=50).start()
    again.advance(64)
    assert again.of(KillJob) == []
    again.advance(2)
    assert len(again.of(KillJob)) == 1


def test_a_worker_that_is_not_made_in_time_refuses_the_job() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    for _ in range(31):
        bench.advance(1)
        bench.echo()
    assert bench.last(Return).outcome == "refused"
    bench.spawn(job)
    assert bench.of(ReleaseJob) == []
    assert len(bench.of(KillJob)) == 2


def test_a_worker_that_cannot_be_made_refuses_the_job() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    bench.take(bench.core.on_job_spawn_failed(bench.now, job, "no more processes"))
    assert bench.last(Return).outcome == "refused"
    assert "no more processes" in bench.last(Return).error


@pytest.mark.covers("F5")
def test_a_stalled_disk_is_not_the_jobs_fault() -> None:
    bench = Bench().ready()
    bench.is_disk_prompt = False
    job = bench.deliver(1)
    bench.advance(100)
    bench.write()
    assert spawned(bench) == [job]
    bench.spawn(job)
    bench.write()
    assert [effect.jid for effect in bench.of(ReleaseJob)] == [job]


def test_beats_go_on_while_the_disk_stalls() -> None:
    bench = Bench().ready()
    bench.is_disk_prompt = False
    bench.deliver(1)
    for _ in range(60):
        bench.advance(1)
        bench.echo()
    assert bench.core.is_ready
    assert len(bench.sent(Beat)) > 10


# --- live output --------------------------------------------------------------------------------


def output(bench: Bench, data: bytes, dropped: int = 0) -> None:
    """Let job 1 print."""
    bench.take(bench.core.on_output(bench.now, jid(1), data, dropped))


def test_output_is_passed_on_only_if_somebody_asked_for_it() -> None:
    bench = Bench().ready()
    bench.spawn(bench.deliver(1))
    output(bench, b"line\n")
    assert bench.sent(Output) == []
    bench = Bench().ready()
    bench.spawn(bench.deliver(1, is_streamed=True))
    output(bench, b"line\n")
    output(bench, b"more\n", dropped=3)
    assert [(o.sequence, o.data, o.dropped_bytes) for o in bench.sent(Output)] == [
        (0, b"line\n", 0),
        (1, b"more\n", 3),
    ]


def test_output_that_does_not_fit_is_dropped_and_counted() -> None:
    bench = Bench().ready()
    job = bench.deliver(1, is_streamed=True)
    bench.spawn(job)
    for _ in range(100):
        output(bench, b"x" * 10_000)
    sent = sum(len(message.data) for message in bench.sent(Output))
    assert sent <= 16 * 1024
    bench.end(job)
    lost = sum(message.dropped_bytes for message in bench.sent(Output))
    assert sent + lost == 1_000_000


def test_output_flows_as_fast_as_the_echoes_of_early_beats_come_back() -> None:
    bench = Bench().ready()
    bench.echo()
    bench.spawn(bench.deliver(1, is_streamed=True))
    for _ in range(200):
        bench.advance(0.1)
        output(bench, b"x" * 10_000)
        bench.echo()
    sent = sum(len(message.data) for message in bench.sent(Output))
    assert sent > 1_500_000


def test_output_while_the_link_is_lost_is_counted_as_lost() -> None:
    bench = Bench().ready()
    bench.spawn(bench.deliver(1, is_streamed=True))
    bench.link("disconnected")
    output(bench, b"lost")
    bench.come_back()
    output(bench, b"seen")
    assert bench.last(Output).dropped_bytes == 4


# --- runs asked for on this host ----------------------------------------------------------------


def local_run(bench: Bench, client: int = 1, function: str = "cmd.run") -> None:
    """Let a client of the Unix socket ask for a run."""
    bench.take(bench.core.on_local_run(bench.now, client, function, NO_ARGUMENTS, 0.0))


@pytest.mark.covers("D16")
def test_a_local_run_needs_neither_journal_nor_master() -> None:
    bench = Bench().start()
    commits = len(bench.of(Persist))
    local_run(bench)
    job = bench.of(LocalStored)[0].jid
    bench.spawn(job)
    bench.end(job)
    assert [(answer.client, answer.jid) for answer in bench.of(LocalAnswer)] == [(1, job)]
    assert bench.of(LocalAnswer)[0].ending.outcome == "ok"
    assert [effect.jid for effect in bench.of(DropSpool)] == [job]
    assert len(bench.of(Persist)) == commits
    bench.connect()
    bench.hear(bench.welcome())
    assert bench.last(SyncPage).entries == ()


def test_a_local_run_that_has_begun_goes_on_when_its_client_leaves() -> None:
    bench = Bench().start()
    local_run(bench, 1, "state.apply")
    local_run(bench, 2, "state.apply")
    job, waiting = (stored.jid for stored in bench.of(LocalStored))
    bench.spawn(job)
    bench.take(bench.core.on_local_gone(bench.now, 1))
    bench.take(bench.core.on_local_gone(bench.now, 2))
    assert bench.of(KillJob) == []
    bench.end(job)
    assert [effect.jid for effect in bench.of(DropSpool)] == [job]
    assert waiting not in spawned(bench)


def test_local_runs_have_slots_of_their_own_and_a_bound() -> None:
    bench = Bench().ready()
    for number in range(8):
        bench.deliver(number)
    for client in range(17):
        local_run(bench, client)
    assert len(spawned(bench)) == 16
    assert [(refused.client, refused.reason) for refused in bench.of(LocalRefused)] == [
        (16, "busy")
    ]


def test_a_local_state_run_waits_for_the_one_of_the_master() -> None:
    bench = Bench().ready()
    first = bench.deliver(1, "state.apply")
    local_run(bench, function="state.apply")
    assert spawned(bench) == [first]
    bench.spawn(first)
    bench.end(first)
    assert len(spawned(bench)) == 2
    local_run(bench, 2, "state.apply")
    bench.take(bench.core.on_local_gone(bench.now, 2))
    assert len(spawned(bench)) == 2


def test_a_job_may_be_killed_on_the_minion_itself() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    bench.spawn(job)
    bench.take(bench.core.on_local_cancel(bench.now, job))
    bench.take(bench.core.on_local_cancel(bench.now, jid(99)))
    bench.end(job)
    assert bench.last(Return).outcome == "cancelled"
    assert bench.sent(CancelAnswer) == []
    assert jid(99) not in bench.disk.jobs
    local_run(bench)
    local_job = bench.of(LocalStored)[0].jid
    bench.spawn(local_job)
    bench.take(bench.core.on_local_cancel(bench.now, local_job))
    assert bench.of(KillJob)[-1].jid == local_job


def test_stopping_leaves_the_masters_jobs_running_and_ends_local_ones() -> None:
    bench = Bench().ready()
    bench.spawn(bench.deliver(1))
    local_run(bench)
    bench.spawn(bench.of(LocalStored)[0].jid)
    bench.take(bench.core.on_stop(bench.now))
    assert [kill.jid for kill in bench.of(KillJob)] == [bench.of(LocalStored)[0].jid]
    local_run(bench, 9)
    assert bench.of(LocalRefused)[0].reason == "stopping"


# --- remembering --------------------------------------------------------------------------------


@pytest.mark.covers("F3")
def test_finished_jids_are_remembered_as_long_as_the_master_wants() -> None:
    bench = Bench().ready(remember=to_micros(2 * HOUR))
    job = bench.deliver(1)
    bench.spawn(job)
    bench.end(job)
    bench.hear(ReturnAck(bench.session, job))
    bench.advance(1.9 * HOUR)
    assert job in bench.disk.jobs
    bench.advance(0.4 * HOUR)
    assert job not in bench.disk.jobs


def test_a_wall_clock_that_jumps_right_after_the_start_forgets_nothing() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    bench.spawn(job)
    bench.end(job)
    bench.hear(ReturnAck(bench.session, job))
    again = Bench(bench.crash(), wall_s=4_000_000_000.0).ready()
    again.advance(1800)
    assert job in again.disk.jobs


def test_the_record_of_a_start_names_the_process() -> None:
    bench = Bench().ready()
    job = bench.deliver(1)
    bench.spawn(job, pid=42)
    started = bench.disk.jobs[job].started
    assert isinstance(started, JobStarted)
    assert (started.pid, started.process_start, started.boot_id) == (42, 12345, "b" * 32)
    assert bench.core.state is State.READY


@pytest.mark.covers("H1")
def test_what_was_refused_stays_refused_when_it_is_delivered_again() -> None:
    """Found by the simulator: the first answer and the second delivery had crossed."""
    bench = Bench().ready()
    bench.take(bench.core.on_journal_trouble(bench.now, "disk full: /var/lib"))
    bench.deliver(1)
    bench.take(bench.core.on_journal_trouble(bench.now, ""))
    bench.deliver(1)
    assert [each.outcome for each in bench.sent(Return)] == ["refused", "refused"]
    assert spawned(bench) == []
