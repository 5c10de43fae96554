"""Finding a value in pillar, as `pillar.get` does."""

import copy
from collections.abc import Mapping
from typing import Any, Final

from limpet.states.data.traversal import traverse
from limpet.states.pillar.merging import update

_NOTHING: Final = object()


def get(
    pillar: Mapping[str, Any],
    key: str,
    default: Any = "",  # noqa: ANN401
    *,
    is_merging: bool = False,
    is_joining_lists: bool = False,
    delimiter: str = ":",
) -> Any:  # noqa: ANN401
    """Give the value at a path such as `a:b`, else the default.

    With `is_merging` a mapping that is found is laid over the default, and a list is added to it.
    """
    if is_merging and isinstance(default, Mapping):
        found: Any = traverse(pillar, key, {}, delimiter)
        if isinstance(found, Mapping):
            merged: Any = update(copy.deepcopy(default), found, is_joining_lists=is_joining_lists)
            return merged
    elif is_merging and isinstance(default, list):
        found = traverse(pillar, key, [], delimiter)
        if isinstance(found, list):
            return [*default, *(each for each in found if each not in default)]
    found = traverse(pillar, key, _NOTHING, delimiter)
    return default if found is _NOTHING else found
