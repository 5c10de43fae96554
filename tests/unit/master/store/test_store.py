import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from limpet.common.clock import Moment, SystemClock
from limpet.common.control.replies import Jobs, JobStored, JobUpdate, Refused
from limpet.common.control.requests import ListJobs, WatchJob
from limpet.common.errors import HostError
from limpet.common.identifiers import Commit, JobId, MinionId
from limpet.common.storage import sqlite
from limpet.common.storage.reserve import Reserve
from limpet.master.core.effects import Client, Fetch, Query
from limpet.master.store import writer
from limpet.master.store.operations import (
    Operation,
    PruneHistory,
    PutDelivery,
    PutJob,
    PutNote,
)
from limpet.master.store.reader import Answered
from limpet.master.store.schema import MIGRATIONS
from limpet.master.store.store import STALL_S, Store
from limpet.master.store.writer import Committed, Failed, Trouble, Writer
from limpet.master.store.writing import Transaction
from support.master.stores import collect_until, delivery_row, job_row


def _store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store" / "master.db", clock=SystemClock())


def _notes(number: int) -> tuple[Operation, ...]:
    return (PutNote("last", str(number)), PutNote(f"n{number}", "x"))


def test_what_was_submitted_is_committed_in_order_and_there_after_a_reopening(
    tmp_path: Path,
) -> None:
    store = _store(tmp_path)
    assert store.load(wall_s=0.0).commit == 0
    store.start()
    for number in range(1, 201):
        store.submit(Commit(number), _notes(number))
    found = collect_until(store, lambda all_: Committed(Commit(200)) in all_)
    assert store.close()

    commits = [each.commit for each in found if isinstance(each, Committed)]
    assert commits == sorted(commits)
    assert len(commits) < 200, "each batch had an fsync of its own"
    again = _store(tmp_path)
    snapshot = again.load(wall_s=0.0)
    again.close()
    assert snapshot.commit == 200
    assert snapshot.notes["last"] == "200"
    assert len(snapshot.notes) == 201


@pytest.mark.covers("C8")
def test_closing_writes_what_waits(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.start()
    for number in range(1, 51):
        store.submit(Commit(number), _notes(number))
    assert store.close()
    again = _store(tmp_path)
    assert again.load(wall_s=0.0).commit == 50
    again.close()


def test_while_much_comes_in_what_follows_is_gathered_and_closing_waits_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "GATHER_S", 1.0)
    store = _store(tmp_path)
    store.start()
    store.submit(Commit(1), tuple(PutNote(f"n{n}", "x") for n in range(writer.GATHERED)))
    collect_until(store, lambda all_: Committed(Commit(1)) in all_)
    for number in range(2, 12):
        store.submit(Commit(number), _notes(number))
        threading.Event().wait(0.005)
    assert collect_until(store, bool) == [Committed(Commit(11))]
    assert store.figures()["store_commits"] == 2

    monkeypatch.setattr(writer, "GATHER_S", 3600.0)
    store.submit(Commit(12), tuple(PutNote(f"n{n}", "y") for n in range(writer.GATHERED)))
    collect_until(store, lambda all_: Committed(Commit(12)) in all_)
    store.submit(Commit(13), _notes(13))
    assert store.close(within_s=30.0)
    again = _store(tmp_path)
    assert again.load(wall_s=0.0).commit == 13
    again.close()


@pytest.mark.covers("B-78")
def test_a_lock_of_another_process_is_waited_out_and_nothing_is_lost(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.start()
    other = sqlite3.connect(tmp_path / "store" / "master.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    store.submit(Commit(1), _notes(1))
    found = collect_until(store, bool)
    assert isinstance(found[0], Trouble)
    assert "locked by another process" in found[0].text
    store.submit(Commit(2), _notes(2))
    other.execute("ROLLBACK")
    other.close()
    found = collect_until(store, lambda all_: Committed(Commit(2)) in all_)
    assert Trouble("") in found or Trouble("") in collect_until(store, bool)
    store.close()


def test_questions_are_answered_in_order_with_bodies(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.start()
    jid = JobId(job_row(1).jid)
    store.submit(
        Commit(1),
        (
            PutJob(job_row(1)),
            PutDelivery(delivery_row(1, state="ok"), body=b"\xc3"),
        ),
    )
    collect_until(store, lambda all_: Committed(Commit(1)) in all_)
    questions: list[Query | Fetch] = [
        Query(Client(1), ListJobs(limit=10)),
        Fetch(Client(2), jid, MinionId("web1")),
        Query(Client(3), WatchJob(jid, False, False)),
        Query(Client(4), WatchJob(JobId(f"01HX{77:022d}"), False, False)),
        Fetch(Client(5), jid, MinionId("web9")),
    ]
    for question in questions:
        assert store.ask(question)
    found = collect_until(store, lambda all_: len(all_) == len(questions))
    store.close()

    answers = [each for each in found if isinstance(each, Answered)]
    assert [each.client for each in answers] == [1, 2, 3, 4, 5]
    (jobs,), (update,), (stored,), (refused,), nothing = (each.replies for each in answers)
    assert isinstance(jobs, Jobs)
    assert [(job.jid, job.counts) for job in jobs.jobs] == [(jid, {"ok": 1})]
    assert isinstance(update, JobUpdate)
    assert update.result.body == b"\xc3"
    assert isinstance(stored, JobStored)
    assert stored.results == (update.result,)
    assert isinstance(refused, Refused)
    assert refused.reason == "unknown_job"
    assert nothing == ()


def test_a_question_of_a_kind_that_the_store_does_not_know_harms_no_other(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.start()
    store.ask(Query(Client(1), None))  # type: ignore[arg-type]
    store.ask(Query(Client(2), ListJobs(limit=1)))
    found = collect_until(store, lambda all_: len(all_) == 2)
    store.close()
    assert isinstance(found[0], Answered)
    assert isinstance(found[0].replies[0], Refused)
    assert found[1] == Answered(Client(2), (Jobs(()),))


@pytest.mark.covers("I3")
def test_pruned_history_gives_its_room_back(tmp_path: Path) -> None:
    store = _store(tmp_path)
    path = tmp_path / "store" / "master.db"
    store.start()
    for number in range(1, 401):
        store.submit(
            Commit(number),
            (
                PutJob(job_row(number, ended_s=2.0)),
                PutDelivery(delivery_row(number, state="ok"), body=bytes(50_000)),
            ),
        )
    store.submit(Commit(401), (PruneHistory(before_s=1.0, jobs_max=1, bytes_max=1 << 40),))
    collect_until(store, lambda all_: Committed(Commit(401)) in all_)
    deadline = SystemClock().now().after(20.0)
    while store.figures()["store_vacuumed_pages"] < 256 and SystemClock().now().boot < deadline:
        threading.Event().wait(0.05)
    assert store.close()
    database = sqlite3.connect(path)
    assert database.execute("SELECT count(*) FROM job").fetchone() == (1,)
    assert database.execute("SELECT count(*) FROM body").fetchone() == (1,)
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    assert pages < 400 * 50_000 // 4096, "all pages are still there"
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


class BrokenDisk:
    """A connection whose commits fail as those of a broken disk do."""

    in_transaction = False

    def __init__(self, database: sqlite3.Connection, code: int) -> None:
        self._database = database
        self._code = code

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:  # noqa: ANN401
        if statement == "COMMIT":
            self._database.execute("ROLLBACK")
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = self._code
            error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
            raise error
        return self._database.execute(statement, *values)

    def close(self) -> None:
        self._database.close()


@pytest.mark.covers("C2")
def test_after_a_failed_fsync_nothing_is_acknowledged_and_the_writer_ends(tmp_path: Path) -> None:
    path = tmp_path / "db"
    database = sqlite.connect(path)
    sqlite.migrate(database, path, MIGRATIONS)
    reports: list[object] = []
    is_reported = threading.Event()

    def report(outcome: object) -> None:
        reports.append(outcome)
        is_reported.set()

    broken = Writer(
        BrokenDisk(database, sqlite3.SQLITE_IOERR_FSYNC),  # type: ignore[arg-type]
        path,
        reserve=Reserve(tmp_path / "reserve", 4096),
        clock=SystemClock(),
        report=report,
    )
    broken.start()
    broken.submit(Commit(1), _notes(1))
    assert is_reported.wait(10)
    broken.stop(within_s=10)
    (failed,) = reports
    assert isinstance(failed, Failed)
    assert "SQLITE_IOERR_FSYNC" in failed.text


def test_a_store_that_is_newer_than_this_release_is_refused(tmp_path: Path) -> None:
    _store(tmp_path).close()
    database = sqlite3.connect(tmp_path / "store" / "master.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(HostError, match="newer release"):
        _store(tmp_path)


@pytest.mark.covers("I1")
def test_a_write_that_does_not_come_back_is_told_in_the_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun = threading.Event(), threading.Event()

    write = Transaction.apply

    def hanging_write(transaction: Transaction, operation: Operation) -> None:
        begun.set()
        assert gate.wait(30)
        write(transaction, operation)

    monkeypatch.setattr(Transaction, "apply", hanging_write)
    store = _store(tmp_path)
    store.start()
    now = SystemClock().now()
    assert store.problem(now) == ""
    store.submit(Commit(1), _notes(1))
    assert begun.wait(20)
    assert store.problem(now) == ""
    later = Moment(now.after(STALL_S + 60), now.wall)
    assert "has not taken a write for" in store.problem(later)
    gate.set()
    collect_until(store, lambda all_: Committed(Commit(1)) in all_)
    assert store.problem(later) == ""
    assert store.close()
