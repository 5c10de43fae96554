"""The deliveries and values that one transaction writes, gathered first and then written together.

Of each delivery only the last word is written. A value of few bytes stands in its delivery's row,
a larger one in a table of its own; in which it is, only the readers have to know.
"""

import sqlite3
from math import isfinite
from typing import Any, Final

from msgspec.structs import astuple

from limpet.common.identifiers import JobId, MinionId
from limpet.master.store.operations import DeliveryRow
from limpet.master.store.statements import Many, replacement, upsert

INLINE_BYTES_MAX: Final = 512
"""A value up to this size stands in its delivery's row; a larger one would not fit on its page."""

Whose = tuple[JobId, MinionId]

_WHOSE: Final = ("jid", "minion")
_ROW: Final = DeliveryRow.__struct_fields__
_RETURNED: Final = (*_ROW, "body")
_BODY: Final = (*_WHOSE, "body")
_PUT_DELIVERIES: Final = Many(len(_ROW), lambda rows: upsert("delivery", _ROW, _WHOSE, rows))
_PUT_RETURNED: Final = Many(len(_RETURNED), lambda rows: replacement("delivery", _RETURNED, rows))
_PUT_BODIES: Final = Many(len(_BODY), lambda rows: upsert("body", _BODY, _WHOSE, rows))


class Collected:
    """What is still to be written."""

    def __init__(self) -> None:
        self._deliveries: dict[Whose, tuple[DeliveryRow, bytes | None]] = {}

    def put(self, row: DeliveryRow, body: bytes | None) -> None:
        """Take a delivery in, with its value; None: the value that is there stays."""
        whose = (row.jid, row.minion)
        if body is None and whose in self._deliveries:
            body = self._deliveries[whose][1]
        self._deliveries[whose] = (row, body)

    def write(self, database: sqlite3.Connection) -> None:
        """Write all of it, in the order of the keys. Raises `sqlite3.Error`."""
        if not self._deliveries:
            return
        deliveries, self._deliveries = self._deliveries, {}
        plain: list[Any] = []
        returned: list[Any] = []
        large: list[Any] = []
        for whose in sorted(deliveries):
            row, body = deliveries[whose]
            # SQLite would keep NaN as NULL. A sum of numbers is finite if each is.
            assert isfinite(row.expires_s + row.since_s + row.started_s + row.duration_s), row
            if body is None:
                plain += astuple(row)
                continue
            returned += astuple(row)
            if len(body) <= INLINE_BYTES_MAX:
                returned.append(body)
            else:
                returned.append(None)
                large += (*whose, body)
        _PUT_DELIVERIES.write(database, plain)
        _PUT_RETURNED.write(database, returned)
        _PUT_BODIES.write(database, large)


def keep_apart(database: sqlite3.Connection, whose: Whose, body: bytes) -> None:
    """Keep a value of any size that came without its delivery. Raises `sqlite3.Error`."""
    database.execute("UPDATE delivery SET body = NULL WHERE jid = ? AND minion = ?", whose)
    _PUT_BODIES.write(database, [*whose, body])
