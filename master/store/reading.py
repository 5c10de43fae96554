"""What is read from the database: the snapshot at the start, history for the command line."""

import sqlite3
from typing import Any, Final, TypeVar

import msgspec

from limpet.common.identifiers import JobId, MinionId
from limpet.master.store import sizes
from limpet.master.store.operations import DeliveryRow, JobRow, KeyRow, Partial, Snapshot, TokenRow

RECENT_S: Final = 24 * 3600.0
"""Requests of jobs younger than this are remembered, so that asking again gives the same job."""

HELD_JOBS_MAX: Final = 1_000
"""As many ended jobs as a core keeps for late words, `MasterSettings.jobs_ended_max`."""
HELD_DELIVERIES_MAX: Final = 50_000
"""As many deliveries of them as it keeps, `MasterSettings.deliveries_ended_max`."""
REQUESTS_MAX: Final = 20_000
"""As many requests as it remembers, `MasterSettings.requests_max`."""

_ABOVE_ALL: Final = "~"
"""A tilde sorts after every jid."""
OPEN_JOBS: Final = "SELECT jid FROM job WHERE ended_s = 0"
ONE_JOB: Final = "FROM job WHERE jid = ?"
# `held > 0` is written as in the partial index, which is used only then.
HELD_JOBS: Final = (
    "SELECT jid, counts FROM sums WHERE held > 0 AND jid < ? ORDER BY jid DESC LIMIT 1"
)
RECENT_REQUESTS: Final = (
    "SELECT uid, request_id, jid FROM job WHERE created_s >= ?"
    " ORDER BY created_s DESC, jid DESC LIMIT ?"
)
NEWEST_JOBS: Final = (
    "SELECT job.jid, function, target, user, created_s, counts"
    " FROM job JOIN sums ON sums.jid = job.jid"
    " WHERE job.jid < ? ORDER BY job.jid DESC LIMIT ?"
)
DELIVERIES: Final = "FROM delivery WHERE jid = ? ORDER BY minion"
RESULTS: Final = (
    "SELECT minion, state, since_s, error, retcode, body, started_s, duration_s, is_cut, body_bytes"
    " FROM delivery WHERE jid = ? ORDER BY minion"
)
BODIES: Final = "SELECT minion, body FROM body WHERE jid = ?"
BODY: Final = (
    "SELECT body FROM delivery WHERE jid = ? AND minion = ? AND body IS NOT NULL",
    "SELECT body FROM body WHERE jid = ? AND minion = ?",
)

ResultColumns = tuple[str, str, float, str, int, bytes | None, float, float, int, int]
"""The columns of `RESULTS`."""

Row = TypeVar("Row", bound=msgspec.Struct)


def load(
    database: sqlite3.Connection,
    *,
    wall_s: float,
    held_jobs_max: int = HELD_JOBS_MAX,
    held_deliveries_max: int = HELD_DELIVERIES_MAX,
    requests_max: int = REQUESTS_MAX,
) -> Snapshot:
    """Read what the core begins with; lists are sorted by their keys. Raises `sqlite3.Error`.

    What that takes depends on keys and open jobs, and not on the history.
    """
    database.execute("BEGIN")
    try:
        wanted = [jid for (jid,) in database.execute(OPEN_JOBS)]
        wanted += _held(database, held_jobs_max, held_deliveries_max)
        wanted.sort()
        return Snapshot(
            keys=_rows(database, KeyRow, "FROM minion_key ORDER BY key"),
            tokens=_rows(database, TokenRow, "FROM token ORDER BY token_id"),
            jobs=[row for jid in wanted for row in _rows(database, JobRow, ONE_JOB, jid)],
            deliveries=[row for jid in wanted for row in deliveries(database, jid)],
            partials=_partials(database),
            notes=dict(database.execute("SELECT name, value FROM note")),
            commit=commit_number(database),
            recent_requests={
                (uid, request_id): jid
                for uid, request_id, jid in sorted(
                    database.execute(RECENT_REQUESTS, (wall_s - RECENT_S, requests_max)),
                    key=lambda row: str(row[2]),
                )
            },
        )
    finally:
        database.execute("ROLLBACK")


def _held(database: sqlite3.Connection, jobs_max: int, deliveries_max: int) -> list[JobId]:
    """Find the newest ended jobs that a word of a minion may still change, up to the bounds."""
    found: list[JobId] = []
    deliveries_left = deliveries_max
    below = _ABOVE_ALL
    while len(found) < jobs_max:
        older = database.execute(HELD_JOBS, (below,)).fetchone()
        if older is None:
            break
        jid, counts = older
        number = sum(sizes.parsed(counts).values())
        if found and number > deliveries_left:
            break
        deliveries_left -= number
        found.append(jid)
        below = jid
    return found


def commit_number(database: sqlite3.Connection) -> int:
    """Give the number of the last durable commit."""
    (number,) = database.execute("SELECT commit_number FROM meta").fetchone()
    return int(number)


def job(database: sqlite3.Connection, jid: JobId) -> JobRow | None:
    """Find one job, ended or not."""
    found = _rows(database, JobRow, ONE_JOB, jid)
    return found[0] if found else None


def newest_jobs(
    database: sqlite3.Connection, *, limit: int, before: str
) -> list[tuple[JobId, str, str, str, float, dict[str, int]]]:
    """Give (jid, function, target, user, created_s, deliveries by state), the newest first.

    `before`: only those older than this jid; empty: all.
    """
    found = database.execute(NEWEST_JOBS, (before or _ABOVE_ALL, limit)).fetchall()
    return [(*row, sizes.parsed(counts)) for *row, counts in found]


def delivery(database: sqlite3.Connection, jid: JobId, minion: MinionId) -> DeliveryRow | None:
    """Find one delivery of a job that is there."""
    found = _rows(
        database,
        DeliveryRow,
        "FROM delivery WHERE jid = ? AND minion = ? "
        "AND EXISTS (SELECT 1 FROM job WHERE job.jid = delivery.jid)",
        jid,
        minion,
    )
    return found[0] if found else None


def deliveries(database: sqlite3.Connection, jid: JobId) -> list[DeliveryRow]:
    """Give the deliveries of a job by minion."""
    return _rows(database, DeliveryRow, DELIVERIES, jid)


def results(database: sqlite3.Connection, jid: JobId) -> list[ResultColumns]:
    """Give what is told of a job's deliveries, by minion. A value may be kept apart: `bodies`."""
    return database.execute(RESULTS, (jid,)).fetchall()


def bodies(database: sqlite3.Connection, jid: JobId) -> dict[str, bytes]:
    """Give what minions returned of a job (MessagePack) that is kept apart, by minion."""
    return dict(database.execute(BODIES, (jid,)))


def body(database: sqlite3.Connection, jid: JobId, minion: str) -> bytes | None:
    """Give the value that a minion returned (MessagePack); None: there is none."""
    for statement in BODY:
        found = database.execute(statement, (jid, minion)).fetchone()
        if found is not None:
            return bytes(found[0])
    return None


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
        "SELECT jid, minion, digest, start, length(data) FROM chunk "
        "WHERE EXISTS (SELECT 1 FROM job WHERE job.jid = chunk.jid) ORDER BY jid, minion, start"
    ):
        partial = have.get((jid, minion)) or Partial(jid, minion, digest, 0)
        if start <= partial.have:
            partial = Partial(jid, minion, digest, max(partial.have, start + length))
        have[jid, minion] = partial
    return list(have.values())
