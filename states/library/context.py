"""What every state function is handed first: the context of one state in one run.

A state reaches the machine through `context.host`, execution functions through `context.call`, and
files of the tree and templates through `context.tree`. Nothing is injected into modules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from limpet.states.context import FunctionContext, Loose
from limpet.states.fileroots.port import SourceFacts
from limpet.states.ports.file_system import FileSystem
from limpet.states.ports.machine import Host

if TYPE_CHECKING:  # it loads what speaks to web servers
    from limpet.states.fileroots.downloads import Fetching

Chunk = Mapping[str, Any]
"""One low chunk, in Salt's shape."""


def tag_of(chunk: Chunk) -> str:
    """Give the key of a chunk's result: `module_|-id_|-name_|-function`."""
    return f"{chunk['state']}_|-{chunk['__id__']}_|-{chunk['name']}_|-{chunk['fun']}"


class Tree(Protocol):
    """The tree of files that the run belongs to, and templates rendered as in that tree.

    All raise `HostError`, or `SourceError` where a template is wrong.
    """

    def read(self, source: str, saltenv: str) -> bytes | None:
        """Give the content of a source (`salt://`, `file://`, a path, http); None: no such file."""
        ...

    def look(self, source: str, saltenv: str) -> SourceFacts | None:
        """Say what is known of a source without fetching it; None: no such file.

        Of a file on the web: that there is one.
        """
        ...

    def local_copy(self, source: str, saltenv: str, how: "Fetching | None" = None) -> str | None:
        """Give the path of a file here with the source's content, fetched if need be.

        None: no such file. Read it at once; the file is not the caller's to change.
        """
        ...

    def forget(self, source: str, saltenv: str) -> None:
        """Remove what was kept here of a source on the web (`keep_source: False`)."""
        ...

    def mode(self, source: str, saltenv: str) -> int | None:
        """Give the permission bits of a source; None: no such file, or nobody knows."""
        ...

    def names(self, folder: str, saltenv: str) -> list[str]:
        """Give the paths of all files below a folder of the tree, relative to that folder."""
        ...

    def folders(self, folder: str, saltenv: str) -> list[str]:
        """Give the paths of all folders below a folder of the tree, relative to it."""
        ...

    def links(self, folder: str, saltenv: str) -> dict[str, str]:
        """Give the symbolic links below a folder of the tree with what they point at."""
        ...

    def render(
        self, text: str, engine: str, variables: Mapping[str, Any], *, saltenv: str, source: str
    ) -> str:
        """Render a template; `source` is what relative imports and error messages name."""
        ...


@dataclass(slots=True, kw_only=True)
class StateContext:
    """The context of one state."""

    functions: FunctionContext
    """Calls execution functions; knows host, grains, pillar and configuration."""
    tree: Tree
    is_test: bool = False
    """Change nothing; say what would change."""
    low: Chunk = field(default_factory=dict)
    """The chunk that is run."""
    lowstate: Sequence[Chunk] = ()
    """All chunks of the run: `file.directory` with `clean` looks for what is managed elsewhere."""
    running: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The results so far, by tag."""
    accumulators: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    """What `file.accumulated` has gathered in this run: by file, then by name."""
    saltenv: str = "base"

    @property
    def host(self) -> Host:
        """The machine."""
        return self.functions.host

    @property
    def file_system(self) -> FileSystem:
        """The machine's files."""
        return self.functions.host.file_system

    @property
    def grains(self) -> Mapping[str, Any]:
        """The facts of this host."""
        return self.functions.grains

    @property
    def pillar(self) -> Mapping[str, Any]:
        """The minion's pillar."""
        return self.functions.pillar

    def call(self, name: str, /, *positional: Loose, **keyword: Loose) -> Loose:
        """Call an execution function. Raises `UsageError`, `HostError`."""
        return self.functions.call(name, *positional, **keyword)
