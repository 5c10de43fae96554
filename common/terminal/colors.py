"""Colours, or none: decided once, by the terminal, `--no-color` and `NO_COLOR`."""

import os
from collections.abc import Mapping
from typing import Final, TextIO

_CODES: Final = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
    "dim": "2",
    "bold": "1",
}


class Palette:
    """Puts colour around text that has been escaped already."""

    def __init__(self, is_colored: bool) -> None:
        self.is_colored = is_colored

    def paint(self, color: str, text: str) -> str:
        """Give the text in `red`, `green`, `yellow`, `cyan`, `dim` or `bold`."""
        code = _CODES[color]
        return f"\x1b[{code}m{text}\x1b[0m" if self.is_colored and text else text


PLAIN: Final = Palette(False)


def is_terminal(stream: TextIO) -> bool:
    """Say whether a person looks at the stream; False for one that is closed."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def palette_for(
    stream: TextIO, *, is_refused: bool = False, environment: Mapping[str, str] | None = None
) -> Palette:
    """Choose colours for a stream: only on a terminal, and not where they were refused.

    `NO_COLOR` refuses if it is set and not empty; so does `TERM=dumb`. `FORCE_COLOR` asks for
    colour in a pipe.
    """
    variables = os.environ if environment is None else environment
    if is_refused or variables.get("NO_COLOR"):
        return PLAIN
    if variables.get("FORCE_COLOR"):
        return Palette(True)
    return Palette(is_terminal(stream) and variables.get("TERM") != "dumb")
