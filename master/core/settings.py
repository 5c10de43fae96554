"""What the master's core is told to keep to. Plain values: files are read elsewhere.

Durations are in seconds, sizes in bytes. The defaults are the constants of the design; a test may
shorten them, a configuration file may set those that `settings/` exposes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from limpet.common.targeting.compound import Nodegroups
from limpet.master.files.limits import SourceLimits
from limpet.master.pillar.limits import PillarLimits
from limpet.master.store.operations import PruneHistory

DAY_S = 86_400.0
WAY_BACK_S_MIN = 30.0
RETURNS_A_SECOND = 300.0
"""Minions spread their first attempt after a loss so that no more come in a second: one of a fleet
of 10,000 may stay away for 33 s (`minion/sessions/backoff.py`)."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The settings that may change while the master runs; see `MasterSettings` for each."""

    job_timeout_s: float
    history_age_s: float
    history_jobs_max: int
    history_bytes_max: int
    secret_keys: tuple[str, ...]
    nodegroups: Nodegroups


@dataclass(slots=True)
class MasterSettings:
    """Limits and intervals of one master. All parts of a core share one, and none changes it.

    But for `take_over`, by which the core takes a new configuration.
    """

    version: str = ""
    """The release, as told to minions and in `limpet status`."""

    beat_interval_s: float = 5.0
    beat_interval_max_s: float = 60.0
    beats_missed_max: int = 3
    offline_after_s: float = 15.0
    """Silence after which a minion is `offline`; never less than the beats that may be missed."""
    return_grace_s: float | None = None
    """After a start of the master, minions that were READY are waited for this long; None: for as
    long as the way back of such a fleet may take (`way_back`)."""
    lost_after_s: float = 60.0
    """A job that runs on an offline minion is `lost` after this."""
    probe_s: float = 2.0
    waiting_s: float = 60.0
    sync_page_s: float = 15.0
    sync_at_once: int = 100
    late_loop_s: float = 1.0
    """The loop counts itself late above this, and then judges nobody's silence for a beat."""

    resend_s: float = 5.0
    inquire_s: float = 3600.0
    default_ttl_s: float | None = None
    """The ttl of a job that names none; None: as `return_grace_s`."""
    stay_away_s: float = 10.0
    """A sent job whose ttl has passed is given up this much later."""
    ttl_max_s: float = 7 * DAY_S
    remember_s: float = 8 * DAY_S
    """How long minions remember jids: longer than the longest ttl."""
    job_timeout_s: float = 0.0
    """How long a job may run where the command does not say; 0: as the minion has it."""
    job_timeout_max_s: float = 30 * DAY_S
    in_flight_max: int = 32
    jobs_open_max: int = 10_000
    deliveries_open_max: int = 500_000
    jobs_ended_max: int = 1_000
    """Ended jobs kept in memory because a late return may still correct them."""
    deliveries_ended_max: int = 50_000
    requests_max: int = 20_000
    """Request ids remembered for jobs that have left memory."""

    return_bytes_max: int = 16 * 1024 * 1024
    partial_idle_s: float = 600.0
    partials_max: int = 8
    """Unfinished bodies of one minion."""
    return_bytes_s: float = 32.0 * 1024 * 1024
    return_burst_bytes: float = 64.0 * 1024 * 1024
    output_bytes_s: float = 4.0 * 1024 * 1024
    """Live output to one client; what is over it is dropped and counted."""
    output_burst_bytes: float = 8.0 * 1024 * 1024

    history_age_s: float = 30 * DAY_S
    history_jobs_max: int = 100_000
    history_bytes_max: int = 8 << 30
    prune_every_s: float = 3600.0
    alive_note_s: float = 60.0
    """How often the store is told that the master lives: bounds the error of last-seen times."""

    sources: SourceLimits = field(default_factory=SourceLimits)
    pillar: PillarLimits = field(default_factory=PillarLimits)
    secret_keys: tuple[str, ...] = ()
    """Keys below which nothing of a job's arguments is kept when it is over."""

    nodegroups: Nodegroups = field(default_factory=lambda: MappingProxyType({}))
    rates: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: MappingProxyType(
            {
                "Hello": (1.0, 10.0),
                "Beat": (4.0, 20.0),
                "SyncPage": (50.0, 200.0),
                "Grains": (0.2, 5.0),
                "Accepted": (1000.0, 2000.0),
                "Started": (1000.0, 2000.0),
                "CancelAnswer": (1000.0, 2000.0),
                "BulkOffer": (20.0, 100.0),
                "Output": (100.0, 200.0),
                "Ask": (2000.0, 4000.0),
                "Pull": (2000.0, 4000.0),
                "TrustAck": (1.0, 20.0),
                "orphan": (5.0, 50.0),
                "flood": (50.0, 2000.0),  # dropped ones: who drops more is cut off
            }
        )
    )
    """Messages a second and burst, for each key and type; returns are bounded in bytes."""

    def take_over(self, changes: Changes) -> None:
        """Let what may change be so from now on, for all who share this."""
        for each in fields(changes):
            setattr(self, each.name, getattr(changes, each.name))

    def history_limits(self, wall_s: float) -> PruneHistory:
        """Give what the store keeps the history within, at a wall time."""
        return PruneHistory(
            wall_s - self.history_age_s, self.history_jobs_max, self.history_bytes_max
        )

    def beat_interval(self, fleet: int) -> float:
        """Give the beat interval for a number of accepted minions."""
        return min(max(self.beat_interval_s, fleet / 1000), self.beat_interval_max_s)

    def way_back(self, fleet: int) -> float:
        """Give the seconds within which minions that have lost their master are there again.

        Twice the time over which they spread their return: whoever comes last also has to find
        its turn in the herd.
        """
        return max(WAY_BACK_S_MIN, 2 * fleet / RETURNS_A_SECOND)

    def default_ttl(self, fleet: int) -> float:
        """Give the ttl of a job that names none."""
        return self.way_back(fleet) if self.default_ttl_s is None else self.default_ttl_s

    def return_grace(self, fleet: int) -> float:
        """Give for how long those that were READY are waited for after a start of the master."""
        return self.way_back(fleet) if self.return_grace_s is None else self.return_grace_s

    def silence(self, fleet: int) -> float:
        """Give the seconds without an echoed beat after which a session is lost."""
        return self.beats_missed_max * self.beat_interval(fleet)

    def offline_after(self, fleet: int) -> float:
        """Give the seconds of silence after which a minion is `offline`."""
        return max(self.offline_after_s, self.silence(fleet))
