"""Jids that must never run (again): acknowledged ones, and those cancelled before they came."""

from enum import Enum
from typing import Final

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import JobId

REMEMBERED_MAX: Final = 20_000
"""More are forgotten, the oldest first: their returns are on the master's disk."""
FORGET_EVERY_S: Final = 600.0
FORGET_AT_ONCE_MAX: Final = 500
KEPT_AFTER_START_S: Final = 3600.0
"""Nothing is forgotten earlier than this after the start: the wall clock may be wrong till then."""


class Why(Enum):
    """Why a jid is remembered."""

    ACKNOWLEDGED = "acknowledged"
    TOMBSTONE = "tombstone"


class SeenJids:
    """The jids, oldest first, each with the wall time of its last record."""

    __slots__ = ("_jids", "_started", "next_deadline")

    def __init__(self, now: Moment) -> None:
        self._started = now.boot
        self._jids: dict[JobId, tuple[Why, float]] = {}
        self.next_deadline: Instant = now.after(FORGET_EVERY_S)

    def __len__(self) -> int:
        return len(self._jids)

    def add(self, jid: JobId, why: Why, at_wall_s: float) -> None:
        """Remember a jid from now on."""
        self._jids.pop(jid, None)
        self._jids[jid] = (why, at_wall_s)
        if len(self._jids) >= REMEMBERED_MAX + FORGET_AT_ONCE_MAX:
            self.next_deadline = Instant(0.0)  # at once

    def why(self, jid: JobId) -> Why | None:
        """Say why a jid is remembered; None: it is not."""
        found = self._jids.get(jid)
        return None if found is None else found[0]

    def take_old(self, now: Moment, remember_s: float) -> list[JobId]:
        """Take out those that may be forgotten: too old, or too many."""
        self.next_deadline = now.after(FORGET_EVERY_S)
        excess = len(self._jids) - REMEMBERED_MAX
        may_age = now.boot - self._started >= KEPT_AFTER_START_S
        old: list[JobId] = []
        for jid, (_, at_wall_s) in self._jids.items():
            is_old = may_age and now.wall - at_wall_s > remember_s
            if len(old) >= FORGET_AT_ONCE_MAX or (not is_old and len(old) >= excess):
                break
            old.append(jid)
        for jid in old:
            del self._jids[jid]
        if len(old) >= FORGET_AT_ONCE_MAX:
            self.next_deadline = now.after(1.0)
        return old
