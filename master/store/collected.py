"""The deliveries and values that one transaction writes, gathered first and then written together.

Of each delivery only the last word is written. A value of few bytes stands in its delivery's row,
a larger one in a table of its own; in which it is, only the readers have to know.
"""

import sqlite3
from collections.abc import Mapping, Sequence
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
        self.deliveries: dict[Whose, DeliveryRow] = {}
        self.bodies: dict[Whose, bytes] = {}

    def write(self, database: sqlite3.Connection) -> None:
        """Write all of it, in the order of the keys. Raises `sqlite3.Error`."""
        deliveries, bodies = self.deliveries, self.bodies
        if deliveries:
            self.deliveries = {}
            plain: list[Any] = []
            returned: list[Any] = []
            for whose in sorted(deliveries):
                row = deliveries[whose]
                # SQLite would keep NaN as NULL. A sum of numbers is finite if each is.
                assert isfinite(row.expires_s + row.since_s + row.started_s + row.duration_s), row
                body = bodies.get(whose)
                if body is None:
                    plain += astuple(row)
                    continue
                returned += astuple(row)
                if len(body) <= INLINE_BYTES_MAX:
                    returned.append(body)
                    del bodies[whose]
                else:
                    returned.append(None)
            _PUT_DELIVERIES.write(database, plain)
            _PUT_RETURNED.write(database, returned)
        if bodies:
            self.bodies = {}
            keep_apart(database, bodies, [whose for whose in bodies if whose not in deliveries])


def keep_apart(
    database: sqlite3.Connection, bodies: Mapping[Whose, bytes], alone: Sequence[Whose]
) -> None:
    """Keep values in the table of large ones. `alone`: those whose delivery was not just written.

    Raises `sqlite3.Error`.
    """
    database.executemany(
        "UPDATE delivery SET body = NULL WHERE jid = ? AND minion = ? AND body IS NOT NULL", alone
    )
    _PUT_BODIES.write(
        database, [value for whose in sorted(bodies) for value in (*whose, bodies[whose])]
    )
