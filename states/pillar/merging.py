"""The strategies by which one mapping is merged over another, as Salt names them.

`recurse` merges mappings in mappings, and so does `smart`; `overwrite` replaces whole values of the
first level, and so does `aggregate` (in Salt it joins what the renderer yamlex marks, which is not
there); `list` keeps both of two values that meet; `none` is for pillar of one environment alone.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from limpet.common.errors import UsageError


def merge(
    under: Any,  # noqa: ANN401
    over: Any,  # noqa: ANN401
    strategy: str = "smart",
    *,
    is_joining_lists: bool = False,
) -> Any:  # noqa: ANN401
    """Give a new mapping of both, by the strategy; an unknown one is `recurse`, as in Salt."""
    merging = _STRATEGIES.get(strategy, _recurse)
    return merging(under, over, is_joining_lists)


def update(
    under: Any,  # noqa: ANN401
    over: Any,  # noqa: ANN401
    *,
    is_joining_lists: bool = False,
) -> Any:  # noqa: ANN401
    """Merge `over` into `under` in place, mappings recursively; gives `under`.

    An empty mapping takes nothing away from the one it is merged over; null and lists replace.
    """
    if not isinstance(under, dict) or not isinstance(over, Mapping):
        raise UsageError("Cannot update using non-dict types: only mappings are merged")
    for key, value in over.items():
        present = under.get(key)
        if isinstance(present, dict) and isinstance(value, Mapping):
            under[key] = update(present, value, is_joining_lists=is_joining_lists)
        elif is_joining_lists and isinstance(present, list) and isinstance(value, list):
            under[key] = [*present, *(each for each in value if each not in present)]
        else:
            under[key] = value
    return under


def _recurse(under: Any, over: Any, is_joining_lists: bool) -> Any:  # noqa: ANN401
    return update(copy.deepcopy(under), copy.deepcopy(over), is_joining_lists=is_joining_lists)


def _overwrite(under: Any, over: Any, is_joining_lists: bool) -> Any:  # noqa: ANN401
    """Replace whole values of the first level."""
    found = copy.deepcopy(under)
    found.update(copy.deepcopy(over))
    return found


def _list(under: Any, over: Any, is_joining_lists: bool) -> Any:  # noqa: ANN401
    """Keep both of two values that meet; what only the later one has is dropped, as in Salt."""
    return {
        key: [value, over[key]] if key in over else value
        for key, value in copy.deepcopy(under).items()
    }


_STRATEGIES: Final[dict[str, Callable[[Any, Any, bool], Any]]] = {
    "smart": _recurse,
    "recurse": _recurse,
    "aggregate": _overwrite,
    "list": _list,
    "overwrite": _overwrite,
    "none": _recurse,
}
