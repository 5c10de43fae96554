"""`file.line`: one line of a file replaced, removed, or put where it belongs."""

import re
from dataclasses import dataclass

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
        context, name, before, edited, backup=_backup(options), shows=options.show_changes
    )


def _backup(options: LineOptions) -> Loose:
    return options.backup if isinstance(options.backup, str) else ""


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


def _replaced(before: str, content: str, options: LineOptions) -> str:
    wanted = options.match if options.match is not None else content
    return "".join(
        f"{_indented(content, each, options)}{_ending(each)}"
        if _matches(wanted, each.rstrip("\n"))
        else each
        for each in before.splitlines(True)
    )


def _deleted(before: str, content: str, options: LineOptions) -> str:
    wanted = options.match if options.match is not None else content
    return "".join(
        each for each in before.splitlines(True) if not _matches(wanted, each.rstrip("\n"))
    )


def _inserted(before: str, content: str, options: LineOptions) -> str:
    lines = before.splitlines(True)
    if not options.location and options.before is None and options.after is None:
        raise _Refused("On insert either 'location' or 'before/after' conditions are required.")
    if options.before is not None or options.after is not None:
        return _beside(lines, content, options)
    if options.location == "end":
        return f"{before}\n{content}" if before else content
    if options.location == "start":
        return f"{content}\n{before}"
    raise _Refused(f"the location {options.location!r} is neither start nor end")


def _beside(lines: list[str], content: str, options: LineOptions) -> str:
    """Insert before or after the lines that match, where the line isn't there yet."""
    found: list[str] = []
    plain = [each.rstrip("\n") for each in lines]
    is_both = options.before is not None and options.after is not None
    if is_both:
        return _between(lines, content, options)
    for number, each in enumerate(lines):
        new = f"{_indented(content, each, options)}\n"
        if _matches(options.before, plain[number]):
            if number == 0 or plain[number - 1].strip() != content.strip():
                found.append(new)
            found.append(each)
        elif _matches(options.after, plain[number]):
            found.append(each if each.endswith("\n") else f"{each}\n")
            after = plain[number + 1].strip() if number + 1 < len(plain) else None
            if after != content.strip():
                found.append(new)
        else:
            found.append(each)
    return "".join(found)


def _between(lines: list[str], content: str, options: LineOptions) -> str:
    start = next((i for i, each in enumerate(lines) if _matches(options.after, each)), None)
    end = next((i for i, each in enumerate(lines) if _matches(options.before, each)), None)
    if start is None or end is None or end <= start:
        raise _Refused("the lines of 'after' and 'before' are not in the file in that order")
    if any(each.strip() == content.strip() for each in lines[start + 1 : end]):
        return "".join(lines)
    new = f"{_indented(content, lines[start], options)}\n"
    return "".join([*lines[:end], new, *lines[end:]])


def _ensured(before: str, content: str, options: LineOptions) -> str:
    lines = before.splitlines(True)
    if options.before is None and options.after is None:
        raise _Refused(
            "Wrong conditions? Unable to ensure line without knowing where to put it before and/or "
            "after."
        )
    for pattern in (options.before, options.after):
        count = sum(_matches(pattern, each.rstrip("\n")) for each in lines)
        if pattern is not None and count > 1:
            raise _Refused(f'Found more than expected occurrences in "{pattern}" expression')
    if options.before is not None and options.after is not None:
        return _between_exactly(lines, content, options)
    wanted = options.before if options.before is not None else options.after
    if not any(_matches(wanted, each.rstrip("\n")) for each in lines):
        raise _Refused(f"Neither before or after was found in file: {wanted}")
    return _beside(lines, content, options)


def _between_exactly(lines: list[str], content: str, options: LineOptions) -> str:
    """Put the line between the two, in the place of the one line that stands there, if any."""
    start = next((i for i, each in enumerate(lines) if _matches(options.after, each)), None)
    end = next((i for i, each in enumerate(lines) if _matches(options.before, each)), None)
    if start is None or end is None or end <= start:
        raise _Refused("the lines of 'after' and 'before' are not in the file in that order")
    if end - start == 2:
        if lines[start + 1].strip() == content.strip():
            return "".join(lines)
        new = f"{_indented(content, lines[start + 1], options)}\n"
        return "".join([*lines[: start + 1], new, *lines[end:]])
    if end - start == 1:
        new = f"{_indented(content, lines[start], options)}\n"
        return "".join([*lines[:end], new, *lines[end:]])
    raise _Refused("Found more than one line between boundaries 'before' and 'after'.")


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
