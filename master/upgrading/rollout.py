"""The roll-out of a package: who is upgraded when, and when to stop.

    waiting ─batch─▶ under way ─▶ upgraded | already there | rolled back | failed | no result
                                        failures over the bound ─▶ the rest stays: not tried

A batch begins when the one before it has ended, so that a package that breaks minions breaks one
batch of them for a minute, and not the fleet. This file decides; it asks nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Verdict = Literal[
    "upgraded", "already there", "rolled back", "failed", "offline", "no result", "not tried"
]

ORDER: Final[tuple[Verdict, ...]] = (
    "upgraded",
    "already there",
    "rolled back",
    "failed",
    "no result",
    "offline",
    "not tried",
)
FAILURES: Final = frozenset(("rolled back", "failed", "no result"))
TARGET_BYTES_MAX: Final = 4000
"""Ids of one batch, as a list: what a target may hold."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went on one minion."""

    verdict: Verdict
    old: str = ""
    new: str = ""
    seconds: float | None = None
    error: str = ""
    jid: str = ""


class Rollout:
    """One roll-out."""

    def __init__(self, minions: Iterable[str], *, batch_size: int, failures_max: int) -> None:
        assert batch_size >= 1
        assert failures_max >= 0
        self._waiting = list(minions)
        self._batch_size = batch_size
        self._failures_max = failures_max
        self.outcomes: dict[str, Outcome] = {name: Outcome("not tried") for name in self._waiting}
        """By minion; `not tried` until it is known better."""

    @property
    def failures(self) -> int:
        """Count the minions on which it failed."""
        return sum(each.verdict in FAILURES for each in self.outcomes.values())

    @property
    def is_stopped(self) -> bool:
        """Say whether too many failed, so that no further batch begins."""
        return self.failures > self._failures_max

    def next_batch(self) -> tuple[str, ...]:
        """Give the minions of the next batch; none: all had their turn, or too many failed."""
        if self.is_stopped:
            return ()
        batch: list[str] = []
        size = 0
        while self._waiting and len(batch) < self._batch_size:
            size += len(self._waiting[0].encode()) + 1
            if batch and size > TARGET_BYTES_MAX:
                break
            batch.append(self._waiting.pop(0))
        return tuple(batch)

    def note(self, minion: str, outcome: Outcome) -> None:
        """Take how it went on a minion; what is told later goes before what was told first."""
        self.outcomes[minion] = outcome

    def counts(self) -> dict[Verdict, int]:
        """Count the minions by what became of them, in the order in which that is told."""
        verdicts = [each.verdict for each in self.outcomes.values()]
        return {verdict: verdicts.count(verdict) for verdict in ORDER if verdict in verdicts}
