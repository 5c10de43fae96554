"""Jobs as real processes: whatever they do harms nothing but themselves, and their end is told."""

import contextlib
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from limpet.common.identifiers import JobId
from limpet.minion.jobs.events import BodyRead, Ended, Spawned, SpawnFailed
from limpet.minion.workers import process_table
from support.hosts.jobs_on_host import CLOCK, HostedJobs, is_alive, pids_in, value_of, wait_until
from support.minion.journal_records import jid


def test_a_function_runs_and_its_value_comes_back(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        result = jobs.run(1, "test.echo", "hällo")

        assert (result.outcome, result.retcode, result.error) == ("ok", 0, "")
        assert value_of(result, tmp_path, 1) == "hällo"
        assert result.started_wall_s == pytest.approx(time.time(), abs=60)
        assert 0 < result.duration_s < 10


def test_a_held_job_does_not_run_before_it_is_released(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        jobs.hold(1, "nasty.nap", str(tmp_path), 0)
        for _ in range(10):
            jobs.turn(0.02)
        assert not (tmp_path / "runs").exists()
        jobs.workers.release(CLOCK.now(), JobId(jid(1)))

        assert jobs.result(1).outcome == "ok"
        assert (tmp_path / "runs").read_text() == "ran\n"


def test_an_unknown_function_is_refused_and_a_wrong_argument_fails(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        unknown = jobs.run(1, "test.pnig")
        wrong = jobs.run(2, "test.ping", "too", "many")

        assert unknown.outcome == "refused"
        assert "did you mean 'test.ping'?" in unknown.error
        assert wrong.outcome == "failed"
        assert wrong.error


def test_an_exception_is_told_in_one_line_with_the_traceback_as_value(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        result = jobs.run(1, "nasty.give", "no such key")
        left = jobs.run(2, "nasty.leave")

        assert (result.outcome, result.error) == ("failed", "KeyError: 'no such key'")
        assert "Traceback (most recent call last)" in value_of(result, tmp_path, 1)
        assert left.error == "the function ended its process: SystemExit(3)"


@pytest.mark.covers("F18", "G1")
@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("nothing", None),
        ("set", [1, 2, 3]),
        ("bytes", bytes(range(256))),
        ("surrogate", bytes(range(256))),
    ],
)
def test_bytes_and_sets_come_back_whole(tmp_path: Path, what: str, expected: object) -> None:
    with HostedJobs(tmp_path) as jobs:
        result = jobs.run(1, "nasty.give", what)

        assert result.outcome == "ok"
        assert value_of(result, tmp_path, 1) == expected


@pytest.mark.covers("F18")
@pytest.mark.parametrize("what", ["object", "circle", "huge", "function", "broken"])
def test_what_cannot_be_written_down_is_shown_as_text(tmp_path: Path, what: str) -> None:
    with HostedJobs(tmp_path) as jobs:
        result = jobs.run(1, "nasty.give", what)

        assert (result.outcome, result.error) == ("ok", "")
        assert value_of(result, tmp_path, 1)


@pytest.mark.covers("F4")
def test_a_large_value_lies_in_the_spool_and_is_cut_at_the_cap(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        whole = jobs.run(1, "nasty.give", "large")
        cut = jobs.run(2, "nasty.give", "large", return_bytes_max=100_000)
        jobs.workers.read_body(JobId(jid(1)), 10, 50)
        piece = next(jobs.until(BodyRead))

        assert (whole.body, whole.body_bytes, whole.is_cut) == (b"", 1_000_005, False)
        assert len(whole.body_digest) == 64
        assert value_of(whole, tmp_path, 1) == "x" * 1_000_000
        assert cut.is_cut
        assert cut.body_bytes <= 100_000
        assert " bytes were cut out here ...]" in value_of(cut, tmp_path, 2)
        assert isinstance(piece, BodyRead)
        assert (piece.offset, piece.data, piece.problem) == (10, b"x" * 50, "")
        os.close(jobs.workers.open_body(JobId(jid(1))))
        for number in (1, 2):
            jobs.workers.drop(JobId(jid(number)))
        jobs.workers.close()
        left = [path.name for path in (tmp_path / "spool").iterdir()]
        assert sorted(left) == [f"slot-{number}" for number in range(8)]


@pytest.mark.covers("D14", "F6")
def test_a_job_runs_in_a_clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("LD_PRELOAD_LOOKALIKE", "x")
    monkeypatch.setenv("LC_ALL", "de_DE")
    leak_read, leak_write = os.pipe()
    os.set_inheritable(leak_write, True)
    with HostedJobs(tmp_path) as jobs:
        seen = value_of(jobs.run(1, "nasty.environment"), tmp_path, 1)
    os.close(leak_write)
    assert os.read(leak_read, 1) == b""  # nobody else holds it
    os.close(leak_read)

    assert (seen["cwd"], seen["umask"]) == ("/", 0o022)
    assert (seen["user"], seen["jid"]) == ("root", jid(1))
    assert seen["environment"]["LC_ALL"] == "C.UTF-8"
    assert not {"PYTHONPATH", "LD_PRELOAD_LOOKALIKE"} & set(seen["environment"])
    descriptors = seen["descriptors"]
    assert descriptors.pop("0") == "/dev/null"
    assert descriptors.pop("1") == descriptors.pop("2")
    kinds = sorted(name.partition(":")[0] for name in descriptors.values())
    assert set(kinds) <= {"pipe", "/proc/self/fd"}, descriptors  # no socket, no file of the link


def test_jobs_run_where_only_few_descriptors_are_allowed(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with HostedJobs(tmp_path) as jobs:
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
        try:
            result = jobs.run(1, "test.echo", "few")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

        assert result.outcome == "ok"


@pytest.mark.parametrize(
    ("function", "argument", "error"),
    [
        ("nasty.exit_now", 3, "the worker exited with 3 without a result"),
        ("nasty.exit_now", 0, "the worker exited with 0 without a result"),
        (
            "nasty.kill_self",
            9,
            "the worker was ended by signal 9 (SIGKILL): from outside, or by the kernel for want "
            "of memory",
        ),
        ("nasty.kill_self", 6, "the worker was ended by signal 6 (SIGABRT)"),
    ],
)
def test_a_worker_that_dies_is_told(
    tmp_path: Path, function: str, argument: int, error: str
) -> None:
    with HostedJobs(tmp_path) as jobs:
        result = jobs.run(1, function, argument)

        assert (result.outcome, result.error) == ("failed", error)
        if function == "nasty.kill_self":
            assert value_of(result, tmp_path, 1) == "last words\n"


def test_a_segfault_is_told(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        result = jobs.run(1, "nasty.segfault")

        assert result.error == "the worker was ended by signal 11 (SIGSEGV)"


def test_a_job_that_signals_its_group_only_hits_itself(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        assert value_of(jobs.run(1, "nasty.kill_group"), tmp_path, 1) == "alive"


@pytest.mark.covers("F6", "B-83")
def test_a_daemon_left_behind_holds_nothing_up_and_lives_on(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        jobs.run(1, "test.echo", "warm")
        begun = time.monotonic()
        result = jobs.run(2, "nasty.daemon", str(tmp_path))
        took = time.monotonic() - begun
        (daemon,) = (int(path.read_text()) for path in tmp_path.glob("daemon"))
        try:
            assert (result.outcome, value_of(result, tmp_path, 2)) == ("ok", "left one")
            assert result.error == f"left running: {process_table.name_of(daemon)} (pid {daemon})"
            assert took < 2
            assert is_alive(daemon)
        finally:
            os.kill(daemon, signal.SIGKILL)


@pytest.mark.covers("F5", "B-83", "B-84")
def test_a_job_over_its_time_is_ended_with_what_it_had_put_out(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    with HostedJobs(tmp_path) as jobs:
        jobs.run(1, "test.echo", "warm")
        result = jobs.run(2, "nasty.ignore_everything", str(marks), timeout_s=0.5)

        assert (result.outcome, result.error) == ("failed", "timeout after 0.5 s")
        assert value_of(result, tmp_path, 2) == "before the end\n"
        assert 1.5 <= result.duration_s < 6  # both ignore SIGTERM: the second of grace was given
        assert len(pids_in(marks)) == 2
        assert not [pid for pid in pids_in(marks) if is_alive(pid)]


@pytest.mark.covers("F5")
def test_a_polite_job_over_its_time_ends_at_once(tmp_path: Path) -> None:
    with HostedJobs(tmp_path, terminate_s=20.0) as jobs:
        result = jobs.run(1, "test.sleep", 100, timeout_s=0.3)

        assert result.error == "timeout after 0.3 s"
        assert result.duration_s < 5


@pytest.mark.covers("F5", "B-84")
@pytest.mark.parametrize("way", ["timeout", "cancel", "host stops"])
def test_what_a_job_started_may_say_its_last_words_before_it_ends(tmp_path: Path, way: str) -> None:
    """The worker, which reads them, ends after it: else SIGPIPE would cut it off in the middle."""
    ready, polite = tmp_path / "ready", tmp_path / "polite"
    words = f"echo ending; echo ending >&2; sleep 0.2; echo polite > {polite}; exit 0"
    script = f"trap '{words}' TERM; echo > {ready}; while :; do sleep 0.05; done"
    with HostedJobs(tmp_path, terminate_s=10.0, cancel_s=10.0) as jobs:
        jobs.run(1, "test.echo", "warm")
        timeout_s = 1.0 if way == "timeout" else 0.0
        spawned = jobs.start(2, "cmd.run", script, timeout_s=timeout_s)
        wait_until(ready.exists)
        if way == "cancel":
            jobs.cancel(2)
        elif way == "host stops":  # everybody is told, in the order of their pids
            for pid in (
                spawned.pid,
                *(each.pid for each in process_table.descendants(spawned.pid)),
            ):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        result = jobs.result(2)

        assert result.outcome == {"timeout": "failed", "cancel": "cancelled"}.get(
            way, "interrupted"
        )
        assert polite.read_text() == "polite\n"
        assert result.duration_s < 6


@pytest.mark.covers("B-84", "D11")
def test_a_cancelled_job_leaves_none_of_its_sleeps(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    with HostedJobs(tmp_path) as jobs:
        spawned = jobs.start(1, "nasty.sleep_three", str(marks))
        wait_until(lambda: len(list(marks.iterdir())) == 5 and len(pids_in(marks)) == 5)
        sleeping = pids_in(marks)
        assert all(is_alive(pid) for pid in sleeping)

        begun = time.monotonic()
        jobs.cancel(1)
        jobs.cancel(1)  # again changes nothing
        result = jobs.result(1)
        took = time.monotonic() - begun

        assert (result.outcome, result.error) == ("cancelled", "cancelled")
        assert not [pid for pid in sleeping if is_alive(pid)]
        assert took < 2
        jobs.cancel(1)
        wait_until(lambda: process_table.look(spawned.pid) is None)


@pytest.mark.covers("B-83", "B-84")
def test_a_cancelled_job_that_ignores_sigterm_is_gone_in_two_seconds(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    with HostedJobs(tmp_path) as jobs:
        jobs.start(1, "nasty.ignore_everything", str(marks))
        wait_until(lambda: len(list(marks.iterdir())) == 2 and len(pids_in(marks)) == 2)
        begun = time.monotonic()
        jobs.cancel(1)
        wait_until(lambda: not [pid for pid in pids_in(marks) if is_alive(pid)])
        took = time.monotonic() - begun

        assert jobs.result(1).outcome == "cancelled"
        assert took < 2


@pytest.mark.covers("B-84")
def test_fifty_children_that_fork_when_they_should_end_are_ended(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    with HostedJobs(tmp_path) as jobs:
        spawned = jobs.start(1, "nasty.fork_fifty", str(marks))
        wait_until(lambda: len(list(marks.iterdir())) == 50 and len(pids_in(marks)) == 50, 30)
        jobs.cancel(1)
        assert jobs.result(1).outcome == "cancelled"

        assert not [pid for pid in pids_in(marks) if is_alive(pid)]
        assert process_table.members(spawned.pid) == []


def test_a_job_cancelled_while_it_is_held_never_runs(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        jobs.hold(1, "nasty.nap", str(tmp_path), 0)
        jobs.cancel(1)
        result = jobs.result(1)

        assert (result.outcome, result.error) == ("cancelled", "cancelled before it began")
        assert not (tmp_path / "runs").exists()


@pytest.mark.covers("I10")
def test_a_job_that_eats_memory_is_ended_alone(tmp_path: Path) -> None:
    with HostedJobs(tmp_path, memory_bytes_max=200 * 1024 * 1024) as jobs:
        jobs.start(2, "test.sleep", 2)
        result = jobs.run(1, "nasty.eat_memory", 2000)

        assert result.outcome == "failed"
        assert result.error == "the job's processes used more than the 200 MiB of memory allowed"
        ended = [event for event in jobs.events if isinstance(event, Ended)]
        other = next((each.result for each in ended if each.jid == jid(2)), None)
        assert (other or jobs.result(2)).outcome == "ok"


@pytest.mark.covers("B-83")
def test_a_flood_of_output_is_bounded_on_disk_and_the_value_comes_back(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        result = jobs.run(1, "nasty.flood", 1024, is_streamed=True)

        assert (result.outcome, value_of(result, tmp_path, 1)) == ("ok", "done")
        size = (tmp_path / "spool" / f"{jid(1)}.out").stat().st_size
        assert size == 16 * 1024 * 1024 + 8
        assert jobs.output(1).endswith(b"last words\n")


@pytest.mark.covers("B-83", "F5")
def test_endless_output_until_the_timeout_keeps_head_and_tail(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        result = jobs.run(1, "nasty.flood_for_ever", timeout_s=1.0, return_bytes_max=50_000)

        assert (result.outcome, result.error) == ("failed", "timeout after 1 s")
        assert result.is_cut
        text = value_of(result, tmp_path, 1)
        assert len(text) <= 50_000
        assert text.startswith("y\ny\n")
        assert text.endswith("y\n")
        assert " bytes of output were cut out here ...]" in text


def test_the_output_of_a_streamed_job_comes_while_it_runs(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        jobs.start(1, "nasty.stream", 5, 0.3, is_streamed=True)
        wait_until(lambda: bool(jobs.turn() or True) and b"line 1\n" in jobs.output(1))
        assert not [event for event in jobs.events if isinstance(event, Ended)]
        result = jobs.result(1)

        assert result.outcome == "ok"
        assert jobs.output(1) == b"".join(b"line %d\n" % number for number in range(5))


@pytest.mark.covers("D4", "F14")
def test_a_job_outlives_its_link_and_is_adopted(tmp_path: Path) -> None:
    first = HostedJobs(tmp_path)
    spawned = first.start(1, "nasty.nap", str(tmp_path), 1.0)
    wait_until((tmp_path / "runs").exists)
    first.workers.close()  # as a link that died: every descriptor of it is closed
    with HostedJobs(tmp_path) as second:
        second.workers.adopt(CLOCK.now(), JobId(jid(1)), spawned.pid, spawned.process_start)
        assert [job.jid for job in second.workers.running()] == [jid(1)]
        result = second.result(1)

        assert (result.outcome, value_of(result, tmp_path, 1)) == ("ok", "woke up")
        assert (tmp_path / "runs").read_text() == "ran\n"
    first.close()


def test_a_job_that_ended_while_no_link_was_there_is_told_at_once(tmp_path: Path) -> None:
    first = HostedJobs(tmp_path)
    spawned = first.start(1, "nasty.nap", str(tmp_path), 0.2)
    wait_until((tmp_path / "runs").exists)
    first.close()
    wait_until(lambda: process_table.look(spawned.pid) is None)
    with HostedJobs(tmp_path) as second:
        second.workers.adopt(CLOCK.now(), JobId(jid(1)), spawned.pid, spawned.process_start)

        assert second.result(1, wait_s=5).outcome == "cancelled"  # `close` had cancelled it


@pytest.mark.covers("D4", "D5")
def test_a_pid_that_now_means_somebody_else_is_not_adopted(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        jobs.workers.adopt(CLOCK.now(), JobId(jid(1)), os.getpid(), 1)
        result = jobs.result(1, wait_s=5)

        assert result.outcome == "interrupted"
        assert jobs.workers.running() == ()


@pytest.mark.covers("D4")
def test_a_held_job_whose_link_dies_never_runs(tmp_path: Path) -> None:
    first = HostedJobs(tmp_path)
    spawned = first.hold(1, "nasty.nap", str(tmp_path), 0)
    first.workers.close()
    wait_until(lambda: process_table.look(spawned.pid) is None)
    first.close()

    assert not (tmp_path / "runs").exists()
    left = [path.name for path in (tmp_path / "spool").iterdir()]
    assert not [name for name in left if name.startswith(jid(1))]


@pytest.mark.covers("D7")
def test_a_killed_fork_server_costs_no_running_job_and_is_made_anew(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        jobs.start(1, "nasty.nap", str(tmp_path), 1.0)
        jobs.hold(2, "test.echo", "held")
        fork_server = jobs.workers.fork_server_pid
        os.kill(fork_server, signal.SIGKILL)
        results = {event.jid: event.result for event in _take(jobs, 2)}
        again = jobs.run(3, "test.echo", "again")

        assert results[JobId(jid(1))].outcome == "ok"
        assert results[JobId(jid(2))].outcome == "interrupted"  # its word could come no more
        assert again.outcome == "ok"
        assert jobs.workers.fork_server_pid not in (0, fork_server)
        wait_until(lambda: process_table.look(fork_server) is None)


def _take(jobs: HostedJobs, count: int) -> list[Ended]:
    ended: list[Ended] = []
    for event in jobs.until(Ended):
        assert isinstance(event, Ended)
        ended.append(event)
        if len(ended) == count:
            return ended
    raise AssertionError("unreachable")


@pytest.mark.covers("D4")
def test_a_killed_supervisor_takes_its_worker_along_and_is_told_as_interrupted(
    tmp_path: Path,
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    with HostedJobs(tmp_path) as jobs:
        spawned = jobs.start(1, "nasty.ignore_everything", str(marks))
        wait_until(lambda: len(list(marks.iterdir())) == 2 and len(pids_in(marks)) == 2)
        os.kill(spawned.pid, signal.SIGKILL)
        result = jobs.result(1)

        assert result.outcome == "interrupted"
        assert "was ended from outside while it ran" in result.error
        wait_until(lambda: not [pid for pid in pids_in(marks) if is_alive(pid)], 5)


def test_a_job_on_a_host_that_stops_is_told_as_interrupted(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        spawned = jobs.start(1, "nasty.nap", str(tmp_path), 100)
        wait_until((tmp_path / "runs").exists)
        os.kill(spawned.pid, signal.SIGTERM)

        assert jobs.result(1).outcome == "interrupted"


def test_a_fork_server_that_hangs_is_given_up_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limpet.minion.workers.job_processes.SPAWN_S", 4.0)
    with HostedJobs(tmp_path) as jobs:
        jobs.run(1, "test.echo", "warm")
        fork_server = jobs.workers.fork_server_pid
        os.kill(fork_server, signal.SIGSTOP)
        jobs.spawn(2, "test.echo", "never")
        failed = next(jobs.until(SpawnFailed))
        again = jobs.run(3, "test.echo", "again") if isinstance(failed, SpawnFailed) else None

        assert isinstance(failed, SpawnFailed)
        assert failed.reason == "the fork server did not answer in 4 s and was ended"
        assert again is not None
        assert again.outcome == "ok"


def test_a_fork_server_without_jobs_ends_and_comes_back_when_needed(tmp_path: Path) -> None:
    with HostedJobs(tmp_path, idle_s=0.2) as jobs:
        jobs.run(1, "test.echo", "one")
        fork_server = jobs.workers.fork_server_pid
        wait_until(lambda: bool(jobs.turn() or True) and jobs.workers.fork_server_pid == 0)
        wait_until(lambda: bool(jobs.turn() or True) and process_table.look(fork_server) is None)
        assert jobs.run(2, "test.echo", "two").outcome == "ok"


@pytest.mark.covers("I11")
def test_after_many_jobs_there_are_no_zombies_and_no_more_descriptors(tmp_path: Path) -> None:
    with HostedJobs(tmp_path) as jobs:
        jobs.run(1, "test.echo", "warm")
        fork_server = jobs.workers.fork_server_pid
        before = (len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{fork_server}/fd")))
        for number in range(2, 32):
            jobs.spawn(number, "test.echo", number)
        ended = 0
        for event in jobs.until(Spawned, Ended):
            if isinstance(event, Spawned):
                jobs.workers.release(CLOCK.now(), event.jid)
                continue
            assert isinstance(event, Ended)
            assert event.result.outcome == "ok"
            ended += 1
            if ended == 30:
                break
        wait_until(lambda: not [p for p in process_table.everything() if p.parent == fork_server])

        after = (len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{fork_server}/fd")))
        assert after == before


@pytest.mark.covers("I1")
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_jobs_run_and_their_ends_are_told_with_no_byte_free(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], check=True, timeout=10
    )
    try:
        with HostedJobs(small) as jobs:
            jobs.run(1, "test.echo", "warm")
            jobs.workers.drop(JobId(jid(1)))
            _fill(small / "filler")
            results = [jobs.run(number, "test.echo", number) for number in range(2, 6)]
            large = jobs.run(6, "nasty.give", "large")

            assert [result.outcome for result in results] == ["ok"] * 4
            assert large.outcome == "ok"
            assert large.is_cut
            assert large.error == "the returned value was cut: the disk was full"
            assert value_of(large, small, 6).startswith("xxx")
            for number in range(7, 20):
                jobs.spawn(number, "test.echo", number)
            answers = jobs.until(Spawned, SpawnFailed)
            refused = [
                each
                for each in (next(answers) for _ in range(7, 20))
                if isinstance(each, SpawnFailed)
            ]
            assert len(refused) > 5
            assert refused[0].reason == "disk full: no room can be set aside for its result"
            (small / "filler").unlink()
            assert jobs.run(30, "test.echo", "room").outcome == "ok"
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True, timeout=10)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
