"""What is said of a package's version, and whether a version fulfils it. Pure.

`1.2-1` is that version, `1.2*` any that the pattern fits, `>=1.2,<2` all of these conditions.
"""

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from limpet.common.errors import UsageError

Compare = Callable[[str, str], int]
"""Gives -1, 0 or 1 for two versions."""

LATEST: Final = "latest"
_CONDITION: Final = re.compile(r"\s*(<=|>=|==|!=|<>|=|<|>)?\s*(\S+)\s*\Z")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a version."""

    operator: str
    version: str

    def is_met(self, version: str, compare: Compare, *, ignore_epoch: bool) -> bool:
        """Say whether a version meets it."""
        found, wanted = version, self.version
        if ignore_epoch:
            found, wanted = without_epoch(found), without_epoch(wanted)
        if self.operator in ("==", "!="):
            is_equal = (
                fnmatch.fnmatchcase(found, wanted)
                if any(each in wanted for each in "*?[")
                else compare(found, wanted) == 0
            )
            return is_equal == (self.operator == "==")
        order = compare(found, wanted)
        return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[self.operator]


def conditions(text: str) -> list[Condition]:
    """Read the conditions of a text. Raises `UsageError` for one that can't be read."""
    found: list[Condition] = []
    for each in text.split(","):
        match = _CONDITION.match(each)
        if match is None:
            raise UsageError(f"{text!r} says no version of a package")
        operator = {None: "==", "=": "==", "<>": "!="}.get(match[1], match[1])
        found.append(Condition(operator, match[2]))
    return found


def is_exact(text: str) -> bool:
    """Say whether it is one version: without operator and pattern."""
    return not re.search(r"[<>=!,*?\[]", text)


def is_met(
    version: str,
    text: str,
    compare: Compare,
    *,
    ignore_epoch: bool = False,
    allow_newer: bool = False,
) -> bool:
    """Say whether a version fulfils what is said; `allow_newer`: a newer one than that does too."""
    met = all(each.is_met(version, compare, ignore_epoch=ignore_epoch) for each in conditions(text))
    return met or (allow_newer and is_exact(text) and compare(version, text) > 0)


def newest(
    versions: Iterable[str], text: str, compare: Compare, *, ignore_epoch: bool = False
) -> str:
    """Give the first of the versions (newest first) that fulfils what is said; empty: none."""
    for version in versions:
        if is_met(version, text, compare, ignore_epoch=ignore_epoch):
            return version
    return ""


def shown(name: str, text: str) -> str:
    """Give name and condition as one word: `vim=1.2`, `vim>=1.2`."""
    if not text:
        return name
    return f"{name}{text}" if text[0] in "<>=!" else f"{name}={text}"


def without_epoch(version: str) -> str:
    """Give a version without its epoch."""
    epoch, colon, rest = version.partition(":")
    return rest if colon and epoch.isdigit() else version
