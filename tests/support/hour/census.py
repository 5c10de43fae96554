"""Everything that a core holds, counted by walking it: objects by class, containers by attribute.

`counts["minion.sessions.connection_state.ConnectionState"]` is how many there are,
`counts["master.jobs.job_table.JobTable.jobs"]` how
many entries that attribute has, over all its owners; a table within a table is `…jobs[]`. What is
found twice is counted once. Tuples are looked into and not counted. Not seen: what only a C object
holds, and how long strings are.
"""

import enum
import functools
import types
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

OURS: Final = "limpet."
_CONTAINERS: Final = (dict, list, tuple, set, frozenset, deque, OrderedDict, types.MappingProxyType)
_PLAIN: Final = (str, bytes, int, float, bool, complex, type(None), type, enum.Enum)

_slots_of: Final[dict[type, tuple[str, ...]]] = {}


class Census:
    """Counts what is reached from some roots; several roots share what was seen."""

    def __init__(self, gone: frozenset[str] = frozenset()) -> None:
        """`gone`: texts that should not be held any more."""
        self.counts: Counter[str] = Counter()
        self.named: Counter[str] = Counter()
        """Where some of the `gone` were found all the same, by attribute."""
        self._gone = gone
        self._seen: set[int] = set()
        self._kept: list[object] = []
        """Ids are only good while what they belong to lives."""

    def walk(self, root: object) -> None:
        """Count all that is reached from here and was not counted before."""
        waiting: list[tuple[str, object]] = [("", root)]
        while waiting:
            label, thing = waiting.pop()
            if self._gone and isinstance(thing, str) and thing in self._gone:
                self.named[label.rstrip("[]")] += 1
            if isinstance(thing, _PLAIN) or id(thing) in self._seen:
                continue
            self._seen.add(id(thing))
            self._kept.append(thing)
            if isinstance(thing, _CONTAINERS):
                is_table = not isinstance(thing, tuple)
                if label and is_table:
                    self.counts[label] += len(thing)
                waiting.extend((f"{label}[]" if is_table else label, e) for e in _inside(thing))
                continue
            name = name_of(type(thing))
            if name:
                self.counts[name] += 1
            waiting.extend(_held(thing, name))

    @property
    def attributes(self) -> Iterator[tuple[object, str]]:
        """Give every attribute of every object of ours that was found, with its owner."""
        for thing in self._kept:
            if name_of(type(thing)):
                yield from ((thing, attribute) for attribute in _attributes(thing))


def name_of(kind: type) -> str:
    """Give the name of one of our classes, without the package's; '' for any other."""
    module = kind.__module__
    if not isinstance(module, str) or not module.startswith(OURS):  # some of C have no text there
        return ""
    return f"{module.removeprefix(OURS)}.{kind.__qualname__}"


def _inside(container: Any) -> Iterator[object]:  # noqa: ANN401 - any container
    if isinstance(container, Mapping):
        yield from container.keys()
        yield from container.values()
    else:
        yield from container


def _held(thing: object, name: str) -> Iterator[tuple[str, object]]:
    """Give what an object holds: attributes of our classes, what functions have closed over."""
    if isinstance(thing, functools.partial):
        yield from (("", each) for each in (thing.func, *thing.args, *thing.keywords.values()))
    elif isinstance(thing, types.MethodType):
        yield "", thing.__self__
    elif isinstance(thing, types.FunctionType):
        yield from (("", cell.cell_contents) for cell in thing.__closure__ or ())
    elif name:
        for attribute in _attributes(thing):
            value = getattr(thing, attribute, None)
            yield f"{name}.{attribute}", value


def _slots(kind: type) -> tuple[str, ...]:
    if kind in _slots_of:
        return _slots_of[kind]
    found: list[str] = []
    for each in kind.__mro__:
        slots: Iterable[str] = each.__dict__.get("__slots__", ())
        found += [slots] if isinstance(slots, str) else slots
    names = (
        f"_{kind.__name__}{s}" if s.startswith("__") and not s.endswith("__") else s for s in found
    )
    _slots_of[kind] = tuple(s for s in names if s not in ("__dict__", "__weakref__"))
    return _slots_of[kind]


def _attributes(thing: object) -> Iterator[str]:
    if isinstance(thing, msgspec.Struct):
        yield from thing.__struct_fields__
        return
    yield from getattr(thing, "__dict__", ())
    yield from _slots(type(thing))
