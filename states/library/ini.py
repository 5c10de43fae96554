"""The `ini` states: options and sections of INI files."""

from typing import Any

from limpet.common.errors import LimpetError
from limpet.states.context import Loose
from limpet.states.functions.ini import put
from limpet.states.functions.ini.document import Document
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed

_DONE = "Changes take effect"
_NOTHING = "No anomaly detected"


def options_present(
    context: StateContext,
    name: str,
    sections: Loose = None,
    separator: str = "=",
    strict: bool = False,
    encoding: str | None = None,
    no_spaces: bool = False,
    **_odd: Loose,
) -> Outcome:
    """See to it that options have these values; with `strict` that there are no others."""
    wanted = sections if isinstance(sections, dict) else {}

    def change(document: Document) -> dict[str, Any]:
        gone = _others(document, wanted) if strict else {}
        changes = put(document, wanted)
        for key, values in gone.items():
            if key in changes and key in wanted:
                changes[key] = {**values, **changes[key]}
            else:
                changes[key] = values
        return changes

    return _changed(context, name, separator, encoding, no_spaces, change)


def options_absent(
    context: StateContext,
    name: str,
    sections: Loose = None,
    separator: str = "=",
    encoding: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that there are no such options."""
    unwanted = sections if isinstance(sections, dict) else {}

    def change(document: Document) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        for section, keys in unwanted.items():
            if not isinstance(keys, list | dict):
                before = document.sections[""].remove(str(section))
                changes |= {} if before is None else {str(section): before}
                continue
            found = document.sections.get(str(section))
            removed = {str(key): found.remove(str(key)) for key in keys} if found else {}
            removed = {key: before for key, before in removed.items() if before is not None}
            changes |= {str(section): removed} if removed else {}
        return changes

    return _changed(context, name, separator, encoding, False, change)


def sections_present(
    context: StateContext,
    name: str,
    sections: Loose = None,
    separator: str = "=",
    encoding: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that there are these sections, with options if they are given."""
    wanted = {
        str(each): (sections[each] if isinstance(sections, dict) else {}) or {}
        for each in (sections or [])
    }
    return _changed(
        context, name, separator, encoding, False, lambda document: put(document, wanted)
    )


def sections_absent(
    context: StateContext,
    name: str,
    sections: Loose = None,
    separator: str = "=",
    encoding: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that there are no such sections."""

    def change(document: Document) -> dict[str, Any]:
        found = {}
        for each in sections or []:
            if str(each) and str(each) in document.sections:
                found[str(each)] = document.sections.pop(str(each)).options()
        return found

    return _changed(context, name, separator, encoding, False, change)


def _others(document: Document, wanted: dict[str, Any]) -> dict[str, Any]:
    """Take out what is not wanted; give it in the shape of changes."""
    changes: dict[str, Any] = {}
    for key in list(document.sections[""].options()):
        if key not in wanted:
            before = document.sections[""].remove(key)
            changes[key] = {"before": before, "after": None}
    for name in [each for each in document.sections if each]:
        if name not in wanted:
            changes[name] = {"before": document.sections.pop(name).options(), "after": None}
            continue
        options = wanted[name] if isinstance(wanted[name], dict) else {}
        known = {str(key) for key in options}
        section = document.sections[name]
        gone = [key for key in section.options() if key not in known]
        if gone:
            changes[name] = {key: {"before": section.remove(key), "after": None} for key in gone}
    return changes


def _changed(
    context: StateContext,
    path: str,
    separator: str,
    encoding: str | None,
    no_spaces: bool,
    change: Any,  # noqa: ANN401 — a change of a document that gives what it changed
) -> Outcome:
    """Read, change, and write what was changed; in test mode say only that it would be."""
    files = context.file_system
    try:
        content = b""
        if files.facts(path, is_following=True) is not None:
            content = files.read(path)
        document = Document(content.decode(encoding or "utf-8", "surrogateescape"), separator)
        changes = change(document)
        if not changes:
            return Outcome(True, _NOTHING)
        if context.is_test:
            told = "\n".join(f"Changed {each}." for each in changes)
            return Outcome(None, told)
        text = document.text(has_spaces=not no_spaces)
        files.place(path, text.encode(encoding or "utf-8", "surrogateescape"), mode=None)
    except (LookupError, UnicodeError) as error:
        return failed(f"{path} can't be edited with encoding {encoding!r}: {error}")
    except LimpetError as error:
        return failed(str(error))
    return Outcome(True, _DONE, changes)
