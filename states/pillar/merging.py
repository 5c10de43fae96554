"""The strategies by which one mapping is merged over another, as Salt names them.

`recurse` merges mappings in mappings, and so does `smart`; `aggregate` joins lists too; `list`
keeps both of two values that meet in a list; `overwrite` replaces whole values of the first level;
`none` is for pillar of one environment alone.
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
    found: dict[Any, Any] = {}
    for key in under:
        found[key] = [under[key], over[key]] if key in over else under[key]
    for key in over:
        found.setdefault(key, over[key])
    return found


def _aggregate(under: Any, over: Any, is_joining_lists: bool) -> Any:  # noqa: ANN401
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        found = copy.copy(under)
        for key, value in over.items():
            found[key] = (  # type: ignore[index]
                _aggregate(under[key], value, is_joining_lists) if key in under else value
            )
        return found
    if isinstance(under, list) and isinstance(over, list):
        return [*under, *(each for each in over if each not in under)]
    return over


_STRATEGIES: Final[dict[str, Callable[[Any, Any, bool], Any]]] = {
    "smart": _recurse,
    "recurse": _recurse,
    "aggregate": _aggregate,
    "list": _list,
    "overwrite": _overwrite,
    "none": _recurse,
}
