"""What may be more at the end of an hour than at its start, why, and how much at most.

All else has to be as it was. `N` in a bound is the number of minions.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Memory:
    """Something that is remembered on purpose."""

    of: str
    """Name in the census, or its beginning."""
    each_max: int
    """At most so many for each minion …"""
    all_max: int
    """… and so many besides."""
    why: str

    def bound(self, number: int) -> int:
        """Give the most that there may be with so many minions."""
        return self.each_max * number + self.all_max


MEMORIES: Final = (
    Memory(
        "master.jobs.book.Book._request",
        0,
        20_000 + 10_000,
        "request ids, so that asking again gives the same job: `requests_max`, and open jobs",
    ),
    Memory(
        "master.timetable.Timetable._heap",
        2 * 8,
        64,
        "times of deadlines that were moved, until they are swept: twice the deadlines set",
    ),
    Memory(
        "master.timetable.Timetable._named",
        2 * 8,
        64,
        "deadlines that were moved, until they are swept: twice the deadlines set",
    ),
    Memory(
        "master.sessions.rates.Rates._levels",
        16,
        0,
        "a bucket for each kind of message that a minion has ever sent",
    ),
    Memory(
        "master.pillar.desk.PillarDesk._answered",
        0,
        4096,
        "questions for pillar that were answered, for when they are asked again",
    ),
    Memory(
        "master.pillar.known.",
        2,
        0,
        "the last pillar of each minion, for targets: 64 MiB",
    ),
    Memory(
        "master.sources.flight.Flight._of",
        1,
        0,
        "bytes under way to minions that do not speak again: until the next piece is sent",
    ),
    Memory(
        "master.sources.desk.SourceDesk._quick",
        0,
        1024,
        "files whose digest is known, so that they are read at once: `QUICK_MAX`",
    ),
    Memory(
        "master.targeting.index.FleetIndex._",
        2,
        0,
        "places of minions that have left, taken again by the next ones; ids in order, once asked",
    ),
    Memory("master.sessions.minion.Minion.presences", 0, 5, "how a minion may be, each once"),
    Memory("master.requests.Requests._rejected", 0, 100, "counters, by a reason of a fixed list"),
    Memory("master.carrying.Carrier._counted", 0, 100, "the same"),
    Memory(
        "master.enrolment.register.Register._left",
        0,
        10_000,
        "keys that a token let in and that were deleted since, while it lives: 30 days",
    ),
    Memory("master.enrolment.rates.", 0, 3 * 4096, "buckets of addresses and keys that asked"),
    Memory("master.tally.", 0, 200, "counters for metrics"),
    Memory(
        "minion.jobs.remembered.Remembered._jids",
        20_500,
        0,
        "jids that must not run again: 8 days, and 20,500",
    ),
    Memory(
        "minion.jobs.book.JobBook._turned_away",
        1000,
        0,
        "jids that were refused, so that the answer stays the same",
    ),
    Memory("minion.memory.Memory._notes", 12, 0, "notes of the journal, each name once"),
    Memory("minion.link.seat.Seat.changes", 100, 0, "the last changes of state, for people"),
    Memory("minion.link.states.Change", 100, 0, "the same"),
    Memory("minion.link.dialling.Dialler._asked", 16, 0, "names asked for, for late answers"),
    Memory("minion.link.dialling.Round.", 8, 0, "the last round: addresses not tried, failures"),
    Memory("minion.link.clockwork.MasterClock._samples", 32, 0, "beats that the clock is set by"),
    Memory("minion.link.beats.Beats._unechoed", 4, 0, "beats under way"),
    Memory("minion.link.server_keys.ServerKeys._left", 3, 0, "the master's next keys, not tried"),
)


HEADLINES: Final = {
    "roster entries": "master.sessions.roster.Roster.by_key",
    "sessions": "master.sessions.minion.Session",
    "connections that are somebody's": "master.sessions.roster.Roster._by_peer",
    "keys": "master.enrolment.keys.KeyTable._rows",
    "keys that wait": "master.enrolment.keys.KeyTable._pending",
    "turns of SYNC": "master.sessions.admission.Admission._inside",
    "waiting for a turn of SYNC": "master.sessions.admission.Admission._queue",
    "deadlines": "master.timetable.Timetable._entries",
    "times in the heap of deadlines": "master.timetable.Timetable._heap",
    "jobs in memory": "master.jobs.book.Book.jobs",
    "deliveries in memory": "master.jobs.delivery.Delivery",
    "lanes": "master.jobs.book.Book.lanes",
    "followers": "master.jobs.gathering.Gathering._by_client",
    "bodies coming in": "master.jobs.bulk.Bodies._bodies",
    "effects that wait for a commit": "master.carrying.Carrier._held",
    "clients with answers that wait": "master.control.telling.Telling._turns",
    "clients that hear events": "master.carrying.Carrier._subscribed",
    "questions for files": "master.sources.desk._Asked",
    "questions for pillar": "master.pillar.desk._Asked",
    "buckets of minions": "master.sessions.rates.Rates._levels",
    "minions' cores": "minion.core.MinionCore",
    "minions' sessions": "minion.link.session.Session",
    "minions' live jobs": "minion.jobs.ledger.Ledger.live",
    "minions' returns that wait": "minion.jobs.ledger.Ledger.finished",
    "minions' questions": "minion.sources.asking.Sources._waiting",
    "minions' remembered jids": "minion.jobs.remembered.Remembered._jids",
}
"""What people ask for first, by its name in the census."""


NAMING_GONE: Final = (
    "master.pillar.desk.PillarDesk._answered",
    "master.enrolment.rates._Buckets._buckets",
    "master.timetable.Timetable._named",
    "master.sources.flight.Flight._of",
)
"""Memories that may name keys which were deleted: bounded, and without anything secret."""


def may_name(attribute: str) -> bool:
    """Say whether this may name a key that was deleted."""
    return attribute.startswith(NAMING_GONE)


def memory_of(name: str) -> Memory | None:
    """Find what allows this to grow; None: nothing does."""
    return next((each for each in MEMORIES if name.startswith(each.of)), None)
