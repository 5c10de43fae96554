"""High data as low chunks: one for each function, or for each of its `names`."""

import copy
from typing import Any

from limpet.states.compiler.declarations import High
from limpet.states.compiler.verify import is_state

Low = dict[str, Any]
"""One state as it runs: `state`, `fun`, `name`, `__id__`, `__sls__`, `__env__` and arguments."""

CHUNKS_MAX = 20_000


class TooManyChunks(Exception):
    """More states than `CHUNKS_MAX`."""


def make_chunks(high: High) -> list[Low]:
    """Give the chunks in the order of the declarations. Raises `TooManyChunks`.

    A state of several `names` carries `name_order`, which `ordering` takes out.
    """
    found: list[Low] = []
    for name, body in high.items():
        if not isinstance(body, dict) or str(name).startswith("__"):
            continue
        for module, arguments in body.items():
            if is_state(module):
                found += _chunks_of(name, module, arguments, body)
        if len(found) > CHUNKS_MAX:
            raise TooManyChunks(f"more than {CHUNKS_MAX} states")
    return found


def _chunks_of(name: str, module: str, arguments: list[Any], body: dict[str, Any]) -> list[Low]:
    chunk: Low = {"state": module, "name": name}
    for key in ("__sls__", "__env__", "__sls_included_from__"):
        if key in body:
            chunk[key] = body[key]
    chunk["__id__"] = name
    function: str | None = None
    names: list[Any] = []
    for argument in arguments:
        if isinstance(argument, str):
            function = argument
        elif isinstance(argument, dict):
            _take(argument, chunk, names, name)
    if function is None:
        return []
    if not names:
        return [{**copy.deepcopy(chunk), "fun": function}]
    found = []
    for place, entry in enumerate(names, 1):
        each = copy.deepcopy(chunk)
        if isinstance(entry, dict):
            own_name, more = next(iter(entry.items()))
            each["name"] = own_name
            for own in copy.deepcopy(more) if isinstance(more, list) else [more]:
                if isinstance(own, dict):
                    each.update(own)
        else:
            each["name"] = entry
        each["name_order"] = place
        each["fun"] = function
        found.append(each)
    return found


def _take(argument: dict[Any, Any], chunk: Low, names: list[Any], name: str) -> None:
    for key, value in argument.items():
        if key == "names":
            names += [
                each
                for place, each in enumerate(value)
                if each not in names and each not in value[:place]
            ]
        elif key == "name" and not isinstance(value, str):
            chunk[key] = name
        elif key != "state":
            chunk[key] = value


def tag_of(low: Low) -> str:
    """Give the key of a state's result, as Salt builds it: `module_|-id_|-name_|-function`."""
    return f"{low['state']}_|-{low['__id__']}_|-{low['name']}_|-{low['fun']}"
