"""YAML text as data, by Salt's rules, within a budget, with the line of each declaration.

The events of the parser are counted before anything is made of them, so no text costs more than
the budget: depth, values (those that aliases repeat are counted each time), aliases, one document.
An alias gives a copy: what is done to one use of it does not show in another.
"""

import base64
import copy
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from limpet.states.sls.errors import RenderError
from limpet.states.sls.scalars import BadScalar, build, full_tag, plain

BYTES_MAX: Final = 4 * 1024 * 1024
"""Of a rendered text; a template may make a large one of a small file."""
DEPTH_MAX: Final = 64
VALUES_MAX: Final = 250_000
ALIASES_MAX: Final = 1000
PLACE_DEPTH_MAX: Final = 4
_MARK: Final = "!secret"

Path = tuple[Any, ...]


class Ordered(dict[Any, Any]):
    """A mapping that came from a source file: dumped in the file's order, where others are sorted.

    It is a plain `dict` to everybody else.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> "Ordered":
        """Copy as a `dict` is copied, which is several times as fast as what a subclass gets."""
        made = memo[id(self)] = type(self)()
        for key, each in self.items():
            made[key] = each if type(each) in _SINGLE else copy.deepcopy(each, memo)
        return made


_SINGLE: Final = frozenset((str, int, float, bool, bytes, type(None)))
"""What nobody can change."""


@dataclass(slots=True)
class Document:
    """The data of one YAML text, and where things stand in it."""

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    """The line of each value down to the fourth level, by keys and indexes."""

    def line(self, *path: object) -> int | None:
        """Give the line of a value, or of the nearest one that holds it."""
        way: Path = tuple(path)
        while way and way not in self.lines:
            way = way[:-1]
        return self.lines.get(way)


class _Frame:
    """A collection that is being read."""

    __slots__ = ("anchor", "before", "key", "kind", "line", "lines", "merged", "path", "value")

    def __init__(
        self,
        kind: str,
        value: Any,  # noqa: ANN401
        line: int,
        path: Path,
        anchor: str | None,
        before: int,
    ) -> None:
        self.kind = kind
        self.line = line
        self.path = path
        self.anchor = anchor
        self.before = before
        """The values counted before this began."""
        self.value = value
        self.key: Any = _NO_KEY
        self.lines: dict[Any, int] = {}
        self.merged: list[Any] = []


class _NoKey:
    pass


class _Merge:
    """Stands for the key `<<`."""


_NO_KEY: Final = _NoKey()
_MERGE: Final = _Merge()


def load(
    text: str,
    name: str,
    mapping: type[dict[Any, Any]] = Ordered,
    secret: type[str] | None = None,
) -> Document:
    """Read one YAML document; an empty text has the data None. `mapping`: what mappings become.

    `secret` is what scalars with the tag `!secret` become; None: that tag is not known.

    Raises `RenderError` with the line of the first thing that is wrong.
    """
    reader = Reader(text, name, mapping, secret)
    load_with(reader, text, name)
    return Document(reader.data, reader.lines)


def load_with(reader: "Reader", text: str, name: str) -> None:
    """Read one YAML document with a reader, which has the data then. Raises `RenderError`."""
    if len(text) > BYTES_MAX:
        raise RenderError(f"more than {BYTES_MAX} characters of YAML", name)
    try:
        for event in yaml.parse(text, _LOADER):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        problem = error.problem or error.context or "not YAML"
        if "\\t" in problem or (line is not None and _is_tab(text, line)):
            problem = f"{problem} (a tab may not indent)"
        raise RenderError(problem, name, line, text) from error
    except yaml.reader.ReaderError as error:
        position = max(error.position, 0)
        line = text.count("\n", 0, position) + 1
        raise RenderError(
            f"a control character ({error.character!a}) is not allowed", name, line, text
        ) from error
    except yaml.YAMLError as error:
        raise RenderError(str(error), name) from error


_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _is_tab(text: str, line: int) -> bool:
    lines = text.splitlines()
    return line <= len(lines) and lines[line - 1].lstrip(" ").startswith("\t")


class Reader:
    """Builds data from events."""

    def __init__(
        self,
        text: str,
        name: str,
        mapping: type[dict[Any, Any]],
        secret: type[str] | None = None,
    ) -> None:
        self._secret = secret
        self._mapping = mapping
        self.data: Any = None
        self.lines: dict[Path, int] = {}
        self._text = text
        self._name = name
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open_anchors: set[str] = set()
        self._values = self._aliases = self._documents = 0
        self._line = 1

    def take(self, event: Any) -> None:  # noqa: ANN401
        """Take the next event of the parser. Raises `RenderError`."""
        mark = event.start_mark
        if mark is not None:
            self._line = mark.line + 1
        if isinstance(event, yaml.ScalarEvent):
            self._count(1)
            value = self._scalar(event)
            if event.anchor:
                self._anchors[event.anchor] = (value, 1)
            self._put(value)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open("map", event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open("seq", event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._error("expected a single document, but another one begins here")

    def _error(self, problem: str, line: int | None = None) -> RenderError:
        return RenderError(problem, self._name, line or self._line, self._text)

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > VALUES_MAX:
            raise self._error(f"more than {VALUES_MAX} values")

    def _open(self, kind: str, event: Any) -> None:  # noqa: ANN401
        self._count(1)
        if len(self._stack) >= DEPTH_MAX:
            raise self._error(f"nested deeper than {DEPTH_MAX}")
        tag = (event.tag or "").removeprefix("tag:yaml.org,2002:")
        if tag not in ("", "!", kind, "python/dict", "omap" if kind == "map" else kind):
            if (kind, tag) != ("map", "set"):
                told = f"could not determine a constructor for the tag '{full_tag(tag)}'"
                if tag == _MARK and self._secret is not None:
                    told = "!secret marks single values: list the key in `pillar_secret_keys`"
                raise self._error(told)
            kind = "set"
        if event.anchor:
            self._open_anchors.add(event.anchor)
        self._stack.append(
            _Frame(
                kind,
                [] if kind == "seq" else self._mapping(),
                self._line,
                self._next_path(),
                event.anchor,
                self._values - 1,
            )
        )

    def _next_path(self) -> Path:
        """Give the path of the value that begins now."""
        if not self._stack:
            return ()
        top = self._stack[-1]
        step = len(top.value) if top.kind == "seq" else top.key
        return (*top.path, step)

    def _close(self) -> None:
        frame = self._stack.pop()
        value = frame.value
        if frame.merged:
            value = self._merge(frame)
        if frame.kind == "set":
            value = set(value)
        if frame.anchor:
            self._open_anchors.discard(frame.anchor)
            self._anchors[frame.anchor] = (value, self._values - frame.before)
        self._put(value, frame.line)

    def _merge(self, frame: _Frame) -> dict[Any, Any]:
        """Lay a mapping over those that its `<<` names; of those the first that has a key gives."""
        under = self._mapping()
        for each in frame.merged:
            for one in each if isinstance(each, list) else [each]:
                if not isinstance(one, dict):
                    raise self._error("expected a mapping for merging (<<)", frame.line)
                for key, value in one.items():
                    if key not in under and key not in frame.value:
                        under[key] = value
        under.update(frame.value)
        return under

    def _alias(self, name: str | None) -> None:
        self._aliases += 1
        if self._aliases > ALIASES_MAX:
            raise self._error(f"more than {ALIASES_MAX} aliases")
        if name in self._open_anchors:
            raise self._error(f"the alias *{name} stands inside of what it names")
        if name not in self._anchors:
            raise self._error(f"found undefined alias '{name}'")
        value, size = self._anchors[str(name)]
        self._count(size)
        self._put(copy.deepcopy(value) if isinstance(value, dict | list | set) else value)

    def _put(self, value: Any, line: int | None = None) -> None:  # noqa: ANN401
        line = line or self._line
        if not self._stack:
            self.data = value
            return
        frame = self._stack[-1]
        if frame.kind == "seq":
            if len(frame.path) < PLACE_DEPTH_MAX:
                self.lines[(*frame.path, len(frame.value))] = line
            frame.value.append(value)
        elif frame.key is _NO_KEY:
            self._key(frame, value, line)
        else:
            if frame.key is _MERGE:
                frame.merged.append(value)
            else:
                frame.value[frame.key] = value
            frame.key = _NO_KEY

    @staticmethod
    def _has_key(frame: _Frame) -> bool:
        """Say whether a mapping waits for the value of a key that is no `<<`."""
        return frame.kind != "seq" and frame.key is not _NO_KEY and frame.key is not _MERGE

    def _key(self, frame: _Frame, key: Any, line: int) -> None:  # noqa: ANN401
        if isinstance(key, _Merge):
            frame.key = key
            return
        if isinstance(key, dict | list | set):
            raise self._error(
                "Invalid YAML: a key is a mapping or a list, possibly a double curly brace", line
            )
        if key in frame.lines:
            raise self._error(
                f"found conflicting ID '{key}', which stands in line {frame.lines[key]} already",
                line,
            )
        frame.lines[key] = line
        if len(frame.path) < PLACE_DEPTH_MAX:
            self.lines[(*frame.path, key)] = line
        frame.key = key

    def _scalar(self, event: Any) -> Any:  # noqa: ANN401
        try:
            if event.tag and event.tag != "!":
                return self._tagged(event.tag, event.value)
            if not event.implicit[0] or event.tag == "!":
                return event.value
            kind, value = plain(event.value)
        except BadScalar as error:
            raise self._error(str(error)) from error
        if kind not in ("merge", "value"):
            return value
        top = self._stack[-1] if self._stack else None
        is_key = top is not None and top.kind != "seq" and top.key is _NO_KEY
        if kind == "value" and not is_key:
            raise self._error(f"could not determine a constructor for the tag '{full_tag(kind)}'")
        return _MERGE if kind == "merge" and is_key else event.value

    def _tagged(self, tag: str, text: str) -> Any:  # noqa: ANN401
        kind = tag.removeprefix("tag:yaml.org,2002:")
        if kind == "binary":
            return self._binary(text)
        if tag == _MARK and self._secret is not None:
            return self._secret(text)
        if kind in ("python/unicode", "python/str"):
            kind = "str"
        if ":" in kind or kind.startswith("!"):
            raise BadScalar(f"could not determine a constructor for the tag '{tag}'")
        return build(text, kind)

    def _binary(self, text: str) -> bytes:
        try:
            return base64.b64decode(text.encode("ascii"))
        except ValueError as error:
            raise self._error("failed to decode base64 data") from error
