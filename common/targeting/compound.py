"""Compound expressions: `G@os:Ubuntu and ( web* or L@db1,db2 ) and not E@.*-test`.

    either  = both { "or" both }
    both    = one { ["and"] one }          the "and" may be left out only before "not", as in Salt
    one     = "not" one | "(" either ")" | term
    term    = LETTER[delimiter]@pattern | glob

Words are separated by white space. Parentheses may also touch their neighbours, since no minion
id contains one; inside a term they count as the term's own as long as they are in balance there.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from limpet.common.errors import UsageError
from limpet.common.targeting import matchers
from limpet.common.targeting.terms import AllOf, AnyOf, Not, Term

DEPTH_MAX: Final = 32
"""How deep parentheses, `not` and node groups may be nested."""
WORDS_MAX: Final = 4096
"""How many words an expression may have once its node groups are written out."""

Nodegroups = Mapping[str, str | Sequence[str]]

_TERM: Final = re.compile(r"\A(?P<engine>[A-Z])(?P<delimiter>(?<=[GPIJ])[^@])?@(?P<pattern>.+)\Z")
_OPERATORS: Final = frozenset(("and", "or", "not", "(", ")"))


def compile_compound(text: str, nodegroups: Nodegroups) -> Term:
    """Compile a compound expression. Raises `UsageError` that names the word at fault."""
    return _Parser(nodegroups).parse(_words(text), ascii(text[:80]), 0)


def compile_nodegroup(name: str, nodegroups: Nodegroups) -> Term:
    """Compile what the master's configuration says of a node group. Raises `UsageError`."""
    return _Parser(nodegroups).nodegroup(name, 0)


def _words(text: str) -> list[str]:
    words: list[str] = []
    for word in text.split():
        closing = 0
        while len(word) > 1 and word[0] == "(":
            words.append("(")
            word = word[1:]
        while len(word) > 1 and word[-1] == ")" and word.count(")") > word.count("("):
            closing += 1
            word = word[:-1]
        words.append(word)
        words.extend(")" * closing)
    return words


class _Parser:
    """One compilation: the node groups that are open, and how much has been read."""

    def __init__(self, nodegroups: Nodegroups) -> None:
        self._nodegroups = nodegroups
        self._open: list[str] = []
        self._read = 0

    def parse(self, words: list[str], where: str, depth: int) -> Term:
        """Compile a whole expression; `where` is how messages name it."""
        self._read += len(words)
        if self._read > WORDS_MAX:
            raise UsageError(f"the target {where} has more than {WORDS_MAX} words")
        reader = _Reader(words, where)
        term = self._either(reader, depth)
        if reader.peek() is not None:
            raise reader.error("is not expected")
        return term

    def _either(self, reader: "_Reader", depth: int) -> Term:
        if depth > DEPTH_MAX:
            raise UsageError(f"the target {reader.where} is nested deeper than {DEPTH_MAX}")
        parts = [self._both(reader, depth)]
        while reader.peek() == "or":
            reader.take()
            parts.append(self._both(reader, depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _both(self, reader: "_Reader", depth: int) -> Term:
        parts = [self._one(reader, depth)]
        while (word := reader.peek()) in ("and", "not"):
            if word == "and":
                reader.take()
            parts.append(self._one(reader, depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _one(self, reader: "_Reader", depth: int) -> Term:
        if depth > DEPTH_MAX:
            raise UsageError(f"the target {reader.where} is nested deeper than {DEPTH_MAX}")
        word = reader.peek()
        if word == "not":
            reader.take()
            return Not(self._one(reader, depth + 1))
        if word == "(":
            reader.take()
            inner = self._either(reader, depth + 1)
            if reader.peek() != ")":
                raise reader.error("is found where ')' is expected")
            reader.take()
            return inner
        if word is None or word in _OPERATORS:
            raise reader.error("is found where a term is expected")
        reader.take()
        return self._term(word, reader.where, depth)

    def _term(self, word: str, where: str, depth: int) -> Term:
        found = _TERM.match(word)
        if found is None:
            if "@" in word:
                raise UsageError(f"{word[:80]!a} in the target {where} has no pattern")
            return matchers.glob(word)
        engine, delimiter, pattern = found["engine"], found["delimiter"] or ":", found["pattern"]
        if engine == "G":
            return matchers.grain(pattern, delimiter)
        if engine == "P":
            return matchers.grain_pcre(pattern, delimiter)
        if engine == "E":
            return matchers.pcre(pattern)
        if engine == "L":
            return matchers.listed(pattern)
        if engine == "S":
            return matchers.ipcidr(pattern)
        if engine == "N":
            return self.nodegroup(pattern, depth + 1)
        if engine == "I":
            return matchers.pillar(pattern, delimiter)
        if engine == "J":
            return matchers.pillar_pcre(pattern, delimiter)
        raise UsageError(
            f"{word[:80]!a} in the target {where}: {engine}@ is not known; "
            "use G@ P@ I@ J@ E@ L@ S@ N@ or a glob"
        )

    def nodegroup(self, name: str, depth: int) -> Term:
        """Compile a node group, and those that it names. Raises `UsageError`."""
        if name not in self._nodegroups:
            known = ", ".join(sorted(self._nodegroups)[:10]) or "none is configured"
            raise UsageError(
                f"no node group {name[:80]!a} in the master's configuration (known: {known})"
            )
        if name in self._open:
            cycle = " -> ".join([*self._open[self._open.index(name) :], name])
            raise UsageError(f"the node groups name each other in a circle: {cycle}")
        definition = self._nodegroups[name]
        where = f"of the node group {name[:80]!a}"
        words = (
            _words(definition)
            if isinstance(definition, str)
            else [part for word in definition for part in _words(str(word))]
        )
        if not words:
            raise UsageError(f"the node group {name[:80]!a} is empty")
        if _is_list_of_ids(words):
            return matchers.listed(",".join(words))
        self._open.append(name)
        try:
            return self.parse(words, where, depth)
        finally:
            self._open.pop()


def _is_list_of_ids(words: list[str]) -> bool:
    """Say whether a node group is a bare list of ids, which Salt reads as `L@`."""
    return not any(word in _OPERATORS or "@" in word or matchers.is_pattern(word) for word in words)


class _Reader:
    """The words and how far they have been read."""

    def __init__(self, words: list[str], where: str) -> None:
        self.where = where
        self._words = words
        self._position = 0

    def peek(self) -> str | None:
        """Give the next word without taking it; None at the end."""
        return self._words[self._position] if self._position < len(self._words) else None

    def take(self) -> None:
        """Go on to the next word."""
        self._position += 1

    def error(self, what: str) -> UsageError:
        """Make the error that the next word deserves."""
        word = self.peek()
        shown = "the end" if word is None else ascii(word[:80])
        before = " ".join(self._words[max(0, self._position - 3) : self._position])
        place = f" after {before[-80:]!a}" if before else " at the beginning"
        return UsageError(
            f"the target {self.where} does not parse: {shown}{place} {what}; "
            "terms are joined by 'and', 'or', 'not' and parentheses"
        )
