import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from limpet.common.errors import HostError
from limpet.common.storage import sqlite

SCHEMA = ("CREATE TABLE fruit (name TEXT PRIMARY KEY); CREATE INDEX fruit_name ON fruit (name)",)
SECOND = "ALTER TABLE fruit ADD COLUMN colour TEXT NOT NULL DEFAULT ''"


def test_a_new_database_is_private_synced_and_hardened(tmp_path: Path) -> None:
    path = tmp_path / "weird ?#% name.db"
    connection = sqlite.connect(path)
    sqlite.migrate(connection, path, SCHEMA)

    def pragma(name: str) -> object:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (pragma("journal_mode"), pragma("synchronous")) == ("wal", 2)
    assert (pragma("trusted_schema"), pragma("cell_size_check"), pragma("secure_delete")) == (
        0,
        1,
        1,
    )
    assert pragma("auto_vacuum") == 2
    connection.close()


def test_opening_a_database_again_writes_nothing(tmp_path: Path) -> None:
    # On a full disk there is no room in the log for as much as one page.
    path = tmp_path / "db"
    connection = sqlite.connect(path)
    sqlite.migrate(connection, path, SCHEMA)
    log = path.with_name("db-wal")
    before = log.read_bytes()
    sqlite.connect(path).close()
    assert log.read_bytes() == before
    assert before
    connection.close()


def test_migrations_run_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "db"
    connection = sqlite.connect(path)
    assert sqlite.migrate(connection, path, SCHEMA) == 0
    connection.execute("INSERT INTO fruit VALUES ('pear')")
    assert sqlite.migrate(connection, path, (*SCHEMA, SECOND)) == 1
    assert sqlite.migrate(connection, path, (*SCHEMA, SECOND)) == 2
    assert connection.execute("SELECT * FROM fruit").fetchall() == [("pear", "")]
    connection.close()


def test_a_step_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    path = tmp_path / "db"
    connection = sqlite.connect(path)
    with pytest.raises(HostError):
        sqlite.migrate(
            connection, path, (*SCHEMA, "CREATE TABLE other (x); CREATE TABLE other (x)")
        )
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert (
        connection.execute("SELECT name FROM sqlite_master WHERE name = 'other'").fetchall() == []
    )
    connection.close()


@pytest.mark.covers("B-78", "J4")
def test_a_long_step_says_again_and_again_that_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    words: list[str] = []
    with closing(sqlite.connect(path)) as connection:
        sqlite.migrate(connection, path, SCHEMA, busy=words.append)
        assert words == []  # a short one says nothing
        long = (
            "CREATE TABLE many (n INTEGER); WITH RECURSIVE c(n) AS "
            "(SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 200000) "
            "INSERT INTO many SELECT n FROM c"
        )
        sqlite.migrate(connection, path, (*SCHEMA, long), busy=words.append)
        assert len(words) > 5
        assert set(words) == {"the database goes from schema 1 to 2"}
        words.clear()
        connection.execute("SELECT sum(a.n * b.n) FROM many a JOIN (SELECT n FROM many LIMIT 9) b")
        assert words == []  # whoever uses the connection afterwards is not spoken of


def test_a_newer_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "db"
    connection = sqlite.connect(path)
    connection.execute("PRAGMA user_version = 7")
    with pytest.raises(
        HostError, match=r"newer release of limpet \(schema 7, .* up to 1\): install"
    ):
        sqlite.migrate(connection, path, SCHEMA)
    connection.close()


@pytest.mark.covers("B-78")
def test_a_file_that_is_no_database_is_refused_and_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(b"this is not a database" * 500)
    with pytest.raises(HostError, match=r"is damaged .* left untouched"):
        sqlite.connect(path)
    assert path.read_bytes() == b"this is not a database" * 500


@pytest.mark.covers("B-78")
def test_a_broken_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "db"
    connection = sqlite.connect(path)
    sqlite.migrate(connection, path, SCHEMA)
    connection.executemany("INSERT INTO fruit VALUES (?)", [(f"f{n}" * 30,) for n in range(1000)])
    sqlite.check(connection, path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with path.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xff" * 4096)
    connection = sqlite.connect(path)
    with pytest.raises(HostError, match="is damaged"):
        sqlite.check(connection, path)
    connection.close()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "db"
    writer = sqlite.connect(path)
    sqlite.migrate(writer, path, SCHEMA)
    reader = sqlite.connect(path, is_read_only=True)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO fruit VALUES ('x')")
    reader.close()
    writer.close()
