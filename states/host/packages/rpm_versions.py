"""Which of two RPM versions is newer: `[epoch:]version[-release]`, as rpm compares labels."""

import re
from typing import Final

_SEGMENT: Final = re.compile(r"~|\^|[0-9]+|[A-Za-z]+")


def compare(first: str, second: str) -> int:
    """Give -1, 0 or 1, as the first version is older than, equal to or newer than the second.

    A version without a release is equal to one that differs by its release alone.
    """
    one, other = split(first), split(second)
    if one[0] != other[0]:
        return 1 if one[0] > other[0] else -1
    by_version = compare_part(one[1], other[1])
    if by_version or not one[2] or not other[2]:
        return by_version
    return compare_part(one[2], other[2])


def split(version: str) -> tuple[int, str, str]:
    """Give epoch, version and release."""
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", version
    upstream, _, release = rest.partition("-")
    return int(epoch), upstream, release


def compare_part(first: str, second: str) -> int:
    """Compare versions or releases, segment by segment."""
    one, other = _SEGMENT.findall(first), _SEGMENT.findall(second)
    for index in range(max(len(one), len(other))):
        left = one[index] if index < len(one) else ""
        right = other[index] if index < len(other) else ""
        if left == right:
            continue
        for mark in ("~", "^"):
            if mark in (left, right):
                return _by_mark(mark, left, right)
        if not left or not right:
            return 1 if left else -1
        if left.isdigit() != right.isdigit():
            return 1 if left.isdigit() else -1
        if left.isdigit():
            if int(left) != int(right):
                return 1 if int(left) > int(right) else -1
            continue
        return 1 if left > right else -1
    return 0


def _by_mark(mark: str, left: str, right: str) -> int:
    """Decide by a mark: `~` is older than the end, `^` newer than it but than nothing else."""
    if mark == "~":
        return -1 if left == "~" else 1
    if left == "^":
        return 1 if not right else -1
    return -1 if not left else 1
