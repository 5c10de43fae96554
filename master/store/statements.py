"""Statements that write many rows at once.

A statement for many rows takes less than one for each, and lets go of the interpreter's lock once
and not for each row, after which a busy loop may keep it. Any number of rows is made up of a few
sizes, so that few statements have to be kept prepared.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

SIZES: Final = (64, 32, 16, 8, 4, 2, 1)
"""Rows of one statement: a group of commits has some dozens, a job for all has thousands."""


def upsert(table: str, names: Sequence[str], key: Sequence[str], rows: int = 1) -> str:
    """Write the statement that inserts or changes rows; names come from the program alone."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES {_places(names, rows)} "  # noqa: S608
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
    )


def replacement(table: str, names: Sequence[str], rows: int = 1) -> str:
    """Write the statement that puts whole rows in the place of what was there."""
    return f"REPLACE INTO {table} ({', '.join(names)}) VALUES {_places(names, rows)}"  # noqa: S608


def _places(names: Sequence[str], rows: int) -> str:
    return ", ".join([f"({', '.join('?' * len(names))})"] * rows)


class Many:
    """One kind of statement, for any number of rows."""

    def __init__(self, columns: int, statement: Callable[[int], str]) -> None:
        """Take what writes the statement for a number of rows of so many columns."""
        self._columns = columns
        self._statements = tuple((size, statement(size)) for size in SIZES)

    def write(self, database: sqlite3.Connection, values: list[Any]) -> None:
        """Write the values of rows, one row after the other, best in the order of their keys.

        Raises `sqlite3.Error`.
        """
        start, left = 0, len(values) // self._columns
        for size, statement in self._statements:
            while left >= size:
                end = start + size * self._columns
                database.execute(statement, values[start:end])
                start = end
                left -= size
