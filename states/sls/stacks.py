"""Where in the files that are rendered a stack or an error is: templates, and Python of a tree."""

from types import FrameType
from typing import Any


def line_of(frame: FrameType | None, path: str) -> tuple[str, int] | None:
    """Give file and line of the innermost template (or of the file `path`) on the stack."""
    while frame is not None:
        found = _place_of(frame, frame.f_lineno, path)
        if found is not None:
            return found
        frame = frame.f_back
    return None


def template_place(error: BaseException, path: str) -> tuple[str, int] | None:
    """Give file and line of the innermost template that an error passed through."""
    found: tuple[str, int] | None = None
    trace = error.__traceback__
    while trace is not None:
        found = _place_of(trace.tb_frame, trace.tb_lineno, path) or found
        trace = trace.tb_next
    return found


def _place_of(frame: FrameType, line: int, path: str) -> tuple[str, int] | None:
    """Give the place in a source file that a frame stands for, if it is of one."""
    name = frame.f_code.co_filename
    template: Any = frame.f_globals.get("__jinja_template__")
    if template is not None and name == template.filename:
        return str(name), int(template.get_corresponding_lineno(line))
    if name == path:
        return path, line
    if frame.f_globals.get("__name__") == "jinja2.compiler":  # it works out what is constant
        generator, node = frame.f_locals.get("self"), frame.f_locals.get("node")
        file_name = getattr(generator, "filename", None)
        if file_name and isinstance(getattr(node, "lineno", None), int):
            return str(file_name), int(node.lineno)  # type: ignore[union-attr]
    return None
