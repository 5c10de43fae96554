"""Regular expressions whose cost is bounded, whatever the expression.

Python's own engine backtracks: `(a+)+$` against thirty letters takes minutes, and a master that
waits for it serves nobody. An expression is therefore weighed first. Those that are cheap by their
form (nearly all that people write) run in `re`; the others run in the automaton below, which reads
each character once and keeps the set of all places that the expression may have reached. It says
only whether some beginning of the text matches, which is all that a target needs.
"""

import re
import warnings
from collections.abc import Callable
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any, Final

from limpet.common.errors import UsageError

COST_MAX: Final = 4_000_000
"""Backtracking steps that an expression may need in the worst case to be left to `re`."""

PLACES_MAX: Final = 500
"""Size of the automaton; repetitions with bounds are written out, so `a{400}` takes 400."""

AUTOMATON_COST_MAX: Final = 400_000_000
"""What one text may cost the automaton; only looking ahead inside long texts costs as much."""
STEP_COST: Final = 400
"""Backtracking steps that take about as long as one step of a search among grains."""

_UNBOUNDED: Final = float("inf")
_GROUP_COST: Final = 8
"""So much more a step takes where groups are repeated."""
_PLACE_COST: Final = 60
"""Backtracking steps that take about as long as following one place for one character."""

Test = Callable[[str], bool]


class Regex:
    """A regular expression: called with a text, it says whether a beginning of that matches."""

    __slots__ = ("_automaton", "_cost_of_length", "_costs", "_length_max", "_match")

    def __init__(
        self,
        engine: "re.Pattern[str] | Automaton",
        cost_of_length: Callable[[int], float],
        length_max: int,
    ) -> None:
        self._match = engine.match if isinstance(engine, re.Pattern) else None
        self._automaton = engine if isinstance(engine, Automaton) else None
        self._cost_of_length = cost_of_length
        self._length_max = length_max
        self._costs: dict[int, int] = {}

    def __call__(self, text: str) -> bool:
        """Say whether it matches at the beginning; only `length_max` characters are looked at."""
        if self._match is not None:
            return self._match(text, 0, self._length_max) is not None
        assert self._automaton is not None
        return self._automaton.matches(text[: self._length_max])

    @property
    def quick(self) -> Callable[[str], object] | None:
        """Give what says the same of texts up to `length_max` at less cost, if there is such."""
        return self._match

    def steps(self, length: int) -> int:
        """Bound the work for a text of this length, in units of `STEP_COST`."""
        rounded = min(1 << length.bit_length(), self._length_max)
        found = self._costs.get(rounded)
        if found is None:
            cost = min(self._cost_of_length(rounded), 1e12)
            found = self._costs[rounded] = int(cost) // STEP_COST
        return found


def compile_regex(text: str, length_max: int) -> Regex:
    """Compile an expression. It means what `re.match` with `re.IGNORECASE` means.

    At most `length_max` characters of a text are looked at, so its cost is bounded. Raises
    `UsageError` where the expression is not valid, or is costly and uses what only a backtracking
    engine can do.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "possible nested set" and its like: still valid
        try:
            compiled = re.compile(text, re.IGNORECASE)
            tree = sre_parser.parse(text, re.IGNORECASE)
            cost = _cost_of(tree, length_max)
        except (re.error, OverflowError, RecursionError) as error:
            raise UsageError(f"{text[:80]!a} is not a regular expression: {error}") from error
    if cost <= COST_MAX:
        weight = _GROUP_COST if _repeats_groups(tree) else 1
        return Regex(compiled, lambda length: weight * _cost_of(tree, length), length_max)
    builder = _Builder(text, tree)
    if builder.cost(length_max) > AUTOMATON_COST_MAX:
        builder.refuse("looking ahead")
    return Regex(builder.automaton, builder.cost, length_max)


def _cost_of(tree: Any, length_max: int) -> float:  # noqa: ANN401
    """Bound the number of ways in which a backtracking engine can try the expression."""
    cost = 1.0
    for operation, value in tree:
        if operation is sre.BRANCH:
            cost *= sum(_cost_of(branch, length_max) for branch in value[1])
        elif operation is sre.SUBPATTERN:
            cost *= _cost_of(value[3], length_max)
        elif operation is sre.ATOMIC_GROUP:
            cost *= _cost_of(value, length_max)
        elif operation in (sre.ASSERT, sre.ASSERT_NOT):
            cost *= _cost_of(value[1], length_max)
        elif operation is sre.GROUPREF_EXISTS:
            cost *= sum(_cost_of(part, length_max) for part in value[1:] if part is not None)
        elif operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            least, most, body = value
            cost *= _cost_of_repeat(int(least), int(most), _cost_of(body, length_max), length_max)
        if cost > COST_MAX:
            return _UNBOUNDED
    return cost


def _cost_of_repeat(least: int, most: int, body: float, length_max: int) -> float:
    turns = min(most, max(length_max, least))
    if body == 1:
        return min(turns, length_max) - min(least, length_max) + 1.0
    if turns <= 1:
        return 1 + body
    return _UNBOUNDED if turns > 20 or body**turns > COST_MAX else body**turns


def _repeats_groups(tree: Any) -> bool:  # noqa: ANN401
    for operation, value in tree:
        inner: Any = ()
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            if any(each in (sre.SUBPATTERN, sre.BRANCH) for each, _ in value[2]):
                return True
        elif operation is sre.SUBPATTERN:
            inner = (value[3],)
        elif operation is sre.BRANCH:
            inner = value[1]
        if any(_repeats_groups(part) for part in inner):
            return True
    return False


class _Place:
    """One place in the automaton: what leads on from it."""

    __slots__ = ("check", "free", "next", "test")

    def __init__(self) -> None:
        self.test: Test | None = None
        """A character that passes leads to `next`."""
        self.next: _Place | None = None
        self.free: list[_Place] = []
        """Reached without reading, if `check` (when there is one) holds here."""
        self.check: Callable[[str, int], bool] | None = None


class Automaton:
    """All the places at once. `first` is where it begins, `last` means that it has matched."""

    def __init__(self, first: _Place, last: _Place) -> None:
        self._first = first
        self._last = last

    def matches(self, text: str, start: int = 0) -> bool:
        """Say whether some stretch of the text that begins at `start` matches."""
        current = self._spread([self._first], text, start)
        for position in range(start, len(text)):
            if self._last in current:
                return True
            if not current:
                return False
            letter = text[position]
            reached = [
                place.next
                for place in current
                if place.test is not None and place.next is not None and place.test(letter)
            ]
            current = self._spread(reached, text, position + 1)
        return self._last in current

    def _spread(self, places: list[_Place], text: str, position: int) -> set[_Place]:
        """Add what is reached without reading."""
        known: set[_Place] = set()
        while places:
            place = places.pop()
            if place in known:
                continue
            known.add(place)
            if place.check is None or place.check(text, position):
                places.extend(place.free)
        return known


class _Builder:
    """Turns the parsed expression into places."""

    def __init__(self, text: str, tree: Any) -> None:  # noqa: ANN401
        self._text = text
        self._places = 0
        flags = tree.state.flags
        if flags & (re.ASCII | re.LOCALE):
            self.refuse("the flags a and L")
        self._aheads: list[tuple[int, bool]] = []
        """Places of what looks ahead, and whether it may read all the rest."""
        self._is_ahead = False
        self._endless = 0
        self._is_dot_all = bool(flags & re.DOTALL)
        self._is_multiline = bool(flags & re.MULTILINE)
        self.automaton = self._automaton(tree)

    def cost(self, length: int) -> float:
        """Bound the cost for a text of this length: what looks ahead reads again."""
        steps = length * self._places
        for places, is_endless in self._aheads:
            steps += length * places * (length if is_endless else min(length, places))
        return float(steps * _PLACE_COST)

    def _automaton(self, tree: Any) -> Automaton:  # noqa: ANN401
        first = self._place()
        return Automaton(first, self._sequence(tree, first))

    def _place(self) -> _Place:
        self._places += 1
        if self._places > PLACES_MAX:
            self.refuse("that many repetitions")
        return _Place()

    def refuse(self, what: str) -> None:
        """Raise `UsageError`."""
        raise UsageError(
            f"the regular expression {self._text[:80]!a} would take too long: nested "
            f"repetitions together with {what} are not supported; write it more simply"
        )

    def _sequence(self, tree: Any, start: _Place) -> _Place:  # noqa: ANN401
        for operation, value in tree:
            start = self._step(operation, value, start)
        return start

    def _step(self, operation: Any, value: Any, start: _Place) -> _Place:  # noqa: ANN401
        if operation is sre.SUBPATTERN:
            _, added, removed, body = value
            if added or removed:
                self.refuse("flags for a part")
            return self._sequence(body, start)
        if operation is sre.BRANCH:
            return self._branch(value[1], start)
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            least, most, body = value
            return self._repeat(least, most, body, start)
        if operation is sre.AT:
            return self._checked(start, self._anchor(value))
        if operation in (sre.ASSERT, sre.ASSERT_NOT) and value[0] > 0:
            return self._ahead(value[1], operation is sre.ASSERT, start)
        start.test = self._test(operation, value)
        start.next = self._place()
        return start.next

    def _branch(self, branches: Any, start: _Place) -> _Place:  # noqa: ANN401
        end = self._place()
        for branch in branches:
            first = self._place()
            start.free.append(first)
            self._sequence(branch, first).free.append(end)
        return end

    def _repeat(self, least: int, most: int, body: Any, start: _Place) -> _Place:  # noqa: ANN401
        for _ in range(int(least)):
            start = self._sequence(body, self._after(start))
        end = self._place()
        if most is sre.MAXREPEAT:
            self._endless += 1
            turn = self._after(start)
            turn.free.append(end)
            inside = self._after(turn)
            self._sequence(body, inside).free.append(turn)
            return end
        for _ in range(int(most) - int(least)):
            start = self._after(start)
            start.free.append(end)
            start = self._sequence(body, self._after(start))
        start.free.append(end)
        return end

    def _after(self, start: _Place) -> _Place:
        """Give a fresh place behind `start`, so that nothing is built twice onto one place."""
        fresh = self._place()
        start.free.append(fresh)
        return fresh

    def _checked(self, start: _Place, check: Callable[[str, int], bool]) -> _Place:
        gate = self._after(start)
        gate.check = check
        return self._after(gate)

    def _ahead(self, body: Any, wanted: bool, start: _Place) -> _Place:  # noqa: ANN401
        if self._is_ahead:
            self.refuse("looking ahead while looking ahead")
        self._is_ahead = True
        places, endless = self._places, self._endless
        inner = self._automaton(body)
        self._aheads.append((self._places - places, self._endless > endless))
        self._is_ahead = False
        return self._checked(start, lambda text, at: inner.matches(text, at) is wanted)

    def _anchor(self, where: Any) -> Callable[[str, int], bool]:  # noqa: ANN401
        if where is sre.AT_BEGINNING_STRING or (
            where is sre.AT_BEGINNING and not self._is_multiline
        ):
            return lambda text, at: at == 0
        if where is sre.AT_BEGINNING:
            return lambda text, at: at == 0 or text[at - 1] == "\n"
        if where is sre.AT_END_STRING:
            return lambda text, at: at == len(text)
        if where is sre.AT_END and not self._is_multiline:
            return lambda text, at: at == len(text) or (at == len(text) - 1 and text[at] == "\n")
        if where is sre.AT_END:
            return lambda text, at: at == len(text) or text[at] == "\n"
        wanted = where is sre.AT_BOUNDARY
        return lambda text, at: _is_boundary(text, at) is wanted

    def _test(self, operation: Any, value: Any) -> Test:  # noqa: ANN401
        if operation is sre.ANY:
            return (lambda letter: True) if self._is_dot_all else (lambda letter: letter != "\n")
        if operation is sre.LITERAL:
            return _one_of([(value, value)], [], wanted=True)
        if operation is sre.NOT_LITERAL:
            return _one_of([(value, value)], [], wanted=False)
        if operation is sre.IN:
            return _set_test(value)
        self.refuse("back references, atomic groups, conditions or lookbehind")
        raise AssertionError(operation)


def _set_test(items: Any) -> Test:  # noqa: ANN401
    wanted = True
    ranges: list[tuple[int, int]] = []
    categories: list[Test] = []
    for operation, value in items:
        if operation is sre.NEGATE:
            wanted = False
        elif operation is sre.LITERAL:
            ranges.append((value, value))
        elif operation is sre.RANGE:
            ranges.append(value)
        else:
            categories.append(_CATEGORIES[str(value)])
    return _one_of(ranges, categories, wanted=wanted)


def _one_of(ranges: list[tuple[int, int]], categories: list[Test], *, wanted: bool) -> Test:
    def test(letter: str) -> bool:
        points = {ord(letter)}
        points.update(ord(other) for other in (letter.lower(), letter.upper()) if len(other) == 1)
        found = any(low <= point <= high for low, high in ranges for point in points)
        return (found or any(category(letter) for category in categories)) is wanted

    return test


def _is_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _is_boundary(text: str, at: int) -> bool:
    before = at > 0 and _is_word(text[at - 1])
    after = at < len(text) and _is_word(text[at])
    return before is not after


_CATEGORIES: Final[dict[str, Test]] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_NOT_DIGIT": lambda letter: not letter.isdecimal(),
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_NOT_SPACE": lambda letter: not letter.isspace(),
    "CATEGORY_WORD": _is_word,
    "CATEGORY_NOT_WORD": lambda letter: not _is_word(letter),
}
