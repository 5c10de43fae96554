"""The memory limit of a job where no memory controller keeps it, and what the kernel's end says."""

import os
import time
from pathlib import Path

import pytest

from limpet.minion.jobs import processes
from support.jobs_on_host import HostedJobs, value_of, wait_until

MIB = 1024 * 1024
LIMIT = 150 * MIB
TOO_MUCH = "the job's processes used more than the 150 MiB of memory allowed"


def _peak_of(jobs: HostedJobs, number: int, function: str, *arguments: object) -> tuple[int, str]:
    """Run the job to its end; give the most memory that was seen free before and taken then."""
    free = least = _available()
    jobs.start(number, function, *arguments)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        jobs.turn(0.005)
        least = min(least, _available())
        for event in jobs.events:
            if type(event).__name__ == "Ended":
                return free - least, event.result.error  # type: ignore[union-attr]
    raise AssertionError("it did not end")


def _available() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no MemAvailable")


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
    with HostedJobs(tmp_path, memory_bytes_max=LIMIT) as jobs:
        jobs.run(1, "test.echo", "warm")
        jobs.events.clear()
        taken, error = _peak_of(jobs, 2, function, *arguments)

    assert error == TOO_MUCH
    assert taken < LIMIT + 300 * MIB, f"{taken / MIB:.0f} MiB were taken"


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


def test_jobs_are_the_first_to_go_and_their_keepers_are_as_safe_as_the_minion(
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
            (worker,) = processes.descendants(spawned.pid)
            marks = [
                int(Path(f"/proc/{pid}/oom_score_adj").read_text())
                for pid in (jobs.workers.parent_pid, spawned.pid, worker.pid)
            ]
            jobs.result(1)
    finally:
        adjust.write_text(before)

    assert marks == [-100, -100, 0]
