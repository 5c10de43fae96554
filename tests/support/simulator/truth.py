"""What really happened, seen from outside: the yardstick of the checkers."""

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass
class Run:
    """One time that a function began on a host."""

    jid: str
    minion: str
    host: str
    started_at: float
    size: int = 0
    """Bytes of what it returns."""
    ended: str = ""
    """``: still running; else `ok`, `failed`, `died`, `cancelled`."""


@dataclass
class Truth:
    """Ground truth of one story."""

    runs: list[Run] = field(default_factory=list)
    runs_by: dict[tuple[str, str], list[Run]] = field(default_factory=lambda: defaultdict(list))
    acknowledged_jobs: set[str] = field(default_factory=set)
    """Jids that a client was told."""
    told: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """(jid, minion) to the statuses that a client was told, in order."""
    journals_replaced: set[str] = field(default_factory=set)
    """Minions whose journal was wiped or rolled back at some time."""
    cloned: set[str] = field(default_factory=set)
    """Minions of whom a copy was started at some time."""
    keys_changed: set[str] = field(default_factory=set)
    """Minions whose key was not accepted at some time."""
    clocks_jumped: set[str] = field(default_factory=set)
    """Minions whose host's wall clock jumped at some time."""
    cancelled_by_others: set[str] = field(default_factory=set)
    """Jids that somebody else ended, at the master or on the minion itself."""
    forged: set[str] = field(default_factory=set)
    """Jids that nobody ever asked for: they must not run."""
    local: set[str] = field(default_factory=set)
    """Jids of runs asked for on a host itself."""
    is_store_rolled_back: bool = False
    is_way_slow: bool = False
    """Frames took long at some time: clocks can't be compared to less than seconds."""
    last_fault_at: dict[str, float] = field(default_factory=dict)
    """Minion to the end of the last fault that befell it after the common end of faults."""

    def add_run(self, run: Run) -> None:
        """Take note of a run."""
        self.runs.append(run)
        self.runs_by[run.jid, run.minion].append(run)

    def runs_of(self, jid: str, minion: str) -> list[Run]:
        """Give the times that one job ran on one minion."""
        return self.runs_by.get((jid, minion), [])

    def prolong(self, minion: str, at: float) -> None:
        """Take note of a fault of one minion that ends at this time."""
        self.last_fault_at[minion] = max(self.last_fault_at.get(minion, 0.0), at)
