"""Rows in columns, for people: no lines around them, one blank column between."""

from collections.abc import Iterator, Sequence
from typing import Final

from limpet.common.terminal.colors import Palette
from limpet.common.terminal.escape import escape_line

CELL_MAX: Final = 60
"""Longer cells are cut with `…`, but for the last column."""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], palette: Palette) -> Iterator[str]:
    """Give the lines of a table, its heads first. Cells are escaped here: give them no colour."""
    shown = [[_cell(cell, at == len(heads) - 1) for at, cell in enumerate(row)] for row in rows]
    widths = [max([len(head), *(len(row[at]) for row in shown)]) for at, head in enumerate(heads)]
    yield palette.paint("dim", _line(heads, widths))
    for row in shown:
        yield _line(row, widths)


def _cell(text: str, is_last: bool) -> str:
    escaped = escape_line(text).replace("\t", " ")
    return escaped if is_last or len(escaped) <= CELL_MAX else escaped[: CELL_MAX - 1] + "…"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
