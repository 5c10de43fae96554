"""`defaults.*`: default values that a formula keeps beside its states, and merging them."""

import copy
from typing import Any, Final

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.data.traversal import traverse
from limpet.states.pillar.merging import update as updated

_FILES: Final = ("defaults.yaml", "defaults.json")


def get(context: FunctionContext, key: str, default: Loose = "") -> Loose:
    """Give a value of the file `defaults.yaml` or `defaults.json` of a formula.

    The first part of the path is the formula's folder. CLI Example:
    limpet run '*' defaults.get core:users:root
    """
    formula, _, path = key.partition(":")
    found = _defaults_of(context, formula)
    return traverse(found, path, default) if path else (found or default)


def merge(
    context: FunctionContext,
    dest: Loose,
    src: Loose,
    merge_lists: bool = False,
    in_place: bool = True,
    convert_none: bool = True,
) -> Loose:
    """Merge a mapping over another one, recursively; with `in_place` the first one itself changes.

    CLI Example: limpet run '*' defaults.merge '{a: {b: 1}}' '{a: {c: 2}}'
    """
    if convert_none and src is None:
        src = {}
    if dest is None:
        if in_place:
            raise UsageError("defaults.merge: there is nothing to merge into; 'dest' is empty")
        dest = {}
    return updated(
        dest if in_place else copy.deepcopy(dest),
        copy.deepcopy(src),
        is_joining_lists=merge_lists,
    )


def deepcopy(context: FunctionContext, source: Loose) -> Loose:
    """Give a copy of data that shares nothing with it.

    CLI Example: limpet run '*' defaults.deepcopy '{a: [1]}'
    """
    return copy.deepcopy(source)


def update(
    context: FunctionContext,
    dest: Loose,
    defaults: Loose,
    merge_lists: bool = True,
    in_place: bool = True,
    convert_none: bool = True,
) -> Loose:
    """Lay defaults under every member of a mapping of mappings.

    CLI Example: limpet run '*' defaults.update '{alice: {uid: 7}}' '{shell: /bin/bash}'
    """
    if not isinstance(dest, dict):
        raise UsageError("defaults.update: 'dest' must be a mapping of mappings")
    found = dest if in_place else copy.deepcopy(dest)
    for name, own in list(found.items()):
        under = {} if convert_none and defaults is None else copy.deepcopy(defaults)
        over = {} if convert_none and own is None else own
        found[name] = updated(under, copy.deepcopy(over), is_joining_lists=merge_lists)
    return found


def _defaults_of(context: FunctionContext, formula: str) -> dict[str, Any]:
    """Give the content of the formula's file, {} where there is none."""
    for name in _FILES:
        text = context.call("cp.get_file_str", f"salt://{formula}/{name}")
        if text is not False and text:
            kind = name.rpartition(".")[2]
            found = context.call("slsutil.deserialize", kind, text)
            return found if isinstance(found, dict) else {}
    return {}
