"""The journal on a real disk: durable in order, never refusing to start, never losing a word."""

import errno
import os
import select
import threading
import time
from pathlib import Path

import pytest

from limpet.common.clock import Moment, SystemClock
from limpet.common.identifiers import Commit, JobId
from limpet.minion.jobs.events import Durable, JournalTrouble
from limpet.minion.journal.io import journal_file
from limpet.minion.journal.io.journal_thread import STALL_S, Journal
from limpet.minion.journal.records import (
    JobAcknowledged,
    JobStarted,
    JobTombstone,
    JournalOpened,
    Note,
)
from support.minion.journal_records import accepted, finished, jid

CLOCK = SystemClock()


def wait_for(journal: Journal, commit: int, *, wait_s: float = 10.0) -> list[object]:
    """Collect until the commit is durable; give all events."""
    events: list[object] = []
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        select.select(journal.filenos(), [], [], 0.1)
        events += journal.collect(CLOCK.now())
        if any(isinstance(event, Durable) and event.commit >= commit for event in events):
            return events
    raise AssertionError(f"commit {commit} was not durable in {wait_s} s: {events}")


def wait_for_trouble(journal: Journal, wanted: str, *, wait_s: float = 10.0) -> None:
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        select.select(journal.filenos(), [], [], 0.1)
        for event in journal.collect(CLOCK.now()):
            if isinstance(event, JournalTrouble) and event.text.startswith(wanted):
                return
    raise AssertionError(f"no trouble {wanted!r} in {wait_s} s, but {journal.trouble!r}")


def test_a_new_journal_has_an_identity_that_it_keeps(tmp_path: Path) -> None:
    first = Journal.open(tmp_path / "jobs")
    first.close()
    second = Journal.open(tmp_path / "jobs")
    second.close()

    assert first.state.journal_id is not None
    assert len(first.state.journal_id) == 32
    assert second.state.journal_id == first.state.journal_id
    assert (first.findings, second.findings) == ((), ())


def test_what_was_said_durable_is_there_after_a_restart(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.persist(Commit(1), (accepted(jid(1)), Note("fleet", "7")))
    journal.persist(Commit(2), (JobStarted(jid(1), 5, 6, "b", 1.0, 1.0),))
    journal.persist(Commit(3), (finished(jid(1)), JobTombstone(jid(2), 1.0)))
    events = wait_for(journal, 3)
    journal.close()
    again = Journal.open(tmp_path)
    again.close()

    assert all(isinstance(event, Durable) for event in events)
    assert again.state.notes == {"fleet": "7"}
    entry = again.state.jobs[JobId(jid(1))]
    assert entry.accepted == accepted(jid(1))
    assert entry.finished == finished(jid(1))
    assert again.state.jobs[JobId(jid(2))].is_cancelled


def test_many_commits_share_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = 0
    real = os.fdatasync

    def slow_sync(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        time.sleep(0.02)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow_sync)
    journal = Journal.open(tmp_path)
    for number in range(1, 501):
        journal.persist(Commit(number), (Note("n", str(number)),))
    wait_for(journal, 500)
    journal.close()

    assert 1 <= syncs < 50
    again = Journal.open(tmp_path)
    again.close()
    assert again.state.notes == {"n": "500"}


@pytest.mark.covers("I1")
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_failing_disk_is_told_and_tried_again_until_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = os.fdatasync
    fails = 2

    def failing_sync(descriptor: int) -> None:
        nonlocal fails
        if fails > 0:
            fails -= 1
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", failing_sync)
    monkeypatch.setattr("limpet.minion.journal.io.journal_thread.RETRY_S", 0.05)
    journal = Journal.open(tmp_path)
    journal.persist(Commit(1), (accepted(jid(1)),))
    wait_for_trouble(journal, "disk full" if number == errno.ENOSPC else "Input/output error")
    assert not journal.has_room()
    journal.persist(Commit(2), (finished(jid(1)),))
    wait_for(journal, 2)
    end = time.monotonic() + 5
    while journal.trouble and time.monotonic() < end:
        time.sleep(0.01)
    journal.close()

    assert journal.trouble == ""
    again = Journal.open(tmp_path)
    again.close()
    assert again.state.jobs[JobId(jid(1))].finished == finished(jid(1))


@pytest.mark.covers("I1")
def test_a_write_that_does_not_come_back_is_told_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fdatasync
    gate = threading.Event()

    def hanging_sync(descriptor: int) -> None:
        assert gate.wait(30)
        real(descriptor)

    journal = Journal.open(tmp_path)
    monkeypatch.setattr(os, "fdatasync", hanging_sync)
    journal.persist(Commit(1), (accepted(jid(1)),))
    now = CLOCK.now()
    assert journal.collect(now) == []
    assert journal.next_deadline == now.after(STALL_S)
    assert journal.collect(Moment(now.after(STALL_S - 1), now.wall)) == []
    (told,) = journal.collect(Moment(now.after(STALL_S), now.wall))
    assert isinstance(told, JournalTrouble)
    assert (
        told.text
        == journal.trouble
        == f"disk stalls: a write to {tmp_path}/journal " + ("does not come back")
    )
    gate.set()
    assert JournalTrouble("") in wait_for(journal, 1)
    assert journal.trouble == ""
    journal.close()


@pytest.mark.covers("I1")
def test_room_for_the_end_of_every_accepted_job_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = Journal.open(tmp_path)
    monkeypatch.setattr(os, "posix_fallocate", full)
    jobs = 0
    while journal.has_room():
        jobs += 1
        journal.persist(Commit(jobs), (accepted(jid(jobs), arguments=b"a" * 1000),))
        wait_for(journal, jobs)
    assert jobs > 100
    assert journal.trouble.startswith("disk full: no room for another job in ")
    for number in range(1, jobs + 1):
        ends = (
            JobStarted(jid(number), 1, 1, "b", 1.0, 1.0),
            finished(jid(number), body=b"r" * 16 * 1024),
            JobAcknowledged(jid(number), 1.0),
        )
        journal.persist(Commit(jobs + number), ends)
    wait_for(journal, 2 * jobs)
    journal.close()


@pytest.mark.covers("I3")
def test_a_journal_of_finished_jobs_is_rewritten_small_and_says_the_same(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    identity = journal.state.journal_id
    rounds = 400
    for number in range(1, rounds + 1):
        name = jid(number)
        records = (accepted(name), finished(name, body=b"b" * 16_000), JobAcknowledged(name, 1.0))
        journal.persist(Commit(number), records)
        wait_for(journal, number)
    journal.persist(Commit(rounds + 1), (accepted(jid(0)),))
    wait_for(journal, rounds + 1)
    journal.close()

    assert (tmp_path / "journal").stat().st_size == journal_file.FILE_BYTES  # 6.5 MB went through
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal"]
    again = Journal.open(tmp_path)
    again.close()
    assert again.state.journal_id == identity
    assert len(again.state.jobs) == rounds + 1
    assert again.state.jobs[JobId(jid(0))].accepted == accepted(jid(0))
    assert all(entry.is_acknowledged for name, entry in again.state.jobs.items() if name != jid(0))


@pytest.mark.covers("D6")
def test_a_damaged_journal_is_set_aside_and_its_unstarted_jobs_never_run(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    for number in range(1, 4):
        journal.persist(Commit(number), (accepted(jid(number)),))
    journal.persist(Commit(4), (JobStarted(jid(3), 5, 6, "b", 1.0, 1.0),))
    wait_for(journal, 4)
    journal.close()
    path = tmp_path / "journal"
    data = bytearray(path.read_bytes())
    data[data.index(jid(2).encode())] ^= 1
    path.write_bytes(data)

    again = Journal.open(tmp_path)
    again.close()

    assert again.state.journal_id not in (None, journal.state.journal_id)
    assert "does not match its checksum" in again.findings[0]
    (aside,) = tmp_path.glob("journal.damaged-*")
    assert aside.read_bytes() == bytes(data)
    first = again.state.jobs[JobId(jid(1))].finished
    assert first is not None
    assert first.outcome == "interrupted"
    assert again.state.jobs[JobId(jid(3))].finished is None  # it may still run: to be adopted
    assert again.state.jobs[JobId(jid(3))].started is not None
    third = Journal.open(tmp_path)
    third.close()
    assert third.findings == ()
    assert third.state == again.state


@pytest.mark.covers("D6")
def test_a_journal_flipped_or_cut_at_every_512th_byte_still_opens(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "whole")
    for number in range(1, 41):
        journal.persist(Commit(number), (accepted(jid(number)), finished(jid(number))))
        wait_for(journal, number)
    journal.close()
    whole = (tmp_path / "whole" / "journal").read_bytes()
    used = len(whole.rstrip(b"\0"))
    places = [*range(0, used + 1024, 512), len(whole) - 1]
    directory = tmp_path / "broken"
    directory.mkdir()
    for place in places:
        flipped = bytearray(whole)
        flipped[place] ^= 0x5A
        for data in (bytes(flipped), whole[:place]):
            (directory / "journal").unlink(missing_ok=True)
            (directory / "journal").write_bytes(data)
            opened = Journal.open(directory)
            opened.persist(Commit(1), (Note("still", "alive"),))
            wait_for(opened, 1)
            opened.close()
            if opened.state.journal_id == journal.state.journal_id:
                # Only bytes between or behind the records were touched: nothing is missing.
                assert len(opened.state.jobs) == 40, f"loss by damage at byte {place} unnoticed"
            else:
                assert opened.findings
            assert len(list(directory.iterdir())) <= 1 + journal_file.SET_ASIDE_MAX


@pytest.mark.covers("D6")
def test_a_torn_end_is_cut_off_and_the_identity_stays(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.persist(Commit(1), (accepted(jid(1)),))
    wait_for(journal, 1)
    journal.persist(Commit(2), (accepted(jid(2), arguments=b"a" * 3000),))
    wait_for(journal, 2)
    journal.close()
    path = tmp_path / "journal"
    data = bytearray(path.read_bytes())
    end = len(data.rstrip(b"\0"))
    data[end - end % 512 - 512 : end] = bytes(end % 512 + 512)
    path.write_bytes(data)

    again = Journal.open(tmp_path)
    again.persist(Commit(1), (finished(jid(1)),))
    wait_for(again, 1)
    again.close()
    third = Journal.open(tmp_path)
    third.close()

    assert "was not written to its end" in again.findings[0]
    assert again.state.journal_id == journal.state.journal_id
    assert list(third.state.jobs) == [JobId(jid(1))]
    assert third.findings == ()


@pytest.mark.covers("D6")
def test_a_journal_that_is_a_directory_or_a_link_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "one" / "journal").mkdir(parents=True)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "journal").symlink_to("/etc/passwd")
    for name in ("one", "two"):
        journal = Journal.open(tmp_path / name)
        journal.close()
        assert journal.trouble == ""
        assert (tmp_path / name / "journal").is_file()
        assert not (tmp_path / name / "journal").is_symlink()


def test_a_mistake_in_the_thread_ends_the_loop_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path)

    def broken(descriptor: int) -> None:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(os, "fdatasync", broken)
    journal.persist(Commit(1), (Note("a", "b"),))
    with pytest.raises(ZeroDivisionError, match="a mistake"):
        wait_for(journal, 1)
    journal.close()


@pytest.mark.covers("D6")
def test_nothing_is_durable_in_a_new_file_before_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut would bring the old file back, without what was written since."""
    calls: list[str] = []
    fails = 2

    def sync_directory(directory: Path) -> None:
        nonlocal fails
        if fails:
            fails -= 1
            raise OSError(errno.EIO, "Input/output error")
        calls.append("name")

    def sync_data(_descriptor: int) -> None:
        calls.append("data")

    monkeypatch.setattr(journal_file, "sync_directory", sync_directory)
    monkeypatch.setattr(os, "fdatasync", sync_data)
    file = journal_file.JournalFile(tmp_path)
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            if file.is_usable:
                file.append([Note("fleet", "7")])
            else:
                file.begin([JournalOpened("0" * 32)])
    file.append([Note("fleet", "7")])
    file.append([Note("fleet", "8")])
    file.close()
    assert calls == ["name", "data", "data"]
    again = Journal.open(tmp_path)
    again.close()
    assert again.state.notes == {"fleet": "8"}
