"""The memory limit of a job where no memory controller keeps it, and what the kernel's end says."""

import os
import time
from pathlib import Path

import pytest

from limpet.minion.jobs.events import Ended
from limpet.minion.workers import job_memory, process_table
from support.fakes.manager import FakeManager, can_limit
from support.hosts.jobs_on_host import HostedJobs, value_of, wait_until
from support.minion.journal_records import jid

MIB = 1024 * 1024
LIMIT = 150 * MIB
NEAR = 300 * MIB
TRIES = 6
TOO_MUCH = "the job's processes used more than the 150 MiB of memory allowed"


def _most_of(jobs: HostedJobs, number: int, function: str, *arguments: object) -> tuple[int, str]:
    """Run the job to its end; give the most memory that its processes were seen with."""
    most = 0
    supervisor = jobs.start(number, function, *arguments).pid
    end = time.monotonic() + 30
    while time.monotonic() < end:
        jobs.turn(0.001)
        most = max(most, job_memory.held_by(process_table.below(supervisor)).total)
        for event in jobs.events:
            if isinstance(event, Ended) and event.jid == jid(number):
                return most, event.result.error
    raise AssertionError("it did not end")


@pytest.mark.alone
@pytest.mark.covers("I10")
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("nasty.eat_memory", (4000,)),
        ("nasty.eat_in_many", (60, 20)),
        ("nasty.eat_shared", ("", 4000)),
    ],
)
def test_a_fast_eater_is_ended_near_its_limit(
    tmp_path: Path, function: str, arguments: tuple[object, ...]
) -> None:
    """Each is ended; near the limit where the host gave the supervisor its turns in time.

    A host that was busy otherwise lets an eater go on meanwhile, so the best of some runs counts.
    """
    seen = []
    with HostedJobs(tmp_path, memory_bytes_max=LIMIT) as jobs:
        jobs.run(1, "test.echo", "warm")
        for number in range(2, 2 + TRIES):
            most, error = _most_of(jobs, number, function, *arguments)
            assert error == TOO_MUCH
            seen.append(most)
            if most < LIMIT + NEAR:
                break

    print(f"{function}: {[most // MIB for most in seen]} MiB of {LIMIT // MIB} at the most")
    assert min(seen) < LIMIT + NEAR


@pytest.mark.covers("I10")
def test_memory_that_forks_share_is_counted_once(tmp_path: Path) -> None:
    with HostedJobs(tmp_path, memory_bytes_max=LIMIT) as jobs:
        result = jobs.run(1, "nasty.share_by_forking", 6, 60)

        assert (result.outcome, result.error) == ("ok", "")
        assert value_of(result, tmp_path, 1) == str(60 * MIB)


@pytest.mark.covers("I10")
def test_a_file_in_memory_is_counted_while_it_is_open(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or os.statvfs(shared).f_bavail * 4096 < 600 * MIB:
        pytest.skip("/dev/shm has no 600 MiB to write to")
    path = shared / f"limpet-eaten-{os.getpid()}"
    try:
        with HostedJobs(tmp_path, memory_bytes_max=LIMIT) as jobs:
            result = jobs.run(1, "nasty.eat_shared", str(path), 500)
    finally:
        path.unlink(missing_ok=True)

    assert result.error == TOO_MUCH


needs_controller = pytest.mark.skipif(
    os.geteuid() != 0 or not can_limit(),
    reason="a limit that the kernel keeps (MemoryMax) needs root and a memory controller",
)


@needs_controller
@pytest.mark.covers("I10")
@pytest.mark.parametrize("who", ["child", "worker"])
def test_what_the_kernel_ends_at_the_scopes_limit_is_told_in_words(
    tmp_path: Path, who: str
) -> None:
    with (
        FakeManager(tmp_path / "private", "moves") as manager,
        HostedJobs(tmp_path, service_manager=str(manager.path), memory_bytes_max=LIMIT) as jobs,
    ):
        function = "nasty.eat_memory" if who == "child" else "nasty.eat_itself"
        result = jobs.run(1, function, 4000)
        again = jobs.run(2, "test.echo", "next")

    ended = "the kernel ended 1 of its processes for want of memory"
    assert result.outcome == "failed"
    if who == "child":
        assert result.error == f"RuntimeError: -9; {ended}"
    else:
        assert result.error == f"the worker was ended by signal 9 (SIGKILL); {ended}"
    assert again.outcome == "ok"


@needs_controller
@pytest.mark.covers("I10")
def test_files_in_memory_count_where_the_kernel_keeps_the_limit(tmp_path: Path) -> None:
    """Closed files too, of which no other limit knows whose they are."""
    path = Path(f"/dev/shm/limpet-eaten-{os.getpid()}")
    try:
        with (
            FakeManager(tmp_path / "private", "moves") as manager,
            HostedJobs(tmp_path, service_manager=str(manager.path), memory_bytes_max=LIMIT) as jobs,
        ):
            result = jobs.run(1, "nasty.eat_shared", str(path), 400)
    finally:
        size = path.stat().st_blocks * 512
        path.unlink(missing_ok=True)

    assert result.outcome == "failed"
    assert "for want of memory" in result.error
    assert size <= LIMIT


def test_jobs_are_the_first_to_go_and_their_supervisors_are_as_safe_as_the_minion(
    tmp_path: Path,
) -> None:
    adjust = Path("/proc/self/oom_score_adj")
    before = adjust.read_text()
    try:
        adjust.write_text("-100")
    except PermissionError:
        pytest.skip("the protection that a unit has (oom_score_adj) can't be given here")
    try:
        with HostedJobs(tmp_path) as jobs:
            spawned = jobs.start(1, "nasty.nap", str(tmp_path), 2)
            wait_until((tmp_path / "runs").exists)
            (worker,) = process_table.descendants(spawned.pid)
            marks = [
                int(Path(f"/proc/{pid}/oom_score_adj").read_text())
                for pid in (jobs.workers.fork_server_pid, spawned.pid, worker.pid)
            ]
            jobs.result(1)
    finally:
        adjust.write_text(before)

    assert marks == [-100, -100, 0]
