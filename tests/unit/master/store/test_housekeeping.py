"""What the store's writer does besides committing: it prunes, drops, gives back, cuts its log."""

import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from limpet.common.clock import SystemClock
from limpet.common.control.requests import ListJobs, WatchJob
from limpet.common.identifiers import Commit
from limpet.common.storage import sqlite
from limpet.master.core.effects import Client, Query
from limpet.master.store import housekeeping
from limpet.master.store.figures import WriterFigures
from limpet.master.store.housekeeping import Housekeeper
from limpet.master.store.operations import Operation, PruneHistory, PutDelivery, PutJob, PutNote
from limpet.master.store.reader import Answered
from limpet.master.store.store import Store
from limpet.master.store.writer import Committed
from support.master.stores import PATIENCE_S, collect_until
from support.states.histories import BEGAN_S, Fleet, write_history

NO_LIMIT = 1 << 40


def _wait(is_so: object, path: Path, statement: str) -> None:
    """Wait until a statement on the file gives a row."""
    database = sqlite.connect(path, is_read_only=True)
    deadline = SystemClock().now().after(PATIENCE_S)
    try:
        while (found := database.execute(statement).fetchone()) != is_so:
            assert SystemClock().now().boot < deadline, f"{statement} gives {found}"
            threading.Event().wait(0.02)
    finally:
        database.close()


def _ended(fleet: Fleet, number: int, *, minions: int, size: int) -> tuple[Operation, ...]:
    job = fleet.job(BEGAN_S + number)
    operations: list[Operation] = [PutJob(job)]
    for minion in fleet.names[:minions]:
        operations += fleet.answered(job, minion, size)
    return (*operations, PutJob(msgspec.structs.replace(job, ended_s=job.created_s + 1)))


def test_what_is_over_the_limits_at_the_start_goes_whatever_its_number(tmp_path: Path) -> None:
    path = tmp_path / "store" / "master.db"
    write_history(path, jobs=1_700, minions=2, body_bytes=600)
    store = Store(path, clock=SystemClock())
    store.start(limits=PruneHistory(before_s=0.0, jobs_max=10, bytes_max=NO_LIMIT))
    _wait((10,), path, "SELECT count(*) FROM job")
    _wait((20, 20), path, "SELECT (SELECT count(*) FROM delivery), (SELECT count(*) FROM body)")
    assert store.close()
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (jobs, commit) = database.execute("SELECT ended_jobs, commit_number FROM meta").fetchone()
    assert (jobs, commit) == (10, 1_700)
    database.close()


@pytest.mark.covers("I3")
def test_values_over_the_limit_of_bytes_go_without_being_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "store" / "master.db"
    limit = 4 * 1024 * 1024
    fleet = Fleet()
    store = Store(path, clock=SystemClock())
    store.start(limits=PruneHistory(before_s=0.0, jobs_max=NO_LIMIT, bytes_max=limit))
    for number in range(1, 61):
        store.submit(Commit(number), _ended(fleet, number, minions=4, size=100_000))
        collect_until(store, lambda all_, n=number: Committed(Commit(n)) in all_)  # type: ignore[misc]
    _wait((1,), path, f"SELECT ended_bytes <= {limit + limit // housekeeping.SLACK_PART} FROM meta")
    _wait((0,), path, "SELECT count(*) FROM dropping")
    assert store.close()
    database = sqlite3.connect(path)
    (kept,) = database.execute("SELECT count(*) FROM job").fetchone()
    assert 9 <= kept <= 10
    database.close()


def test_a_job_alone_over_the_limit_of_bytes_stays(tmp_path: Path) -> None:
    path = tmp_path / "store" / "master.db"
    store = Store(path, clock=SystemClock())
    store.start(limits=PruneHistory(before_s=0.0, jobs_max=5, bytes_max=1024))
    store.submit(Commit(1), _ended(Fleet(), 1, minions=4, size=5_000))
    store.submit(Commit(2), (PruneHistory(before_s=0.0, jobs_max=5, bytes_max=1024),))
    collect_until(store, lambda all_: Committed(Commit(2)) in all_)
    assert store.close()
    database = sqlite3.connect(path)
    assert database.execute("SELECT count(*) FROM job").fetchone() == (1,)
    database.close()


def test_readers_one_after_the_other_do_not_let_the_log_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader is never without a question, and each begins before the last commit."""
    bytes_max = 1024 * 1024
    monkeypatch.setattr(housekeeping, "LOG_BYTES_MAX", bytes_max)
    monkeypatch.setattr(housekeeping, "CUT_S", 0.0)
    path = tmp_path / "store" / "master.db"
    fleet = Fleet()
    store = Store(path, clock=SystemClock())
    store.start()
    batch = _ended(fleet, 1, minions=500, size=1_000)
    job = next(each.row for each in batch if isinstance(each, PutJob))
    store.submit(Commit(1), batch)
    question = Query(Client(1), WatchJob(job.jid, False, False))
    longest = 0
    for number in range(2, 120):
        for _ in range(3):
            store.ask(question)
        names, changed = fleet.names[:200], bytes([number]) * 1000
        store.submit(
            Commit(number),
            tuple(PutDelivery(fleet.delivery(job, n, "ok"), "ok", changed) for n in names),
        )
        collect_until(store, lambda all_, n=number: Committed(Commit(n)) in all_)  # type: ignore[misc]
        longest = max(longest, os.stat(f"{path}-wal").st_size)
    store.close()
    assert longest < 8 * bytes_max, "a log is cut soon after it has become too long"


def test_commits_go_on_while_a_backup_holds_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader of another process can't be asked to pause: the log grows, nothing else happens."""
    monkeypatch.setattr(housekeeping, "LOG_BYTES_MAX", 1)
    monkeypatch.setattr(housekeeping, "CUT_S", 0.0)
    path = tmp_path / "store" / "master.db"
    store = Store(path, clock=SystemClock())
    store.start()
    store.submit(Commit(1), (PutNote("a", "b"),))
    collect_until(store, lambda all_: Committed(Commit(1)) in all_)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM note").fetchall()
    fleet = Fleet()
    for number in range(2, 12):
        store.submit(Commit(number), _ended(fleet, number, minions=600, size=10))
        store.ask(Query(Client(1), ListJobs(limit=3)))
    collect_until(store, lambda all_: Committed(Commit(11)) in all_)
    other.execute("ROLLBACK")
    other.close()
    store.submit(Commit(12), _ended(fleet, 12, minions=600, size=10))
    collect_until(store, lambda all_: Committed(Commit(12)) in all_)
    assert store.close()


def test_questions_do_not_wait_for_a_log_that_a_backup_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "LOG_BYTES_MAX", 1)
    path = tmp_path / "store" / "master.db"
    store = Store(path, clock=SystemClock())
    store.start()
    store.submit(Commit(1), (PutNote("a", "b"),))
    collect_until(store, lambda all_: Committed(Commit(1)) in all_)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM note").fetchall()
    for number in range(2, 12):
        store.submit(Commit(number), _ended(Fleet(), number, minions=600, size=10))
    collect_until(store, lambda all_: Committed(Commit(11)) in all_)
    deadline = SystemClock().now().after(PATIENCE_S)
    while not store._writer.figures.is_log_long:
        assert SystemClock().now().boot < deadline
        threading.Event().wait(0.02)
    began_s = SystemClock().now().boot
    for number in range(1, 11):  # one by one, as for a follower who is told what he missed
        store.ask(Query(Client(number), ListJobs(limit=3)))
        collect_until(
            store,
            lambda all_, n=number: any(  # type: ignore[misc]
                isinstance(each, Answered) and each.client == n for each in all_
            ),
        )
    took_s = SystemClock().now().boot - began_s
    assert store._writer.figures.is_log_long, "the other reader still holds it"
    other.execute("ROLLBACK")
    other.close()
    assert store.close()
    assert took_s < 5.0, "each waited a second and a half for a cut that could not be"


class FullOnce:
    """A connection whose first commit finds no room."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._is_full = True

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:  # noqa: ANN401
        if statement == "COMMIT" and self._is_full:
            self._is_full = False
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return self._database.execute(statement, *values)


def test_a_pruning_that_found_no_room_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "master.db"
    write_history(path, jobs=30, minions=2)
    database = sqlite.connect(path)
    house = Housekeeper(
        FullOnce(database),  # type: ignore[arg-type]
        path,
        clock=SystemClock(),
        figures=WriterFigures(),
    )
    house.begin(PruneHistory(before_s=0.0, jobs_max=10, bytes_max=NO_LIMIT))
    house.keep(is_in_trouble=False)
    assert database.execute("SELECT count(*) FROM job").fetchone() == (30,)
    house.keep(is_in_trouble=False)
    assert database.execute("SELECT count(*) FROM job").fetchone() == (10,)
    database.close()


def test_the_log_is_moved_into_the_file_in_pieces_of_some_mebibytes(tmp_path: Path) -> None:
    """Each time costs two fsyncs; SQLite does not say how long the log is."""
    path = tmp_path / "store" / "master.db"
    store = Store(path, clock=SystemClock())
    store.start()
    fleet = Fleet()
    for number in range(1, 201):  # each row to a page that the one before has changed
        store.submit(Commit(number), _ended(fleet, number, minions=20, size=100))
        collect_until(store, lambda all_, n=number: Committed(Commit(n)) in all_)  # type: ignore[misc]
    longest = os.stat(f"{path}-wal").st_size
    assert store.close()
    page = housekeeping.PAGE_BYTES
    assert housekeeping.CHECKPOINT_PAGES * page // 3 < longest
    assert longest < 3 * housekeeping.CHECKPOINT_PAGES * page
