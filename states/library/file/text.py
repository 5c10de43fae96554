"""Text of files: what SLS gives as contents, what differs, what is shown of it."""

import difflib
from collections.abc import Sequence

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext


def as_lines(value: Loose) -> list[str]:
    """Give text, or a list of it, as a list of texts; other values as they are printed."""
    if isinstance(value, bytes):
        return [value.decode("utf-8", "surrogateescape")]
    if isinstance(value, list | tuple):
        return [each if isinstance(each, str) else str(each) for each in value]
    return [value if isinstance(value, str) else str(value)]


def joined(value: Loose, *, has_newline: bool = True) -> str:
    """Give contents as a file has them: every part on its own lines, one newline at the end."""
    text = "".join(f"{line}\n" for part in as_lines(value) for line in part.splitlines())
    return text if has_newline else text.rstrip("\n").rstrip("\r")


def decoded(content: bytes) -> str | None:
    """Give content as text, None where it is binary (a NUL, or no UTF-8)."""
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return content.decode("latin-1") if _is_mostly_text(content) else None
        except UnicodeDecodeError:
            return None


def _is_mostly_text(content: bytes) -> bool:
    """Say whether there are hardly any control characters: an old encoding rather than binary."""
    head = content[:4096]
    odd = sum(byte < 32 and byte not in (9, 10, 12, 13, 27) for byte in head)
    return odd * 20 < len(head)


def difference(before: bytes, after: bytes) -> str:
    """Show what differs, in Salt's words where one of them is binary. Empty: nothing."""
    if before == after:
        return ""
    old, new = decoded(before), decoded(after)
    if old is None and new is None:
        return "Replace binary file"
    if old is None:
        return "Replace binary file with text file"
    if new is None:
        return "Replace text file with binary file"
    return unified(old.splitlines(True), new.splitlines(True))


def unified(before: Sequence[str], after: Sequence[str]) -> str:
    """Show the difference of two lists of lines, without names of files."""
    return "".join(difflib.unified_diff(before, after))


def unified_lines(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Give the lines that `unified` joins."""
    return list(difflib.unified_diff(before, after))


def read_text(context: StateContext, path: str) -> str:
    """Read a file that is to be edited as text; bytes that are no UTF-8 come through unchanged."""
    content = context.file_system.read(path)
    if b"\0" in content[: 1024 * 1024]:
        raise HostError(f"{path} is a binary file, which can't be edited as text")
    return content.decode("utf-8", "surrogateescape")


def as_bytes(text: str) -> bytes:
    """Give the bytes of text that `read_text` has read, or that is new."""
    return text.encode("utf-8", "surrogateescape")


def shown(text: str) -> str:
    """Give text that may hold bytes which are no UTF-8 in a form that can be sent and printed."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
