"""What a target expression is compiled to: terms, each of which can judge one minion.

    AllOf, AnyOf, Not ── of ──▶ Everybody, Glob, Names, IdRegex, Grain, Subnet, Pillar

A term judges by itself (`decide`), as the minions do with top files. It also shows what it goes by,
so that a master with many minions can ask an index instead: the id's beginning, the one grain.
Judging has three answers; None: that can't be said without the minion's pillar, which is not there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from limpet.common.identifiers import MinionId
from limpet.common.targeting.automaton import Regex
from limpet.common.targeting.grains import Compare, Weigh, grain_matches

Grains = Mapping[str, Any]

PILLAR: Final = "\x01pillar"
"""The key under which a minion's pillar stands among its grains; no grain has such a name."""
ADDRESSES_MAX: Final = 1000
"""Addresses of one minion that are looked at."""

_WHOLE: Final = "*"
_OCTETS: Final = {str(number): number for number in range(256)}


@dataclass(frozen=True, slots=True)
class Everybody:
    """The glob `*`."""

    def decide(self, minion_id: MinionId, grains: Grains) -> bool | None:
        """Say whether this minion is meant."""
        return True


@dataclass(frozen=True, slots=True)
class Names:
    """The ids that are listed, in lower case."""

    names: frozenset[str]

    def decide(self, minion_id: MinionId, grains: Grains) -> bool | None:
        """Say whether this minion is meant."""
        return minion_id in self.names


@dataclass(frozen=True, slots=True)
class Glob:
    """Ids by a shell pattern."""

    head: str
    """What every id that matches begins with."""
    is_only_head: bool
    """The pattern is the head and one `*`."""
    match: Callable[[str], object]

    def decide(self, minion_id: MinionId, grains: Grains) -> bool | None:
        """Say whether this minion is meant."""
        return self.match(minion_id) is not None


@dataclass(frozen=True, slots=True)
class IdRegex:
    """Ids by a regular expression, from their beginning."""

    regex: Regex

    def decide(self, minion_id: MinionId, grains: Grains) -> bool | None:
        """Say whether this minion is meant."""
        return self.regex(minion_id)


@dataclass(frozen=True, slots=True)
class Grain:
    """One grain by a glob or a regular expression."""

    text: str
    delimiter: str
    compare: Compare
    weigh: Weigh
    quick: Callable[[str], object] | None
    """Compares short texts with all that stands behind the key, at less cost; None: no match."""
    literal: bytes
    """What the JSON of a value that matches holds in lower case, escapes aside; empty: anything."""
    is_exact: bool
    """The pattern is no glob, and no regular expression."""
    key: str | None = field(init=False)
    """The one grain that decides; None: all of them may."""
    pattern: str = field(init=False)
    """All that stands behind the key."""

    def __post_init__(self) -> None:
        key, _, pattern = self.text.partition(self.delimiter)
        object.__setattr__(self, "key", None if key == _WHOLE else key)
        object.__setattr__(self, "pattern", pattern)

    def decide(self, minion_id: MinionId, grains: Grains) -> bool | None:
        """Say whether this minion is meant."""
        return self.judge(grains)[0]

    def judge(self, grains: Grains) -> tuple[bool, int]:
        """Say whether these grains match, and the steps that it took."""
        return grain_matches(grains, self.text, self.delimiter, self.compare, self.weigh)

    def judge_value(self, value: Any) -> tuple[bool, int]:  # noqa: ANN401
        """Say the same where the grain of `key` has this value."""
        if isinstance(value, dict | list | tuple):
            return self.judge({self.key: value})  # type: ignore[dict-item]
        text = str(value)  # nothing is below it: the search would come to the same
        pattern = self.pattern
        return self.compare(pattern, text), 1 + self.weigh(pattern, len(text))

    def may_hold(self, encoded: bytes) -> bool:
        """Say whether a value with this JSON may match: false only where it surely does not.

        Case is ignored as `re` does it, where letters beyond ASCII match some of ASCII. Numbers,
        null and what is nested may be compared in another form than their JSON has.
        """
        if not self.literal or self.literal in encoded.lower():
            return True
        if b"\\" in encoded or not encoded.isascii():
            return True
        return not encoded.startswith(b'"') and self.is_odd(encoded)

    def is_odd(self, encoded: bytes) -> bool:
        """Say whether a part of some values may be compared in another form than this JSON.

        `encoded` is plain ASCII without a backslash: one value, or many between null bytes.
        """
        brackets = encoded.count(b"[") + encoded.count(b"{")
        if brackets and not self.is_exact:
            begins = encoded.startswith((b"[", b"{"))
            if brackets > begins + encoded.count(b"\0[") + encoded.count(b"\0{"):
                return True  # nested: a member may be compared as Python writes it
        return any(mark in encoded for mark in _ODD_MARKS) and _ODD.search(encoded) is not None


_ODD: Final = re.compile(rb"null|(?:\A|[\0\[,:\s])(?:-?[0-9]+[.eE]|-0)")
"""What may stand for something whose text is another: None, a number in another form."""
_ODD_MARKS: Final = (b"null", b"-0", b".", b"e", b"E")
"""Without one of these nothing of that is there."""


@dataclass(frozen=True, slots=True)
class Subnet:
    """Addresses (grains `ipv4`, `ipv6`) equal to one or in a network."""

    version: int
    first: int
    """The network's own address, as a number."""
    mask: int
    literal: bytes = b""
    """What the JSON of a value that matches holds, escapes aside; empty: anything."""

    @property
    def key(self) -> str:
        """Give the grain that decides."""
        return f"ipv{self.version}"

    def decide(self, minion_id: MinionId, grains: Grains) -> bool | None:
        """Say whether this minion is meant."""
        return self.judge_value(grains.get(self.key))[0]

    def may_hold(self, encoded: bytes) -> bool:
        """Say whether a value with this JSON may match: false only where it surely does not."""
        return self.literal in encoded or b"\\" in encoded

    def is_odd(self, encoded: bytes) -> bool:
        """Say whether addresses may be written otherwise in JSON than they are: never."""
        return False

    def judge_value(self, value: Any) -> tuple[bool, int]:  # noqa: ANN401
        """Say whether one of these addresses is meant, and the steps that it took."""
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list | tuple):
            return False, 1
        is_inside = self._is_inside_4 if self.version == 4 else self._is_inside_6
        steps = 1
        for each in value[:ADDRESSES_MAX]:
            steps += 1
            if isinstance(each, str) and is_inside(each):
                return True, steps
        return False, steps

    def _is_inside_4(self, text: str) -> bool:
        # As strict as `ipaddress` about addresses, and several times as quick.
        try:
            first, second, third, fourth = text.split(".")
            high = _OCTETS[first] << 24 | _OCTETS[second] << 16
            number = high | _OCTETS[third] << 8 | _OCTETS[fourth]
        except (ValueError, KeyError):
            bare = text.partition("%")[0]
            return bare != text and self._is_inside_4(bare)
        return number & self.mask == self.first

    def _is_inside_6(self, text: str) -> bool:
        import ipaddress

        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        return address.version == self.version and int(address) & self.mask == self.first


@dataclass(frozen=True, slots=True)
class Pillar:
    """The minion's pillar, looked at as grains are."""

    inner: Grain

    def decide(self, minion_id: MinionId, grains: Grains) -> bool | None:
        """Say whether this minion is meant; None: its pillar is not there."""
        found = grains.get(PILLAR)
        return self.inner.decide(minion_id, found) if isinstance(found, Mapping) else None


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of the parts; one that says no decides, whatever is not known of the others."""

    parts: "tuple[Term, ...]"

    def decide(self, minion_id: MinionId, grains: Grains) -> bool | None:
        """Say whether this minion is meant."""
        found: bool | None = True
        for part in self.parts:
            here = part.decide(minion_id, grains)
            if here is False:
                return False
            if here is None:
                found = None
        return found


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of the parts; the first that says yes decides, whatever is not known of the others."""

    parts: "tuple[Term, ...]"

    def decide(self, minion_id: MinionId, grains: Grains) -> bool | None:
        """Say whether this minion is meant."""
        found: bool | None = False
        for part in self.parts:
            here = part.decide(minion_id, grains)
            if here:
                return True
            if here is None:
                found = None
        return found


@dataclass(frozen=True, slots=True)
class Not:
    """All but those that the part means."""

    part: "Term"

    def decide(self, minion_id: MinionId, grains: Grains) -> bool | None:
        """Say whether this minion is meant."""
        here = self.part.decide(minion_id, grains)
        return None if here is None else not here


OnValue: TypeAlias = Grain | Subnet
Term: TypeAlias = Everybody | Names | Glob | IdRegex | Grain | Subnet | Pillar | AllOf | AnyOf | Not
