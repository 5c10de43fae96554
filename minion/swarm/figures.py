"""What a swarm counts, and how the counts of its processes become one figure."""

from collections.abc import Iterable
from typing import Final

import msgspec

from limpet.minion.swarm.histogram import Histogram, added_up

REASONS_MAX: Final = 64
"""Reasons counted one by one; what comes after is counted under `other`."""
REASON_CHARACTERS_MAX: Final = 80

GAUGES: Final = ("minions", "started", "connected", "ready", "rss_bytes")
COUNTERS: Final = (
    "sockets_opened",
    "handshakes",
    "enrolments_asked",
    "logins",
    "losses",
    "beats",
    "jobs_delivered",
    "jobs_at_once",
    "jobs_ok",
    "jobs_failed",
    "jobs_cancelled",
    "returns_acknowledged",
    "files",
    "files_unchanged",
    "file_bytes",
    "listings",
    "pillars",
    "pillar_bytes",
    "questions_failed",
    "digests_wrong",
    "bad_frames",
    "restarts",
    "cpu_s",
)
INSTANTS: Final = ("began_at", "all_ready_at")
HISTOGRAMS: Final = ("beat_s", "login_s", "file_s", "pillar_s", "turn_s")


class Figures(msgspec.Struct):
    """The figures of one process, from its start on; `Figures()` is that of none."""

    minions: int = 0
    started: int = 0
    """Those whose turn to connect has come."""
    connected: int = 0
    """Sockets whose CURVE handshake is done and that are open."""
    ready: int = 0
    sockets_opened: int = 0
    """Attempts: each is one TCP connection and one handshake offered to the master."""
    handshakes: int = 0
    """Handshakes that were finished, on either port."""
    enrolments_asked: int = 0
    began_at: float = 0.0
    """CLOCK_BOOTTIME when the first minion began, before it had a socket; 0: none has."""
    all_ready_at: float = 0.0
    """CLOCK_BOOTTIME when all were READY for the first time; 0: they never were."""
    logins: int = 0
    """How often a minion became READY."""
    losses: int = 0
    """How often one that was READY was so no more, other than by the swarm's end."""
    beats: int = 0
    """Own beats whose echo came back."""
    jobs_delivered: int = 0
    jobs_at_once: int = 0
    """Answered by the link itself, as `test.ping` is."""
    jobs_ok: int = 0
    jobs_failed: int = 0
    jobs_cancelled: int = 0
    """Every other end: cancelled, expired, refused, interrupted."""
    returns_acknowledged: int = 0
    files: int = 0
    """Files that jobs brought whole."""
    files_unchanged: int = 0
    """Files that the minion had had before."""
    file_bytes: int = 0
    listings: int = 0
    pillars: int = 0
    pillar_bytes: int = 0
    questions_failed: int = 0
    """Questions to the master that were given up, or that it refused."""
    digests_wrong: int = 0
    """Bodies that were not what the master had said they would be."""
    bad_frames: int = 0
    restarts: int = 0
    """Minions whose link asked to be started afresh."""
    rss_bytes: int = 0
    """Memory of the process."""
    cpu_s: float = 0.0
    """CPU time of the process."""
    failures: dict[str, int] = {}
    """Why attempts and sessions ended, and why minions wait."""
    warnings: dict[str, int] = {}
    """What minions would have written to their logs as warning or error, by topic."""
    beat_s: Histogram = msgspec.field(default_factory=Histogram)
    """From a beat to its echo."""
    login_s: Histogram = msgspec.field(default_factory=Histogram)
    """From a minion's start, or the loss of its session, to READY."""
    file_s: Histogram = msgspec.field(default_factory=Histogram)
    """From the question for a file to its last byte."""
    pillar_s: Histogram = msgspec.field(default_factory=Histogram)
    """The same for pillar."""
    turn_s: Histogram = msgspec.field(default_factory=Histogram)
    """How long a turn of the loop works: so late may be whoever is due."""

    @property
    def all_ready_s(self) -> float | None:
        """Give the seconds from the first minion's begin until all were READY; None: never."""
        return self.all_ready_at - self.began_at if self.all_ready_at else None

    def count_failure(self, reason: str) -> None:
        """Count why something went wrong."""
        _count(self.failures, reason)

    def count_warning(self, topic: str) -> None:
        """Count what a minion would have logged."""
        _count(self.warnings, topic)


def copied(figures: Figures) -> Figures:
    """Give the figures as they are now."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(figures), type=Figures)


def merged(parts: Iterable[Figures]) -> Figures:
    """Add the figures of several processes up."""
    parts = list(parts)
    whole = Figures()
    for name in (*GAUGES, *COUNTERS):
        setattr(whole, name, sum(getattr(part, name) for part in parts))
    whole.began_at = min((part.began_at for part in parts if part.began_at), default=0.0)
    if parts and all(part.all_ready_at for part in parts):
        whole.all_ready_at = max(part.all_ready_at for part in parts)
    for part in parts:
        for own, others in (
            (whole.failures, part.failures),
            (whole.warnings, part.warnings),
        ):
            for reason, count in others.items():
                own[reason] = own.get(reason, 0) + count
    for name in HISTOGRAMS:
        setattr(whole, name, added_up(getattr(part, name) for part in parts))
    return whole


def _count(table: dict[str, int], reason: str) -> None:
    name = reason[:REASON_CHARACTERS_MAX]
    if name not in table and len(table) >= REASONS_MAX:
        name = "other"
    table[name] = table.get(name, 0) + 1
