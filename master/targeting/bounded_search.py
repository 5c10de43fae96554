"""Whom a target means among all accepted minions, found a bounded part at a time.

    searching ─ by ids and grains ─▶ by pillars that are known ─▶ who changed meanwhile ─▶ found
        └────────────────────── more than `STEPS_MAX` ─────────────────────┴─▶ TooCostly

The outcome is that of the moment in which it is found: who has told other grains, has come or has
been forgotten since the search began is judged again, by itself, at the end.
"""

from collections.abc import Callable, Generator
from typing import Final

from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionId
from limpet.common.targeting.target import Target
from limpet.common.targeting.terms import AllOf, AnyOf, Grain, IdRegex, Not, Term
from limpet.master.targeting.evaluation import MINION_STEPS, USUAL_LENGTH, Evaluation
from limpet.master.targeting.grains import LazyGrains
from limpet.master.targeting.index import FleetIndex

STEPS_MAX: Final = 20_000_000
"""Steps of about a microsecond that one target may take, spread over many turns of the loop."""

PILLAR_STEPS: Final = 50
"""Steps that one minion's pillar counts as: it is decoded."""

ByPillar = Callable[[MinionId], bool | None]
"""Judges a minion by the pillar that is known of it; None: none is known, or it has errors."""


def _unknown(_minion: MinionId) -> None:
    """Know nobody's pillar."""


class TooCostly(UsageError):
    """A target takes more than `STEPS_MAX`; the text says which, and what to do."""


class Search:
    """One target on its way over the fleet."""

    def __init__(self, index: FleetIndex, target: Target, by_pillar: ByPillar = _unknown) -> None:
        self._index = index
        self._target = target
        self._by_pillar = by_pillar
        self.spent = 0
        """Steps so far."""
        self.meant: list[MinionId] = []
        """When it is over: who is meant, by id."""
        self.open: list[MinionId] = []
        """When it is over: of whom only the pillar can tell, which is not known, by id."""
        self._work = self._search()

    def advance(self, steps: int) -> bool:
        """Go on for about so many steps; true: it is over. Raises `TooCostly`."""
        until = self.spent + steps
        for spent in self._work:
            self.spent += spent
            if self.spent > STEPS_MAX:
                self.close()
                raise TooCostly(
                    f"the target {self._target.text[:80]!a} was given up: it takes more than "
                    f"{STEPS_MAX:,} steps for {len(self._index)} minions; write its regular "
                    "expressions more simply, or name fewer minions"
                )
            if self.spent >= until:
                return False
        return True

    def close(self) -> None:
        """Give the search up."""
        self._work.close()

    def _search(self) -> Generator[int, None, None]:
        index, term = self._index, self._target.term
        changed = index.watch()
        try:
            evaluation = Evaluation(index)
            meant, left_open = yield from evaluation.judge(term, index.everybody)
            self.meant, self.open = index.ids(meant), index.ids(left_open)
            if self.open:
                yield from self._look_at_pillars()
            yield from self._catch_up(term, changed)
        finally:
            index.unwatch(changed)

    def _look_at_pillars(self) -> Generator[int, None, None]:
        meant, left_open = self.meant, []
        for minion in self.open:
            judged = self._by_pillar(minion)
            if judged is None:
                left_open.append(minion)
            elif judged:
                meant.append(minion)
            yield PILLAR_STEPS
        self.meant, self.open = sorted(meant), left_open

    def _catch_up(self, term: Term, changed: set[MinionId]) -> Generator[int, None, None]:
        """Judge again who has changed since, until nobody has."""
        again: dict[MinionId, bool | None] = {}
        steps = MINION_STEPS + price_of_one(term)
        while changed:
            minion = changed.pop()
            body = self._index.body_of(minion)
            again[minion] = body is not None and term.decide(minion, LazyGrains(minion, body))
            yield steps
            if again[minion] is None and minion not in changed:
                again[minion] = self._by_pillar(minion)
                yield PILLAR_STEPS
        if again:
            self.meant = _corrected(self.meant, again, True)
            self.open = _corrected(self.open, again, None)


def _corrected(
    found: list[MinionId], again: dict[MinionId, bool | None], wanted: bool | None
) -> list[MinionId]:
    kept = [minion for minion in found if minion not in again]
    return sorted(kept + [minion for minion, judged in again.items() if judged is wanted])


def price_of_one(term: Term) -> int:
    """Estimate the steps that it takes to judge one minion by itself."""
    match term:
        case AllOf(parts=parts) | AnyOf(parts=parts):
            return sum(price_of_one(part) for part in parts)
        case Not(part=part):
            return price_of_one(part)
        case IdRegex(regex=regex):
            return 1 + regex.steps(USUAL_LENGTH)
        case Grain():
            return 1 + term.weigh(term.pattern, USUAL_LENGTH)
        case _:
            return 1
