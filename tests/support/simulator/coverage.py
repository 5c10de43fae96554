"""Which event met which state, and how often: the proof that a batch of seeds looked everywhere."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from limpet.common.control.requests import CancelJob
from limpet.common.identifiers import JobId, MinionId, MinionKey
from limpet.master.core.machine import MasterCore
from limpet.master.store.operations import DeliveryRow

Pairs = Counter[tuple[str, str]]
Core = Any
Count = Callable[[Any, str, tuple[Any, ...]], None]


@dataclass
class Coverage:
    """All that is counted in a batch."""

    minion: Pairs = field(default_factory=Counter)
    """State of the link, event."""
    presence: Pairs = field(default_factory=Counter)
    """Presence of the minion that an event of the master is about, event."""
    delivery: Pairs = field(default_factory=Counter)
    """State of the delivery that a message or request is about, event."""
    arrows: Pairs = field(default_factory=Counter)
    """State of a delivery in the store before and after a commit."""

    def add(self, other: "Coverage") -> None:
        """Take the counts of another in."""
        self.minion += other.minion
        self.presence += other.presence
        self.delivery += other.delivery
        self.arrows += other.arrows

    def on_minion_event(self, core: Core, event: str, arguments: tuple[Any, ...]) -> None:
        """Count an event of a minion."""
        self.minion[core.state.name, event] += 1

    def on_master_event(self, core: MasterCore, event: str, arguments: tuple[Any, ...]) -> None:
        """Count an event of the master, and the deliveries that it is about."""
        texts = (each for each in arguments[1:] if isinstance(each, str))
        key = next((text for text in texts if len(text) == 64), "")
        minion = core._registry.by_key.get(MinionKey(key))
        if key:
            self.presence[minion.presence if minion is not None else "no minion", event] += 1
        elif event in ("peer_gone", "send_failed"):
            minion = core._registry.of_peer(arguments[1])
            self.presence[minion.presence if minion is not None else "no minion", event] += 1
        else:
            self.presence["any", event] += 1
        last = arguments[-1]
        if isinstance(last, CancelJob):
            job = core._job_table.jobs.get(JobId(last.jid))
            for delivery in job.deliveries.values() if job is not None else ():
                self.delivery[delivery.state, event] += 1
        elif minion is not None and hasattr(last, "jid"):
            self.delivery[self._state(core, last.jid, minion.minion), event] += 1
        elif minion is not None and event == "SyncPage":
            for entry in last.entries:
                state = self._state(core, entry.jid, minion.minion)
                self.delivery[state, f"Sync {entry.state}"] += 1

    @staticmethod
    def _state(core: MasterCore, jid: str, minion: MinionId) -> str:
        found = core._job_table.find(jid, minion)
        return "not in memory" if found is None else found[1].state

    def on_row(self, before: DeliveryRow | None, after: DeliveryRow) -> None:
        """Count a change of a delivery in the store."""
        old = "(none)" if before is None else before.state
        if old != after.state:
            self.arrows[old, after.state] += 1


class Counted:
    """Stands before a core and counts each event together with the state that it met."""

    def __init__(self, core: Core, count: Count) -> None:
        self._core = core
        self._count = count

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        found = getattr(self._core, name)
        if not name.startswith("on_"):
            return found
        core, count, plain = self._core, self._count, name.removeprefix("on_")

        def counted(*arguments: Any) -> Any:  # noqa: ANN401
            event = plain
            if name in ("on_message", "on_request"):
                event = type(arguments[-1]).__name__
            elif name == "on_link":
                event = f"link {arguments[-1]}"
            count(core, event, arguments)
            return found(*arguments)

        self.__dict__[name] = counted
        return counted


def table(pairs: Pairs, head: str = "") -> str:
    """Print the counts: events down, states across."""
    states = sorted({state for state, _ in pairs})
    events = sorted({event for _, event in pairs})
    width = max([len(head), *(len(event) for event in events)])
    lines = [f"{head:<{width}}" + "".join(f"{state[:12]:>13}" for state in states)]
    for event in events:
        cells = "".join(f"{pairs.get((state, event), 0) or '·':>13}" for state in states)
        lines.append(f"{event:<{width}}{cells}")
    return "\n".join(lines)


def rare(pairs: Pairs, expected: Iterable[tuple[str, str]], least: int = 10) -> list[str]:
    """Name the pairs that were met fewer than `least` times."""
    return [
        f"{state} with {event}: {pairs.get((state, event), 0)}"
        for state, event in expected
        if pairs.get((state, event), 0) < least
    ]
