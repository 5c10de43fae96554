"""Parts of a file's text exchanged: `file.replace`, `comment`, `uncomment`."""

import re

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file import editing
from limpet.states.outcome import Outcome, failed


def replace(
    context: StateContext,
    name: str,
    pattern: Loose,
    repl: Loose,
    count: int = 0,
    flags: Loose = 8,
    bufsize: Loose = 1,
    append_if_not_found: bool = False,
    prepend_if_not_found: bool = False,
    not_found_content: str | None = None,
    backup: Loose = ".bak",
    show_changes: bool = True,
    ignore_if_missing: bool = False,
    backslash_literal: bool = False,
) -> Outcome:
    """Replace what a regular expression matches; with `append_if_not_found` see that it's there."""
    if not name:
        return failed("Must provide name to file.replace")
    try:
        before = editing.read(context, name)
        wanted = editing.flags_of(flags)
        expression = editing.compiled(pattern, wanted)
        text = str(repl)
        template = text.replace("\\", "\\\\") if backslash_literal else text
        try:
            after, found = expression.subn(template, before, count)
        except (re.error, IndexError) as error:
            return failed(f"{text!r} can't stand for what {pattern!r} matches: {error}")
        if not found and (append_if_not_found or prepend_if_not_found):
            content = text if not_found_content is None else not_found_content
            if not re.search(rf"^{re.escape(content)}($|(?=\r\n))", before, wanted):
                after = _with_line(after, content, is_first=prepend_if_not_found)
    except editing.NotEditable as error:
        if ignore_if_missing and error.is_missing:
            return Outcome(True, "No changes needed to be made")
        return failed(error.comment)
    except HostError as error:
        return failed(str(error))
    return editing.finish(
        context,
        name,
        before,
        after,
        backup=backup,
        shows=show_changes,
        announced="Changes would have been made",
    )


def _with_line(text: str, line: str, *, is_first: bool) -> str:
    """Give the text with a line before or behind it."""
    if is_first:
        return f"{line}\n{text}"
    gap = "\n" if text and not text.endswith("\n") else ""
    return f"{text}{gap}{line}\n"


def comment(
    context: StateContext,
    name: str,
    regex: str,
    char: str = "#",
    backup: Loose = ".bak",
    ignore_missing: bool = False,
    **_odd: Loose,
) -> Outcome:
    """Put `char` before the lines that begin with what the expression matches."""
    if not name:
        return failed("Must provide name to file.comment")
    bare = regex.lstrip("^").rstrip("$")
    try:
        before = editing.read(context, name)
        # Looked for at the beginning of lines, behind blanks, whether anchored there or not: else
        # a line that is commented already would be found again.
        sign = re.escape(char)
        old = editing.compiled(rf"^\s*{sign}{bare}", re.MULTILINE)
        if not editing.compiled(rf"^(?!\s*{sign})\s*{bare}", re.MULTILINE).search(before):
            if old.search(before):
                return Outcome(True, "Pattern already commented")
            if ignore_missing:
                return Outcome(True, "Pattern not found and ignore_missing set to True")
            return failed(f"{bare}: Pattern not found")
        head = "^" if regex.startswith("^") else ""
        tail = "$" if regex.endswith("$") else ""
        expression = editing.compiled(f"{head}({bare}){tail}")
        lines = [
            f"{char}{line}" if expression.match(line) else line for line in before.splitlines(True)
        ]
        after = "".join(lines)
        if after == before and old.search(before):  # one of several alternatives stands elsewhere
            return Outcome(True, "Commented lines successfully")
        return _commented(context, name, before, after, backup, "Commented")
    except (HostError, editing.NotEditable) as error:
        return failed(getattr(error, "comment", str(error)))


def uncomment(
    context: StateContext,
    name: str,
    regex: str,
    char: str = "#",
    backup: Loose = ".bak",
    **_odd: Loose,
) -> Outcome:
    """Take `char` away from the lines that the expression then matches."""
    if not name:
        return failed("Must provide name to file.uncomment")
    bare = regex.lstrip("^")
    sign = re.escape(char)
    try:
        before = editing.read(context, name)
        if not editing.compiled(rf"{sign}[ \t]*{bare}", re.MULTILINE).search(before):
            if editing.compiled(rf"^[ \t]*{bare}", re.MULTILINE).search(before):
                return Outcome(True, "Pattern already uncommented")
            return failed(f"{regex}: Pattern not found")
        tail = "$" if regex.endswith("$") else ""
        expression = editing.compiled(rf"^\s*{sign}\s*({bare.rstrip('$')}){tail}")
        lines = [
            line.lstrip(char) if expression.match(line) else line
            for line in before.splitlines(True)
        ]
        after = "".join(lines)
        if after == before and any(expression.match(line) for line in lines):
            # As in Salt, a sign that is indented stays, and that is no failure.
            return Outcome(True, "Uncommented lines successfully")
        return _commented(context, name, before, after, backup, "Uncommented")
    except (HostError, editing.NotEditable) as error:
        return failed(getattr(error, "comment", str(error)))


def _commented(
    context: StateContext, name: str, before: str, after: str, backup: Loose, done: str
) -> Outcome:
    if before == after:
        return failed(f"Expected {done.lower()} lines not found")
    if context.is_test:
        return Outcome(None, f"File {name} is set to be updated", {name: "updated"})
    return editing.finish(
        context, name, before, after, backup=backup, done=f"{done} lines successfully"
    )
