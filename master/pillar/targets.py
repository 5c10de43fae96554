"""Commands whose target goes by pillar: whom they mean is known when the pillars that decide are.

    opened ─ nothing is missing ─▶ decided at once
       └──── some pillars are missing ─▶ waiting ─ the last one came, or 30 s ─▶ decided

Each minion is judged when its pillar comes. One whose pillar can't be had in time, or has errors,
is not meant, and whoever asked is told so.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.clock import Instant
from limpet.common.control.replies import Remark
from limpet.common.identifiers import MinionId, MinionKey
from limpet.common.targeting.target import Target
from limpet.common.targeting.terms import PILLAR
from limpet.master.effects import Client
from limpet.master.pillar.desk import PillarDesk
from limpet.master.pillar.limits import PillarLimits
from limpet.master.sessions.minion import LazyGrains, Minion
from limpet.master.sessions.roster import Due, Roster
from limpet.master.timetable import Timetable
from limpet.master.turn import Turn

NAMES_MAX: Final = 10
"""Minions that a notice names."""
WAITING_MAX: Final = 100
"""Commands that wait at the same time."""

Resume = Callable[[Turn, list[Minion]], None]
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


class PillarTargets:
    """Judges targets, waiting for pillars where it must."""

    def __init__(
        self, limits: PillarLimits, desk: PillarDesk, roster: Roster, timetable: Timetable[Due]
    ) -> None:
        self._limits = limits
        self._desk = desk
        self._roster = roster
        self._timetable = timetable
        self._waiting: dict[Client, _Waiting] = {}
        desk.on_known = self._on_known

    @property
    def is_full(self) -> bool:
        """Say whether too many commands wait already."""
        return len(self._waiting) >= WAITING_MAX

    def open(self, turn: Turn, client: Client, target: Target, resume: Resume) -> None:
        """Find whom a target means and go on with them, at once or when it is known."""
        by_id = self._roster.by_id
        names = sorted(by_id if target.names is None else target.names & by_id.keys())
        waiting = _Waiting(
            target, set(), set(), set(), turn.now.after(self._limits.target_s), resume
        )
        for name in names:
            minion = by_id[MinionId(name)]
            decided = target.decide(minion.minion, self._grains(minion))
            if decided is None:
                decided = self._by_pillar(minion, target)
            if decided is None:
                waiting.open.add(minion.key)
            elif decided:
                waiting.matching.add(minion.minion)
        if not waiting.open:
            self._end(turn, client, waiting)
            return
        self._waiting[client] = waiting
        self._timetable.set(("targets", str(client), ""), turn.now.after(self._limits.notice_s))
        for key in sorted(waiting.open):
            self._desk.need(turn, self._roster.by_key[key])

    def leave(self, client: Client) -> None:
        """Forget a client that has gone, or asks something else."""
        if self._waiting.pop(client, None) is not None:
            self._timetable.clear(("targets", str(client), ""))

    def on_due(self, turn: Turn, due: Due) -> None:
        """Tell a client that its command waits; after the limit go on without what is missing."""
        client = Client(int(due[1]))
        waiting = self._waiting.get(client)
        if waiting is None:
            return
        names = self._names(waiting.open)
        if turn.now.boot < waiting.give_up_at:
            text = f"waiting for the pillar of {_listed(names)}: it decides whom the target means"
            turn.answer(client, Remark(text))
            self._timetable.set(due, turn.now.after(self._limits.notice_s))
            return
        del self._waiting[client]
        text = (
            f"the pillar of {_listed(names)} was not rendered within {self._limits.target_s:g} s: "
            "not targeted"
        )
        turn.answer(client, Remark(text))
        self._end(turn, client, waiting)

    def _on_known(self, turn: Turn, key: MinionKey, is_good: bool) -> None:
        """Judge a minion for all commands that wait for its pillar."""
        for client, waiting in list(self._waiting.items()):
            if key not in waiting.open:
                continue
            waiting.open.discard(key)
            minion = self._roster.by_key.get(key)
            if minion is not None:
                decided = self._by_pillar(minion, waiting.target) if is_good else None
                if decided is None:
                    waiting.failed.add(minion.minion)
                elif decided:
                    waiting.matching.add(minion.minion)
            if not waiting.open:
                self.leave(client)
                self._end(turn, client, waiting)

    def _end(self, turn: Turn, client: Client, waiting: _Waiting) -> None:
        if waiting.failed:
            names = _listed(sorted(waiting.failed))
            text = f"the pillar of {names} has errors (`pillar.items` shows them): not targeted"
            turn.answer(client, Remark(text))
        by_id = self._roster.by_id
        waiting.resume(turn, [by_id[name] for name in sorted(waiting.matching) if name in by_id])

    def _by_pillar(self, minion: Minion, target: Target) -> bool | None:
        pillar = self._desk.pillar_of(minion)
        if pillar is None:
            return None
        return target.decide(minion.minion, Facts(self._grains(minion), pillar))

    def _grains(self, minion: Minion) -> Mapping[str, Any]:
        row = self._roster.keyring.row(minion.key)
        return LazyGrains(minion.minion, b"" if row is None else row.grains)

    def _names(self, keys: Iterable[MinionKey]) -> list[str]:
        by_key = self._roster.by_key
        return sorted(by_key[key].minion for key in keys if key in by_key)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:NAMES_MAX])
    return f"{shown} and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else shown
