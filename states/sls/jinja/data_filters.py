"""Filters on lists and mappings."""

import hashlib
import random
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from limpet.states.sls.scalars import BadScalar, build, kind_of

_NOTHING: Final = object()


def is_list(value: object) -> bool:
    """Say whether the value is a list."""
    return isinstance(value, list)


def is_iter(value: object, ignore: Any = (str,)) -> bool:  # noqa: ANN401
    """Say whether the value can be looped over; a text does not count."""
    if ignore and isinstance(value, ignore):
        return False
    return isinstance(value, Iterable)


def sequence(value: Any) -> Any:  # noqa: ANN401
    """Put a value that is no collection into a list."""
    return value if isinstance(value, list | tuple | set | dict) else [value]


def unique(values: Any) -> Any:  # noqa: ANN401
    """Drop what comes again; of a hashable collection a set is made."""
    if isinstance(values, Hashable):
        return set(values)  # type: ignore[call-overload]
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _are_hashable(*values: Any) -> bool:  # noqa: ANN401
    return all(isinstance(value, Hashable) for value in values)


def union(first: Any, second: Any) -> Any:  # noqa: ANN401
    """Give what is in either, once."""
    if _are_hashable(first, second):
        return set(first) | set(second)
    return unique(first + second)


def intersect(first: Any, second: Any) -> Any:  # noqa: ANN401
    """Give what is in both."""
    if _are_hashable(first, second):
        return set(first) & set(second)
    return unique([each for each in first if each in second])


def difference(first: Any, second: Any) -> Any:  # noqa: ANN401
    """Give what is in the first alone."""
    if _are_hashable(first, second):
        return set(first) - set(second)
    return unique([each for each in first if each not in second])


def symmetric_difference(first: Any, second: Any) -> Any:  # noqa: ANN401
    """Give what is in exactly one of them."""
    if _are_hashable(first, second):
        return set(first) ^ set(second)
    both = intersect(first, second)
    return unique([each for each in union(first, second) if each not in both])


def average(values: Any) -> float:  # noqa: ANN401
    """Give the mean; of a single number itself."""
    return float(values) if isinstance(values, Hashable) else float(sum(values) / len(values))  # type: ignore[arg-type]


def flatten(
    values: Iterable[Any], levels: int | None = None, preserve_nulls: bool = False
) -> list[Any]:
    """Take lists out of lists, all of them or `levels` deep; nulls are dropped."""
    return _flatten(values, levels, preserve_nulls, frozenset())


def _flatten(
    values: Iterable[Any], levels: int | None, preserve_nulls: bool, above: frozenset[int]
) -> list[Any]:
    if id(values) in above:
        raise jinja2.TemplateRuntimeError("flatten: the list contains itself")
    above |= {id(values)}
    found: list[Any] = []
    for each in values:
        if not preserve_nulls and each in (None, "None", "null"):
            continue
        if is_iter(each) and (levels is None or levels >= 1):
            deeper = None if levels is None else int(levels) - 1
            found += _flatten(each, deeper, preserve_nulls, above)
        else:
            found.append(each)
    return found


def exactly_n_true(values: Iterable[Any], amount: int = 1) -> bool:
    """Say whether that many of the values are true."""
    return sum(1 for each in values if each) == amount


def exactly_one_true(values: Iterable[Any]) -> bool:
    """Say whether one of the values is true."""
    return exactly_n_true(values, 1)


def traverse(
    data: Any,  # noqa: ANN401
    key: Any,  # noqa: ANN401
    default: Any = None,  # noqa: ANN401
    delimiter: str = ":",
) -> Any:  # noqa: ANN401
    """Follow a path such as `a:b:0`; `default` where it leads nowhere."""
    steps = key.split(delimiter) if isinstance(key, str) else [key] if isinstance(key, int) else key
    found = data
    for step in steps:
        found = _step(found, step)
        if found is _NOTHING:
            return default
    return found


def _step(data: Any, step: Any) -> Any:  # noqa: ANN401
    if isinstance(data, list | tuple):
        try:
            wanted: Any = int(step)
        except ValueError:
            wanted = step
        for each in data:
            if isinstance(each, Mapping) and wanted in each:
                return each[wanted]
        if isinstance(wanted, int) and -len(data) <= wanted < len(data):
            return data[wanted]
        return _NOTHING
    if not isinstance(data, Mapping):
        return _NOTHING
    if step in data:
        return data[step]
    # A path is text, the key may be a number: it is looked for as YAML reads the step.
    read = _read(step) if isinstance(step, str) else step
    return data[read] if isinstance(read, Hashable) and read in data else _NOTHING


def _read(text: str) -> Any:  # noqa: ANN401
    try:
        return build(text, kind_of(text))
    except BadScalar:
        return text


def compare_lists(old: Any = None, new: Any = None) -> dict[str, Any]:  # noqa: ANN401
    """Say which members are new and which are gone."""
    found: dict[str, Any] = {}
    added = [each for each in new if each not in old]
    gone = [each for each in old if each not in new]
    if added:
        found["new"] = added
    if gone:
        found["old"] = gone
    return found


def compare_dicts(old: Any = None, new: Any = None) -> dict[Any, Any]:  # noqa: ANN401
    """Say for each key that differs what it was and is."""
    before, after = old or {}, new or {}
    return {
        key: {"old": before.get(key, ""), "new": after.get(key, "")}
        for key in [*after, *(each for each in before if each not in after)]
        if (key in before) != (key in after) or before[key] != after[key]
    }


def substring_in_list(wanted: str, texts: Iterable[str]) -> bool:
    """Say whether one of the texts contains it."""
    return any(wanted in each for each in texts)


def sorted_ignorecase(values: Iterable[str]) -> list[str]:
    """Sort without regard to case."""
    return sorted(values, key=str.lower)


def to_entries(data: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Turn a mapping or a list into entries of `key` and `value`."""
    if isinstance(data, Mapping):
        return [{"key": key, "value": value} for key, value in data.items()]
    if isinstance(data, list):
        return [{"key": place, "value": value} for place, value in enumerate(data)]
    raise jinja2.TemplateRuntimeError("Input data must be a dict or list")


def from_entries(entries: Iterable[Mapping[Any, Any]]) -> dict[Any, Any]:
    """Turn entries of `key` (or `name`) and `value` into a mapping."""
    found: dict[Any, Any] = {}
    for entry in entries:
        lowered = {str(key).lower(): value for key, value in entry.items()}
        key = lowered.get("key") or lowered.get("name")
        if key:
            found[key] = lowered.get("value")
    return found


def mysql_to_dict(lines: Iterable[str], key: str) -> dict[Any, Any]:
    """Read the table that MySQL's client draws; rows by the value of one column."""
    found: dict[Any, Any] = {}
    heads: list[str] = []
    for line in lines:
        if not line or line.startswith("+"):
            continue
        cells = [each.strip() for each in line.split("|")]
        if not heads:
            heads = cells
            continue
        row = {
            head: _read(cell) if cell.isdigit() else cell
            for head, cell in zip(heads, cells, strict=False)
            if head
        }
        found[row[key]] = row
    return found


def json_query(data: Any, expression: str) -> Any:  # noqa: ANN401
    """Search data by a JMESPath expression, where the library `jmespath` is installed."""
    try:
        import jmespath  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise jinja2.TemplateRuntimeError(
            "json_query needs the Python package jmespath, which is not installed"
        ) from error
    return jmespath.search(expression, data)


@jinja2.pass_environment
def method_call(
    environment: SandboxedEnvironment,
    value: Any,  # noqa: ANN401
    name: str,
    *args: Any,  # noqa: ANN401
    **kwargs: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Call a public method, as a template may; nothing where there is none of that name."""
    method = getattr(value, name, None)
    if not environment.is_safe_attribute(value, name, method):
        raise jinja2.exceptions.SecurityError(f"access to {name!r} is not allowed")
    if not callable(method):
        return None
    return (environment.wrap_str_format(method) or method)(*args, **kwargs)


def _at(
    data: Any,  # noqa: ANN401
    keys: str,
    delimiter: str,
    change: Callable[[Any], Any],
) -> Any:  # noqa: ANN401
    """Change what stands at a path, making the mappings on the way; gives the changed mapping."""
    *way, last = [_read(each) for each in str(keys).split(delimiter)]
    here = data
    for step in way:
        if not isinstance(here.get(step), dict):
            here[step] = {}
        here = here[step]
    here[last] = change(here.get(last))
    return data


def set_dict_key_value(
    data: Any,  # noqa: ANN401
    keys: str,
    value: Any,  # noqa: ANN401
    delimiter: str = ":",
    ordered_dict: bool = False,
) -> Any:  # noqa: ANN401
    """Set the value at a path."""
    return _at(data, keys, delimiter, lambda _before: value)


def append_dict_key_value(
    data: Any,  # noqa: ANN401
    keys: str,
    value: Any,  # noqa: ANN401
    delimiter: str = ":",
    ordered_dict: bool = False,
) -> Any:  # noqa: ANN401
    """Append to the list at a path."""
    return _at(data, keys, delimiter, lambda before: [*(before or []), value])


def extend_dict_key_value(
    data: Any,  # noqa: ANN401
    keys: str,
    value: Any,  # noqa: ANN401
    delimiter: str = ":",
    ordered_dict: bool = False,
) -> Any:  # noqa: ANN401
    """Add all of a list to the list at a path."""
    return _at(data, keys, delimiter, lambda before: [*(before or []), *value])


def update_dict_key_value(
    data: Any,  # noqa: ANN401
    keys: str,
    value: Any,  # noqa: ANN401
    delimiter: str = ":",
    ordered_dict: bool = False,
) -> Any:  # noqa: ANN401
    """Update the mapping at a path."""
    return _at(data, keys, delimiter, lambda before: {**(before or {}), **dict(value)})


def random_sample(values: Any, size: int, seed: Any = None) -> list[Any]:  # noqa: ANN401
    """Pick some by chance; with a seed always the same, and the same that Salt picks."""
    return _chance(seed).sample(values, size)


def random_shuffle(values: Any, seed: Any = None) -> list[Any]:  # noqa: ANN401
    """Shuffle by chance; with a seed always the same, and in the order that Salt gives."""
    return _chance(seed).sample(values, len(values))


def _chance(seed: Any) -> random.Random:  # noqa: ANN401
    """Give the source of chance that belongs to a seed: Salt seeds with the hash of the text."""
    if seed is None:
        return random.SystemRandom()
    digest = hashlib.sha512(str(seed).encode("utf-8")).hexdigest()
    return random.Random(digest)  # noqa: S311 (no secret is made of it)


def as_it_is(data: Any, *_args: Any, **_kwargs: Any) -> Any:  # noqa: ANN401
    """Give the data: texts have no second form here, as they had in Python 2."""
    return data


FILTERS: Final[dict[str, Any]] = {
    "append_dict_key_value": append_dict_key_value,
    "avg": average,
    "compare_dicts": compare_dicts,
    "compare_lists": compare_lists,
    "difference": difference,
    "exactly_n_true": exactly_n_true,
    "exactly_one_true": exactly_one_true,
    "extend_dict_key_value": extend_dict_key_value,
    "flatten": flatten,
    "from_entries": from_entries,
    "intersect": intersect,
    "is_iter": is_iter,
    "is_list": is_list,
    "json_decode_dict": as_it_is,
    "json_decode_list": as_it_is,
    "json_encode_dict": as_it_is,
    "json_encode_list": as_it_is,
    "json_query": json_query,
    "max": max,
    "method_call": method_call,
    "min": min,
    "mysql_to_dict": mysql_to_dict,
    "random_sample": random_sample,
    "random_shuffle": random_shuffle,
    "sequence": sequence,
    "set_dict_key_value": set_dict_key_value,
    "sorted_ignorecase": sorted_ignorecase,
    "substring_in_list": substring_in_list,
    "symmetric_difference": symmetric_difference,
    "to_entries": to_entries,
    "traverse": traverse,
    "union": union,
    "unique": unique,
    "update_dict_key_value": update_dict_key_value,
}
