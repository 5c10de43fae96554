"""The live line, tables and colours."""

import io

from limpet.common.terminal.colors import PLAIN, palette_for
from limpet.common.terminal.live import LiveLine
from limpet.common.terminal.table import table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_live_line_appears_late_draws_over_itself_and_goes() -> None:
    stream = io.StringIO()
    live = LiveLine(stream, is_shown=True)

    live.draw("early", 10.0)
    assert stream.getvalue() == ""
    live.draw("one of \x1b[2J two", 10.4)
    live.draw("too soon", 10.45)
    live.draw("x" * 200, 10.6)
    live.hide()
    live.hide()

    first, second, rest = stream.getvalue().split("\r\x1b[K")[1:]
    assert first == r"one of \x1b[2J two"
    assert second == "x" * 78 + "…"
    assert rest == ""


def test_several_live_lines_are_drawn_over_and_cleared_together() -> None:
    stream = io.StringIO()
    live = LiveLine(stream, is_shown=True, delay_s=0)

    live.draw_lines(["a", "b", "c"], 10.0)
    live.draw_lines(["d"], 10.2)
    live.draw_lines([str(number) for number in range(100)], 10.4)
    live.hide()

    first, second, third = stream.getvalue().split("\x1b[J")[:3]
    assert first == "\r\x1b[Ka\n\r\x1b[Kb\n\r\x1b[Kc\r\x1b[2A"
    assert second.startswith("\r\x1b[Kd\r\x1b[K0\n")
    assert second.endswith("… and 81 more\r\x1b[19A")
    assert third == ""


def test_no_live_line_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    live = LiveLine(stream, is_shown=False, delay_s=0)
    live.draw("text", 10.0)
    live.hide()

    assert stream.getvalue() == ""


def test_colour_is_for_terminals_that_did_not_refuse_it() -> None:
    assert palette_for(Terminal(), environment={}).is_colored
    assert not palette_for(io.StringIO(), environment={}).is_colored
    assert not palette_for(Terminal(), environment={"NO_COLOR": "1"}).is_colored
    assert palette_for(Terminal(), environment={"NO_COLOR": ""}).is_colored
    assert not palette_for(Terminal(), environment={"TERM": "dumb"}).is_colored
    assert not palette_for(Terminal(), is_refused=True, environment={}).is_colored
    assert palette_for(io.StringIO(), environment={"FORCE_COLOR": "1"}).is_colored


def test_a_table_is_aligned_cut_and_escaped() -> None:
    rows = [("web1", "a\x1b", "x" * 70), ("w", "y" * 70, "")]

    assert list(table(("ID", "TEXT", "LAST"), rows, PLAIN)) == [
        "ID    TEXT" + " " * 58 + "LAST",
        "web1  a\\x1b" + " " * 57 + "x" * 70,
        "w     " + "y" * 59 + "…",
    ]
