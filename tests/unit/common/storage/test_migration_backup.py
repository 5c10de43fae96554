"""Before a schema is changed there is a copy, and the release before can begin with it again."""

import os
import sqlite3
from pathlib import Path

import pytest

from limpet.common.clock import SystemClock
from limpet.common.errors import HostError
from limpet.common.storage import migration_backup, sqlite
from limpet.common.storage.migration_backup import back_up_before_migration
from limpet.master.store.schema import MIGRATIONS
from limpet.master.store.store import Store

STEPS = (
    "CREATE TABLE thing (name TEXT); INSERT INTO thing VALUES ('one')",
    "ALTER TABLE thing ADD COLUMN size INTEGER NOT NULL DEFAULT 7",
    "CREATE TABLE other (name TEXT)",
    "CREATE TABLE third (name TEXT)",
)


def opened(path: Path, version: int) -> sqlite3.Connection:
    connection = sqlite.connect(path)
    sqlite.migrate(connection, path, STEPS[:version])
    return connection


def schema_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "master.db"


def test_a_new_file_and_one_that_is_up_to_date_are_not_copied(path: Path) -> None:
    connection = sqlite.connect(path)
    assert back_up_before_migration(connection, path, STEPS[:1]) is None
    sqlite.migrate(connection, path, STEPS[:1])
    assert back_up_before_migration(connection, path, STEPS[:1]) is None
    connection.close()
    assert not list(path.parent.glob("*.before-*"))


@pytest.mark.covers("J4")
def test_the_copy_holds_what_was_there_also_what_is_still_in_the_log(path: Path) -> None:
    connection = opened(path, 1)
    connection.execute("INSERT INTO thing VALUES ('in the log')")
    copy = back_up_before_migration(connection, path, STEPS[:2])
    assert copy == path.with_name("master.db.before-2")
    sqlite.migrate(connection, path, STEPS[:2])
    connection.close()

    assert (schema_of(path), schema_of(copy)) == (2, 1)
    assert copy.stat().st_mode & 0o777 == 0o600
    os.replace(copy, path)  # as the message says
    for suffix in ("-wal", "-shm"):
        path.with_name(f"master.db{suffix}").unlink(missing_ok=True)
    again = opened(path, 1)
    rows = again.execute("SELECT name FROM thing").fetchall()
    assert rows == [("one",), ("in the log",)]
    again.close()


def test_steps_that_were_cut_off_leave_the_first_copy_as_it_is(path: Path) -> None:
    connection = opened(path, 1)
    copy = back_up_before_migration(connection, path, STEPS[:3])
    assert copy is not None
    sqlite.migrate(connection, path, STEPS[:2])  # the host went down after the first step
    assert back_up_before_migration(connection, path, STEPS[:3]) == copy
    assert schema_of(copy) == 1
    connection.close()


def test_a_copy_of_an_earlier_try_is_made_anew(path: Path) -> None:
    connection = opened(path, 1)
    copy = back_up_before_migration(connection, path, STEPS[:2])
    assert copy is not None
    connection.execute("INSERT INTO thing VALUES ('later')")
    back_up_before_migration(connection, path, STEPS[:2])
    connection.close()
    kept = sqlite3.connect(copy)
    assert kept.execute("SELECT count(*) FROM thing").fetchone() == (2,)
    kept.close()
    copy.write_bytes(b"half a copy")
    connection = opened(path, 1)
    back_up_before_migration(connection, path, STEPS[:2])
    connection.close()
    assert schema_of(copy) == 1


def test_only_the_last_copies_stay(path: Path) -> None:
    connection = opened(path, 1)
    for version in (2, 3, 4):
        back_up_before_migration(connection, path, STEPS[:version])
        sqlite.migrate(connection, path, STEPS[:version])
    connection.close()
    names = sorted(each.name for each in path.parent.glob("*.before-*"))
    assert names == ["master.db.before-3", "master.db.before-4"]


def test_without_room_for_a_copy_nothing_is_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration_backup, "SPARE_BYTES", 1 << 60)
    connection = opened(path, 1)
    with pytest.raises(HostError, match="no room to copy"):
        back_up_before_migration(connection, path, STEPS[:2])
    connection.close()
    assert schema_of(path) == 1
    assert os.listdir(path.parent).count("master.db.before-2") == 0


@pytest.mark.covers("J4")
@pytest.mark.parametrize("older", range(1, len(MIGRATIONS)))
def test_a_store_of_a_newer_release_is_refused_and_its_copy_opens(path: Path, older: int) -> None:
    before_it = MIGRATIONS[:older]
    Store(path, clock=SystemClock(), migrations=before_it).close()
    Store(path, clock=SystemClock()).close()

    with pytest.raises(HostError, match="install that release again") as caught:
        Store(path, clock=SystemClock(), migrations=before_it)
    copy = path.with_name(f"master.db.before-{len(MIGRATIONS)}")
    assert str(copy) in str(caught.value)
    assert schema_of(path) == len(MIGRATIONS), "it was left as it is"
    for suffix in ("-wal", "-shm"):
        path.with_name(f"master.db{suffix}").unlink(missing_ok=True)
    os.replace(copy, path)
    Store(path, clock=SystemClock(), migrations=before_it).close()
    assert schema_of(path) == older
