"""Turning the loose values of the command line and of SLS into a function's typed arguments.

The signature is the schema; a function with many arguments takes them as one dataclass, whose
fields are then the arguments. A wrong argument is a `UsageError` that names the function, the
argument and what was expected, with "did you mean" where a name is nearly right.
"""

import dataclasses
import difflib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from limpet.common.errors import UsageError
from limpet.states.functions.instant import is_salts_own

_USAGE_CHARACTERS_MAX = 160
"""A longer usage names only the arguments that must be given."""

_TRUE = frozenset(("true", "yes", "on", "1"))
_FALSE = frozenset(("false", "no", "off", "0", "none", ""))


class Mismatch(Exception):
    """The value is not, and cannot be turned into, what the annotation asks for."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a function."""

    name: str
    annotation: Any
    is_required: bool
    default: Any
    is_by_name_only: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes beside its context."""

    parameters: tuple[Parameter, ...]
    takes_more_positional: bool = False
    more: Any = Any
    """The type of each of the positional values beyond the parameters."""
    takes_more_keyword: bool = False
    drops_odd_keyword: bool = False
    """Salt's function takes any keyword and ignores it: templates in the wild pass junk. People
    who call the function themselves are told all the same."""
    struct: type | None = None
    """The dataclass that the function takes its arguments in."""

    @property
    def names(self) -> list[str]:
        """The names of the arguments, in order."""
        return [parameter.name for parameter in self.parameters]

    def whole_usage(self, function: str) -> str:
        """Show how the function is called, with every argument."""
        words = [function]
        words += [
            each.name if each.is_required else f"[{each.name}={_shown(each.default)}]"
            for each in self.parameters
        ]
        if self.takes_more_positional:
            words.append("[value…]")
        if self.takes_more_keyword:
            words.append("[name=value…]")
        return " ".join(words)

    def usage(self, function: str) -> str:
        """One line that shows how the function is called."""
        whole = self.whole_usage(function)
        if len(whole) <= _USAGE_CHARACTERS_MAX:
            return whole
        return " ".join(
            [
                function,
                *(each.name for each in self.parameters if each.is_required),
                "[name=value…]",
            ]
        )


def signature_of(implementation: Callable[..., Any]) -> Signature:
    """Read the signature of a function whose first parameter is its context."""
    hints = typing.get_type_hints(implementation)
    found = list(inspect.signature(implementation).parameters.values())[1:]
    if found and dataclasses.is_dataclass(struct := hints.get(found[0].name)):
        assert isinstance(struct, type)
        assert len(found) == 1, f"{implementation.__qualname__} mixes a struct and arguments"
        return _signature_of_struct(struct)
    parameters: list[Parameter] = []
    takes_more_positional = takes_more_keyword = drops_odd_keyword = False
    more: Any = Any
    for each in found:
        if each.kind is inspect.Parameter.VAR_POSITIONAL:
            takes_more_positional = True
            more = hints.get(each.name, Any)
        elif each.kind is inspect.Parameter.VAR_KEYWORD:
            takes_more_keyword = not each.name.startswith("_")
            drops_odd_keyword = each.name.startswith("_")
        else:
            is_required = each.default is inspect.Parameter.empty
            parameters.append(
                Parameter(
                    each.name,
                    hints.get(each.name, Any),
                    is_required,
                    None if is_required else each.default,
                    each.kind is inspect.Parameter.KEYWORD_ONLY,
                )
            )
    return Signature(
        tuple(parameters), takes_more_positional, more, takes_more_keyword, drops_odd_keyword
    )


def _signature_of_struct(struct: type) -> Signature:
    """Read the fields of a dataclass as arguments; odd keywords are Salt's to ignore."""
    hints = typing.get_type_hints(struct)
    parameters = tuple(
        Parameter(
            each.name,
            hints[each.name],
            each.default is dataclasses.MISSING,
            None if each.default is dataclasses.MISSING else each.default,
        )
        for each in dataclasses.fields(struct)
    )
    return Signature(parameters, drops_odd_keyword=True, struct=struct)


def bind(
    function: str,
    signature: Signature,
    positional: Iterable[Any],
    keyword: Mapping[str, Any],
    *,
    is_strict: bool,
) -> tuple[list[Any], dict[str, Any]]:
    """Sort and convert the arguments for the call. Raises `UsageError`."""
    values = list(positional)
    named = {key: value for key, value in keyword.items() if not is_salts_own(key)}
    taken, chosen = _bind_declared(function, signature, values, named)
    taken += _bind_more_positional(function, signature, values)
    if named and not signature.takes_more_keyword:
        if is_strict or not signature.drops_odd_keyword:
            raise UsageError(_unknown(function, next(iter(named)), signature))
        named = {}
    chosen.update(named)
    if signature.struct is not None:
        in_order = dict(zip(signature.names, taken, strict=False))
        return [signature.struct(**in_order, **chosen)], {}
    return taken, chosen


def _bind_declared(
    function: str, signature: Signature, values: list[Any], named: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Give the values of the declared arguments, by place and by name.

    Those by name are taken out of `named`; what stays there is odd. Raises `UsageError`.
    """
    taken: list[Any] = []
    chosen: dict[str, Any] = {}
    for index, parameter in enumerate(signature.parameters):
        if index < len(values) and not parameter.is_by_name_only:
            if parameter.name in named:
                raise UsageError(
                    f"{function}: the argument {parameter.name!r} is given twice, by place and by "
                    f"name (usage: {signature.usage(function)})"
                )
            taken.append(_convert(function, parameter, values[index]))
        elif parameter.name in named:
            chosen[parameter.name] = _convert(function, parameter, named.pop(parameter.name))
        elif parameter.is_required:
            raise UsageError(_missing(function, parameter, signature, named))
    return taken, chosen


def _bind_more_positional(function: str, signature: Signature, values: list[Any]) -> list[Any]:
    """Give the values that are beyond the places of the declared arguments."""
    by_place = sum(not each.is_by_name_only for each in signature.parameters)
    rest = values[by_place:]
    if rest and not signature.takes_more_positional:
        most = f"at most {by_place} arguments" if by_place else "no arguments by place"
        raise UsageError(
            f"{function} takes {most}, but {rest[0]!r:.60} is number {by_place + 1} "
            f"(usage: {signature.usage(function)})"
        )
    return [
        _convert(function, Parameter(f"number {number}", signature.more, True, None), each)
        for number, each in enumerate(rest, by_place + 1)
    ]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Give `; did you mean 'x'?` for a word that is nearly one of those known, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def _missing(
    function: str, parameter: Parameter, signature: Signature, named: Mapping[str, Any]
) -> str:
    """Say that an argument is missing; with the odd one that may have been meant for it."""
    odd = next((key for key in named if key not in signature.names), None)
    hint = f"; there is no argument {odd!r}" if odd and not signature.takes_more_keyword else ""
    return (
        f"{function}: the argument {parameter.name!r} is missing{hint} "
        f"(usage: {signature.usage(function)})"
    )


def _unknown(function: str, name: str, signature: Signature) -> str:
    hint = did_you_mean(name, signature.names)
    return f"{function} has no argument {name!r}{hint} (usage: {signature.usage(function)})"


def _convert(function: str, parameter: Parameter, value: object) -> Any:  # noqa: ANN401
    if value is None and not parameter.is_required and parameter.default is None:
        return None
    try:
        return convert(value, parameter.annotation)
    except Mismatch as mismatch:
        raise UsageError(
            f"{function}: the argument {parameter.name!r} must be {mismatch}, not {value!r:.80}"
        ) from None


def convert(value: Any, annotation: Any) -> Any:  # noqa: ANN401
    """Turn a loose value into the type of an annotation. Raises `Mismatch` saying what it is."""
    if annotation is Any or annotation is object:
        return value
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _convert_union(value, get_args(annotation))
    if origin is Literal:
        choices = get_args(annotation)
        if value in choices:
            return value
        raise Mismatch("one of " + ", ".join(repr(choice) for choice in choices))
    if annotation is None or annotation is type(None):
        if value is None:
            return None
        raise Mismatch("empty")
    if origin is list or annotation is list:
        return _convert_list(value, get_args(annotation))
    if origin in (dict, Mapping) or annotation is dict:
        return _convert_mapping(value)
    if annotation is bool:
        return _convert_bool(value)
    if annotation in (int, float):
        return _convert_number(value, annotation)
    if annotation is str:
        return _convert_text(value)
    raise AssertionError(f"no rule for the annotation {annotation!r}")


def _convert_union(value: Any, members: tuple[Any, ...]) -> Any:  # noqa: ANN401
    for member in members:  # as it is, where a member fits as it is
        kind = get_origin(member) or member
        if kind is Any or (isinstance(kind, type) and type(value) is kind):
            return convert(value, member)
    expected: list[str] = []
    for member in members:
        if member is type(None) and value is not None:
            continue
        try:
            return convert(value, member)
        except Mismatch as mismatch:
            expected.append(str(mismatch))
    raise Mismatch(" or ".join(expected))


def _convert_list(value: object, members: tuple[Any, ...]) -> list[Any]:
    if isinstance(value, str):  # Salt: a comma-separated text stands for a list
        value = [each.strip() for each in value.split(",")] if value else []
    elif isinstance(value, bool | int | float):
        value = [value]
    if not isinstance(value, list | tuple | set | frozenset):
        raise Mismatch("a list")
    return [convert(each, members[0]) for each in value] if members else list(value)


def _convert_mapping(value: object) -> dict[Any, Any]:
    """Keys stay as they are: a template may look one up by its number."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
        return {key: inner for each in value for key, inner in each.items()}
    raise Mismatch("a mapping")


def _convert_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return bool(value)
    if isinstance(value, str):
        lowered = value.strip().lower()
        if lowered in _TRUE:
            return True
        if lowered in _FALSE:
            return False
    raise Mismatch("true or false")


def _convert_number(value: object, kind: type[int] | type[float]) -> int | float:
    expected = "a whole number" if kind is int else "a number"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Mismatch(expected)
    try:
        number = kind(value)
    except (ValueError, OverflowError):
        raise Mismatch(expected) from None
    if isinstance(value, float) and number != value:
        raise Mismatch(expected)
    return number


def _convert_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):  # YAML has read the word `true`; the word is what was typed
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise Mismatch("a text")


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if value == "" or not isinstance(value, str) else value
