"""What is read from the database: the snapshot at the start, history for the command line."""

import sqlite3
from typing import Any, Final, TypeVar

import msgspec

from limpet.common.identifiers import JobId, MinionId
from limpet.master.store.operations import DeliveryRow, JobRow, KeyRow, Partial, Snapshot, TokenRow

RECENT_S: Final = 24 * 3600.0
"""Requests of jobs younger than this are remembered, so that asking again gives the same job."""

Row = TypeVar("Row", bound=msgspec.Struct)


def load(database: sqlite3.Connection, *, wall_s: float) -> Snapshot:
    """Read what the core begins with; lists are sorted by their keys. Raises `sqlite3.Error`."""
    database.execute("BEGIN")
    try:
        return Snapshot(
            keys=_rows(database, KeyRow, "FROM minion_key ORDER BY key"),
            tokens=_rows(database, TokenRow, "FROM token ORDER BY token_id"),
            jobs=_rows(database, JobRow, f"FROM job WHERE jid IN ({_OPEN}) ORDER BY jid"),
            deliveries=_rows(
                database, DeliveryRow, f"FROM delivery WHERE jid IN ({_OPEN}) ORDER BY jid, minion"
            ),
            partials=_partials(database),
            notes=dict(database.execute("SELECT name, value FROM note")),
            commit=commit_number(database),
            recent_requests={
                (uid, request_id): jid
                for uid, request_id, jid in database.execute(
                    "SELECT uid, request_id, jid FROM job WHERE created_s >= ? ORDER BY jid",
                    (wall_s - RECENT_S,),
                )
            },
        )
    finally:
        database.execute("ROLLBACK")


# Its conditions are written as in the partial indexes, which are used only then.
_OPEN: Final = (
    "SELECT jid FROM job WHERE ended_s = 0"
    " UNION SELECT jid FROM delivery"
    " WHERE state IN ('lost', 'offline', 'expired') AND journal_id <> ''"
    " UNION SELECT jid FROM delivery WHERE cancel = 'wanted'"
)


def commit_number(database: sqlite3.Connection) -> int:
    """Give the number of the last durable commit."""
    (number,) = database.execute("SELECT commit_number FROM meta").fetchone()
    return int(number)


def job(database: sqlite3.Connection, jid: JobId) -> JobRow | None:
    """Find one job, ended or not."""
    found = _rows(database, JobRow, "FROM job WHERE jid = ?", jid)
    return found[0] if found else None


def newest_jobs(
    database: sqlite3.Connection, *, limit: int, before: str
) -> list[tuple[JobId, str, str, str, float]]:
    """Give (jid, function, target, user, created_s), the newest first.

    `before`: only those older than this jid; empty: all.
    """
    return database.execute(
        "SELECT jid, function, target, user, created_s FROM job "
        "WHERE jid < ? ORDER BY jid DESC LIMIT ?",
        (before or "~", limit),  # a tilde sorts after every jid
    ).fetchall()


def delivery(database: sqlite3.Connection, jid: JobId, minion: MinionId) -> DeliveryRow | None:
    """Find one delivery."""
    found = _rows(database, DeliveryRow, "FROM delivery WHERE jid = ? AND minion = ?", jid, minion)
    return found[0] if found else None


def deliveries(database: sqlite3.Connection, jid: JobId) -> list[DeliveryRow]:
    """Give the deliveries of a job by minion."""
    return _rows(database, DeliveryRow, "FROM delivery WHERE jid = ? ORDER BY minion", jid)


def state_counts(database: sqlite3.Connection, jid: JobId) -> list[tuple[str, int]]:
    """Say how many deliveries of a job are in which state."""
    return database.execute(
        "SELECT state, count(*) FROM delivery WHERE jid = ? GROUP BY state", (jid,)
    ).fetchall()


def body(database: sqlite3.Connection, jid: JobId, minion: str) -> bytes | None:
    """Give the value that a minion returned (MessagePack); None: there is none."""
    found = database.execute(
        "SELECT body FROM body WHERE jid = ? AND minion = ?", (jid, minion)
    ).fetchone()
    return None if found is None else bytes(found[0])


_BOOLEANS: Final = frozenset(("was_ready", "is_revoked", "is_streamed", "is_cancelled", "is_cut"))


def _rows(database: sqlite3.Connection, row: type[Row], rest: str, *values: Any) -> list[Row]:  # noqa: ANN401
    """Select structs; SQLite keeps truth values as integers, which are turned back here."""
    names = row.__struct_fields__
    truths = [number for number, name in enumerate(names) if name in _BOOLEANS]
    found: list[Row] = []
    for columns in database.execute(f"SELECT {', '.join(names)} {rest}", values):
        fields = list(columns)
        for number in truths:
            fields[number] = bool(fields[number])
        found.append(row(*fields))
    return found


def _partials(database: sqlite3.Connection) -> list[Partial]:
    """Sum up the pieces of bulk bodies that follow each other from the first byte on."""
    have: dict[tuple[JobId, str], Partial] = {}
    for jid, minion, digest, start, length in database.execute(
        "SELECT jid, minion, digest, start, length(data) FROM chunk ORDER BY jid, minion, start"
    ):
        partial = have.get((jid, minion)) or Partial(jid, minion, digest, 0)
        if start <= partial.have:
            partial = Partial(jid, minion, digest, max(partial.have, start + length))
        have[jid, minion] = partial
    return list(have.values())
