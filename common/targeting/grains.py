"""Whether a grain matches: `key:pattern`, `a:b:c`, members of lists, keys of mappings.

The rules are Salt's, odd ones included, because target expressions are copied from Salt trees:
every way of cutting the expression into a key and a pattern is tried, the longest key first, so
that values which contain the delimiter work; the pattern is compared with a value as text, with
each member of a list, and with the keys of a mapping; `*:x` looks one level down.

Expressions come from people and grains from minions, so neither may cost the master its time:
the search ends without a match after `STEPS_MAX` steps, a thousand times what real ones take. A
comparison counts as more of them where its regular expression may take long for such a text.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Compare = Callable[[str, str], bool]
"""(pattern, value as text) -> whether they match."""
Weigh = Callable[[str, int], int]
"""(pattern, length of the value) -> steps that comparing them may take beyond one."""

PARTS_MAX: Final = 32
"""Parts that an expression may have; checked when it is compiled."""
STEPS_MAX: Final = 10_000

_LEVELS_MAX: Final = 16
_MISSING: Final = object()


def grain_matches(
    grains: Mapping[str, Any], expression: str, delimiter: str, compare: Compare, weigh: Weigh
) -> tuple[bool, int]:
    """Say whether some grain matches the expression, and the steps that it took.

    `compare` decides about one value. Never raises, whatever the grains hold: what is nested too
    deep to be looked at does not match.
    """
    search = _Search(delimiter, compare, weigh)
    try:
        found = search.in_mapping(grains, expression, 0)
    except RecursionError:
        return False, STEPS_MAX
    return found, search.steps


def no_weight(pattern: str, length: int) -> int:
    """Weigh comparisons that cost about as much as one step: globs."""
    return 0


class _Search:
    """One search, with the steps that it has left."""

    def __init__(self, delimiter: str, compare: Compare, weigh: Weigh) -> None:
        self._delimiter = delimiter
        self._compare = compare
        self._weigh = weigh
        self._steps = STEPS_MAX

    @property
    def steps(self) -> int:
        """Give the steps that were taken."""
        return STEPS_MAX - self._steps

    def in_mapping(self, mapping: Mapping[str, Any], expression: str, level: int) -> bool:
        """Try every cut of the expression into a key of this mapping and a pattern."""
        parts = expression.split(self._delimiter)
        for cut in range(len(parts) - 1, 0, -1):
            self._steps -= 1
            if self._steps < 0:
                return False
            key = parts[:cut]
            if key == ["*"]:
                if self._keys_match(mapping, expression, level):
                    return True
                continue
            value = lookup(mapping, key)
            if value is not _MISSING and self._value_matches(
                value, self._delimiter.join(parts[cut:]), level
            ):
                return True
        return False

    def _value_matches(self, value: Any, pattern: str, level: int) -> bool:  # noqa: ANN401
        if isinstance(value, Mapping):
            return bool(value) and self._keys_match(value, pattern, level)
        if isinstance(value, list | tuple):
            return any(self._member_matches(member, pattern, level) for member in value)
        return self._is_equal(pattern, value)

    def _member_matches(self, member: Any, pattern: str, level: int) -> bool:  # noqa: ANN401
        if isinstance(member, Mapping) and self._keys_match(member, pattern, level):
            return True
        return self._is_equal(pattern, member)

    def _keys_match(self, mapping: Mapping[str, Any], pattern: str, level: int) -> bool:
        """Match the keys of a mapping, what is under them, and, after `*:`, their values."""
        if level > _LEVELS_MAX or self._steps < 0:
            return False
        prefix = "*" + self._delimiter
        is_wildcard = pattern.startswith(prefix)
        if is_wildcard:
            pattern = pattern[len(prefix) :]
        if pattern == "*" or pattern in mapping:
            return True
        if self.in_mapping(mapping, pattern, level + 1):
            return True
        return is_wildcard and any(
            self._value_matches(value, pattern, level + 1) for value in mapping.values()
        )

    def _is_equal(self, pattern: str, value: object) -> bool:
        self._steps -= 1
        if self._steps < 0:
            return False
        text = str(value)
        self._steps -= self._weigh(pattern, len(text))
        return self._compare(pattern, text)


def lookup(grains: Any, key: list[str]) -> Any:  # noqa: ANN401
    """Follow a key through mappings and lists; gives a private marker where it leads nowhere.

    In a list a number is an index, and any key is looked for in the mappings among its members.
    """
    here = grains
    for step in key:
        number = int(step) if step.isascii() and step.isdigit() and len(step) < 10 else None
        if isinstance(here, Mapping):
            here = here.get(step, here.get(number, _MISSING) if number is not None else _MISSING)
        elif isinstance(here, list | tuple):
            here = _in_list(here, step, number)
        else:
            return _MISSING
        if here is _MISSING:
            return _MISSING
    return here


def _in_list(members: list[Any] | tuple[Any, ...], step: str, number: int | None) -> Any:  # noqa: ANN401
    wanted: str | int = step if number is None else number
    for member in members:
        if isinstance(member, Mapping) and wanted in member:
            return member[wanted]
    if number is not None and number < len(members):
        return members[number]
    return _MISSING
