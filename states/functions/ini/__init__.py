"""`ini.*`: options in INI files, looked up and changed; comments and other lines stay."""

from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.ini.document import Document, Section


def get_option(
    context: FunctionContext,
    file_name: str,
    section: str,
    option: str,
    separator: str = "=",
    encoding: str | None = None,
) -> str | None:
    """Give the value of an option; None: there is none.

    CLI Example: limpet run '*' ini.get_option /path/to/ini section_name option_name
    """
    return _read(context, file_name, separator, encoding).options(section).get(option)


def get_section(
    context: FunctionContext,
    file_name: str,
    section: str,
    separator: str = "=",
    encoding: str | None = None,
) -> dict[str, str]:
    """Give the options of a section.

    CLI Example: limpet run '*' ini.get_section /path/to/ini section_name
    """
    return _read(context, file_name, separator, encoding).options(section)


def get_ini(
    context: FunctionContext,
    file_name: str,
    separator: str = "=",
    encoding: str | None = None,
) -> dict[str, Any]:
    """Give all sections with their options.

    CLI Example: limpet run '*' ini.get_ini /path/to/ini
    """
    return dict(_read(context, file_name, separator, encoding).data())


def set_option(
    context: FunctionContext,
    file_name: str,
    sections: Loose = None,
    separator: str = "=",
    encoding: str | None = None,
    no_spaces: bool = False,
) -> dict[str, Any]:
    """Set options by section; give what changed.

    CLI Example: limpet run '*' ini.set_option /path/to/ini '{section_foo: {key: value}}'
    """
    document = _read(context, file_name, separator, encoding)
    changes = put(document, sections if isinstance(sections, dict) else {})
    if changes:
        _write(context, file_name, document, encoding, no_spaces)
    return changes


def remove_option(
    context: FunctionContext,
    file_name: str,
    section: str,
    option: str,
    separator: str = "=",
    encoding: str | None = None,
) -> str | None:
    """Take an option out; give what it was.

    CLI Example: limpet run '*' ini.remove_option /path/to/ini section_name option_name
    """
    document = _read(context, file_name, separator, encoding)
    found = document.sections.get(section)
    before = None if found is None else found.remove(option)
    if before is not None:
        _write(context, file_name, document, encoding, False)
    return before


def remove_section(
    context: FunctionContext,
    file_name: str,
    section: str,
    separator: str = "=",
    encoding: str | None = None,
) -> dict[str, str] | None:
    """Take a section out with all that is in it; give its options.

    CLI Example: limpet run '*' ini.remove_section /path/to/ini section_name
    """
    document = _read(context, file_name, separator, encoding)
    found = document.sections.pop(section, None) if section else None
    if found is None:
        return None
    _write(context, file_name, document, encoding, False)
    return found.options()


def put(document: Document, wanted: dict[str, Any]) -> dict[str, Any]:
    """Set options in a document; give what changed, in Salt's shape. Raises `UsageError`."""
    changes: dict[str, Any] = {}
    for name, value in wanted.items():
        if not isinstance(value, dict):
            after = as_text(name, value)
            before = document.sections[""].set(str(name), after)
            if before != after:
                changes[str(name)] = {"before": before, "after": after}
            continue
        options = {str(key): as_text(key, each) for key, each in value.items()}
        is_new = str(name) not in document.sections
        section = document.sections.setdefault(str(name), Section())
        found = {key: (section.set(key, after), after) for key, after in options.items()}
        if is_new:
            changes[str(name)] = {"before": None, "after": options}
            continue
        changed = {
            key: {"before": before, "after": after}
            for key, (before, after) in found.items()
            if before != after
        }
        if changed:
            changes[str(name)] = changed
    return changes


def as_text(name: Loose, value: Loose) -> str:
    """Give a value as the file holds it. Raises `UsageError` for one of several lines."""
    text = str(value).strip()
    if "\n" in text:
        raise UsageError(f"ini: the value of {name!r} has several lines, which no option can have")
    return text


def _read(context: FunctionContext, path: str, separator: str, encoding: str | None) -> Document:
    files = context.host.file_system
    if files.facts(path, is_following=True) is None:
        return Document("", separator)
    try:
        text = files.read(path).decode(encoding or "utf-8", "surrogateescape")
    except (LookupError, UnicodeDecodeError) as error:
        raise HostError(f"{path} can't be read with encoding {encoding!r}: {error}") from error
    return Document(text, separator)


def _write(
    context: FunctionContext,
    path: str,
    document: Document,
    encoding: str | None,
    no_spaces: bool,
) -> None:
    try:
        content = document.text(has_spaces=not no_spaces).encode(
            encoding or "utf-8", "surrogateescape"
        )
    except (LookupError, UnicodeEncodeError) as error:
        raise HostError(f"{path} can't be written with encoding {encoding!r}: {error}") from error
    context.host.file_system.place(path, content, mode=None)
