"""`data.*`: a small store of values on this minion, kept in its own directory."""

import ast
import json
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose

_MODE = 0o600


def load(context: FunctionContext) -> dict[str, Any]:
    """Give everything that is kept.

    CLI Example: limpet run '*' data.load
    """
    text = context.host.files.read_text(_path(context))
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise HostError(f"{_path(context)} is damaged: {error}; data.clear begins anew") from error
    return found if isinstance(found, dict) else {}


def dump(context: FunctionContext, new_data: Loose) -> bool:
    """Keep this mapping and nothing else; false for what is no mapping.

    CLI Example: limpet run '*' data.dump '{eggs: spam}'
    """
    if isinstance(new_data, str):
        try:
            new_data = ast.literal_eval(new_data)
        except (ValueError, SyntaxError) as error:
            raise UsageError(f"data.dump: {new_data[:80]!r} is no mapping: {error}") from error
    if not isinstance(new_data, dict):
        return False
    try:
        text = json.dumps(new_data)
    except TypeError as error:
        raise UsageError(f"data: a value can't be kept: {error}") from error
    context.host.files.write_text(_path(context), text, mode=_MODE)
    return True


def clear(context: FunctionContext) -> bool:
    """Forget everything that is kept.

    CLI Example: limpet run '*' data.clear
    """
    context.host.files.remove(_path(context))
    return True


def get(context: FunctionContext, key: Loose, default: Loose = None) -> Loose:
    """Give a value, or for a list of keys the list of the values there are.

    CLI Example: limpet run '*' data.get spam
    """
    kept = load(context)
    if isinstance(key, list):
        return [kept[str(each)] for each in key if str(each) in kept]
    return kept.get(str(key), default)


def update(context: FunctionContext, key: str, value: Loose) -> bool:
    """Keep a value.

    CLI Example: limpet run '*' data.update spam eggs
    """
    return dump(context, {**load(context), key: value})


def cas(context: FunctionContext, key: str, value: Loose, old_value: Loose) -> bool:
    """Keep a value if the kept one is `old_value`.

    CLI Example: limpet run '*' data.cas spam eggs ham
    """
    kept = load(context)
    if key not in kept or kept[key] != old_value:
        return False
    return dump(context, {**kept, key: value})


def pop(context: FunctionContext, key: str, default: Loose = None) -> Loose:
    """Take a value out and give it.

    CLI Example: limpet run '*' data.pop spam
    """
    kept = load(context)
    found = kept.pop(key, default)
    dump(context, kept)
    return found


def has_key(context: FunctionContext, key: str) -> bool:
    """Say whether a value is kept under that key.

    CLI Example: limpet run '*' data.has_key spam
    """
    return key in load(context)


def keys(context: FunctionContext) -> list[str]:
    """Give the keys of what is kept.

    CLI Example: limpet run '*' data.keys
    """
    return list(load(context))


def values(context: FunctionContext) -> list[Any]:
    """Give the values that are kept.

    CLI Example: limpet run '*' data.values
    """
    return list(load(context).values())


def items(context: FunctionContext) -> dict[str, Any]:
    """Give everything that is kept; another name of `data.load`.

    CLI Example: limpet run '*' data.items
    """
    return load(context)


def _path(context: FunctionContext) -> str:
    return str(context.places.state_directory / "data.json")
