"""Files that do not render: which rule that is, and where."""

import re
from typing import Final

import jinja2

from limpet.states.lint.checks.templates import GLOBALS
from limpet.states.lint.findings import meant
from limpet.states.lint.tree.view import View
from limpet.states.lint.unknown import is_unknown
from limpet.states.sls.limits import LimitReached

_UNDEFINED: Final = re.compile(r"Jinja variable '(\w+)' is undefined")
_SURE: Final = re.compile(r"Jinja variable '\w+' is undefined|division|modulo by zero|recursion")
"""What goes wrong whatever the unknown values would be."""


def tell_fault(view: View, profile: int, is_touched: bool, *, is_formula: bool = False) -> None:
    """Report why a file did not render. `is_touched`: unknown values had a part in it.

    `is_formula`: what its defaults lack may stand in the pillar of those who use it.
    """
    error = view.rendered.error
    assert error is not None
    report = view.report
    problem = error.problem.partition("\n")[0]
    if isinstance(error, LimitReached):
        report.add("limit", problem, error.path, error.line)
        return
    if view.rendered.is_yaml_error:
        _tell_yaml(view, problem, error.line, is_touched)
        return
    if "does not export the requested name" in problem:
        return  # told by `missing-import-name`
    if "Jinja syntax error" in problem and report.has_at(error.path, error.line):
        return
    if is_formula and isinstance(error.__cause__, jinja2.TemplateNotFound):
        return  # of another formula, or told by `missing-template`
    if is_touched and not _SURE.search(problem):
        return
    if is_formula and "has no attribute" in problem and not report.is_strict:
        return
    name = _UNDEFINED.search(problem)
    hint = meant(name.group(1), GLOBALS, 0.8) if name else ""
    rule = "undefined-variable" if name else "render"
    if "SyntaxError" in problem:
        rule = "python"
    column = None
    lines = view.text.splitlines()
    if name and error.line and error.path == view.file and error.line <= len(lines):
        column = lines[error.line - 1].find(name.group(1)) + 1 or None
    report.add_for(profile, rule, problem, error.path, error.line, column, hint)


def _tell_yaml(view: View, problem: str, line: int | None, is_touched: bool) -> None:
    lines = view.rendered.lines
    made = lines.rendered[line - 1] if line and line <= len(lines.rendered) else ""
    before = lines.rendered[line - 2] if line and 2 <= line <= len(lines.rendered) else ""
    if is_touched and (is_unknown(made) or is_unknown(before)):
        return
    place = lines.place(line)
    written = lines.source[place.line - 1] if place.line and place.line <= len(lines.source) else ""
    if not view.is_primary and "{{" in written:
        return
    rule = "yaml-syntax"
    hint = ""
    if "double curly brace" in problem:
        rule, hint = "unquoted-braces", "put the whole value in quotes"
    elif "tab may not indent" in problem:
        if view.report.has_at(view.file, place.line):
            return
        rule = "tab-indentation"
    elif "mapping values are not allowed" in problem:
        hint = "a text with ': ' in it needs quotes; else look at the indentation"
    if made.strip() and made != written and "{{" in written:
        hint = hint or f"it rendered to: {made.strip()[:80]}"
    view.report.add(rule, problem, view.file, place.line, place.column, hint=hint)
