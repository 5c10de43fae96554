"""What all states that edit text in a file share: reading it, showing the change, writing it."""

import re
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file import text
from limpet.states.library.file.writing import kind_of, write
from limpet.states.outcome import Outcome

_FLAGS: Final = {
    "IGNORECASE": re.IGNORECASE,
    "I": re.IGNORECASE,
    "MULTILINE": re.MULTILINE,
    "M": re.MULTILINE,
    "DOTALL": re.DOTALL,
    "S": re.DOTALL,
    "VERBOSE": re.VERBOSE,
    "X": re.VERBOSE,
    "UNICODE": re.UNICODE,
    "U": re.UNICODE,
    "ASCII": re.ASCII,
    "A": re.ASCII,
    "LOCALE": re.NOFLAG,
    "L": re.NOFLAG,
    "DEBUG": re.NOFLAG,
}


@dataclass(frozen=True, slots=True)
class NotEditable(Exception):
    """There is no such file, or it is none that can be edited."""

    comment: str
    is_missing: bool = False


def read(context: StateContext, name: str) -> str:
    """Give the text of the file that is to be edited. Raises `NotEditable`, `HostError`."""
    if not name.startswith("/"):
        raise NotEditable(f"Specified file {name} is not an absolute path")
    kind = kind_of(context, name)
    if kind == "":
        raise NotEditable(f"{name}: file not found", is_missing=True)
    if kind != "file":
        raise NotEditable(f"{name} is not a file")
    return text.read_text(context, name)


def finish(
    context: StateContext,
    name: str,
    before: str,
    after: str,
    *,
    backup: Loose = "",
    shows: bool = True,
    done: str = "Changes were made",
    announced: str = "Changes would be made",
    nothing: str = "No changes needed to be made",
) -> Outcome:
    """Write the edited text, or say in test mode that it would be; nothing where nothing changes.

    `backup` that is a text is put behind the name of a copy of the old file.
    """
    if before == after:
        return Outcome(True, nothing)
    changes: dict[str, Any] = {"diff": shown_difference(before, after) if shows else True}
    if context.is_test:
        return Outcome(None, announced, changes)
    store(context, name, after, backup)
    return Outcome(True, done, changes)


def store(context: StateContext, name: str, after: str, backup: Loose) -> None:
    """Write the text; a backup that begins with a dot is a copy beside the file."""
    if isinstance(backup, str) and backup.startswith("."):
        facts = context.file_system.facts(name, is_following=True)
        assert facts is not None, "it has just been read"
        content = context.file_system.read(name)
        context.file_system.place(
            f"{name}{backup}", content, mode=facts.mode, uid=facts.uid, gid=facts.gid
        )
        backup = ""
    write(context, name, text.as_bytes(after), backup=backup)


def shown_difference(before: str, after: str) -> str:
    """Show what differs, as text that can be sent."""
    return text.unified(text.shown(before).splitlines(True), text.shown(after).splitlines(True))


def flags_of(flags: Loose) -> int:
    """Read flags of a regular expression: a number, a name, or a list of names."""
    if isinstance(flags, int):
        return flags
    found = 0
    for each in [flags] if isinstance(flags, str) else flags or []:
        if str(each).upper() not in _FLAGS:
            raise HostError(
                f"there is no flag {each!r} of a regular expression: {', '.join(_FLAGS)}"
            )
        found |= _FLAGS[str(each).upper()]
    return found


def compiled(pattern: Loose, flags: int = 0) -> re.Pattern[str]:
    """Compile a regular expression. Raises `HostError` that shows where it breaks."""
    try:
        return re.compile(str(pattern), flags)
    except (re.error, OverflowError) as error:
        raise HostError(f"{pattern!r} is no regular expression: {error}") from error


def loose_whitespace(chunk: str) -> str:
    """Give a regular expression for the text in which any white space stands for any other."""
    pattern = ""
    for line in chunk.splitlines():
        words = [re.escape(word) for word in line.split()]
        pattern += r"(?:[\s]+)?" + r"(?:[\s]+)?".join(words) + r"(?:[\s]+)?"
    return f"(?m)^{pattern}$" if pattern else r"(?m)^$"
