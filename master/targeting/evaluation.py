"""Whom a term means, found by set operations: the cheapest part first, then for who is left.

    G@os:Debian          each value of `os` is judged once, then its holders are taken together
    web*                 the ids from `web` on, out of the sorted ones
    E@.*7                the ids of those who are still in question
    I@…                  not known here: those in question are left open

Everything here is a generator that gives the work done since it last did, in steps of about a
microsecond, so that whoever drives it can stop between two of them. What is read may change
meanwhile; for a minion that does not change itself the outcome is as if nothing had.
"""

from collections.abc import Callable, Generator
from typing import Final, NamedTuple, TypeVar

import msgspec

from limpet.common.identifiers import MinionId
from limpet.common.targeting.matchers import ID_LENGTH_MAX
from limpet.common.targeting.terms import (
    AllOf,
    AnyOf,
    Everybody,
    Glob,
    Grain,
    IdRegex,
    Names,
    Not,
    OnValue,
    Pillar,
    Subnet,
    Term,
)
from limpet.master.targeting.bits import bits_of, numbers_of
from limpet.master.targeting.column import Column
from limpet.master.targeting.grains import LazyGrains
from limpet.master.targeting.index import FleetIndex

STRIDE: Final = 250
"""Steps between two chances to stop; a single value may take more."""
LOOKS_A_STEP: Final = 16
"""Values that are looked at, not judged, in a step."""
MINION_STEPS: Final = 8
"""Steps for the grains of one minion: they are decoded for it."""
PARTS_SORTED_ANEW: Final = 32
BODY_BYTES_A_STEP: Final = 100
QUICK_BITS: Final = 10
QUICK_LENGTH: Final = 1 << (QUICK_BITS - 1)
"""Texts under this length are compared without further ado; nearly all are."""
USUAL_LENGTH: Final = 20
"""How long ids and values are taken to be where the cost of a term is estimated."""

Item = TypeVar("Item")
Judged = tuple[int, int]
"""Slots as bits: who is meant, and of whom only the pillar can tell."""
Judging = Generator[int, None, Judged]

_NO_WEIGHTS: Final[list[int]] = []
_decode: Final = msgspec.json.Decoder().decode


class Evaluation:
    """One term, and the fleet that it is asked about."""

    def __init__(self, index: FleetIndex) -> None:
        self._index = index
        self._prices: dict[int, Price] = {}

    def judge(self, term: Term, within: int) -> Judging:
        """Judge the minions of some slots."""
        index = self._index
        yield 1
        match term:
            case Everybody():
                return within, 0
            case Names(names=names):
                yield len(names) // 4
                return index.named(names) & within, 0
            case Pillar():
                return 0, within
            case Not(part=part):
                meant, open_ = yield from self.judge(part, within)
                return within & ~(meant | open_), open_
            case AllOf(parts=parts):
                return (yield from self._all_of(parts, within))
            case AnyOf(parts=parts):
                return (yield from self._any_of(parts, within))
            case Glob():
                return (yield from self._glob(term, within)), 0
            case IdRegex():
                return (yield from self._ids(term, within)), 0
            case Grain() | Subnet():
                return (yield from self._on_value(term, within)), 0

    def _all_of(self, parts: tuple[Term, ...], within: int) -> Judging:
        meant, possible = within, within
        rest = self._cheapest_first(parts, possible)
        while rest and possible:
            here, open_ = yield from self.judge(rest.pop(0), possible)
            meant &= here
            possible &= here | open_
            if len(rest) < PARTS_SORTED_ANEW:  # what is cheapest depends on how many are left
                rest = self._cheapest_first(tuple(rest), possible)
        return meant & possible, possible & ~meant

    def _any_of(self, parts: tuple[Term, ...], within: int) -> Judging:
        meant = left_open = 0
        for part in self._cheapest_first(parts, within):
            here, open_ = yield from self.judge(part, within & ~meant)
            meant |= here
            left_open |= open_
            if meant == within:
                break
        return meant, left_open & ~meant

    # -- by id --------------------------------------------------------------------------------

    def _glob(self, term: Glob, within: int) -> Generator[int, None, int]:
        names = self._index.beginning(term.head)
        yield len(names) // 8
        if not term.is_only_head:
            if within.bit_count() < len(names):
                names = self._names(within)
            names = yield from _strided(names, term.match)
        return self._index.named(names) & within

    def _ids(self, term: IdRegex, within: int) -> Generator[int, None, int]:
        regex, meant, spent = term.regex, [], 0
        steps = [1 + regex.steps(length) for length in range(ID_LENGTH_MAX + 1)]
        match = regex.quick or (lambda name: regex(name) or None)  # ids are short enough
        for name in self._names(within):
            spent += steps[min(len(name), ID_LENGTH_MAX)]
            if match(name) is not None:
                meant.append(name)
            if spent >= STRIDE:
                yield spent
                spent = 0
        yield spent + len(meant) // 4
        return self._index.named(meant) & within

    def _names(self, within: int) -> list[MinionId]:
        minion = self._index.minion
        return [name for slot in numbers_of(within) if (name := minion(slot)) is not None]

    # -- by grain -----------------------------------------------------------------------------

    def _on_value(self, term: OnValue, within: int) -> Generator[int, None, int]:
        if term.key is None:
            return (yield from self._by_minion(term, within))
        column = self._index.column(term.key)
        if column is None:
            return 0
        price, left = self._price(term), within.bit_count()
        if price.each * left < price.together(left):
            return (yield from self._by_minion(term, within))
        return (yield from self._by_value(term, column, within))

    def _by_value(self, term: OnValue, column: Column, within: int) -> Generator[int, None, int]:
        """Judge each value once, whoever has it."""
        is_part = 2 * within.bit_count() < len(column)
        values = column.values(frozenset(numbers_of(within)) if is_part else None)
        yield len(column) // LOOKS_A_STEP
        if term.literal:
            values = yield from _holding(values, term)
        meant: list[bytes] = []
        spent = 0
        judge_value, quick, weights = term.judge_value, None, _NO_WEIGHTS
        if isinstance(term, Grain) and term.quick is not None:
            quick = term.quick
            weights = [1 + term.weigh(term.pattern, (1 << bits) - 1) for bits in range(QUICK_BITS)]
        for encoded in values:
            value = _decode(encoded)
            if type(value) is int and quick is not None:
                value = str(value)
            if quick is not None and type(value) is str and len(value) < QUICK_LENGTH:
                spent += weights[len(value).bit_length()]
                is_meant = quick(value) is not None
            else:
                is_meant, steps = judge_value(value)
                spent += steps
            if is_meant:
                meant.append(encoded)
            if spent >= STRIDE:
                yield spent
                spent = 0
        yield spent + len(meant) // 4
        return column.holders(meant, self._index.slots) & within

    def _by_minion(self, term: OnValue, within: int) -> Generator[int, None, int]:
        """Judge each minion by itself: few are left, or more than one grain decides."""
        index, meant, spent = self._index, [], 0
        for slot in numbers_of(within):
            name, body = index.minion(slot), index.body(slot)
            if name is None:
                continue
            grains = LazyGrains(name, body)
            if isinstance(term, Subnet):
                is_meant, steps = term.judge_value(grains.get(term.key))
            else:
                is_meant, steps = term.judge(grains)
            spent += MINION_STEPS + len(body) // BODY_BYTES_A_STEP + steps
            if is_meant:
                meant.append(slot)
            if spent >= STRIDE:
                yield spent
                spent = 0
        yield spent
        return bits_of(meant, index.slots)

    # -- the order of parts -------------------------------------------------------------------

    def _cheapest_first(self, parts: tuple[Term, ...], within: int) -> list[Term]:
        left = within.bit_count()
        return sorted(parts, key=lambda part: self._price(part).of(left))

    def _price(self, term: Term) -> "Price":
        found = self._prices.get(id(term))
        if found is None:
            found = self._prices[id(term)] = self._estimate(term)
        return found

    def _estimate(self, term: Term) -> "Price":
        match term:
            case Everybody() | Pillar():
                return Price(0, 0)
            case Names(names=names):
                return Price(len(names) // 4, 1)
            case Not(part=part):
                return self._price(part)
            case AllOf(parts=parts):
                return min((self._price(part) for part in parts), key=lambda price: price.fixed)
            case AnyOf(parts=parts):
                prices = [self._price(part) for part in parts]
                return Price(sum(p.fixed for p in prices), sum(p.each for p in prices))
            case Glob():
                return Price(len(self._index.beginning(term.head)), 1)
            case IdRegex():
                each = 1 + term.regex.steps(USUAL_LENGTH)
                return Price(len(self._index) * each, each)
            case Grain() | Subnet():
                return self._estimate_on_value(term)

    def _estimate_on_value(self, term: OnValue) -> "Price":
        weight = 1
        if isinstance(term, Grain):
            weight += term.weigh(term.pattern, USUAL_LENGTH)
        each = MINION_STEPS + weight
        if term.key is None:
            return Price(len(self._index) * each, each)
        column = self._index.column(term.key)
        values = 0 if column is None else len(column)
        if term.literal:
            return Price(values // 8, each)
        return Price(values * weight, each, values // LOOKS_A_STEP, weight)


class Price(NamedTuple):
    """What a term costs, about, in steps."""

    fixed: int
    """For the whole fleet."""
    each: int
    """For a minion by itself."""

    look: int = 0
    """For a look at who has which value."""
    value: int = 0
    """For one value, where those of others can be left out."""

    def together(self, left: int) -> int:
        """Give the cost of judging so many minions together."""
        return min(self.fixed, self.look + self.value * left) if self.value else self.fixed

    def of(self, left: int) -> int:
        """Give the cost where so many minions are in question."""
        return min(self.together(left), self.each * left)


def _strided(
    items: list[Item], keeps: Callable[[Item], object]
) -> Generator[int, None, list[Item]]:
    """Keep the items for which a quick question is answered with yes."""
    kept: list[Item] = []
    for start in range(0, len(items), STRIDE):
        kept += filter(keeps, items[start : start + STRIDE])
        yield STRIDE // 2
    return kept


def _holding(values: list[bytes], term: OnValue) -> Generator[int, None, list[bytes]]:
    """Keep the values that may match, by the literal that a match has to hold.

    Where all are plain texts, which is usual, the literal is looked for in all of them at once.
    """
    text = b"\0%b\0" % b"\0".join(values)
    yield 1 + len(values) // 16
    is_plain = b"\\" not in text and text.isascii()
    if not is_plain or (text.count(b'\0"') != len(values) and term.is_odd(text)):
        return (yield from _strided(values, term.may_hold))
    kept: list[bytes] = []
    lowered = text.lower()
    at = lowered.find(term.literal)
    while at >= 0:
        end = text.find(b"\0", at)
        kept.append(text[text.rfind(b"\0", 0, at) + 1 : end])
        at = lowered.find(term.literal, end)
        if not len(kept) % STRIDE:
            yield STRIDE // 2
    return kept
