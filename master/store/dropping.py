"""Giving back what jobs leave that are out of the history, piece by piece.

A job that is pruned is gone at once: its row moves to `dropping`. Its deliveries and values may be
gigabytes, which no transaction should write over (they are overwritten, not only let go of); so
they go in pieces, each a transaction of its own, between those of the day's work.
"""

import sqlite3
from typing import Final

JOBS_MAX: Final = 1_000
"""Jobs of one piece."""
ROWS_MAX: Final = 2_000
"""Deliveries of one piece: three to ten milliseconds."""
BYTES_MAX: Final = 8 * 1024 * 1024
"""Values of one piece, but one always: they are written over, so as much goes through the log."""

_PART: Final = (
    "DELETE FROM chunk WHERE jid = ? AND minion <= ?",
    "DELETE FROM body WHERE jid = ? AND minion <= ?",
    "DELETE FROM delivery WHERE jid = ? AND minion <= ?",
)
_REST: Final = (
    "DELETE FROM chunk WHERE jid = ?",
    "DELETE FROM body WHERE jid = ?",
    "DELETE FROM delivery WHERE jid = ?",
    "DELETE FROM dropping WHERE jid = ?",
)


def drop_piece(database: sqlite3.Connection) -> int:
    """Drop one piece; gives the rows of deliveries and jobs that went. 0: nothing is left.

    Runs in the caller's transaction. Raises `sqlite3.Error`.
    """
    gone, bytes_left = 0, BYTES_MAX
    jids = database.execute("SELECT jid FROM dropping ORDER BY jid LIMIT ?", (JOBS_MAX,)).fetchall()
    for (jid,) in jids:
        wanted = max(1, ROWS_MAX - gone)
        rows = database.execute(
            "SELECT minion, body_bytes FROM delivery WHERE jid = ? ORDER BY minion LIMIT ?",
            (jid, wanted),
        ).fetchall()
        taken = 0
        for _minion, body_bytes in rows:
            if taken and body_bytes > bytes_left:
                break
            bytes_left -= body_bytes
            taken += 1
        gone += taken + 1
        if taken == len(rows) < wanted:
            drop_rest(database, jid)
        else:
            for statement in _PART:
                database.execute(statement, (jid, rows[taken - 1][0]))
        if gone >= ROWS_MAX or bytes_left <= 0:
            break
    return gone


def drop_rest(database: sqlite3.Connection, jid: str) -> None:
    """Drop all that a pruned job left, in the caller's transaction. Raises `sqlite3.Error`."""
    for statement in _REST:
        database.execute(statement, (jid,))
