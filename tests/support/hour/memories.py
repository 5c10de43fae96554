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
        "master.jobs.job_table.JobTable._request",
        0,
        20_000 + 10_000,
        "request ids, so that asking again gives the same job: `requests_max`, and open jobs",
    ),
    Memory(
        "master.core.timers.Timers._heap",
        2 * 8,
        64,
        "times of deadlines that were moved, until they are swept: twice the deadlines set",
    ),
    Memory(
        "master.core.timers.Timers._named",
        2 * 8,
        64,
        "deadlines that were moved, until they are swept: twice the deadlines set",
    ),
    Memory(
        "master.sessions.rate_limits.Rates._levels",
        16,
        0,
        "a bucket for each kind of message that a minion has ever sent",
    ),
    Memory(
        "master.pillar.requests.PillarRequests._answered",
        0,
        4096,
        "questions for pillar that were answered, for when they are asked again",
    ),
    Memory(
        "master.pillar.cache.",
        2,
        0,
        "the last pillar of each minion, for targets: 64 MiB",
    ),
    Memory(
        "master.files.in_flight.InFlight._of",
        1,
        0,
        "bytes under way to minions that do not speak again: until the next piece is sent",
    ),
    Memory(
        "master.files.requests.FileRequests._quick",
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
    Memory(
        "master.sessions.registry.MinionRegistry.presences", 0, 5, "how a minion may be, each once"
    ),
    Memory(
        "master.requests.context.RequestContext.rejected",
        0,
        100,
        "counters, by a reason of a fixed list",
    ),
    Memory("master.process.effect_runner.EffectRunner._counted", 0, 100, "the same"),
    Memory(
        "master.enrolment.key_register.KeyRegister._left",
        0,
        10_000,
        "keys that a token let in and that were deleted since, while it lives: 30 days",
    ),
    Memory(
        "master.enrolment.rate_limits.", 0, 3 * 4096, "buckets of addresses and keys that asked"
    ),
    Memory("master.observability.counters.", 0, 200, "counters for metrics"),
    Memory(
        "minion.jobs.seen_jids.SeenJids._jids",
        20_500,
        0,
        "jids that must not run again: 8 days, and 20,500",
    ),
    Memory(
        "minion.jobs.job_table.JobTable._turned_away",
        1000,
        0,
        "jids that were refused, so that the answer stays the same",
    ),
    Memory("minion.core.notes.Notes._notes", 12, 0, "notes of the journal, each name once"),
    Memory(
        "minion.sessions.connection_state.ConnectionState.changes",
        100,
        0,
        "the last changes of state, for people",
    ),
    Memory("minion.sessions.states.Change", 100, 0, "the same"),
    Memory("minion.sessions.dialer.Dialer._asked", 16, 0, "names asked for, for late answers"),
    Memory("minion.sessions.dialer.Round.", 8, 0, "the last round: addresses not tried, failures"),
    Memory(
        "minion.sessions.master_clock.MasterClock._samples", 32, 0, "beats that the clock is set by"
    ),
    Memory("minion.sessions.heartbeats.Heartbeats._unechoed", 4, 0, "beats under way"),
    Memory(
        "minion.sessions.server_keys.ServerKeys._left", 3, 0, "the master's next keys, not tried"
    ),
)


HEADLINES: Final = {
    "registry entries": "master.sessions.registry.MinionRegistry.by_key",
    "sessions": "master.sessions.minion.Session",
    "connections that are somebody's": "master.sessions.registry.MinionRegistry._by_peer",
    "keys": "master.enrolment.key_table.KeyTable._rows",
    "keys that wait": "master.enrolment.pending_keys.PendingKeys._sources",
    "turns of SYNC": "master.sessions.admission.Admission._inside",
    "waiting for a turn of SYNC": "master.sessions.admission.Admission._queue",
    "deadlines": "master.core.timers.Timers._entries",
    "times in the heap of deadlines": "master.core.timers.Timers._heap",
    "jobs in memory": "master.jobs.job_table.JobTable.jobs",
    "deliveries in memory": "master.jobs.delivery.Delivery",
    "lanes": "master.jobs.job_table.JobTable.lanes",
    "followers": "master.jobs.followers.JobFollowers._by_client",
    "bodies coming in": "master.jobs.bulk_transfer.Bodies._bodies",
    "effects that wait for a commit": "master.process.effect_runner.EffectRunner._held",
    "clients with answers that wait": "master.control.reply_queue.ReplyQueue._turns",
    "clients that hear events": "master.process.effect_runner.EffectRunner._subscribed",
    "questions for files": "master.files.requests._Asked",
    "questions for pillar": "master.pillar.requests._Asked",
    "buckets of minions": "master.sessions.rate_limits.Rates._levels",
    "minions' cores": "minion.core.machine.MinionCore",
    "minions' sessions": "minion.sessions.session.Session",
    "minions' live jobs": "minion.jobs.job_registry.JobRegistry.live",
    "minions' returns that wait": "minion.jobs.job_registry.JobRegistry.finished",
    "minions' questions": "minion.files.requests.FileRequests._waiting",
    "minions' remembered jids": "minion.jobs.seen_jids.SeenJids._jids",
}
"""What people ask for first, by its name in the census."""


NAMING_GONE: Final = (
    "master.pillar.requests.PillarRequests._answered",
    "master.enrolment.rate_limits._Buckets._buckets",
    "master.core.timers.Timers._named",
    "master.files.in_flight.InFlight._of",
)
"""Memories that may name keys which were deleted: bounded, and without anything secret."""


def may_name(attribute: str) -> bool:
    """Say whether this may name a key that was deleted."""
    return attribute.startswith(NAMING_GONE)


def memory_of(name: str) -> Memory | None:
    """Find what allows this to grow; None: nothing does."""
    return next((each for each in MEMORIES if name.startswith(each.of)), None)
