"""YAML with the place of everything in it, and rendered text with the lines it came from."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from limpet.states.sls.yaml_source import Ordered, Path, Reader, load_with

_MARKED: Final = re.compile("\ue000(\\d+)\ue001")


def mark(line: int) -> str:
    """Give a mark that stands for a line of the source; it goes when text is `unmarked`."""
    return f"\ue000{line}\ue001"


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column of a source file; both begin at 1."""

    line: int | None = None
    column: int | None = None


@dataclass(slots=True)
class LineMap:
    """Which line of the source each line of a rendered text came from."""

    source: list[str]
    rendered: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def place(self, line: int | None, column: int | None = None) -> Place:
        """Turn a place in the rendered text into one of the source."""
        if line is None:
            return Place()
        if not 1 <= line <= len(self.lines):
            return Place(min(line, len(self.source)) or None)
        source_line = self.lines[line - 1]
        if column is None or not 1 <= source_line <= len(self.source):
            return Place(source_line)
        written, made = self.source[source_line - 1], self.rendered[line - 1]
        if written == made:
            return Place(source_line, column)
        word = re.match(r"[\w.:/-]+", made[column - 1 :])
        found = written.find(word.group(0)) if word else -1
        return Place(source_line, found + 1 if found >= 0 else None)


def unmarked(text: str, source: str) -> tuple[str, LineMap]:
    """Take the marks out of a rendered text; without marks line is line."""
    found = LineMap(source.splitlines())
    if "\ue000" not in text:
        found.rendered = text.split("\n")
        found.lines = list(range(1, len(found.rendered) + 1))
        return text, found
    current = 1
    for each in text.split("\n"):
        marks = _MARKED.findall(each)
        found.lines.append(int(marks[0]) if marks else current)
        if marks:
            current = int(marks[-1])
        found.rendered.append(_MARKED.sub("", each))
    return "\n".join(found.rendered), found


@dataclass(frozen=True, slots=True)
class Repeated:
    """A key that stands twice in one mapping."""

    path: Path
    key: Any
    place: tuple[int, int]
    first_line: int


class PlacedReader(Reader):
    """Reads YAML, keeps the place of everything, and goes on after repeated keys."""

    def __init__(self, text: str, name: str, mapping: type[dict[Any, Any]]) -> None:
        super().__init__(text, name, mapping, secret=str)
        self.keys: dict[Path, tuple[int, int]] = {}
        self.values: dict[Path, tuple[int, int]] = {}
        self.repeated: list[Repeated] = []
        self._here = (1, 1)
        self._opened: list[tuple[int, int]] = []

    def take(self, event: Any) -> None:  # noqa: ANN401
        """Take the next event of the parser. Raises `RenderError`."""
        here = (event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.CollectionStartEvent):
            self._opened.append(here)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._here = self._opened.pop()
        else:
            self._here = here
        super().take(event)

    def _put(self, value: Any, line: int | None = None) -> None:  # noqa: ANN401
        if self._stack:
            frame = self._stack[-1]
            if frame.kind == "seq":
                self.values[(*frame.path, len(frame.value))] = self._here
            elif self._has_key(frame):
                self.values[(*frame.path, frame.key)] = self._here
        super()._put(value, line)

    def _key(self, frame: Any, key: Any, line: int) -> None:  # noqa: ANN401
        is_plain = not isinstance(key, dict | list | set)
        if is_plain and key in frame.lines:
            self.repeated.append(Repeated(frame.path, key, self._here, frame.lines[key]))
            frame.key = key
            return
        super()._key(frame, key, line)
        if is_plain and self._has_key(frame):
            self.keys.setdefault((*frame.path, key), self._here)


@dataclass(slots=True)
class PlacedDocument:
    """The data of one YAML text with places."""

    data: Any = None
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    repeated: list[Repeated] = field(default_factory=list)

    def at(self, path: Path, *, is_value: bool = False) -> tuple[int, int] | None:
        """Give the place of a key (or of its value), or of the nearest thing that holds it."""
        while path:
            if is_value and path in self.values:
                return self.values[path]
            found = self.keys.get(path) or self.values.get(path)
            if found is not None:
                return found
            path = path[:-1]
        return None


def read_placed(text: str, name: str) -> PlacedDocument:
    """Read YAML with places. Raises `RenderError` with the line of the rendered text."""
    reader = PlacedReader(text, name, Ordered)
    load_with(reader, text, name)
    return PlacedDocument(reader.data, reader.keys, reader.values, reader.repeated)
