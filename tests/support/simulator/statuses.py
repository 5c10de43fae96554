"""Which status may follow which, as a client sees them: the arrows of deliveries, closed."""

from limpet.master.jobs.delivery import ARROWS, OPEN, SHOWN
from limpet.master.store.operations import CORRECTABLE

FINAL = frozenset(SHOWN.values()) - {SHOWN[state] for state in OPEN}
"""Statuses of a job that has ended."""


def _reachable() -> dict[str, frozenset[str]]:
    """Close the arrows of deliveries: where one may be after any number of changes."""
    found = {state: set(ends) for state, ends in ARROWS.items()}
    for _ in SHOWN:
        for ends in found.values():
            for end in list(ends):
                if end in CORRECTABLE or end in OPEN:
                    ends |= found.get(end, set())
    shown: dict[str, set[str]] = {}
    for state, ends in found.items():
        shown.setdefault(SHOWN[state], set()).update(SHOWN[end] for end in ends)
    return {status: frozenset(ends - {"queued"}) for status, ends in shown.items()}


SHOWN_ARROWS = _reachable()
"""Status that a client was told to those that it may be told later."""
