"""The text of an INI file as lines, so that comments and what is not understood stay. Pure."""

import re
from dataclasses import dataclass, field

from limpet.states.data.lines import lines_of

_HEADER = re.compile(r"\s*\[(?P<name>.+)\]\s*")


@dataclass(slots=True)
class Section:
    """What stands below one header: options by name, other lines as they are."""

    lines: list[tuple[str | None, str]] = field(default_factory=list)
    """Each an option with its value, or None with the whole line."""

    def options(self) -> dict[str, str]:
        """Give the options."""
        return {name: value for name, value in self.lines if name is not None}

    def set(self, name: str, value: str) -> str | None:
        """Set an option; give what it was, None: it was not there."""
        for place, (present, before) in enumerate(self.lines):
            if present == name:
                self.lines[place] = (name, value)
                return before
        end = len(self.lines)
        while end and self.lines[end - 1] == (None, ""):
            end -= 1
        self.lines.insert(end, (name, value))
        return None

    def remove(self, name: str) -> str | None:
        """Take an option out; give what it was, None: it was not there."""
        before = self.options().get(name)
        self.lines = [each for each in self.lines if each[0] != name]
        return before


class Document:
    """An INI file; the section `""` is what stands before the first header."""

    def __init__(self, text: str, separator: str = "=") -> None:
        self._separator = separator.strip() or " "
        sign = re.escape(self._separator)
        between = r"\s+" if self._separator == " " else rf"\s*{sign}\s*"
        name = r"\S+?" if self._separator == " " else rf"[^{sign}]+?"
        self._option = re.compile(rf"\s*(?P<name>[^#;\s]{name}|[^#;\s]){between}(?P<value>.*?)\s*")
        self.sections: dict[str, Section] = {"": Section()}
        section = self.sections[""]
        for line in lines_of(text):
            header = _HEADER.fullmatch(line)
            if header is not None:
                section = self.sections.setdefault(header["name"], Section())
                continue
            option = self._option.fullmatch(line)
            if option is None:
                section.lines.append((None, line))
            else:
                section.lines.append((option["name"].strip(), option["value"]))

    def options(self, section: str) -> dict[str, str]:
        """Give the options of a section; none if there is no such section."""
        found = self.sections.get(section)
        return {} if found is None else found.options()

    def data(self) -> dict[str, str | dict[str, str]]:
        """Give all options, those before the first header at the top."""
        found: dict[str, str | dict[str, str]] = {}
        for name, section in self.sections.items():
            if name:
                found[name] = section.options()
            else:
                found.update(section.options())
        return found

    def text(self, *, has_spaces: bool = True) -> str:
        """Write it, with one empty line before each header."""
        sign = self._separator
        between = f" {sign} " if has_spaces and sign != " " else sign
        parts = []
        for name, section in self.sections.items():
            lines = [f"[{name}]"] if name else []
            lines += [
                line if option is None else f"{option}{between}{line}".rstrip()
                for option, line in section.lines
            ]
            while lines and not lines[-1].strip():
                lines.pop()
            if lines:
                parts.append("\n".join(lines) + "\n")
        return "\n".join(parts)
