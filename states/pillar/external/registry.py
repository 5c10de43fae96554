"""Sources of external pillar by Salt's names: the modules here, and those that are installed.

An installed package offers one by an entry point of the group `limpet.ext_pillar`: its name is the
key in `ext_pillar`, its value a function as in `source.Source`. Such packages are the
administrator's own code; nothing from a minion or a pillar file decides what is loaded.
"""

import importlib
import importlib.metadata
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from limpet.common.errors import LimpetError, UsageError
from limpet.states.discovery import module_names
from limpet.states.pillar.external.source import Asked, Source

GROUP: Final = "limpet.ext_pillar"
MODULES: Final = module_names(os.path.dirname(__file__), ("commands", "registry", "source"))

READING: Final = frozenset(("file_tree",))
"""Those that only read files, and leave nothing behind in the process."""


@cache
def find(name: str) -> Source:
    """Give a source. Raises `UsageError` where there is none of that name."""
    if name in MODULES:
        module = importlib.import_module(f"limpet.states.pillar.external.{name}")
        found: Source = module.ext_pillar
        return found
    for entry in importlib.metadata.entry_points(group=GROUP, name=name):
        loaded: Source = entry.load()
        return loaded
    raise UsageError(
        f"there is no source of that name; {', '.join(MODULES)} come with limpet, others by "
        f"packages with an entry point of the group {GROUP}"
    )


class External:
    """The external pillar of one minion, as `ext_pillar` of the configuration lists it."""

    def __init__(
        self,
        listed: Sequence[Any],
        asked: Callable[[Mapping[str, Any]], Asked],
        merge: Callable[[Any, Any], Any],
        before_foreign: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """`before_foreign` is told of sources that may do anything to this process or its host."""
        self._before_foreign = before_foreign
        self._listed = listed
        self._asked = asked
        self._merge = merge
        self.errors: list[str] = []
        """In Salt's words; a source that fails adds nothing else."""

    def extend(self, pillar: dict[str, Any]) -> dict[str, Any]:
        """Give the pillar with what the sources have laid over it, one after the other."""
        for entry in self._listed:
            if not isinstance(entry, Mapping):
                self.errors.append('The "ext_pillar" option is malformed')
                continue
            for name, value in entry.items():
                try:
                    pillar = self._merge(pillar, self._given(str(name), value, pillar))
                except LimpetError as error:
                    self.errors.append(f"Failed to load ext_pillar {name}: {error}")
                except Exception as error:  # noqa: BLE001 - a source is foreign code: it fails alone
                    told = f"{type(error).__name__}: {error}"
                    self.errors.append(f"Failed to load ext_pillar {name}: {told}")
        return pillar

    def _given(self, name: str, value: Any, pillar: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ANN401
        if name not in READING:
            self._before_foreign(name)
        source = find(name)
        asked = self._asked(pillar)
        if isinstance(value, Mapping):
            given = source(asked, **{str(key): each for key, each in value.items()})
        elif isinstance(value, list | tuple):
            given = source(asked, *value)
        else:
            given = source(asked, value)
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            raise UsageError(f"it gives {type(given).__name__}, and pillar is a mapping")
        return given
