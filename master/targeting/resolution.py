"""Commands and whom their targets mean: found a part at a time, waiting for pillars where needed.

    opened ─ within one turn's share ─▶ found ─ nothing is missing ─▶ decided
       └─ searching, a share in each turn ─┘ └── some pillars are missing ─▶ waiting
                 └─ too costly ─▶ refused           the last one came, or 30 s ─▶ decided

Each minion is judged when its pillar comes. One whose pillar can't be had in time, or has errors,
is not meant, and whoever asked is told so. However costly a target is, the loop serves everybody
else between two shares of the work; they are counted in steps, so that they do not depend on how
quick the machine is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from limpet.common.clock import Instant
from limpet.common.control.replies import Refused, Remark
from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionId, MinionKey
from limpet.common.targeting.target import Target
from limpet.common.targeting.terms import PILLAR
from limpet.master.core.effects import Client
from limpet.master.core.step import Step
from limpet.master.core.timers import Timers
from limpet.master.pillar.limits import PillarLimits
from limpet.master.pillar.requests import PillarRequests
from limpet.master.sessions.minion import Minion
from limpet.master.sessions.registry import Due, MinionRegistry
from limpet.master.targeting.bounded_search import STEPS_MAX, Search, TooCostly
from limpet.master.targeting.grains import LazyGrains

NAMES_MAX: Final = 10
"""Minions that a notice names."""
WAITING_MAX: Final = 100
"""Commands that are searched for, or wait, at the same time."""
SHARE_STEPS: Final = 15_000
"""Work on targets in one turn of the loop; a step is about a microsecond at most."""
SHARE_STEPS_MIN: Final = 250
"""What each of many targets gets of it at least."""
AGAIN_S: Final = 0.0002
"""Between two shares, in which all others are served once. The master's loop looks at deadlines
each 10 ms at most, so a share that takes less is followed by a rest."""
_SEARCHING: Final[Due] = ("targets", "", "")

Resume = Callable[[Step, list[Minion]], None]
"""Goes on with a command when it is known whom it means: minions by id."""


class Facts(Mapping[str, Any]):
    """A minion's facts with its pillar among them, under a key that no fact has."""

    __slots__ = ("_grains", "_pillar")

    def __init__(self, grains: Mapping[str, Any], pillar: Mapping[Any, Any]) -> None:
        self._grains = grains
        self._pillar = pillar

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401
        return self._pillar if name == PILLAR else self._grains[name]

    def __iter__(self) -> Iterator[str]:
        yield from (*self._grains, PILLAR)

    def __len__(self) -> int:
        return len(self._grains) + 1


@dataclass(slots=True)
class _Waiting:
    """One command whose target is not decided yet."""

    target: Target
    matching: set[MinionId]
    open: set[MinionKey]
    failed: set[MinionId]
    give_up_at: Instant
    resume: Resume


@dataclass(slots=True)
class _Searching:
    """One command whose target is still looked for."""

    target: Target
    search: Search
    resume: Resume
    notice_at: Instant
    """The client is told then that it still goes on."""


class TargetResolution:
    """Judges targets, waiting for pillars where it must."""

    def __init__(
        self,
        limits: PillarLimits,
        pillar: PillarRequests,
        registry: MinionRegistry,
        timers: Timers[Due],
    ) -> None:
        self._limits = limits
        self._pillar = pillar
        self._registry = registry
        self._timers = timers
        self._searching: dict[Client, _Searching] = {}
        self._waiting: dict[Client, _Waiting] = {}
        pillar.on_known = self._on_known

    @property
    def is_full(self) -> bool:
        """Say whether too many commands wait already."""
        return len(self._waiting) + len(self._searching) >= WAITING_MAX

    def open(self, step: Step, client: Client, target: Target, resume: Resume) -> None:
        """Find whom a target means and go on with them, at once or when it is known.

        Raises `TooCostly` for a target that takes too much for a fleet of this size; a client to
        whom that happens later is answered with the same words.
        """
        is_alone = not self._searching
        search = Search(self._registry.index, target, partial(self._judge, target))
        notice_at = step.now.after(self._limits.notice_s)
        searching = _Searching(target, search, resume, notice_at)
        self._searching[client] = searching
        if is_alone:  # else the others' turn, which is near, is the turn of this one too
            self._advance(step, client, searching, SHARE_STEPS)
        self._search_again(step)

    def _search_again(self, step: Step) -> None:
        if self._searching:
            self._timers.set(_SEARCHING, step.now.after(AGAIN_S))

    def _go_on(self, step: Step) -> None:
        """Give each search its share of this turn's work."""
        share = max(SHARE_STEPS // max(len(self._searching), 1), SHARE_STEPS_MIN)
        for client, searching in list(self._searching.items()):
            try:
                self._advance(step, client, searching, share)
            except UsageError as error:
                step.answer(client, Refused("usage", str(error)))
        self._search_again(step)

    def _advance(self, step: Step, client: Client, searching: _Searching, share: int) -> None:
        """Go on with one search; with its command, if it is over. Raises `TooCostly`."""
        try:
            is_over = searching.search.advance(share)
        except TooCostly:
            del self._searching[client]
            raise
        if is_over:
            del self._searching[client]
            self._found(step, client, searching)
        elif step.now.boot >= searching.notice_at:
            searching.notice_at = step.now.after(self._limits.notice_s)
            text = (
                f"the target {searching.target.text[:80]!a} is still searched for: "
                f"{searching.search.spent:,} of at most {STEPS_MAX:,} steps"
            )
            step.answer(client, Remark(text))

    def _judge(self, target: Target, name: MinionId) -> bool | None:
        """Judge a minion by its pillar; None: that is not known, or has errors."""
        minion = self._registry.by_id.get(name)
        return False if minion is None else self._by_pillar(minion, target)

    def _found(self, step: Step, client: Client, searching: _Searching) -> None:
        """Go on with a command, or wait for the pillars that are missing."""
        search, by_id = searching.search, self._registry.by_id
        missing = {by_id[name].key for name in search.open if name in by_id}
        if not missing:
            searching.resume(step, [by_id[name] for name in search.meant if name in by_id])
            return
        waiting = _Waiting(
            searching.target,
            set(search.meant),
            missing,
            set(),
            step.now.after(self._limits.target_s),
            searching.resume,
        )
        self._waiting[client] = waiting
        self._timers.set(("targets", str(client), ""), step.now.after(self._limits.notice_s))
        for key in sorted(waiting.open):
            self._pillar.need(step, self._registry.by_key[key])

    def leave(self, client: Client) -> None:
        """Forget a client that has gone, or asks something else."""
        searching = self._searching.pop(client, None)
        if searching is not None:
            searching.search.close()
        if self._waiting.pop(client, None) is not None:
            self._timers.clear(("targets", str(client), ""))

    def on_due(self, step: Step, due: Due) -> None:
        """Go on searching; tell a client that its command waits, and for how long it may."""
        if due == _SEARCHING:
            self._go_on(step)
            return
        client = Client(int(due[1]))
        waiting = self._waiting.get(client)
        if waiting is None:
            return
        names = self._names(waiting.open)
        if step.now.boot < waiting.give_up_at:
            text = f"waiting for the pillar of {_listed(names)}: it decides whom the target means"
            step.answer(client, Remark(text))
            self._timers.set(due, step.now.after(self._limits.notice_s))
            return
        del self._waiting[client]
        text = (
            f"the pillar of {_listed(names)} was not rendered within {self._limits.target_s:g} s: "
            "not targeted"
        )
        step.answer(client, Remark(text))
        self._end(step, client, waiting)

    def _on_known(self, step: Step, key: MinionKey, is_good: bool) -> None:
        """Judge a minion for all commands that wait for its pillar."""
        for client, waiting in list(self._waiting.items()):
            if key not in waiting.open:
                continue
            waiting.open.discard(key)
            minion = self._registry.by_key.get(key)
            if minion is not None:
                decided = self._by_pillar(minion, waiting.target) if is_good else None
                if decided is None:
                    waiting.failed.add(minion.minion)
                elif decided:
                    waiting.matching.add(minion.minion)
            if not waiting.open:
                self.leave(client)
                self._end(step, client, waiting)

    def _end(self, step: Step, client: Client, waiting: _Waiting) -> None:
        if waiting.failed:
            names = _listed(sorted(waiting.failed))
            text = f"the pillar of {names} has errors (`pillar.items` shows them): not targeted"
            step.answer(client, Remark(text))
        by_id = self._registry.by_id
        waiting.resume(step, [by_id[name] for name in sorted(waiting.matching) if name in by_id])

    def _by_pillar(self, minion: Minion, target: Target) -> bool | None:
        pillar = self._pillar.pillar_of(minion)
        if pillar is None:
            return None
        return target.decide(minion.minion, Facts(self._grains(minion), pillar))

    def _grains(self, minion: Minion) -> Mapping[str, Any]:
        row = self._registry.keyring.row(minion.key)
        return LazyGrains(minion.minion, b"" if row is None else row.grains)

    def _names(self, keys: Iterable[MinionKey]) -> list[str]:
        by_key = self._registry.by_key
        return sorted(by_key[key].minion for key in keys if key in by_key)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:NAMES_MAX])
    return f"{shown} and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else shown
