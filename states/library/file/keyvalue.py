"""`file.keyvalue`: lines such as `Port 22`, each key with its value."""

from dataclasses import dataclass, field
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file import editing
from limpet.states.outcome import Outcome, failed


@dataclass(frozen=True, slots=True)
class KeyValueOptions:
    """Arguments of `file.keyvalue`."""

    name: str
    key: Loose = None
    value: Loose = None
    key_values: Loose = None
    separator: str = "="
    append_if_not_found: bool = False
    prepend_if_not_found: bool = False
    search_only: bool = False
    """No effect, as with Salt."""
    show_changes: bool = True
    ignore_if_missing: bool = False
    count: int = 1
    """How many lines of a key there may be, the others go; below 0: any number. 0 removes a key."""
    uncomment: str | None = None
    """The signs that a comment begins with: a commented line of a key is used."""
    key_ignore_case: bool = False
    value_ignore_case: bool = False
    create_if_missing: bool = False


@dataclass(slots=True)
class _Edit:
    """The lines as they will be, and what a person is shown of the change."""

    lines: list[str] = field(default_factory=list)
    diff: list[str] = field(default_factory=list)
    changed: int = 0


def keyvalue(context: StateContext, options: KeyValueOptions) -> Outcome:
    """See to it that keys have their values; keys that are not there are added if asked for."""
    name = options.name
    pairs = _pairs(options)
    if isinstance(pairs, str):
        return failed(pairs)
    try:
        before = editing.read(context, name)
    except editing.NotEditable as error:
        if error.is_missing and options.create_if_missing:
            before = ""
        elif error.is_missing and options.ignore_if_missing:
            return Outcome(True, f"{name}: file not found")
        else:
            return failed(error.comment)
    except HostError as error:
        return failed(str(error))
    edit, left = _edited(before, pairs, options)
    if left and (options.append_if_not_found or options.prepend_if_not_found):
        _add(edit, {key: pairs[key] for key in left}, options)
    if not edit.diff:
        return Outcome(True)
    shown = "".join(f"{line}\n" for line in edit.diff)
    changes: dict[str, Any] = {"diff": shown if options.show_changes else True}
    if context.is_test:
        comment = f"File {name} is set to be changed ({edit.changed} lines modified, 0 deleted)"
        if options.show_changes:
            comment += "\nPredicted diff:\n" + "".join(f"\r\t\t{line}\n" for line in edit.diff)
        return Outcome(None, comment, changes)
    try:
        if before or not options.create_if_missing:
            editing.store(context, name, "".join(edit.lines), "")
        else:
            context.file_system.place(name, "".join(edit.lines).encode(), mode=None)
    except HostError as error:
        return failed(str(error))
    return Outcome(True, f"Changed {edit.changed}, deleted 0 lines", changes)


def _pairs(options: KeyValueOptions) -> dict[str, Any] | str:
    if options.key is not None:
        if options.key_values is not None:
            return "file.keyvalue can not combine key_values with key and value"
        return {str(options.key): options.value}
    if not isinstance(options.key_values, dict) or not options.key_values:
        return "file.keyvalue key and value not supplied and key_values is not a dictionary"
    return {str(key): value for key, value in options.key_values.items()}


def _edited(
    before: str, pairs: dict[str, Any], options: KeyValueOptions
) -> tuple[_Edit, list[str]]:
    """Give the edited lines, and the keys that no line has."""
    edit = _Edit()
    seen: dict[str, int] = {}
    for line in before.splitlines(True):
        found = _key_of(line, pairs, options)
        if found is None:
            edit.lines.append(line)
            continue
        if 0 <= options.count <= seen.get(found[0], 0):
            seen[found[0]] = seen.get(found[0], 0) + 1
            edit.diff.append(f"- {line.rstrip(chr(10))}")
            edit.changed += 1
            continue
        key, written, has_value, is_commented = found
        value = str(pairs[key])
        is_same = (
            has_value.lower() == value.lower() if options.value_ignore_case else has_value == value
        )
        seen[key] = seen.get(key, 0) + 1
        if is_same and not is_commented:
            edit.lines.append(line)
            continue
        new = f"{written}{options.separator}{value}"
        edit.lines.append(f"{new}\n")
        edit.diff += [f"- {line.rstrip(chr(10))}", f"+ {new}{_kind(pairs[key])}"]
        edit.changed += 1
    return edit, [key for key in pairs if key not in seen]


def _key_of(
    line: str, pairs: dict[str, Any], options: KeyValueOptions
) -> tuple[str, str, str, bool] | None:
    """Give the key of a line as asked for and as written, its value, whether it is a comment."""
    plain = line.strip()
    stripped = plain.lstrip(options.uncomment).lstrip() if options.uncomment else plain
    word, separator, value = stripped.partition(options.separator)
    if not separator:
        return None
    word = word.strip()
    for key in pairs:
        if word == key or (options.key_ignore_case and word.lower() == key.lower()):
            return key, word, value.strip(), stripped != plain
    return None


def _add(edit: _Edit, pairs: dict[str, Any], options: KeyValueOptions) -> None:
    """Add keys that no line has, at the end or at the head."""
    added, shown = [], []
    for key, value in pairs.items():
        new = f"{key}{options.separator}{value}"
        added.append(f"{new}\n")
        shown.append(f"+ {new}")
        edit.changed += 1
    if options.append_if_not_found:
        if edit.lines and not edit.lines[-1].endswith("\n"):
            edit.lines[-1] += "\n"
        edit.lines += added
        edit.diff += ["- <EOF>", *shown, "+ <EOF>"]
    else:
        edit.lines[:0] = added
        edit.diff[:0] = ["  <SOF>", *shown]


def _kind(value: Loose) -> str:
    """Say what a value was that is no text: YAML may have made a number of it by mistake."""
    return "" if isinstance(value, str) else f" (from {type(value).__name__} type)"
