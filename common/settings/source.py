"""YAML text as plain data that remembers the line of each value.

The text is untrusted until it has passed a budget on its events (size, depth, nodes, aliases, one
document), so no file can cost more memory or time than it has lines. Only plain YAML is made: no
tags of Python, no merge keys, no dates.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from limpet.common.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import yaml

BYTES_MAX: Final = 1024 * 1024
DEPTH_MAX: Final = 32
NODES_MAX: Final = 50_000
ALIASES_MAX: Final = 100

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
Path = tuple[str | int, ...]
"""The way to a value: keys of mappings and indexes of lists."""


@dataclass(slots=True)
class Source:
    """The data of one YAML document, and where each value stands."""

    name: str
    data: Value = None
    lines: dict[Path, int] = field(default_factory=dict)

    def error(self, message: str, path: Path = ()) -> SourceError:
        """Make an error at the line of a value, or of what holds it."""
        while path and path not in self.lines:
            path = path[:-1]
        return SourceError(message, self.name, self.lines.get(path))


def read_source(text: bytes, name: str) -> Source:
    """Read one YAML document; an empty one has the data None.

    Raises `SourceError` with the line of the first thing that is wrong.
    """
    if len(text) > BYTES_MAX:
        raise SourceError(f"larger than {BYTES_MAX} bytes", name)
    try:
        characters = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise SourceError("not UTF-8 text", name, line) from error
    source = Source(name)
    if not characters.strip():
        return source
    import yaml

    loader_type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_budget(yaml.parse(characters, loader_type), name)
        loader = loader_type(characters)
        try:
            node = loader.get_single_node()
            if node is not None:
                source.data = _Builder(source, loader).build(node, (), ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "bad YAML"
        line_number = None if mark is None else mark.line + 1
        raise SourceError(f"bad YAML: {problem}", name, line_number) from error
    except yaml.reader.ReaderError as error:
        line = characters.count("\n", 0, max(error.position, 0)) + 1
        raise SourceError(
            f"bad YAML: a control character ({error.character!a}) is not allowed", name, line
        ) from error
    except yaml.YAMLError as error:
        raise SourceError(f"bad YAML: {error}", name) from error
    return source


def _check_budget(events: "Iterable[yaml.Event]", name: str) -> None:
    """Walk the events, which costs little, before anything is built of them."""
    import yaml

    depth = nodes = aliases = documents = 0
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.events.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.events.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.events.AliasEvent):
            aliases += 1
        elif isinstance(event, yaml.events.DocumentStartEvent):
            documents += 1
        nodes += isinstance(event, yaml.events.NodeEvent)
        for count, limit, what in (
            (depth, DEPTH_MAX, "nested too deeply"),
            (nodes, NODES_MAX, "too many values"),
            (aliases, ALIASES_MAX, "too many aliases"),
            (documents, 1, "a second document begins; only one is read"),
        ):
            if count > limit:
                raise SourceError(f"{what} (at most {limit})", name, line)


class _Builder:
    """Turns composed nodes into data, noting lines; aliases are bounded by their expanded size."""

    def __init__(self, source: Source, loader: "yaml.SafeLoader") -> None:
        self._source = source
        self._loader = loader
        self._nodes = 0

    def build(self, node: "yaml.Node", path: Path, above: tuple[int, ...]) -> Value:
        """Build the data of a node; `above` are the nodes that it stands in."""
        import yaml

        self._source.lines.setdefault(path, node.start_mark.line + 1)
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise self._source.error(f"too many values (at most {NODES_MAX})", path)
        if id(node) in above:
            raise self._source.error("an alias stands inside of what it names", path)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        inside = (*above, id(node))
        if node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise self._source.error(f"the tag {node.tag!a} is not allowed here", path)
        if isinstance(node, yaml.SequenceNode):
            return [
                self.build(item, (*path, index), inside) for index, item in enumerate(node.value)
            ]
        assert isinstance(node, yaml.MappingNode)
        mapping: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            line = key_node.start_mark.line + 1
            if key in mapping:
                first = self._source.lines[(*path, key)]
                raise SourceError(
                    f"the key {key!a} stands here a second time (first in line {first})",
                    self._source.name,
                    line,
                )
            self._source.lines[(*path, key)] = line
            mapping[key] = self.build(value_node, (*path, key), inside)
        return mapping

    def _key(self, node: "yaml.Node", path: Path) -> str:
        import yaml

        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            raise SourceError("a key must be one word", self._source.name, line)
        if node.tag == "tag:yaml.org,2002:merge":
            raise SourceError("merge keys (<<) are not read here", self._source.name, line)
        return str(node.value)

    def _scalar(self, node: "yaml.ScalarNode", path: Path) -> Value:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if kind in ("str", "timestamp", "value"):
            return str(node.value)
        if kind not in ("null", "bool", "int", "float"):
            raise self._source.error(f"the tag {node.tag!a} is not allowed here", path)
        try:
            built: Value = self._loader.construct_object(node)
        except ValueError as error:
            raise self._source.error(f"{node.value!a} is no {kind}", path) from error
        return built
