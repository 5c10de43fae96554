r"""Text from elsewhere, made harmless to a terminal.

Control characters (ESC, BEL, CR, C1 …), direction overrides, zero-width characters and whatever
else does not print are shown as `\x1b`, `\u202e` and the like, so returned text can neither move
the cursor nor pass for something it is not. Tabs and ends of lines keep their meaning.
"""

from collections.abc import Iterator
from typing import Final

LINE_BYTES_MAX: Final = 4096
"""A longer line is cut, saying how many bytes are missing."""


_REMEMBERED_BELOW: Final = 0x3000
"""What stands for letters below this code is worked out once: those of the commonest scripts."""


class _Escapes(dict[int, str]):
    """What stands for each letter, as `str.translate` asks for it."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        if not letter.isprintable() and letter != "\t":
            letter = letter.encode("unicode_escape", "surrogatepass").decode("ascii")
        if code < _REMEMBERED_BELOW:
            self[code] = letter
        return letter


_ESCAPES: Final = _Escapes()


def escape_line(text: str) -> str:
    """Escape what does not print, ends of lines included; tabs stay."""
    return text if text.isprintable() else text.translate(_ESCAPES)


def cut_line(text: str, bytes_max: int = LINE_BYTES_MAX) -> str:
    """Escape a line and cut it behind `bytes_max` bytes, with `…(N more bytes)`."""
    if len(text) * 4 <= bytes_max:
        return escape_line(text)
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= bytes_max:
        return escape_line(text)
    kept = data[:bytes_max].decode("utf-8", "ignore")
    rest = len(data) - len(kept.encode("utf-8"))
    return f"{escape_line(kept)}…({rest} more bytes)"


def lines(text: str) -> Iterator[str]:
    r"""Split a text at `\n` or `\r\n` and give each line escaped and cut.

    Other things that Python takes for ends of lines (form feed, U+2028) are shown escaped.
    """
    if not text:
        return
    pieces = text.split("\n")
    if not pieces[-1]:
        pieces.pop()
    for piece in pieces:
        yield cut_line(piece.removesuffix("\r"))


def decoded(data: bytes) -> str:
    r"""Turn bytes into text; those that are not UTF-8 become `\xff`."""
    return data.decode("utf-8", "backslashreplace")
