"""Trees of SLS in memory, for tests of the compiler."""

from collections.abc import Callable, Mapping
from typing import Any

from limpet.states.compiler.compile import Compilation
from limpet.states.compiler.minion import Minion
from limpet.states.compiler.settings import CompilerSettings
from limpet.states.fileroots.port import SourceFile
from limpet.states.sls.renderers import Renderers
from limpet.states.sls.surroundings import Surroundings


class MemoryRoots:
    """File roots that are a mapping: texts by path, in one environment after another."""

    def __init__(self, **environments: Mapping[str, str | bytes]) -> None:
        self._files = environments

    def environments(self) -> list[str]:
        return ["base", *(name for name in self._files if name != "base")]

    def read(self, path: str, environment: str) -> SourceFile | None:
        text = self._files.get(environment, {}).get(path)
        if text is None:
            return None
        content = text if isinstance(text, bytes) else text.encode()
        return SourceFile(path, f"/srv/{environment}/{path}", content)

    def exists(self, path: str, environment: str) -> bool:
        return path in self._files.get(environment, {})

    def files(self, environment: str) -> list[str]:
        return sorted(self._files.get(environment, {}))


class MemoryFunctions:
    """Execution functions that a test gives."""

    def __init__(self, **functions: Callable[..., Any]) -> None:
        self._functions = {name.replace("__", "."): each for name, each in functions.items()}

    def __contains__(self, name: object) -> bool:
        return name in self._functions

    def names(self) -> list[str]:
        return list(self._functions)

    def call(self, name: str, positional: list[Any], keyword: dict[str, Any]) -> Any:  # noqa: ANN401
        return self._functions[name](*positional, **keyword)


def compilation(
    states: Mapping[str, str | bytes],
    *,
    pillar: Mapping[str, str | bytes] | None = None,
    dev: Mapping[str, str | bytes] | None = None,
    grains: Mapping[str, Any] | None = None,
    configuration: Mapping[str, Any] | None = None,
    functions: MemoryFunctions | None = None,
    **options: Any,  # noqa: ANN401
) -> Compilation:
    """Give a compilation of a tree for the minion `web1`."""
    roots = {"base": states} if dev is None else {"base": states, "dev": dev}
    minion = Minion(
        minion_id="web1",
        grains={"id": "web1", "os": "Debian", **(grains or {})},
        file_roots=MemoryRoots(**roots),
        pillar_roots=MemoryRoots(base=pillar or {}),
        functions=lambda _pillar: functions or MemoryFunctions(),
        options={"id": "web1", "test": False},
        settings=CompilerSettings.of(configuration or {}),
    )
    return Compilation(minion, **options)


def low(states: Mapping[str, str | bytes] | str, **more: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Compile `main.sls` as a run does; fails the test on errors."""
    made = compilation(_tree(states), **more).low_of_sls(["main"])
    assert made.errors == []
    return made.chunks


def errors(states: Mapping[str, str | bytes] | str, **more: Any) -> list[str]:  # noqa: ANN401
    """Compile `main.sls` as a run does; gives the errors."""
    return compilation(_tree(states), **more).low_of_sls(["main"]).errors


def ids(chunks: list[dict[str, Any]]) -> list[str]:
    """Give the ids of chunks in their order."""
    return [str(each["__id__"]) for each in chunks]


def renderers(
    files: Mapping[str, str | bytes] | None = None, functions: MemoryFunctions | None = None
) -> Renderers:
    """Give renderers over files in memory."""
    return Renderers(
        MemoryRoots(base=files or {}),
        Surroundings(
            minion_id="web1",
            grains={"os": "Debian", "roles": ["web"]},
            pillar={"port": 80, "deep": {"er": [1, 2]}},
            options={"id": "web1"},
            functions=functions or MemoryFunctions(),
        ),
    )


def printed(template: str, files: Mapping[str, str | bytes] | None = None, **variables: Any) -> str:  # noqa: ANN401
    """Render a template as that of a managed file; gives the text."""
    return renderers(files).template(template, "base", "/srv/base/t.j2", variables)


def _tree(states: Mapping[str, str | bytes] | str) -> Mapping[str, str | bytes]:
    return {"main.sls": states} if isinstance(states, str) else states
