"""One operation of `operations.py` as statements of SQL, inside the transaction of the caller.

Rows of a job that the store does not have (any more: it was pruned) are dropped: a delivery, a
return or a chunk never brings back half a job.
"""

import hashlib
import math
import sqlite3
from collections.abc import Callable
from typing import Any, Final

import msgspec

from limpet.master.store.operations import (
    DeleteKey,
    DeleteToken,
    DeliveryRow,
    DropChunks,
    JobRow,
    JoinChunks,
    KeyRow,
    Operation,
    PruneHistory,
    PutChunk,
    PutDelivery,
    PutJob,
    PutKey,
    PutNote,
    PutReturn,
    PutToken,
    TokenRow,
)

PRUNE_JOBS_MAX: Final = 500
"""Jobs that one `PruneHistory` drops at most."""
PRUNE_COST_MAX: Final = 20_000
"""Deliveries, and pages of bodies, that one `PruneHistory` drops at most (but one job always)."""
_PAGE_BYTES: Final = 4096


def apply(database: sqlite3.Connection, operation: Operation) -> None:
    """Carry one operation out. Raises `sqlite3.Error`; asserts what the core must never ask."""
    _WRITERS[type(operation)](database, operation)


def damaged_body(digest: str, found: str) -> bytes:
    """Give the body that stands in for one whose pieces do not add up (MessagePack of a text)."""
    return msgspec.msgpack.encode(
        "limpet: the returned value was damaged on its way and is not shown "
        f"(SHA-256 expected {digest or 'none'}, found {found})"
    )


def prune_cost(deliveries: int, body_bytes: int) -> int:
    """Give the share of `PRUNE_COST_MAX` that dropping a job takes."""
    return deliveries + body_bytes // _PAGE_BYTES


def _upsert(table: str, row: type[msgspec.Struct], key: tuple[str, ...], *, needs_job: bool) -> str:
    """Write the statement that inserts or replaces a row; names come from the struct alone."""
    names = row.__struct_fields__
    columns = ", ".join(names)
    places = ", ".join(f"?{number + 1}" for number in range(len(names)))
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    condition = "EXISTS (SELECT 1 FROM job WHERE jid = ?1)" if needs_job else "true"
    return (
        f"INSERT INTO {table} ({columns}) SELECT {places} WHERE {condition} "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
    )


_PUT_KEY: Final = _upsert("minion_key", KeyRow, ("key",), needs_job=False)
_PUT_TOKEN: Final = _upsert("token", TokenRow, ("token_id",), needs_job=False)
_PUT_JOB: Final = _upsert("job", JobRow, ("jid",), needs_job=False)
_PUT_DELIVERY: Final = _upsert("delivery", DeliveryRow, ("jid", "minion"), needs_job=True)
_PUT_BODY: Final = (
    "INSERT INTO body (jid, minion, body) SELECT ?1, ?2, ?3 "
    "WHERE EXISTS (SELECT 1 FROM job WHERE jid = ?1) "
    "ON CONFLICT (jid, minion) DO UPDATE SET body = excluded.body"
)
_PUT_CHUNK: Final = (
    "INSERT INTO chunk (jid, minion, digest, start, data) SELECT ?1, ?2, ?3, ?4, ?5 "
    "WHERE EXISTS (SELECT 1 FROM job WHERE jid = ?1) "
    "ON CONFLICT (jid, minion, start) DO UPDATE SET data = excluded.data"
)


def _values(row: msgspec.Struct) -> tuple[Any, ...]:
    values = msgspec.structs.astuple(row)
    for value in values:  # SQLite would keep NaN as NULL, which means something else
        assert not isinstance(value, float) or math.isfinite(value), row
    return values


def _put_key(database: sqlite3.Connection, operation: PutKey) -> None:
    database.execute(_PUT_KEY, _values(operation.row))


def _delete_key(database: sqlite3.Connection, operation: DeleteKey) -> None:
    database.execute("DELETE FROM minion_key WHERE key = ?", (operation.key,))


def _put_token(database: sqlite3.Connection, operation: PutToken) -> None:
    database.execute(_PUT_TOKEN, _values(operation.row))


def _delete_token(database: sqlite3.Connection, operation: DeleteToken) -> None:
    database.execute("DELETE FROM token WHERE token_id = ?", (operation.token_id,))


def _put_job(database: sqlite3.Connection, operation: PutJob) -> None:
    database.execute(_PUT_JOB, _values(operation.row))


def _put_delivery(database: sqlite3.Connection, operation: PutDelivery) -> None:
    database.execute(_PUT_DELIVERY, _values(operation.row))


def _put_return(database: sqlite3.Connection, operation: PutReturn) -> None:
    database.execute(_PUT_BODY, (operation.jid, operation.minion, operation.body))


def _put_chunk(database: sqlite3.Connection, operation: PutChunk) -> None:
    whose = (operation.jid, operation.minion, operation.digest)
    database.execute("DELETE FROM chunk WHERE jid = ? AND minion = ? AND digest <> ?", whose)
    database.execute(_PUT_CHUNK, (*whose, operation.offset, operation.data))


def _join_chunks(database: sqlite3.Connection, operation: JoinChunks) -> None:
    whose = (operation.jid, operation.minion)
    pieces = database.execute(
        "SELECT data FROM chunk WHERE jid = ? AND minion = ? AND digest = ? ORDER BY start",
        (*whose, operation.digest),
    )
    body = b"".join(data for (data,) in pieces)
    found = hashlib.sha256(body).hexdigest()
    if found != operation.digest:
        body = damaged_body(operation.digest, found)
    database.execute(_PUT_BODY, (*whose, body))
    database.execute("DELETE FROM chunk WHERE jid = ? AND minion = ?", whose)


def _drop_chunks(database: sqlite3.Connection, operation: DropChunks) -> None:
    database.execute(
        "DELETE FROM chunk WHERE jid = ? AND minion = ?", (operation.jid, operation.minion)
    )


def _put_note(database: sqlite3.Connection, operation: PutNote) -> None:
    if not operation.value:
        database.execute("DELETE FROM note WHERE name = ?", (operation.name,))
        return
    database.execute(
        "INSERT INTO note (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (operation.name, operation.value),
    )


def _prune_history(database: sqlite3.Connection, operation: PruneHistory) -> None:
    (ended,) = database.execute("SELECT count(*) FROM job WHERE ended_s > 0").fetchone()
    (old,) = database.execute(
        "SELECT count(*) FROM job WHERE ended_s > 0 AND ended_s < ?", (operation.before_s,)
    ).fetchone()
    wanted = min(PRUNE_JOBS_MAX, max(old, ended - operation.jobs_max, 0))
    oldest = database.execute(
        "SELECT jid FROM job WHERE ended_s > 0 ORDER BY ended_s, jid LIMIT ?", (wanted,)
    ).fetchall()
    cost = 0
    for number, whose in enumerate(oldest):
        deliveries, body_bytes = database.execute(
            "SELECT count(*), total(body_bytes) FROM delivery WHERE jid = ?", whose
        ).fetchone()
        cost += prune_cost(deliveries, int(body_bytes))
        if number > 0 and cost > PRUNE_COST_MAX:
            break
        database.execute("DELETE FROM chunk WHERE jid = ?", whose)
        database.execute("DELETE FROM body WHERE jid = ?", whose)
        database.execute("DELETE FROM delivery WHERE jid = ?", whose)
        database.execute("DELETE FROM job WHERE jid = ?", whose)


_WRITERS: Final[dict[type[Operation], Callable[[sqlite3.Connection, Any], None]]] = {
    PutKey: _put_key,
    DeleteKey: _delete_key,
    PutToken: _put_token,
    DeleteToken: _delete_token,
    PutJob: _put_job,
    PutDelivery: _put_delivery,
    PutReturn: _put_return,
    PutChunk: _put_chunk,
    JoinChunks: _join_chunks,
    DropChunks: _drop_chunks,
    PutNote: _put_note,
    PruneHistory: _prune_history,
}
