"""What is wrong with a source file, told as Salt tells it, with the lines around the place."""

from typing import Final

from limpet.common.errors import SourceError

LINES_AROUND: Final = 5
_MARK: Final = "    <======================"


class RenderError(SourceError):
    """An SLS, a template or pillar does not render; knows the file, the line and the text."""

    def __init__(
        self, problem: str, path: str, line: int | None = None, text: str | None = None
    ) -> None:
        super().__init__(problem, path, line)
        self.problem = problem
        """What is wrong, without the place."""
        self.frame = "" if text is None or line is None else code_frame(text, line)
        """The lines around the place, the place marked; empty where it is not known."""

    @property
    def told(self) -> str:
        """The error in Salt's form: the problem, the line, the frame."""
        if self.line is None:
            return self.problem
        if not self.frame:
            return f"{self.problem}; line {self.line}"
        return f"{self.problem}; line {self.line}\n\n{self.frame}"


def code_frame(text: str, line: int, around: int = LINES_AROUND) -> str:
    """Show a line (the first is 1) among its neighbours, marked by an arrow."""
    lines = text.splitlines()
    if not 1 <= line <= len(lines):
        return ""
    first = max(0, line - 1 - around)
    last = min(len(lines), line + around)
    shown = [
        each + (_MARK if number == line else "")
        for number, each in enumerate(lines[first:last], first + 1)
    ]
    if first > 0:
        shown.insert(0, "[...]")
    if last < len(lines):
        shown.append("[...]")
    return "---\n" + "\n".join(each[:500] for each in shown) + "\n---"
