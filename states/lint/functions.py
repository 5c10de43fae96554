"""Execution functions as templates see them in lint: pure ones answer, all others are unknown.

Nothing of this host is asked: there is no machine in the context that functions are handed.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from limpet.common.errors import HostError, LimpetError
from limpet.states.context import FunctionContext, Places
from limpet.states.data.traversal import traverse
from limpet.states.functions import registry
from limpet.states.lint.tree.names import Known
from limpet.states.lint.tree.profiles import MINION_ID
from limpet.states.lint.unknown import UNKNOWN, Loose, Touched, Unknown, is_unknown, loose
from limpet.states.pillar.merging import merge
from limpet.states.ports.machine import Host

PURE_MODULES: Final = frozenset(("defaults", "grains", "hashutil", "match", "slsutil", "test"))
PURE: Final = frozenset(("file.basename", "file.dirname", "file.join", "config.merge"))
IMPURE: Final = frozenset(
    (
        "grains.append", "grains.delkey", "grains.delval", "grains.remove", "grains.set",
        "grains.setval", "grains.setvals", "slsutil.renderer", "slsutil.serialize",
        "slsutil.file_exists", "slsutil.dir_exists", "slsutil.path_exists", "slsutil.findup",
        "test.sleep", "test.rand_sleep", "test.stack", "test.exception", "test.kill",
        "defaults.get",
    )
)  # fmt: skip
"""Of the pure modules the functions that change or ask something."""
_PILLAR_GET: Final = frozenset(("pillar.get", "pillar.fetch", "config.get", "config.option"))
_MERGING: Final = frozenset(
    ("defaults.merge", "defaults.deepcopy", "defaults.update", "slsutil.merge", "slsutil.merge_all",
     "slsutil.update", "grains.filter_by", "match.filter_by")
)  # fmt: skip
_NOTHING: Final = object()


class NoMachine:
    """Stands where the machine would be."""

    def __getattr__(self, name: str) -> NoReturn:
        raise HostError(f"lint asks nothing of a machine (here: {name})")


class LintFunctions:
    """The functions of one typical host. Not shared between threads."""

    def __init__(
        self, known: Known, grains: Loose, pillar: Loose, configuration: Mapping[str, Any]
    ) -> None:
        self._known = known
        self._pillar = pillar
        self._context = FunctionContext(
            minion_id=MINION_ID,
            host=cast(Host, NoMachine()),
            places=Places(Path("/nonexistent"), Path("/nonexistent"), Path("/nonexistent")),
            configuration=configuration,
            load_grains=lambda _context: grains,
            pillar=pillar,
            is_published=False,
            caller=self._call_inside,
        )

    def __contains__(self, name: object) -> bool:
        """Say whether anybody has such a function."""
        return isinstance(name, str) and self._known.has_function(name)

    def names(self) -> list[str]:
        """List all functions."""
        return self._known.function_names()

    def call(self, name: str, positional: list[Any], keyword: dict[str, Any]) -> Any:  # noqa: ANN401
        """Call a pure function, or give an unknown value. Raises what pure functions raise."""
        if name in _PILLAR_GET:
            return self._get(name, positional, keyword)
        if name == "grains.get" and "default" not in keyword and len(positional) == 1:
            found = traverse(self._context.grains, str(positional[0]), _NOTHING)
            return self._unknown() if found is _NOTHING else found
        if name in _MERGING:
            positional = [_or_empty(each) for each in positional]
            keyword = {
                key: None if isinstance(each, Unknown) else each for key, each in keyword.items()
            }
        if name.startswith("random."):
            return "0" if name != "random.rand_int" else random.Random(0).randint(1, 10)  # noqa: S311
        if not self._is_pure(name) or registry.find(name) is None:
            return self._unknown()
        if name not in _MERGING and is_unknown([positional, keyword]):
            return self._unknown()
        try:
            found = registry.call(name, positional, keyword, self._context)
        except LimpetError:
            return self._unknown()
        return loose(found) if isinstance(found, Loose) else found

    def _call_inside(
        self, name: str, positional: list[Any], keyword: dict[str, Any], context: FunctionContext
    ) -> Any:  # noqa: ANN401
        return self.call(name, positional, keyword)

    def _is_pure(self, name: str) -> bool:
        if name in PURE:
            return True
        return name.partition(".")[0] in PURE_MODULES and name not in IMPURE

    def _get(self, name: str, positional: list[Any], keyword: dict[str, Any]) -> Any:  # noqa: ANN401
        """Look a value up; without a default it is unknown, since pillar is the user's own."""
        arguments = dict(zip(("key", "default", "merge"), positional, strict=False)) | keyword
        key = str(arguments.get("key") or arguments.get("value"))
        delimiter = str(arguments.get("delimiter") or ":")
        default = arguments.get("default", _NOTHING)
        places: list[Mapping[str, Any]] = [self._pillar]
        if name.startswith("config."):
            places = [self._context.configuration, self._context.grains, self._pillar]
        for place in places:
            found = traverse(place, key, _NOTHING, delimiter)
            if found is _NOTHING or isinstance(found, Unknown):
                continue
            is_merging = arguments.get("merge") and isinstance(default, Mapping)
            if is_merging and isinstance(found, Mapping):
                return loose(merge(cast("Mapping[str, Any]", default), found))
            return found
        return self._unknown() if default is _NOTHING else loose(default)

    def _unknown(self) -> Any:  # noqa: ANN401
        Touched.is_touched = True
        return UNKNOWN


def _or_empty(value: Any) -> Any:  # noqa: ANN401
    """Give an empty mapping for an unknown one: what is merged with it is kept."""
    if isinstance(value, Unknown):
        return {}
    return [_or_empty(each) for each in value] if isinstance(value, list) else value
