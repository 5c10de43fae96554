"""Lines at the bottom of a terminal that say what is going on, and go when it is over.

It is written to stderr, never to where the answers go. Elsewhere than on a terminal it is nothing.
"""

import os
from collections.abc import Sequence
from typing import Final, TextIO

from limpet.common.terminal.escape import escape_line

INTERVAL_S: Final = 0.1
"""Not drawn more often than this."""
LINES_MAX: Final = 20


class LiveLine:
    """Draws over itself. `hide` before anything else is written to the terminal."""

    def __init__(self, stream: TextIO, *, is_shown: bool, delay_s: float = 0.3) -> None:
        """Begin; nothing appears before `delay_s`, so that quick commands do not flicker."""
        self._stream = stream
        self._is_shown = is_shown
        self._next_s = 0.0
        self._delay_s = delay_s
        self._drawn = 0
        """How many lines are there now."""

    def draw(self, text: str, now_s: float) -> None:
        """Show the text, cut to the width; `now_s` is any clock that only grows."""
        self.draw_lines([text], now_s)

    def draw_lines(self, texts: Sequence[str], now_s: float) -> None:
        """Show some lines, each cut to the width, as many as have room."""
        if not self._is_shown or not texts:
            return
        if self._delay_s:
            self._next_s, self._delay_s = now_s + self._delay_s, 0.0
        if now_s < self._next_s:
            return
        self._next_s = now_s + INTERVAL_S
        columns, rows = _size(self._stream)
        room = max(1, min(LINES_MAX, rows - 2))
        if len(texts) > room:
            texts = [*texts[: room - 1], f"… and {len(texts) - room + 1} more"]
        shown = "\n".join(f"\r\x1b[K{_cut(text, max(20, columns) - 1)}" for text in texts)
        self._stream.write(f"{self._home()}{shown}")
        self._stream.flush()
        self._drawn = len(texts)

    def hide(self) -> None:
        """Take the lines away, if they are there."""
        if self._drawn:
            self._stream.write(self._home() or "\r\x1b[K")
            self._stream.flush()
            self._drawn = 0

    def _home(self) -> str:
        """Give what goes back to the beginning of the first line and clears the rest."""
        return f"\r\x1b[{self._drawn - 1}A\x1b[J" if self._drawn > 1 else ""


def _cut(text: str, width: int) -> str:
    shown = escape_line(text).replace("\t", " ")
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def _size(stream: TextIO) -> tuple[int, int]:
    """Give columns and rows."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 80, 24
    return size.columns or 80, size.lines or 24  # 0: it does not know
