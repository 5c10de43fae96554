"""One line at the bottom of a terminal that says what is going on, and goes when it is over.

It is written to stderr, never to where the answers go. Elsewhere than on a terminal it is nothing.
"""

import os
from typing import Final, TextIO

from limpet.common.terminal.escape import escape_line

INTERVAL_S: Final = 0.1
"""Not drawn more often than this."""


class LiveLine:
    """Draws over itself. `hide` before anything else is written to the terminal."""

    def __init__(self, stream: TextIO, *, is_shown: bool, delay_s: float = 0.3) -> None:
        """Begin; nothing appears before `delay_s`, so that quick commands do not flicker."""
        self._stream = stream
        self._is_shown = is_shown
        self._next_s = 0.0
        self._delay_s = delay_s
        self._is_drawn = False

    def draw(self, text: str, now_s: float) -> None:
        """Show the text, cut to the width; `now_s` is any clock that only grows."""
        if not self._is_shown:
            return
        if self._delay_s:
            self._next_s, self._delay_s = now_s + self._delay_s, 0.0
        if now_s < self._next_s:
            return
        self._next_s = now_s + INTERVAL_S
        width = max(20, _columns(self._stream)) - 1
        shown = escape_line(text).replace("\t", " ")
        if len(shown) > width:
            shown = shown[: width - 1] + "…"
        self._stream.write(f"\r\x1b[K{shown}")
        self._stream.flush()
        self._is_drawn = True

    def hide(self) -> None:
        """Take the line away, if it is there."""
        if self._is_drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._is_drawn = False


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80  # 0: it does not know
    except (OSError, ValueError):
        return 80
