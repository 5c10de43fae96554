"""The journal on a file system that really fills up, and after a process that really dies."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.common.clock import SystemClock
from limpet.common.identifiers import Commit, JobId
from limpet.minion.jobs.events import Durable
from limpet.minion.journal.io.journal_thread import Journal
from limpet.minion.journal.records import JobAcknowledged, JobStarted
from support.minion.journal_records import accepted, finished, jid

CLOCK = SystemClock()

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")


@pytest.fixture(name="small")
def _small(tmp_path: Path) -> Iterator[Path]:
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(small)]
    subprocess.run(command, check=True, timeout=10)
    yield small
    subprocess.run(["umount", "-l", str(small)], check=True, timeout=10)


def fill(path: Path) -> None:
    """Write until there is no byte left."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def wait_for(journal: Journal, commit: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        select.select(journal.filenos(), [], [], 0.1)
        for event in journal.collect(CLOCK.now()):
            if isinstance(event, Durable) and event.commit >= commit:
                return
    raise AssertionError(f"commit {commit} is not durable: {journal.trouble!r}")


def wait_until_calm(journal: Journal) -> None:
    end = time.monotonic() + 20
    while journal.trouble:
        assert time.monotonic() < end, journal.trouble
        select.select(journal.filenos(), [], [], 0.1)
        journal.collect(CLOCK.now())


@needs_root
@pytest.mark.covers("I1")
def test_with_no_byte_free_jobs_are_taken_finished_and_at_last_refused(small: Path) -> None:
    journal = Journal.open(small / "jobs")
    fill(small / "filler")
    number = 0
    while journal.has_room():
        number += 1
        journal.persist(Commit(number), (accepted(jid(number), arguments=b"a" * 2000),))
        wait_for(journal, number)
    assert number > 100
    assert journal.trouble.startswith("disk full: no room for another job")
    for job in range(1, number + 1):
        start = JobStarted(jid(job), 1, 1, "b", 1.0, 1.0)
        end = finished(jid(job), body=b"r" * 16 * 1024)
        journal.persist(Commit(number + job), (start, end, JobAcknowledged(jid(job), 1.0)))
    wait_for(journal, 2 * number)
    journal.close()
    again = Journal.open(small / "jobs")
    try:
        assert all(entry.is_acknowledged for entry in again.state.jobs.values())
        assert len(again.state.jobs) == number
        (small / "filler").unlink()
        wait_until_calm(again)  # room is made by itself, by growing or by rewriting
        assert again.has_room()
    finally:
        again.close()


@needs_root
@pytest.mark.covers("I1", "D6")
def test_a_minion_whose_disk_is_full_at_its_first_start_starts_and_recovers(small: Path) -> None:
    fill(small / "filler")
    journal = Journal.open(small / "jobs")
    try:
        assert "No space left on device" in journal.trouble
        assert not journal.has_room()
        journal.persist(Commit(1), (accepted(jid(1)),))
        (small / "filler").unlink()
        wait_for(journal, 1)
        wait_until_calm(journal)
        identity = journal.state.journal_id
    finally:
        journal.close()
    again = Journal.open(small / "jobs")
    again.close()
    assert again.state.journal_id == identity
    assert list(again.state.jobs) == [JobId(jid(1))]


WRITER = """
import select, sys
from pathlib import Path
from limpet.common.clock import SystemClock
from limpet.common.identifiers import Commit
from limpet.minion.jobs.events import Durable
from limpet.minion.journal.io.journal_thread import Journal
from limpet.minion.journal.records import Note
journal, clock, number = Journal.open(Path(sys.argv[1])), SystemClock(), 0
while True:
    number += 1
    journal.persist(Commit(number), (Note("n", str(number)), Note("big", "x" * 3000)))
    select.select(journal.filenos(), [], [], 0.01)
    for event in journal.collect(clock.now()):
        if isinstance(event, Durable):
            print(event.commit, flush=True)
"""


@pytest.mark.covers("D4", "D6")
def test_what_was_said_durable_survives_kill_at_any_moment(tmp_path: Path) -> None:
    identity = None
    for number in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.013 * number)
            writer.send_signal(signal.SIGKILL)
            said = [int(line) for line in writer.stdout.read().split(b"\n")[:-1]]
        journal = Journal.open(tmp_path)
        journal.close()

        assert identity in (None, journal.state.journal_id)
        identity = journal.state.journal_id
        assert int(journal.state.notes["n"]) >= max(said, default=1)
