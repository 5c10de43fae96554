"""Containers that count every entry that somebody goes over, also from C (`sorted`, `min`, `in`).

`instrument` puts them in the place of the large ones that a machine holds. What is not seen: what C
does to a plain container that was made on the way (making it from one of these is seen), to tuples,
to bytes, and within `heapq` and `msgspec`.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, KeysView
from typing import Any, Final

from support.hour.census import Census

MOVED_IN_A_STEP: Final = 500
"""So many entries of a list are moved along in the time in which one is looked at."""


class Passed:
    """How many entries were gone over."""

    count = 0


def _over(entries: Iterable[Any]) -> Iterator[Any]:
    for entry in entries:
        Passed.count += 1
        yield entry


class _View:
    """Values, or pairs, of a dict."""

    def __init__(self, view: Any) -> None:  # noqa: ANN401 - a view of a dict
        self._view = view

    def __len__(self) -> int:
        return len(self._view)

    def __iter__(self) -> Iterator[Any]:
        return _over(self._view)

    def __contains__(self, entry: object) -> bool:
        return any(each == entry for each in self)


class _Counting(dict[Any, Any]):
    """What a dict of any kind counts."""

    def __iter__(self) -> Iterator[Any]:
        return _over(super().__iter__())

    def keys(self) -> Any:  # noqa: ANN401
        return KeysView(self)

    def values(self) -> Any:  # noqa: ANN401
        return _View(super().values())

    def items(self) -> Any:  # noqa: ANN401
        return _View(super().items())


class CountedDict(_Counting):
    """As a dict."""

    def copy(self) -> Any:  # noqa: ANN401
        return dict(self.items())

    def clear(self) -> None:
        Passed.count += len(self)
        super().clear()


class CountedOrderedDict(_Counting, OrderedDict[Any, Any]):
    """As an OrderedDict, whose first or last entry costs nothing."""


class CountedSet(set[Any]):
    """As a set; what goes over another operand is that one's business."""

    def __iter__(self) -> Iterator[Any]:
        return _over(super().__iter__())

    def __or__(self, other: Any) -> Any:  # noqa: ANN401
        Passed.count += len(self)
        return super().__or__(other)

    def __sub__(self, other: Any) -> Any:  # noqa: ANN401
        Passed.count += len(self)
        return super().__sub__(other)

    def __and__(self, other: Any) -> Any:  # noqa: ANN401
        Passed.count += min(len(self), len(other))
        return super().__and__(other)

    def copy(self) -> Any:  # noqa: ANN401
        return set(self)

    def clear(self) -> None:
        Passed.count += len(self)
        super().clear()


class CountedList(list[Any]):
    """As a list; moving the rest along counts, for what it is: memory that is copied."""

    def __iter__(self) -> Iterator[Any]:
        return _over(super().__iter__())

    def __contains__(self, entry: object) -> bool:
        return any(each == entry for each in self)

    def remove(self, entry: Any) -> None:  # noqa: ANN401
        Passed.count += len(self)
        super().remove(entry)

    def insert(self, index: Any, entry: Any) -> None:  # noqa: ANN401
        Passed.count += len(self) // MOVED_IN_A_STEP
        super().insert(index, entry)

    def pop(self, index: Any = -1) -> Any:  # noqa: ANN401
        Passed.count += 0 if index == -1 else len(self) // MOVED_IN_A_STEP
        return super().pop(index)

    def sort(self, **options: Any) -> None:  # noqa: ANN401
        Passed.count += len(self)
        super().sort(**options)

    def copy(self) -> Any:  # noqa: ANN401
        return list(self)


class CountedDeque(deque[Any]):
    """As a deque, whose ends cost nothing."""

    def __iter__(self) -> Iterator[Any]:
        return _over(super().__iter__())

    def __contains__(self, entry: object) -> bool:
        return any(each == entry for each in self)

    def remove(self, entry: Any) -> None:  # noqa: ANN401
        Passed.count += len(self)
        super().remove(entry)


_COUNTED: Final[dict[type, Any]] = {
    dict: CountedDict,
    OrderedDict: CountedOrderedDict,
    set: CountedSet,
    list: CountedList,
    deque: CountedDeque,
}


def instrument(root: object, least: int) -> list[str]:
    """Replace what our objects below `root` hold and is that long; gives the attributes' names.

    Two attributes that share one container share the one in its place.
    """
    census = Census()
    census.walk(root)
    replaced: dict[int, Any] = {}
    kept: list[object] = []
    names: list[str] = []
    for owner, attribute in census.attributes:
        value: Any = getattr(owner, attribute, None)
        counted = _COUNTED.get(type(value))
        if counted is None or len(value) < least:
            continue
        if id(value) not in replaced:
            kept.append(value)
            limit = (value.maxlen,) if isinstance(value, deque) else ()
            replaced[id(value)] = counted(value, *limit)
        setattr(owner, attribute, replaced[id(value)])
        names.append(f"{type(owner).__name__}.{attribute}")
    return sorted(set(names))
