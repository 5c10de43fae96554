"""Values that lint can't know: what a host would answer, pillar and grains of the user's own.

An unknown value renders on: it is a text with a mark in it, is false, has every attribute, and is
unknown again whatever is done with it. What carries the mark is not judged.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jinja2

MARK: Final = "limpet-unknown-value"


class Unknown(str):
    """An unknown value."""

    __slots__ = ()

    def __new__(cls) -> "Unknown":  # noqa: D102
        return super().__new__(cls, MARK)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, _key: Any) -> Any:  # noqa: ANN401
        return self

    def __call__(self, *_positional: Any, **_keyword: Any) -> Any:  # noqa: ANN401, D102
        return UNKNOWN

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False

    def __contains__(self, _other: Any) -> bool:  # noqa: ANN401
        return False

    def __int__(self) -> int:
        return 0

    def __index__(self) -> int:
        return 0

    def __float__(self) -> float:
        return 0.0

    def __hash__(self) -> int:
        return str.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unknown)

    def __deepcopy__(self, _memo: Any) -> "Unknown":  # noqa: ANN401
        return self

    def __copy__(self) -> "Unknown":
        return self

    def _unknown(self, *_others: Any) -> Any:  # noqa: ANN401
        return UNKNOWN

    def _no(self, _other: Any) -> bool:  # noqa: ANN401
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _no
    __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _unknown
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _unknown
    __neg__ = __pos__ = __radd__ = _unknown
    __or__ = __ror__ = __and__ = __rand__ = _unknown

    def __add__(self, other: Any) -> Any:  # noqa: ANN401
        return f"{MARK}{other}" if isinstance(other, str) else UNKNOWN

    # What a mapping or a list would be asked:
    def items(self) -> Any:  # noqa: ANN401
        """Give nothing."""
        return {}.items()

    def keys(self) -> Any:  # noqa: ANN401
        """Give nothing."""
        return {}.keys()

    def values(self) -> Any:  # noqa: ANN401
        """Give nothing."""
        return {}.values()

    def get(self, _key: Any, default: Any = None) -> Any:  # noqa: ANN401
        """Give the default, else an unknown value."""
        return UNKNOWN if default is None else default

    def split(self, *_how: Any) -> Any:  # noqa: ANN401
        """Give one unknown value."""
        return [UNKNOWN]

    splitlines = rsplit = split  # type: ignore[assignment]

    def strip(self, *_what: Any) -> Any:  # noqa: ANN401
        """Give an unknown value."""
        return UNKNOWN

    lower = upper = title = lstrip = rstrip = replace = strip


class Missing(Unknown):
    """What is not there in facts of which lint knows some; to templates it is not defined."""

    __slots__ = ()


class Touched:
    """Notes that unknown values were handed out; the errors that follow may be theirs."""

    is_touched = False


UNKNOWN: Final = Unknown()
MISSING: Final = Missing()


class Loose(dict[Any, Any]):
    """Facts of which lint knows some: what is not there is unknown, but for `get` and `in`."""

    def __missing__(self, key: Any) -> Any:  # noqa: ANN401
        Touched.is_touched = True
        return MISSING

    def __deepcopy__(self, memo: dict[int, Any]) -> "Loose":
        return Loose({key: copy.deepcopy(each, memo) for key, each in self.items()})


def loose(value: Any) -> Any:  # noqa: ANN401
    """Make every mapping in a value a loose one."""
    if isinstance(value, Mapping):
        return Loose({key: loose(each) for key, each in value.items()})
    if isinstance(value, list | tuple):
        return [loose(each) for each in value]
    return value


def is_defined(value: Any) -> bool:  # noqa: ANN401
    """Be the test `is defined`."""
    return not isinstance(value, Missing | jinja2.Undefined)


def default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:  # noqa: ANN401
    """Be the filter `default`."""
    return default_value if not is_defined(value) or (boolean and not value) else value


def is_unknown(value: Any, depth: int = 0) -> bool:  # noqa: ANN401
    """Say whether something in a value carries the mark."""
    if isinstance(value, str):
        return MARK in value
    if depth > 20:
        return True
    if isinstance(value, Mapping):
        return any(
            is_unknown(key, depth + 1) or is_unknown(each, depth + 1) for key, each in value.items()
        )
    if isinstance(value, list | tuple | set):
        return any(is_unknown(each, depth + 1) for each in value)
    return False
