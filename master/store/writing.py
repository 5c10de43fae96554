"""One transaction of the store: operations of `operations.py` as statements of SQL.

Rows of a job that the store does not have (any more: it was pruned) are dropped: a delivery, a
return, a chunk or a change never brings back half a job. How many deliveries of an open job are in
which state is kept by what the core says of each change; what a job amounts to is summed up when it
ends, and kept right when a late word of a minion changes a delivery of it.
"""

import hashlib
import math
import sqlite3
from collections.abc import Callable
from typing import Any, Final

import msgspec

from limpet.common.identifiers import JobId
from limpet.master.store import sizes
from limpet.master.store.collected import Collected, keep_apart
from limpet.master.store.dropping import drop_rest
from limpet.master.store.operations import (
    CORRECTABLE,
    ChangeJob,
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
    PutToken,
    TokenRow,
)
from limpet.master.store.statements import upsert

PRUNE_JOBS_MAX: Final = 500
"""Jobs that one `PruneHistory` drops at most."""


def damaged_body(digest: str, found: str) -> bytes:
    """Give the body that stands in for one whose pieces do not add up (MessagePack of a text)."""
    return msgspec.msgpack.encode(
        "limpet: the returned value was damaged on its way and is not shown "
        f"(SHA-256 expected {digest or 'none'}, found {found})"
    )


_PUT_KEY: Final = upsert("minion_key", KeyRow.__struct_fields__, ("key",))
_PUT_TOKEN: Final = upsert("token", TokenRow.__struct_fields__, ("token_id",))
_PUT_JOB: Final = upsert("job", JobRow.__struct_fields__, ("jid",))
_PUT_CHUNK: Final = (
    "INSERT INTO chunk (jid, minion, digest, start, data) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (jid, minion, start) DO UPDATE SET data = excluded.data"
)
_SUMS: Final = (
    "SELECT state, count(*), sum(body_bytes),"  # noqa: S608 - words of the program alone
    f" sum(cancel = 'wanted' OR (state IN {tuple(sorted(CORRECTABLE))} AND journal_id <> ''))"
    " FROM delivery WHERE jid = ? GROUP BY state"
)


class Transaction:
    """What one transaction does. Begun and committed by the caller; use it for one alone.

    Deliveries and values are collected, and written before anything else looks at them and by
    `finish`.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._is_ended: dict[str, bool | None] = {}
        self._counts: dict[str, dict[str, int]] = {}
        """Of open jobs whose deliveries change: those by state, as far as they were written."""
        self._collected = Collected()
        self._more_jobs = 0
        self._more_bytes = 0
        self.is_pruned = False
        """Jobs were dropped."""
        self.is_more_to_prune = False
        """More jobs are over the limits of the last `PruneHistory` than one drops."""

        self.limits: PruneHistory | None = None
        """The last that the history is to be kept within."""
        self.has_ended_more = False
        """Ended jobs take more on disk than before."""

    def apply(self, operation: Operation) -> None:
        """Carry one out. Raises `sqlite3.Error`; asserts what the core must never ask."""
        _WRITERS[type(operation)](self, operation)

    def finish(self, commit: int | None) -> None:
        """Write what the transaction adds up to; None: the number of the last commit stays.

        Raises `sqlite3.Error`.
        """
        self._collected.write(self._database)
        for jid, counts in self._counts.items():
            self._database.execute(
                "UPDATE sums SET counts = ? WHERE jid = ?", (sizes.written(counts), jid)
            )
        self._counts = {}
        if commit is not None:
            self._database.execute("UPDATE meta SET commit_number = ?", (commit,))
        if self._more_jobs or self._more_bytes:
            self._database.execute(
                "UPDATE meta SET ended_jobs = ended_jobs + ?, ended_bytes = ended_bytes + ?",
                (self._more_jobs, self._more_bytes),
            )
            self.has_ended_more = self._more_bytes > 0
            self._more_jobs = self._more_bytes = 0

    # -- keys, tokens, notes --------------------------------------------------------------------

    def _put_key(self, operation: PutKey) -> None:
        self._database.execute(_PUT_KEY, _values(operation.row))

    def _delete_key(self, operation: DeleteKey) -> None:
        self._database.execute("DELETE FROM minion_key WHERE key = ?", (operation.key,))

    def _put_token(self, operation: PutToken) -> None:
        self._database.execute(_PUT_TOKEN, _values(operation.row))

    def _delete_token(self, operation: DeleteToken) -> None:
        self._database.execute("DELETE FROM token WHERE token_id = ?", (operation.token_id,))

    def _put_note(self, operation: PutNote) -> None:
        if not operation.value:
            self._database.execute("DELETE FROM note WHERE name = ?", (operation.name,))
            return
        self._database.execute(
            "INSERT INTO note (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (operation.name, operation.value),
        )

    # -- jobs -----------------------------------------------------------------------------------

    def _is_over(self, jid: JobId) -> bool | None:
        """Say whether a job has ended; None: it is not there."""
        try:
            return self._is_ended[jid]
        except KeyError:
            found = self._database.execute(
                "SELECT ended_s > 0 FROM job WHERE jid = ?", (jid,)
            ).fetchone()
            is_over = self._is_ended[jid] = None if found is None else bool(found[0])
            return is_over

    def _put_job(self, operation: PutJob) -> None:
        row = operation.row
        was_over, is_over = self._is_over(row.jid), row.ended_s > 0
        if was_over or is_over:
            self._collected.write(self._database)
        if was_over is None:
            drop_rest(self._database, row.jid)
            self._counts[row.jid] = {}
            self._database.execute(
                "INSERT INTO sums (jid, counts, bytes) VALUES (?, '', 0)", (row.jid,)
            )
        elif was_over and is_over:
            (before,) = self._database.execute(
                "SELECT length(arguments) FROM job WHERE jid = ?", (row.jid,)
            ).fetchone()
            self._resize(row.jid, len(row.arguments) - before)
        self._database.execute(_PUT_JOB, _values(row))
        self._is_ended[row.jid] = is_over
        if is_over and not was_over:
            self._sum_up(row)
        elif was_over and not is_over:
            self._forget_sums(row.jid)

    def _change_job(self, operation: ChangeJob) -> None:
        if self._is_over(operation.row.jid) is not None:
            self._put_job(PutJob(operation.row))

    def _sum_up(self, row: JobRow) -> None:
        """Count once what a job amounts to that ends now."""
        counts: dict[str, int] = {}
        body_bytes = held = 0
        for state, number, some_bytes, some_held in self._database.execute(_SUMS, (row.jid,)):
            counts[state] = number
            body_bytes += some_bytes
            held += some_held
        size = sizes.job_bytes(len(row.arguments), sum(counts.values()), body_bytes)
        self._counts.pop(row.jid, None)
        self._database.execute(
            "UPDATE sums SET counts = ?, bytes = ?, held = ? WHERE jid = ?",
            (sizes.written(counts), size, held, row.jid),
        )
        self._more_jobs += 1
        self._more_bytes += size

    def _forget_sums(self, jid: JobId) -> None:
        """Keep of a job that is open again only its deliveries by state."""
        (size,) = self._database.execute("SELECT bytes FROM sums WHERE jid = ?", (jid,)).fetchone()
        self._database.execute("UPDATE sums SET bytes = 0, held = 0 WHERE jid = ?", (jid,))
        self._more_jobs -= 1
        self._more_bytes -= size

    def _resize(self, jid: JobId, more_bytes: int) -> None:
        if more_bytes:
            self._database.execute(
                "UPDATE sums SET bytes = bytes + ? WHERE jid = ?", (more_bytes, jid)
            )
            self._more_bytes += more_bytes

    def _prune_history(self, operation: PruneHistory) -> None:
        self._collected.write(self._database)
        jobs, size = self._database.execute("SELECT ended_jobs, ended_bytes FROM meta").fetchone()
        jobs += self._more_jobs
        size += self._more_bytes
        gone: list[tuple[JobId]] = []
        self.limits = operation
        self.is_more_to_prune = False
        for jid, ended_s, its_bytes in self._database.execute(
            "SELECT job.jid, ended_s, bytes FROM job CROSS JOIN sums ON sums.jid = job.jid "
            "WHERE ended_s > 0 ORDER BY ended_s, job.jid LIMIT ?",
            (PRUNE_JOBS_MAX + 1,),
        ):
            if not operation.drops(ended_s, jobs, size):
                break
            if len(gone) == PRUNE_JOBS_MAX:
                self.is_more_to_prune = True
                break
            gone.append((jid,))
            jobs -= 1
            size -= its_bytes
            self._more_jobs -= 1
            self._more_bytes -= its_bytes
            self._is_ended[jid] = None
        self._database.executemany("INSERT INTO dropping (jid) VALUES (?)", gone)
        self._database.executemany("DELETE FROM sums WHERE jid = ?", gone)
        self._database.executemany("DELETE FROM job WHERE jid = ?", gone)
        self.is_pruned |= bool(gone)

    # -- deliveries and what they returned ------------------------------------------------------

    def _put_delivery(self, operation: PutDelivery) -> None:
        row = operation.row
        is_over = self._is_over(row.jid)
        if is_over is None:
            return
        if is_over:
            self._collected.write(self._database)
            self._correct(row)
        elif row.state != operation.before:
            counts = self._open_counts(row.jid)
            counts[row.state] = counts.get(row.state, 0) + 1
            if operation.before:
                counts[operation.before] = counts.get(operation.before, 0) - 1
        self._collected.put(row, operation.body)

    def _open_counts(self, jid: JobId) -> dict[str, int]:
        """Give the deliveries of an open job by state, to be changed."""
        counts = self._counts.get(jid)
        if counts is None:
            (text,) = self._database.execute(
                "SELECT counts FROM sums WHERE jid = ?", (jid,)
            ).fetchone()
            counts = self._counts[jid] = sizes.parsed(text)
        return counts

    def _correct(self, row: DeliveryRow) -> None:
        """Have the sums of an ended job follow the delivery that is about to be written."""
        before = self._database.execute(
            "SELECT state, body_bytes, cancel, journal_id FROM delivery "
            "WHERE jid = ? AND minion = ?",
            (row.jid, row.minion),
        ).fetchone()
        (text,) = self._database.execute(
            "SELECT counts FROM sums WHERE jid = ?", (row.jid,)
        ).fetchone()
        counts = sizes.parsed(text)
        counts[row.state] = counts.get(row.state, 0) + 1
        more_bytes = sizes.DELIVERY_BYTES + row.body_bytes
        more_held = int(_is_held(row.state, row.cancel, row.journal_id))
        if before is not None:
            state, body_bytes, cancel, journal_id = before
            counts[state] -= 1
            more_bytes -= sizes.DELIVERY_BYTES + body_bytes
            more_held -= _is_held(state, cancel, journal_id)
        self._database.execute(
            "UPDATE sums SET counts = ?, held = held + ? WHERE jid = ?",
            (sizes.written(counts), more_held, row.jid),
        )
        self._resize(row.jid, more_bytes)

    def _put_chunk(self, operation: PutChunk) -> None:
        if self._is_over(operation.jid) is None:
            return
        whose = (operation.jid, operation.minion, operation.digest)
        self._database.execute(
            "DELETE FROM chunk WHERE jid = ? AND minion = ? AND digest <> ?", whose
        )
        self._database.execute(_PUT_CHUNK, (*whose, operation.offset, operation.data))

    def _join_chunks(self, operation: JoinChunks) -> None:
        if self._is_over(operation.jid) is None:
            return
        self._collected.write(self._database)
        whose = (operation.jid, operation.minion)
        pieces = self._database.execute(
            "SELECT data FROM chunk WHERE jid = ? AND minion = ? AND digest = ? ORDER BY start",
            (*whose, operation.digest),
        )
        body = b"".join(data for (data,) in pieces)
        found = hashlib.sha256(body).hexdigest()
        if found != operation.digest:
            body = damaged_body(operation.digest, found)
        keep_apart(self._database, whose, body)
        self._database.execute("DELETE FROM chunk WHERE jid = ? AND minion = ?", whose)

    def _drop_chunks(self, operation: DropChunks) -> None:
        self._database.execute(
            "DELETE FROM chunk WHERE jid = ? AND minion = ?", (operation.jid, operation.minion)
        )

    WRITERS: Final[dict[type[Operation], Callable[["Transaction", Any], None]]] = {
        PutKey: _put_key,
        DeleteKey: _delete_key,
        PutToken: _put_token,
        DeleteToken: _delete_token,
        PutJob: _put_job,
        ChangeJob: _change_job,
        PutDelivery: _put_delivery,
        PutChunk: _put_chunk,
        JoinChunks: _join_chunks,
        DropChunks: _drop_chunks,
        PutNote: _put_note,
        PruneHistory: _prune_history,
    }


_WRITERS: Final = Transaction.WRITERS


def _is_held(state: str, cancel: str, journal_id: str) -> bool:
    """Say whether a word of its minion may still change a delivery of an ended job."""
    return cancel == "wanted" or (state in CORRECTABLE and journal_id != "")


def _values(row: msgspec.Struct) -> tuple[Any, ...]:
    values = msgspec.structs.astuple(row)
    for value in values:  # SQLite would keep NaN as NULL, which means something else
        assert not isinstance(value, float) or math.isfinite(value), row
    return values
