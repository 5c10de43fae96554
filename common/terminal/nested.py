"""Values in the look that Salt's users know: indented keys, `- ` for members, `----------`."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from limpet.common.terminal.colors import Palette
from limpet.common.terminal.escape import cut_line, decoded, lines

DEPTH_MAX: Final = 60
"""Deeper values are shown as `…`."""


def nested(value: Any, palette: Palette, indent: int = 0) -> Iterator[str]:  # noqa: ANN401
    """Give the lines of a value, without line ends, escaped and cut."""
    return _shown(value, palette, indent, "", 0)


def _shown(
    value: Any,  # noqa: ANN401
    palette: Palette,
    indent: int,
    prefix: str,
    depth: int,
) -> Iterator[str]:
    space = " " * indent
    if depth > DEPTH_MAX:
        yield f"{space}{prefix}…"
    elif isinstance(value, Mapping):
        yield from _mapping(value, palette, indent, depth)
    elif isinstance(value, list | tuple | set | frozenset):
        yield from _members(value, palette, indent, depth)
    elif isinstance(value, str | bytes):
        text = decoded(value) if isinstance(value, bytes) else value
        for line in lines(text):
            yield space + palette.paint("green", prefix + line)
            prefix = " " * len(prefix)
    else:
        yield space + palette.paint("yellow", prefix + cut_line(str(value)))


def _mapping(value: Mapping[Any, Any], palette: Palette, indent: int, depth: int) -> Iterator[str]:
    space = " " * indent
    if indent:
        yield space + palette.paint("cyan", "----------")
    for key in sorted(value, key=str):
        yield space + palette.paint("cyan", f"{cut_line(_key(key))}:")
        yield from _shown(value[key], palette, indent + 4, "", depth + 1)


def _members(value: Any, palette: Palette, indent: int, depth: int) -> Iterator[str]:  # noqa: ANN401
    for member in value:
        if isinstance(member, Mapping | list | tuple | set | frozenset):
            yield " " * indent + palette.paint("green", "|_")
            yield from _shown(member, palette, indent + 2, "", depth + 1)
        else:
            yield from _shown(member, palette, indent, "- ", depth + 1)


def _key(key: object) -> str:
    return decoded(key) if isinstance(key, bytes) else str(key)
