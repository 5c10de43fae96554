"""What really happened, seen from outside: the yardstick of the checkers."""

from dataclasses import dataclass, field


@dataclass
class Run:
    """One time that a function began on a host."""

    jid: str
    minion: str
    host: str
    started_at: float
    ended: str = ""
    """``: still running; else `ok`, `failed`, `died`, `killed`."""


@dataclass
class Truth:
    """Ground truth of one story."""

    runs: list[Run] = field(default_factory=list)
    acknowledged_jobs: set[str] = field(default_factory=set)
    """Jids that a client was told."""
    told: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """(jid, minion) to the statuses that a client was told, in order."""
    journals_replaced: set[str] = field(default_factory=set)
    """Minions whose journal was wiped or rolled back at some time."""
    cloned: set[str] = field(default_factory=set)
    """Minions of whom a copy was started at some time."""
    keys_changed: set[str] = field(default_factory=set)
    """Minions whose key was rejected or deleted at some time."""
    is_store_rolled_back: bool = False
    instants: dict[tuple[str, str], int] = field(default_factory=dict)

    def runs_of(self, jid: str, minion: str) -> list[Run]:
        """Give the times that one job ran on one minion."""
        return [run for run in self.runs if run.jid == jid and run.minion == minion]
