"""States called one by one or as a run, in a directory of the test's own."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limpet.states.context import Places
from limpet.states.fileroots.port import SourceFacts
from limpet.states.host.machine import ThisMachine
from limpet.states.library import registry
from limpet.states.library.context import Chunk, StateContext
from limpet.states.outcome import Outcome
from limpet.states.ports.machine import Host
from limpet.states.runner.run import Run
from support.fakes.host import make_context

if TYPE_CHECKING:
    from limpet.states.fileroots.downloads import Fetching


@dataclass
class FakeTree:
    """A tree of files by path; templates are filled by `str.format_map`.

    `StateBench` gives it a folder for copies; `fetched` names the sources that were copied.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cache: str = ""
    fetched: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def read(self, source: str, saltenv: str) -> bytes | None:
        if source.startswith("/"):
            path = Path(source)
            return path.read_bytes() if path.is_file() else None
        return self.files.get(source.removeprefix("salt://").partition("?")[0])

    def look(self, source: str, saltenv: str) -> SourceFacts | None:
        if source.startswith("http"):
            return None
        content = self.read(source, saltenv)
        if content is None:
            return None
        digest = hashlib.sha256(content).hexdigest() if source.startswith("salt://") else ""
        return SourceFacts(len(content), 0o640, digest)

    def local_copy(self, source: str, saltenv: str, how: "Fetching | None" = None) -> str | None:
        if source.startswith("/"):
            return source
        content = self.read(source, saltenv)
        if content is None:
            return None
        with tempfile.NamedTemporaryFile(dir=self.cache, delete=False) as file:
            file.write(content)
        self.fetched.append(source)
        return file.name

    def forget(self, source: str, saltenv: str) -> None:
        self.forgotten.append(source)

    def mode(self, source: str, saltenv: str) -> int | None:
        return 0o640 if self.read(source, saltenv) is not None else None

    def names(self, folder: str, saltenv: str) -> list[str]:
        inside = folder.removeprefix("salt://").strip("/") + "/"
        return sorted(each[len(inside) :] for each in self.files if each.startswith(inside))

    def folders(self, folder: str, saltenv: str) -> list[str]:
        found = {name.rpartition("/")[0] for name in self.names(folder, saltenv)}
        return sorted(found - {""})

    def links(self, folder: str, saltenv: str) -> dict[str, str]:
        return {}

    def render(
        self, text: str, engine: str, variables: Mapping[str, Any], *, saltenv: str, source: str
    ) -> str:
        return text.format_map(variables)


@dataclass
class StateBench:
    """The real machine's files and commands unless `host` is another, made-up grains and pillar."""

    place: Path
    tree: FakeTree = field(default_factory=FakeTree)
    grains: dict[str, Any] = field(default_factory=lambda: {"os": "Debian"})
    pillar: dict[str, Any] = field(default_factory=dict)
    host: Host = field(default_factory=ThisMachine)

    def context(self, *, is_test: bool = False) -> StateContext:
        functions = make_context(grains=self.grains, pillar=self.pillar)
        functions.host = self.host
        functions.is_published = False
        state = self.place / ".state"
        state.mkdir(mode=0o700, exist_ok=True)
        if isinstance(self.tree, FakeTree):
            self.tree.cache = str(state)
        functions.places = Places(self.place / "minion.yaml", state / "grains", state)
        return StateContext(functions=functions, tree=self.tree, is_test=is_test)

    def call(self, called: str, /, *, is_test: bool = False, **arguments: Any) -> Outcome:  # noqa: ANN401
        """Call one state function with the arguments of its chunk."""
        function = registry.find(called)
        assert function is not None
        context = self.context(is_test=is_test)
        context.low = {"__id__": "it", "__sls__": "main", **arguments}
        return registry.call(function, context, arguments)

    def run(self, *chunks: Chunk, is_test: bool = False, **more: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401
        """Run chunks; give the results by id, in the order in which they were made."""
        results = Run(self.context(is_test=is_test), **more).apply(list(chunks))
        ordered = sorted(results.values(), key=lambda each: each["__run_num__"])
        return {str(each.get("__id__", each["name"])): each for each in ordered}


def chunk(state: str, id_: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make a low chunk of `test.nop` and the like."""
    module, _, function = state.partition(".")
    return {
        "state": module,
        "fun": function,
        "__id__": id_,
        "__sls__": "main",
        "__env__": "base",
        "name": id_,
        "order": 10_000,
        **more,
    }


def ends(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Give only how each state ended."""
    return {id_: each["result"] for id_, each in results.items()}


def ran(results: Mapping[str, Mapping[str, Any]]) -> Sequence[str]:
    """Give the ids of the states that were really run, in order."""
    return [id_ for id_, each in results.items() if each.get("__state_ran__", True)]
