"""`file.line`: one line of a file replaced, removed, or put where it belongs."""

import re
from dataclasses import dataclass
from datetime import datetime

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file import editing
from limpet.states.library.file.owners import Ownership, normal_mode
from limpet.states.library.file.writing import write
from limpet.states.outcome import Outcome, failed


@dataclass(frozen=True, slots=True)
class LineOptions:
    """Arguments of `file.line`."""

    name: str
    content: Loose = None
    match: str | None = None
    mode: str | None = None
    """`ensure`, `replace`, `delete` or `insert`."""
    location: str | None = None
    """Of `insert`: `start` or `end`."""
    before: str | None = None
    after: str | None = None
    show_changes: bool = True
    backup: Loose = False
    quiet: bool = False
    """A file that can't be changed as asked is no failure."""
    indent: bool = True
    """Keep the indentation of the line that is replaced, or that stands beside."""
    create: bool = False
    user: Loose = None
    group: Loose = None
    file_mode: Loose = None


class _Refused(Exception):
    """The line can't be put there."""


def line(context: StateContext, options: LineOptions) -> Outcome:
    """See to it that a line is in a file at its place, or that it is not."""
    name = options.name
    if not name:
        return failed("Must provide name to file.line")
    mode = (options.mode or "").lower()
    if mode not in ("ensure", "replace", "delete", "insert"):
        given = "Mode was not defined" if not mode else f"Unknown mode: {options.mode}"
        return failed(f"{given}. How to process the file? One of ensure, replace, delete, insert")
    try:
        before = _text(context, options)
        content = "" if options.content is None else str(options.content).rstrip("\n")
        if options.content is None and mode != "delete":
            return failed("Content can only be empty if mode is delete")
        edited = _EDITS[mode](before, content, options)
    except editing.NotEditable as error:
        return Outcome(True, error.comment) if options.quiet else failed(error.comment)
    except (_Refused, HostError) as error:
        return Outcome(True, str(error)) if options.quiet else failed(str(error))
    return editing.finish(
        context, name, before, edited, backup=_backup(context, options), shows=options.show_changes
    )


def _backup(context: StateContext, options: LineOptions) -> str:
    """Give what stands behind the name of the old file's copy; True: the time, as in Salt."""
    if isinstance(options.backup, str):
        return options.backup
    if not options.backup:
        return ""
    now = datetime.fromtimestamp(context.host.system.now()).astimezone()
    return now.strftime(".%Y-%m-%d-%H-%M-%S")


def _text(context: StateContext, options: LineOptions) -> str:
    try:
        return editing.read(context, options.name)
    except editing.NotEditable as error:
        if not error.is_missing or not options.create:
            raise
    if not context.is_test:
        wanted = Ownership(options.user, options.group, normal_mode(options.file_mode))
        write(context, options.name, b"", wanted)
    return ""


def _matches(pattern: str | None, text: str) -> bool:
    """Say whether a line holds a text or what a regular expression matches."""
    if not pattern:
        return False
    if pattern in text:
        return True
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def _first_match(lines: list[str], pattern: str | None) -> int | None:
    return next((i for i, each in enumerate(lines) if _matches(pattern, each.rstrip("\n"))), None)


def _replaced(before: str, content: str, options: LineOptions) -> str:
    """Replace the first line that matches, and only that one, as Salt does."""
    lines = before.splitlines(True)
    found = _first_match(lines, options.match if options.match is not None else content)
    if found is not None:
        old = lines[found]
        lines[found] = f"{_indented(content, old, options)}{_ending(old)}"
    return "".join(lines)


def _deleted(before: str, content: str, options: LineOptions) -> str:
    """Remove the first line that matches, and those that are the same to the letter."""
    lines = before.splitlines(True)
    found = _first_match(lines, options.match if options.match is not None else content)
    return before if found is None else "".join(each for each in lines if each != lines[found])


def _inserted(before: str, content: str, options: LineOptions) -> str:
    lines = before.splitlines(True)
    if not options.location and options.before is None and options.after is None:
        raise _Refused("On insert either 'location' or 'before/after' conditions are required.")
    if options.before is not None or options.after is not None:
        if _place(lines, options.before) is None and _place(lines, options.after) is None:
            raise _Refused("Neither before or after was found in file")
        return _beside(lines, content, options)
    if options.location == "end":
        return f"{before}\n{content}" if before else content
    if options.location == "start":
        return f"{content}\n{before}"
    raise _Refused(f"the location {options.location!r} is neither start nor end")


def _place(lines: list[str], pattern: str | None) -> int | None:
    """Give the number of the line that matches, or None. Raises `_Refused` for more than one."""
    if pattern is None:
        return None
    found = [i for i, each in enumerate(lines) if _matches(pattern, each.rstrip("\n"))]
    if len(found) > 1:
        raise _Refused(f'Found more than expected occurrences in "{pattern}" expression')
    return found[0] if found else None


def _beside(
    lines: list[str], content: str, options: LineOptions, neighbour: str | None = None
) -> str:
    """Put the line before or after the one that matches, if it isn't there already."""
    start, end = _place(lines, options.after), _place(lines, options.before)
    if start is not None and end is not None and start < end:
        between = lines[start + 1 : end]
        if any(each.strip() == content.strip() for each in between):
            return "".join(lines)
    if end is not None:
        if end == 0 or lines[end - 1].strip() != content.strip():
            new = _indented(content, lines[end] if neighbour is None else neighbour, options)
            lines.insert(end, f"{new}\n")
    elif start is not None:
        old = lines[start]
        new = _indented(content, old, options)
        if start + 1 == len(lines) or lines[start + 1].strip() != content.strip():
            lines[start : start + 1] = [old if old.endswith("\n") else f"{old}\n", f"{new}\n"]
    return "".join(lines)


def _ensured(before: str, content: str, options: LineOptions) -> str:
    lines = before.splitlines(True)
    if options.before is None and options.after is None:
        raise _Refused(
            "Wrong conditions? Unable to ensure line without knowing where to put it before and/or "
            "after."
        )
    start, end = _place(lines, options.after), _place(lines, options.before)
    if start is None and end is None:
        wanted = options.before if options.before is not None else options.after
        raise _Refused(f"Neither before or after was found in file: {wanted}")
    if end is not None and start is None and end > 0:  # the line above is the one to stand under
        return _beside(lines, content, options, neighbour=lines[end - 1])
    if start is None or end is None:
        return _beside(lines, content, options)
    return _between_exactly(lines, start, end, content, options)


def _between_exactly(
    lines: list[str], start: int, end: int, content: str, options: LineOptions
) -> str:
    """Put the line between the two, in the place of the one line that stands there, if any.

    It is indented as the line before it is, so that one of another indentation is exchanged.
    """
    if end <= start:
        raise _Refused("the lines of 'after' and 'before' are not in the file in that order")
    if end - start > 2:
        raise _Refused("Found more than one line between boundaries 'before' and 'after'.")
    new = f"{_indented(content, lines[start], options)}\n"
    return "".join([*lines[: start + 1], new, *lines[end:]])


def _indented(content: str, neighbour: str, options: LineOptions) -> str:
    if not options.indent:
        return content
    indentation = neighbour[: len(neighbour) - len(neighbour.lstrip(" \t"))]
    return f"{indentation}{content.lstrip()}"


def _ending(each: str) -> str:
    return "\n" if each.endswith("\n") else ""


_EDITS = {
    "replace": _replaced,
    "delete": _deleted,
    "insert": _inserted,
    "ensure": _ensured,
}
