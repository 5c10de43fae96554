"""What a large history costs: plans and steps of SQLite are looked at, and no clock."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from limpet.common.control.replies import Jobs, JobStored
from limpet.common.control.requests import ListJobs, WatchJob
from limpet.common.identifiers import JobId, MinionId
from limpet.common.storage import sqlite
from limpet.master.core.settings import MasterSettings
from limpet.master.store import history, reading
from limpet.master.store.collected import INLINE_BYTES_MAX
from limpet.master.store.dropping import ROWS_MAX, drop_piece
from limpet.master.store.operations import (
    ChangeJob,
    DeliveryRow,
    JobRow,
    Operation,
    PruneHistory,
    PutDelivery,
    PutJob,
)
from limpet.master.store.schema import MIGRATIONS
from limpet.master.store.statements import SIZES
from limpet.master.store.writing import Transaction
from support.master.store_model import StoreModel
from support.states.histories import BEGAN_S, SPAN_S, Fleet, opened, write_history

SMALL, LARGE = 20, 500
MINIONS = 100
NOTHING_OLD = 0.0
NO_LIMIT = 1 << 40


class Place:
    """One store with a history, and its newest job."""

    def __init__(self, path: Path, jobs: int) -> None:
        self.fleet = write_history(path, jobs=jobs, minions=MINIONS)
        self.database = opened(path, MIGRATIONS)
        (self.newest,) = self.database.execute("SELECT max(jid) FROM job").fetchone()
        self.job = reading.job(self.database, self.newest)
        assert self.job is not None

    def write(self, *operations: Operation) -> Transaction:
        """Carry operations out; the caller takes them back, or does not."""
        transaction = Transaction(self.database)
        for each in operations:
            transaction.apply(each)
        transaction.finish(None)
        return transaction


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("small") / "db", SMALL)
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("large") / "db", LARGE)
    yield made
    made.database.close()


def _taken_back(act: Callable[[Place], object]) -> Callable[[Place], None]:
    def inner(place: Place) -> None:
        place.database.execute("BEGIN IMMEDIATE")
        try:
            act(place)
        finally:
            place.database.execute("ROLLBACK")

    return inner


def _correction(place: Place) -> None:
    assert place.job is not None
    rows = reading.deliveries(place.database, place.job.jid)
    place.write(PutDelivery(msgspec.structs.replace(rows[0], state="lost")))


def _return(place: Place) -> None:
    job = place.fleet.job(BEGAN_S + SPAN_S)
    minion = place.fleet.names[0]
    place.write(
        PutJob(job),
        *place.fleet.answered(job, minion, 100),
        PutJob(msgspec.structs.replace(job, ended_s=job.created_s)),
    )


def _prune_some(place: Place) -> None:
    """Drop ten jobs, and one piece of what they leave."""
    (ended,) = place.database.execute("SELECT ended_jobs FROM meta").fetchone()
    place.write(PruneHistory(NOTHING_OLD, ended - 10, NO_LIMIT))
    assert drop_piece(place.database) > 0


WORK: dict[str, Callable[[Place], object]] = {
    "load": lambda place: reading.load(place.database, wall_s=BEGAN_S + SPAN_S * 3),
    "list": lambda place: history.answer(place.database, ListJobs(limit=SMALL)),
    "show": lambda place: history.answer(place.database, WatchJob(place.newest, False, False)),
    "fetch": lambda place: history.fetch(place.database, place.newest, place.fleet.names[0]),
    "prune nothing": _taken_back(
        lambda place: place.write(PruneHistory(NOTHING_OLD, NO_LIMIT, NO_LIMIT))
    ),
    "prune": _taken_back(_prune_some),
    "return": _taken_back(_return),
    "late correction": _taken_back(_correction),
}


def steps(place: Place, work: str) -> int:
    """Count the instructions of SQLite's machine, in tens."""
    found = 0

    def count() -> int:
        nonlocal found
        found += 1
        return 0

    WORK[work](place)  # statements are prepared, pages read
    place.database.set_progress_handler(count, 10)
    try:
        WORK[work](place)
    finally:
        place.database.set_progress_handler(None, 0)
    return found


@pytest.mark.parametrize("work", WORK)
def test_work_on_a_history_of_fifty_thousand_returns_takes_no_more_steps(
    small: Place, large: Place, work: str
) -> None:
    few, many = steps(small, work), steps(large, work)
    assert few > 0 or work in ("fetch", "late correction", "prune nothing", "return")
    assert many <= few * 1.05 + 2, f"{work}: {few} tens of steps with {SMALL} jobs, {many} with 500"


@pytest.mark.parametrize("work", WORK)
def test_no_statement_goes_through_all_deliveries_or_values(large: Place, work: str) -> None:
    statements: list[str] = []
    large.database.set_trace_callback(statements.append)
    try:
        WORK[work](large)
    finally:
        large.database.set_trace_callback(None)
    plans = {
        statement: [row[3] for row in large.database.execute(f"EXPLAIN QUERY PLAN {statement}")]
        for statement in statements
        if re.match(r"(SELECT|DELETE|UPDATE|INSERT)\b", statement)
    }
    assert plans
    scans = [
        (statement, line)
        for statement, plan in plans.items()
        for line in plan
        if re.match(r"SCAN (delivery|body|job|ended)\b", line)
        # In the order of an index, to the first that matches, or to the limit.
        and not (" LIMIT " in statement and " INDEX " in line)
    ]
    assert scans == []


def test_as_many_held_jobs_are_loaded_as_a_core_keeps() -> None:
    settings = MasterSettings()
    assert settings.jobs_ended_max == reading.HELD_JOBS_MAX
    assert settings.deliveries_ended_max == reading.HELD_DELIVERIES_MAX
    assert settings.requests_max == reading.REQUESTS_MAX


def test_lost_deliveries_in_all_of_the_history_do_not_make_the_start_long(tmp_path: Path) -> None:
    """As in a fleet in which some minion is always away."""
    place = Place(tmp_path / "db", 50)
    for jid in _jids(place.database):
        row = reading.deliveries(place.database, jid)[7]
        place.write(PutDelivery(msgspec.structs.replace(row, state="lost"), "ok"))
    held = reading.load(place.database, wall_s=BEGAN_S, held_jobs_max=5)
    assert len(held.jobs) == 5
    assert len(held.deliveries) == 5 * MINIONS
    assert max(row.jid for row in held.jobs) == place.newest
    held = reading.load(place.database, wall_s=BEGAN_S, held_deliveries_max=250)
    assert len(held.jobs) == 2
    place.database.close()


def test_the_list_follows_a_late_return(tmp_path: Path) -> None:
    path = tmp_path / "db"
    fleet, database = Fleet(), opened(path, MIGRATIONS)
    job = fleet.job(BEGAN_S)
    one, two = fleet.names[:2]

    def write(*operations: Operation) -> dict[str, int]:
        transaction = Transaction(database)
        for each in operations:
            transaction.apply(each)
        transaction.finish(None)
        (jobs,) = history.answer(database, ListJobs(limit=1))
        assert isinstance(jobs, Jobs)
        return jobs.jobs[0].counts

    begun = (PutJob(job), *(PutDelivery(fleet.delivery(job, m, "started")) for m in (one, two)))
    assert write(*begun) == {"running": 2}
    ended = msgspec.structs.replace(job, ended_s=job.created_s + 9)
    lost = PutDelivery(fleet.delivery(job, two, "lost"), "started")
    assert write(*fleet.answered(job, one, 100, "started")) == {"ok": 1, "running": 1}
    assert write(lost, PutJob(ended)) == {"ok": 1, "lost": 1}
    assert write(*fleet.answered(job, two, 100)) == {"ok": 2}
    assert write(PutDelivery(fleet.delivery(job, two, "started"), "ok"), PutJob(job)) == {
        "ok": 1,
        "running": 1,
    }
    database.close()


def test_a_late_word_does_not_bring_a_pruned_job_back(tmp_path: Path) -> None:
    fleet, database = Fleet(), opened(tmp_path / "db", MIGRATIONS)
    job = fleet.job(BEGAN_S)
    one, two = fleet.names[:2]
    ended = msgspec.structs.replace(job, ended_s=job.created_s + 9)

    def write(*operations: Operation) -> None:
        transaction = Transaction(database)
        for each in operations:
            transaction.apply(each)
        transaction.finish(None)

    lost = PutDelivery(fleet.delivery(job, two, "lost"))
    write(PutJob(job), *fleet.answered(job, one, 100), lost, ChangeJob(ended))
    write(PruneHistory(before_s=0.0, jobs_max=0, bytes_max=1 << 40))
    write(ChangeJob(job), PutDelivery(fleet.delivery(job, two, "started")))
    write(*fleet.answered(job, two, 100), ChangeJob(ended))
    assert history.answer(database, ListJobs(limit=1)) == [Jobs(())]
    assert database.execute("SELECT count(*) FROM sums").fetchone() == (0,)
    assert database.execute("SELECT ended_jobs, ended_bytes FROM meta").fetchone() == (0, 0)
    database.close()


@pytest.mark.parametrize("schema", [1, 2])
def test_a_store_of_an_older_schema_says_the_same_after_its_migration(
    tmp_path: Path, schema: int
) -> None:
    place = Place(tmp_path / "new", 10)
    changes = {"1": {"state": "failed"}, "2": {"state": "lost"}, "3": {"cancel": "wanted"}}
    for jid in _jids(place.database)[:5]:
        for row in reading.deliveries(place.database, jid):
            change = changes.get(row.minion.split(".")[0][-1], {})
            if change:
                place.write(PutDelivery(msgspec.structs.replace(row, **change), row.state))
    open_job = place.fleet.job(BEGAN_S + SPAN_S)
    place.write(
        PutJob(open_job), PutDelivery(place.fleet.delivery(open_job, place.fleet.names[0], "bound"))
    )
    old = opened(tmp_path / "old", MIGRATIONS[:1])
    old.execute("BEGIN")
    for table, row_type in (("job", JobRow), ("delivery", DeliveryRow)):
        names = ", ".join(row_type.__struct_fields__)
        rows = place.database.execute(f"SELECT {names} FROM {table}").fetchall()
        places = ", ".join("?" for _ in rows[0])
        old.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)
    old.execute("COMMIT")
    inline = "SELECT jid, minion, body FROM delivery WHERE body IS NOT NULL"
    values = place.database.execute(inline).fetchall()
    assert len(values) == 10 * MINIONS
    old.executemany("INSERT INTO body (jid, minion, body) VALUES (?, ?, ?)", values)
    sqlite.migrate(old, tmp_path / "old", MIGRATIONS[:schema])
    sqlite.migrate(old, tmp_path / "old", MIGRATIONS)

    for statement in (
        "SELECT ended_jobs, ended_bytes FROM meta",
        "SELECT jid, bytes, held FROM sums ORDER BY jid",
    ):
        assert _all(old, statement) == _all(place.database, statement)
    assert {held for (held,) in _all(old, "SELECT held FROM sums")} > {0}
    requests = [ListJobs(limit=100)] + [WatchJob(jid, False, False) for jid in _jids(old)]
    for request in requests:
        assert history.answer(old, request) == history.answer(place.database, request)
    found, known = (reading.load(each, wall_s=BEGAN_S) for each in (old, place.database))
    assert (found.jobs, found.deliveries) == (known.jobs, known.deliveries)
    assert len(found.jobs) == 6
    old.close()
    place.database.close()


def test_after_a_migration_values_of_before_and_of_now_stand_side_by_side(tmp_path: Path) -> None:
    place = Place(tmp_path / "db", 1)
    assert place.job is not None
    place.database.execute("INSERT INTO body SELECT jid, minion, body FROM delivery")
    place.database.execute("UPDATE delivery SET body = NULL")
    one, two, three = (row.minion for row in reading.deliveries(place.database, place.newest)[:3])
    before = {
        minion: reading.body(place.database, place.newest, minion) for minion in (one, two, three)
    }
    large, small = bytes(INLINE_BYTES_MAX + 1), bytes(INLINE_BYTES_MAX)
    for minion, body in ((one, small), (two, large), (two, small), (three, small), (three, large)):
        row = place.fleet.delivery(place.job, minion, "failed", len(body))
        place.write(PutDelivery(row, "ok", body))
    row = place.fleet.delivery(place.job, one, "failed", len(small))
    place.write(PutDelivery(msgspec.structs.replace(row, cancel="answered"), "failed"))

    (stored,) = history.answer(place.database, WatchJob(place.newest, False, False))
    assert isinstance(stored, JobStored)
    found = {MinionId(result.minion): result.body for result in stored.results}
    assert (found.pop(one), found.pop(two), found.pop(three)) == (small, small, large)
    assert len(found) == MINIONS - 3
    for minion in found:
        assert found[minion] == reading.body(place.database, place.newest, minion)
        assert found[minion] not in (None, *before.values())
    for minion, body in ((one, small), (two, small), (three, large)):
        update = history.fetch(place.database, place.newest, minion)
        assert update is not None
        assert update.result.body == body
    place.database.close()


def _jids(database: sqlite3.Connection) -> list[JobId]:
    return [jid for (jid,) in _all(database, "SELECT jid FROM job ORDER BY jid")]


def _all(database: sqlite3.Connection, statement: str) -> list[tuple[Any, ...]]:
    return database.execute(statement).fetchall()


def test_what_a_large_job_held_goes_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "db"
    write_history(path, jobs=1, minions=2 * ROWS_MAX + 10)
    database = opened(path, MIGRATIONS)
    transaction = Transaction(database)
    transaction.apply(PruneHistory(NOTHING_OLD, 0, NO_LIMIT))
    transaction.finish(None)
    assert history.answer(database, ListJobs(limit=1)) == [Jobs(())]
    sizes = []
    while gone := drop_piece(database):
        sizes.append(gone)
    assert len(sizes) == 3
    assert max(sizes) <= ROWS_MAX + 1
    for table in ("delivery", "body", "dropping"):
        assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    database.close()


def test_large_values_go_a_few_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "db"
    write_history(path, jobs=3, minions=4, body_bytes=3_000_000)
    database = opened(path, MIGRATIONS)
    transaction = Transaction(database)
    transaction.apply(PruneHistory(NOTHING_OLD, 0, NO_LIMIT))
    transaction.finish(None)
    sizes = []
    while gone := drop_piece(database):
        sizes.append(gone)
    assert len(sizes) >= 5, sizes
    assert database.execute("SELECT count(*) FROM body").fetchone() == (0,)
    database.close()


def test_many_rows_of_one_transaction_are_written_as_they_came(tmp_path: Path) -> None:
    """Some twice, in statements for many rows and the rest one by one."""
    fleet, database, model = Fleet(), opened(tmp_path / "db", MIGRATIONS), StoreModel()
    job = fleet.job(BEGAN_S)
    operations: list[Operation] = [PutJob(job)]
    names = fleet.chance.sample(fleet.names, 2 * SIZES[0] + 7)
    operations += [PutDelivery(fleet.delivery(job, each, "bound")) for each in names]
    for each in names[:-3]:
        operations += fleet.answered(job, each, 50, "bound")
    for each in names[5:30]:
        operations += fleet.answered(job, each, 60, "ok")
    operations.append(PutDelivery(fleet.delivery(job, names[0], "failed"), "ok"))
    transaction = Transaction(database)
    for operation in operations:
        transaction.apply(operation)
    transaction.finish(1)
    model.apply(1, operations)
    assert reading.load(database, wall_s=BEGAN_S) == model.snapshot(BEGAN_S)
    for (jid, minion), body in model.bodies.items():
        assert reading.body(database, jid, minion) == body
    database.close()
