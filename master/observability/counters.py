"""What happened since the start, counted from the events that are published: for metrics."""

from collections import Counter
from typing import Final

from limpet.common.control.replies import Event
from limpet.common.observability.metrics import Histogram
from limpet.master.core.effects import DeliveryEnded

RETURN_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
REASONS_MAX: Final = 50
"""Different reasons that are told apart; what comes after them is `other`."""


class EventCounters:
    """Counters; `hear` takes every event, whatever it is about, but the end of a delivery."""

    def __init__(self) -> None:
        self.sessions = 0
        self.losses: Counter[str] = Counter()
        self.jobs_new = 0
        self.jobs_ended = 0
        self.returns: Counter[str] = Counter()
        """Deliveries that came to an end, by their status."""
        self.seconds = Histogram(RETURN_SECONDS)
        """From the making of a job to the return of one minion."""

    def hear(self, event: Event) -> None:
        """Count what it says."""
        match event.tag.split("/"):
            case ["minion", _, "ready"]:
                self.sessions += 1
            case ["minion", _, "lost"]:
                _count(self.losses, event.data.get("why", ""))
            case ["job", _, "new"]:
                self.jobs_new += 1
            case ["job", _, "ended"]:
                self.jobs_ended += 1

    def hear_end(self, ended: DeliveryEnded) -> None:
        """Count the end of a delivery."""
        self.returns[ended.status] += 1
        if ended.status in ("ok", "failed"):
            self.seconds.add(max(0.0, ended.at_s - ended.created_s))


def _count(counter: Counter[str], reason: str) -> None:
    counter[reason if reason in counter or len(counter) < REASONS_MAX else "other"] += 1
