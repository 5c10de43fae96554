"""Which of two Debian versions is newer, by the rules of Debian policy 5.6.12."""

import re
from itertools import zip_longest
from typing import Final

_PARTS: Final = re.compile(r"([^0-9]*)([0-9]*)")


def compare(first: str, second: str) -> int:
    """Give -1, 0 or 1, as the first version is older than, equal to or newer than the second."""
    one, other = _split(first), _split(second)
    if one[0] != other[0]:
        return 1 if one[0] > other[0] else -1
    return _compare_part(one[1], other[1]) or _compare_part(one[2], other[2])


def without_epoch(version: str) -> str:
    """Give a version without its epoch."""
    epoch, colon, rest = version.partition(":")
    return rest if colon and epoch.isdigit() else version


def _split(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.strip().partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", version.strip()
    upstream, dash, revision = rest.rpartition("-")
    return (int(epoch), upstream, revision) if dash else (int(epoch), rest, "")


def _compare_part(first: str, second: str) -> int:
    pairs = zip_longest(_PARTS.findall(first), _PARTS.findall(second), fillvalue=("", ""))
    for (text, digits), (other_text, other_digits) in pairs:
        if text != other_text:
            weights, others = _weights(text), _weights(other_text)
            if weights != others:
                return 1 if weights > others else -1
        number, other = int(digits or 0), int(other_digits or 0)
        if number != other:
            return 1 if number > other else -1
    return 0


def _weights(text: str) -> list[int]:
    """Weigh characters: a tilde before the end, the end before letters, letters before others."""
    found = [-1 if each == "~" else ord(each) + 256 * (not each.isalpha()) for each in text]
    return [*found, 0]
